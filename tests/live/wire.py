"""Two network namespaces with one wire: what is sent on ``s0`` is seen on ``m0``. Made and removed here.

    sender [s0]==[m0] monitor

No interface has an address and no kernel sends of its own: what a monitor counts is what the test sent.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from contextlib import suppress
from typing import Any, Self

from tests.lab.namespaces import command

SENDS, MONITORED = "s0", "m0"


class Wire:
    """A context manager that removes what it made."""

    def __init__(self, *, mtu: int = 1_500) -> None:
        # Process id and a random part: two runs at once never meet.
        tag = f"ctlive-{os.getpid()}-{secrets.token_hex(3)}"
        self.sender, self.monitor = f"{tag}-s", f"{tag}-m"
        self._mtu = str(mtu)
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            for name in (self.sender, self.monitor):
                self._made.append(name)
                command("ip", "netns", "add", name)
                off = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
                command("ip", "netns", "exec", name, "sysctl", "-q", "-w", *off)
            self.lay()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def lay(self) -> None:
        """Makes both ends and takes them up."""
        peer = ("type", "veth", "peer", "name", MONITORED, "netns", self.monitor)
        command("ip", "-n", self.sender, "link", "add", SENDS, *peer)
        for name, interface in ((self.sender, SENDS), (self.monitor, MONITORED)):
            command("ip", "-n", name, "link", "set", interface, "mtu", self._mtu, "arp", "off", "up")

    def lay_another(self) -> None:
        """A second wire between the same namespaces."""
        peer = ("type", "veth", "peer", "name", "m1", "netns", self.monitor)
        command("ip", "-n", self.sender, "link", "add", "s1", *peer)
        for name, interface in ((self.sender, "s1"), (self.monitor, "m1")):
            command("ip", "-n", name, "link", "set", interface, "mtu", self._mtu, "arp", "off", "up")

    def cut(self) -> None:
        """Deletes both ends."""
        command("ip", "-n", self.monitor, "link", "delete", MONITORED)

    def set(self, state: str, *, of: str = MONITORED) -> None:
        """Takes an end up or down."""
        name = self.monitor if of.startswith("m") else self.sender
        command("ip", "-n", name, "link", "set", of, state)

    def shown(self, interface: str = MONITORED) -> dict[str, Any]:
        """What ``ip`` says of an interface of the monitor."""
        text = command("ip", "-n", self.monitor, "-d", "-s", "-j", "link", "show", interface)
        (one,) = json.loads(text)
        return dict(one)

    def _remove(self) -> None:
        while self._made:
            with suppress(RuntimeError, subprocess.TimeoutExpired):
                command("ip", "netns", "delete", self._made.pop())
