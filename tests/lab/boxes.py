"""The devices in the middle, one class each. A box is set up in the firewall namespace and closed after.

Connection tracking and haproxy are the real ones; the inspection queue is a model of a device whose
datasheet numbers are known (domain notes: ASA holds 3 segments for 4 s).
"""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, Protocol

from .frames import ETHERNET_BYTES, FULL_CIRCLE, SYN, Segment, ahead, parse
from .namespaces import ENVIRONMENT, FIREWALL_INSIDE, FIREWALL_OUTSIDE, HEADEND, MAC, Namespaces
from .ports import Port

if TYPE_CHECKING:
    from pathlib import Path

    from .clockwork import Clockwork

_START_S = 5.0


class Box(Protocol):
    """What a run needs of a device."""

    def facts(self) -> dict[str, object]:
        """``middlebox`` of the labels, with what the device counted."""

    def close(self) -> None:
        """Ends what was started; the namespaces go later."""


class Conntrack:
    """Kernel connection tracking with a rule for what it calls invalid; with or without source NAT."""

    def __init__(
        self, spaces: Namespaces, *, liberal: bool, on_invalid: str = "drop", translates: bool = False
    ) -> None:
        self._spaces = spaces
        self._facts = {
            "kind": "ct",
            "product": "Linux nf_conntrack",
            "be_liberal": int(liberal),
            "on_invalid": on_invalid,
            "source_nat": translates,
        }
        spaces.run(
            "firewall", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
            f"net.netfilter.nf_conntrack_tcp_be_liberal={int(liberal)}",
        )  # fmt: skip
        spaces.nft(
            "firewall",
            "table inet ctlab_firewall {\n counter invalid { }\n chain forward {\n"
            "  type filter hook forward priority 0; policy accept;\n"
            f"  ct state invalid counter name invalid {on_invalid}\n }}\n"
            # With NAT an invalid answer is not translated back: it is for the box itself, which would reset it.
            " chain input {\n  type filter hook input priority 0; policy accept;\n  ct state invalid drop\n }\n}",
        )
        if translates:
            spaces.nft(
                "firewall",
                "table ip ctlab_nat {\n chain post {\n  type nat hook postrouting priority 100;\n"
                f'  oifname "f1" snat to {FIREWALL_OUTSIDE}\n }}\n}}',
            )

    def facts(self) -> dict[str, object]:
        text = self._spaces.run("firewall", "nft", "list", "counters")
        counted = re.search(r"counter invalid \{\s+packets (\d+)", text)
        return {**self._facts, "invalid_packets": int(counted[1]) if counted else 0}

    def close(self) -> None:
        """Nothing was started."""


class Haproxy:
    """haproxy in TCP mode; the firewall redirects the cTCP port to it."""

    def __init__(self, spaces: Namespaces, folder: Path) -> None:
        # Forwarding stays off: what the redirect misses must not leak past the proxy.
        spaces.nft(
            "firewall",
            "table ip ctlab_redirect {\n chain pre {\n  type nat hook prerouting priority -100;\n"
            '  iifname "f0" tcp dport 10000 redirect to :10000\n }\n}',
        )
        settings = folder / f"{spaces.name('firewall')}.cfg"
        settings.write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 120s\n timeout server 120s\n"
            f"frontend ctcp\n bind {FIREWALL_INSIDE}:10000\n default_backend headend\n"
            f"backend headend\n server one {HEADEND}:10000 source {FIREWALL_OUTSIDE}\n",
            "utf-8",
        )
        words = ("ip", "netns", "exec", spaces.name("firewall"), "haproxy", "-db", "-f", str(settings))
        self._complaints = (folder / f"{spaces.name('firewall')}.log").open("wb")
        self._process = subprocess.Popen(
            words, stdout=self._complaints, stderr=self._complaints, env=ENVIRONMENT
        )
        self._wait_until_it_listens(spaces)

    def _wait_until_it_listens(self, spaces: Namespaces) -> None:
        end = time.monotonic() + _START_S
        while ":10000" not in spaces.run("firewall", "ss", "-Hltn"):
            if time.monotonic() > end or self._process.poll() is not None:
                self.close()
                raise RuntimeError("haproxy does not listen; see its .log in the folder of the run")
            time.sleep(0.05)

    def facts(self) -> dict[str, object]:
        return {"kind": "proxy", "product": "haproxy", "mode": "redirect"}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._complaints.close()


class InspectionQueue:
    """A wire through the firewall that passes data in order and holds what lies beyond a hole.

    At most ``limit`` segments are held, for ``timeout_s``. Then they are released (and the hole is
    forgotten), or dropped: the hole stays, and with it the direction.
    """

    def __init__(
        self, clock: Clockwork, spaces: Namespaces, *, limit: int, timeout_s: float, releases: bool
    ) -> None:
        self._clock = clock
        self._limit, self._timeout_s, self._releases = limit, timeout_s, releases
        self._expected: dict[tuple[str, int, str, int], int] = {}
        self._held: dict[tuple[str, int, str, int], list[tuple[int, bytes]]] = {}
        self.dropped = self.released = 0
        namespace = spaces.name("firewall")
        self._inside = Port(clock, namespace, "f0", lambda data: self._on_frame(data, is_inside=True))
        self._outside = Port(clock, namespace, "f1", lambda data: self._on_frame(data, is_inside=False))

    def facts(self) -> dict[str, object]:
        return {
            "kind": "ips",
            "product": "inspection queue of this lab (a model)",
            "limit_segments": self._limit,
            "timeout_s": self._timeout_s,
            "then": "release" if self._releases else "drop",
            "dropped_segments": self.dropped,
            "released_segments": self.released,
        }

    def close(self) -> None:
        self._inside.close()
        self._outside.close()

    def _on_frame(self, data: bytes, *, is_inside: bool) -> None:
        segment = parse(data)
        if segment is None:
            return
        way = (segment.source, segment.source_port, segment.destination, segment.destination_port)
        out, macs = (self._outside, ("h0", "f1")) if is_inside else (self._inside, ("c0", "f0"))
        forward = MAC[macs[0]] + MAC[macs[1]] + data[ETHERNET_BYTES - 2 :]
        if segment.flags & SYN:
            self._expected[way] = (segment.seq + 1) % FULL_CIRCLE
        elif segment.payload and not self._is_in_order(way, segment):
            self._hold(way, segment, forward, out)
            return
        out.send(forward)

    def _is_in_order(self, way: tuple[str, int, str, int], segment: Segment) -> bool:
        expected = self._expected.setdefault(way, segment.seq)
        if ahead(segment.seq, expected) > 0:
            return False
        if ahead(segment.end, expected) > 0:
            self._expected[way] = segment.end
        return True

    def _hold(self, way: tuple[str, int, str, int], segment: Segment, forward: bytes, out: Port) -> None:
        held = self._held.setdefault(way, [])
        if len(held) >= self._limit:
            self.dropped += 1
            return
        held.append((segment.end, forward))
        if len(held) == 1:
            self._clock.after(self._timeout_s, lambda: self._time_is_up(way, out))

    def _time_is_up(self, way: tuple[str, int, str, int], out: Port) -> None:
        held = self._held.pop(way, [])
        if not self._releases:
            self.dropped += len(held)
            return
        for end, forward in held:
            out.send(forward)
            self._expected[way] = end
        self.released += len(held)
