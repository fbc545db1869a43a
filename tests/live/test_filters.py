"""Filters on tagged frames: what ``live -f`` lets through is what ``tcpdump -i`` lets through."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import ENVIRONMENT
from tests.lab.requirements import has_program

from .program import Live
from .sender import Frames, Sender
from .test_interface import wait_for
from .wire import MONITORED

if TYPE_CHECKING:
    from pathlib import Path

    from .wire import Wire

PORT = (10_000).to_bytes(2, "big")


def segment(port: bytes) -> bytes:
    """A TCP segment to a port."""
    ip = bytes((0x45, 0, 0, 106, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 1, 1, 1, 10, 2, 2, 2))
    tcp = b"\x04\x00" + port + bytes((0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 8, 0))
    return (b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02" + b"\x08\0" + ip + tcp).ljust(120, b"\0")


def tagged(frame: bytes, *tags: tuple[int, int]) -> bytes:
    """With tags, the outer one first."""
    between = b"".join(kind.to_bytes(2, "big") + number.to_bytes(2, "big") for kind, number in tags)
    return frame[:12] + between + frame[12:]


WEB, TUNNEL = segment((443).to_bytes(2, "big")), segment(PORT)
SENT = {
    "plain": [WEB] * 2 + [TUNNEL] * 3,
    "vlan 5": [tagged(WEB, (0x8100, 5))] * 5 + [tagged(TUNNEL, (0x8100, 5))] * 7,
    "vlan 6": [tagged(TUNNEL, (0x8100, 6))] * 11,
    "5 in 9": [tagged(TUNNEL, (0x88A8, 9), (0x8100, 5))] * 13,
}
EVERY = [frame for frames in SENT.values() for frame in frames]
EXPECTED = {
    "vlan 5": 12,
    "vlan": 36,
    "not vlan": 5,
    "tcp port 10000": 3 + 7 + 11,
    "vlan 5 and tcp port 10000": 7,
    "vlan 9 and vlan 5": 13,
    "tcp port 10000 or (vlan and tcp port 10000)": 3 + 7 + 11,
    "not tcp port 10000": 2 + 5 + 13,
}
"""With the outer tag aside a port is found behind one tag without saying so, and behind two only with ``vlan``."""


def records(path: Path) -> int:
    """Of a pcap that is being written."""
    data = path.read_bytes() if path.exists() else b""
    at, found = 24, 0
    while at + 16 <= len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        found += 1
    return found


@pytest.mark.parametrize("expression", EXPECTED)
def test_a_filter_takes_what_tcpdump_takes(wire: Wire, tmp_path: Path, expression: str) -> None:
    if not has_program("tcpdump"):
        pytest.skip("FILTERS ON TAGS NOT COMPARED: the program tcpdump is missing (apt-get install tcpdump)")
    path = tmp_path / "taken.pcap"
    # By default its ring holds few frames of the largest size: a burst would overrun it.
    how = ("-U", "--immediate-mode", "-p", "-s", "256", "-B", "8192")
    words = ("tcpdump", "-i", MONITORED, *how, "-w", str(path), expression)
    inside = ("ip", "netns", "exec", wire.monitor)
    with (
        subprocess.Popen((*inside, *words), stderr=subprocess.PIPE, env=ENVIRONMENT) as peer,
        Live(wire.monitor, MONITORED, "-f", expression) as live,
        Sender(wire.sender) as sender,
    ):
        assert peer.stderr is not None
        while b"listening" not in peer.stderr.readline():
            assert peer.poll() is None
        assert sender.send_all(Frames.of(EVERY), packets=len(EVERY)) == len(EVERY)
        with suppress(AssertionError):
            wait_for(lambda: records(path) >= EXPECTED[expression], 5.0)
        # And what should not come.
        time.sleep(0.3)
        peer.terminate()
        peer.wait(10)
        assert live.end() == 0
    taken = records(path)
    received = live.counters()["kernel_received_packets"]
    assert (received, taken) == (EXPECTED[expression], EXPECTED[expression])
