"""Traffic of a soak: ordinary flows that are always new, and tunnel sessions that come, stall and go.

Ordinary flows lie ready as frames of one length. A round sends each of them once; before it the round's
number is written into every address by strided copies, so that no flow comes again within 2^24 rounds and
Python touches no frame. Two of three close, the others fall silent, as on a real wire.

Tunnel sessions are copies of the shipped demo at its own pace, a new one at every turn, each with clients of
its own and, every 60 copies, another of 20 headends; at the end of a copy its clients reset what is still
open. So sessions are recognised, stall, make incidents and are forgotten for as long as the run lasts.
"""

from __future__ import annotations

import heapq
import time
from typing import TYPE_CHECKING

from .capture import ROOT, read
from .sender import Frames

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from .capture import Frame
    from .sender import Sender

__all__ = ["Flows", "Tunnels"]

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
LENGTH = 200
"""Of an ordinary frame, bytes."""
PACKETS_A_FLOW = 12
_SOURCE, _TARGET = 26, 30
"""Addresses of IPv4 behind Ethernet."""
_SYN, _SYN_ACK, _ACK, _FIN, _RST_ACK = 0x02, 0x12, 0x10, 0x11, 0x14
_TUNNEL_PORT = (10_000).to_bytes(2, "big")
_HEADENDS_EVERY = 60
"""Copies of the demo that share a headend."""
_HEADENDS = 20


class Flows:
    """Ordinary conversations; every round is new ones."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self.a_second = max(int(per_second / PACKETS_A_FLOW), 1)
        """Conversations that begin in a second."""
        self._frames = Frames.of(_frames(self.a_second))
        self.sent = 0

    def run(self, sender: Sender, until: threading.Event) -> None:
        """Sends round after round, a second each, until it is told to end."""
        turn, due = 0, time.monotonic()
        while not until.is_set():
            turn += 1
            for at in (_SOURCE, _TARGET):
                for place, value in enumerate(turn.to_bytes(3, "big"), at + 1):
                    self._frames.write_each(place, value, length=LENGTH)
            count = self._frames.count
            self.sent += sender.send_all(self._frames, packets=count, per_second=self._per_second)
            # What a busy machine kept us from sending is not made up for in a burst.
            due = max(due + count / self._per_second, time.monotonic() - 0.1)
            until.wait(max(0.0, due - time.monotonic()))


def _frames(flows: int) -> Iterator[bytes]:
    """One packet of each flow, then the next of each: what is open at once is all of them."""
    for number in range(PACKETS_A_FLOW):
        for flow in range(flows):
            yield _segment(flow, number)


def _segment(flow: int, number: int) -> bytes:
    is_out = number % 2 == 0
    payload = 0 if number < 3 else 100
    match number:
        case 0:
            flags = _SYN
        case 1:
            flags = _SYN_ACK
        case _ if number >= PACKETS_A_FLOW - 2 and flow % 3:
            flags = _FIN
        case _:
            flags = _ACK
    # Every side sends 100 bytes in each of its turns behind the handshake.
    own = number // 2 if number < 2 else 1 + 100 * max((number - 3 + is_out) // 2, 0)
    ends = ((10, 0, 0, 0), (172, 0, 0, 0)) if is_out else ((172, 0, 0, 0), (10, 0, 0, 0))
    port = 1_024 + flow % 60_000
    ports = (port, 443 + flow // 60_000) if is_out else (443 + flow // 60_000, port)
    ip = bytes((0x45, 0, *(40 + payload).to_bytes(2, "big"), 0, 0, 0x40, 0, 64, 6, 0, 0))
    tcp = b"".join(one.to_bytes(2, "big") for one in ports)
    tcp += (1_000 + own).to_bytes(4, "big") + (1_001).to_bytes(4, "big")
    tcp += bytes((0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0))
    head = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0"
    return (head + ip + bytes(ends[0]) + bytes(ends[1]) + tcp).ljust(LENGTH, b"\0")


class Tunnels:
    """Copies of the demo, staggered."""

    def __init__(self, per_second: float) -> None:
        _, self._frames = read(DEMO)
        self._frames += [(self._frames[-1][0] + 0.5, frame) for frame in _resets(self._frames)]
        self._per_second = per_second
        self.sent = self.copies = 0

    def run(self, sender: Sender, until: threading.Event) -> None:
        """Starts a copy at every turn and plays all of them until it is told to end."""
        started = time.monotonic()
        due: list[tuple[float, int, int]] = []
        while not until.is_set():
            now = time.monotonic() - started
            while self.copies / self._per_second <= now:
                heapq.heappush(due, (self.copies / self._per_second, self.copies, 0))
                self.copies += 1
            while due and due[0][0] <= now:
                _, copy, at = heapq.heappop(due)
                self.sent += sender.send(_with_ends(self._frames[at][1], copy))
                if at + 1 < len(self._frames):
                    when = copy / self._per_second + self._frames[at + 1][0]
                    heapq.heappush(due, (when, copy, at + 1))
            until.wait(0.005)


def _resets(frames: Sequence[Frame]) -> list[bytes]:
    """A reset by the client of each tunnel session, behind its last segment."""
    last: dict[bytes, bytes] = {}
    for _, frame in frames:
        if frame[_SOURCE] == 10 and frame[36:38] == _TUNNEL_PORT:
            last[frame[_SOURCE:38]] = frame
    made = []
    for frame in last.values():
        length = int.from_bytes(frame[16:18], "big") - 20 - (frame[46] >> 4) * 4
        number = (int.from_bytes(frame[38:42], "big") + length) % (1 << 32)
        head = frame[:16] + (40).to_bytes(2, "big") + frame[18:38] + number.to_bytes(4, "big") + frame[42:46]
        made.append((head + bytes((0x50, _RST_ACK)) + frame[48:54]).ljust(60, b"\0"))
    return made


def _with_ends(frame: bytes, copy: int) -> bytes:
    """The frame with the client of this copy (4,096 of them) and its headend; checksums are not looked at."""
    changed = bytearray(frame)
    for at in (_SOURCE, _TARGET):
        if changed[at] == 10:
            changed[at + 1] = changed[at + 1] & 0x0F | (copy & 0x0F) << 4
            changed[at + 2] = (copy >> 4) & 0xFF
        elif changed[at] == 198:
            changed[at + 2] = copy // _HEADENDS_EVERY % _HEADENDS
    return bytes(changed)
