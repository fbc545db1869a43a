"""One capture in many file shapes. Reads classic pcap and writes pcap and pcapng; judges nothing."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NANOS = 1_000_000_000
_MAGIC = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}
"""Magic numbers of classic pcap and their unit of time, ns."""


@dataclass(frozen=True)
class Record:
    """One frame."""

    ts_ns: int
    original: int
    data: bytes


@dataclass(frozen=True)
class Capture:
    """Frames of one link type in file order."""

    link: int
    records: tuple[Record, ...]

    def in_microseconds(self) -> Capture:
        """The same with times that every format can hold."""
        cut = (Record(r.ts_ns // 1_000 * 1_000, r.original, r.data) for r in self.records)
        return Capture(self.link, tuple(cut))

    def cut_at(self, places: list[int]) -> list[Capture]:
        """Pieces between ``places``, none of them empty."""
        edges = [0, *places, len(self.records)]
        return [Capture(self.link, self.records[a:b]) for a, b in pairwise(edges)]


def read(path: Path) -> Capture:
    """Reads a classic pcap file; raises ``KeyError`` for anything else."""
    raw = path.read_bytes()
    order = "<" if struct.unpack_from("<I", raw)[0] in _MAGIC else ">"
    unit = _MAGIC[struct.unpack_from(order + "I", raw)[0]]
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0xFFFF
    records, at = [], 24
    while at + 16 <= len(raw):
        seconds, fraction, length, original = struct.unpack_from(order + "4I", raw, at)
        at += 16
        records.append(Record(seconds * NANOS + fraction * unit, original, raw[at : at + length]))
        at += length
    return Capture(link, tuple(records))


def pcap(capture: Capture, order: str = "<", unit_ns: int = 1) -> bytes:
    """Classic pcap."""
    magic = next(number for number, unit in _MAGIC.items() if unit == unit_ns)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, capture.link)]
    for r in capture.records:
        seconds, rest = divmod(r.ts_ns, NANOS)
        out += [struct.pack(order + "4I", seconds, rest // unit_ns, len(r.data), r.original), r.data]
    return b"".join(out)


def pcapng(capture: Capture, order: str = "<", unit_ns: int = 1) -> bytes:
    """One section with one interface; microseconds are the default of the format and not stated."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + length + body + length

    resolution = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0) if unit_ns == 1 else b""
    out = [
        block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack(order + "HHI", capture.link, 0, 0) + resolution),
    ]
    for r in capture.records:
        ticks = r.ts_ns // unit_ns
        head = struct.pack(order + "5I", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(r.data), r.original)
        out.append(block(6, head + r.data))
    return b"".join(out)
