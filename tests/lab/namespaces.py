"""Three network namespaces in a row: client, firewall, headend. Made and removed here.

    client [c0]==[f0] firewall [f1]==[h0] headend

The kernels of the outer two have no address: their endpoints are programs on raw sockets, and no
kernel may answer for them. The firewall has addresses, static neighbours and forwards.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import socket
import struct
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = tuple(f"10.77.1.{10 + n}" for n in range(8))
HEADEND = "203.0.113.10"
FIREWALL_INSIDE, FIREWALL_OUTSIDE = "10.77.1.1", "203.0.113.1"
MAC = {name: bytes((2, 0, 0, 0, 0, n)) for n, name in enumerate(("c0", "f0", "f1", "h0"), 1)}
_HOME = {"c0": "client", "f0": "firewall", "f1": "firewall", "h0": "headend"}
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_OFFLOADS_OFF = (0x15, 0x17, 0x1F, 0x24, 0x2C)
"""ETHTOOL_SRXCSUM, STXCSUM, STSO, SGSO, SGRO: with one of them on, frames differ from packets."""

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Where the lab's programs are, whatever the caller's PATH leaves out."""
ENVIRONMENT = {**os.environ, "PATH": SEARCH_PATH}

_libc = ctypes.CDLL(None, use_errno=True)


def command(*words: str) -> str:
    """Runs a command and returns what it prints; raises with its words and its complaint."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20, env=ENVIRONMENT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Namespaces:
    """The three namespaces of one run; a context manager that removes what it made."""

    def __init__(self) -> None:
        # Process id and a random part: two runs at once never meet.
        self._tag = f"ctlab-{os.getpid()}-{secrets.token_hex(3)}"
        self._made: list[str] = []

    def name(self, role: str) -> str:
        """Name of the namespace of ``client``, ``firewall`` or ``headend``."""
        return f"{self._tag}-{role}"

    def run(self, role: str, *words: str) -> str:
        """Runs a command inside one of them."""
        return command("ip", "netns", "exec", self.name(role), *words)

    def nft(self, role: str, text: str) -> None:
        """Loads nftables text inside one of them."""
        words = ("ip", "netns", "exec", self.name(role), "nft", "-f", "-")
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, check=False, timeout=20, env=ENVIRONMENT
        )
        if done.returncode != 0:
            raise RuntimeError(f"nft refused this ({done.stderr.strip()}):\n{text}")

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _make(self) -> None:
        for role in ("client", "firewall", "headend"):
            self._made.append(self.name(role))
            command("ip", "netns", "add", self.name(role))
            off = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            self.run(role, "sysctl", "-q", "-w", *off, "net.ipv4.ip_forward=0")
        for near, far in (("c0", "f0"), ("h0", "f1")):
            names = (self.name(_HOME[near]), self.name(_HOME[far]))
            words = ("ip", "-n", names[0], "link", "add", near, "address", MAC[near].hex(":"))
            peer = ("type", "veth", "peer", "name", far, "address", MAC[far].hex(":"), "netns", names[1])
            command(*words, *peer)
            for interface, name in zip((near, far), names, strict=True):
                command("ip", "-n", name, "link", "set", interface, "arp", "off", "up")
                with inside(name):
                    _switch_offloads_off(interface)
        firewall = self.name("firewall")
        command("ip", "-n", firewall, "link", "set", "lo", "up")
        command("ip", "-n", firewall, "address", "add", f"{FIREWALL_INSIDE}/24", "dev", "f0")
        command("ip", "-n", firewall, "address", "add", f"{FIREWALL_OUTSIDE}/24", "dev", "f1")
        ends = [(address, "f0", "c0") for address in CLIENTS] + [(HEADEND, "f1", "h0")]
        for address, device, peer_name in ends:
            entry = (address, "lladdr", MAC[peer_name].hex(":"), "nud", "permanent", "dev", device)
            command("ip", "-n", firewall, "neighbour", "add", *entry)

    def _remove(self) -> None:
        while self._made:
            with suppress(RuntimeError, subprocess.TimeoutExpired):
                command("ip", "netns", "delete", self._made.pop())


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Moves this thread into a namespace and back; a socket opened in it stays there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(Path("/run/netns") / name, os.O_RDONLY)
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(here)
    finally:
        os.close(here)
        os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def _switch_offloads_off(interface: str) -> None:
    """Whatever of it this kernel allows; the recorder counts frames that are longer than the MTU."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for wanted in _OFFLOADS_OFF:
            value = ctypes.create_string_buffer(struct.pack("II", wanted, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
            with suppress(OSError):
                fcntl.ioctl(control, _SIOCETHTOOL, request)
