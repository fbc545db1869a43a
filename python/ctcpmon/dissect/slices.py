"""Reads a slice as ``ctcpmon slice`` writes it: frames, their times and the remarks on them. No dissection.

Only what our own writer makes is understood (one little-endian section), but nothing in the bytes is
trusted: a slice may have come over a socket. The invariant: no offset is used before it was checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from ctcpmon.errors import InputError
from ctcpmon.text import clean

__all__ = ["MAX_FRAMES", "REMARK_CELLS", "SliceFile", "SliceFrame", "proof_of", "read_slice"]

MAX_FRAMES = 50_000
"""Packets looked at, as many as the screen is given; the rest is counted."""
REMARK_CELLS = 400
"""The writer's remarks have 300 at most."""
_MAX_REMARKS = 16
_MAX_INTERFACES = 64
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_LITTLE_ENDIAN = b"\x4d\x3c\x2b\x1a"
_COMMENT, _RESOLUTION = 1, 9
_MICROSECONDS = 6


@dataclass(frozen=True, slots=True)
class SliceFrame:
    """One packet as it was captured."""

    number: int
    """From 1, as Wireshark counts in the same file."""
    time_ns: int
    length: int
    """On the wire; ``data`` may be shorter."""
    data: bytes
    remarks: tuple[str, ...]
    """Ours, clean: why this packet proves something."""
    block: tuple[int, int] = (0, 0)
    """Where its block is in the slice."""


@dataclass(slots=True)
class SliceFile:
    """A slice, read."""

    raw: bytes
    heads: list[tuple[int, int]] = field(default_factory=list)
    """Where the blocks of section and interfaces are."""
    frames: list[SliceFrame] = field(default_factory=list)
    about: tuple[str, ...] = ()
    """Remarks on the whole, clean."""
    left_out: int = 0
    """Packets beyond the limit."""
    is_cut: bool = False

    def window(self, numbers: list[int]) -> bytes:
        """A capture of these packets alone, in this order."""
        spans = [*self.heads, *(self.frames[number - 1].block for number in numbers)]
        return b"".join(self.raw[start:end] for start, end in spans)


def proof_of(frames: list[SliceFrame]) -> int:
    """Number of the packet that is looked at first: the first with a remark, else the first."""
    return next((one.number for one in frames if one.remarks), 1)


def read_slice(raw: bytes) -> SliceFile:
    """Reads a slice. Raises ``InputError`` when it is none."""
    if raw[:4] != _SECTION.to_bytes(4, "little") or raw[8:12] != _LITTLE_ENDIAN:
        message = "these are no packets of a session: not a slice of ctcpmon"
        raise InputError(message)
    found = SliceFile(raw)
    scales: list[int] = []
    at = 0
    while at + 12 <= len(raw):
        kind, size = struct.unpack_from("<II", raw, at)
        if size < 12 or size % 4 or at + size > len(raw):
            found.is_cut = True
            break
        body = raw[at + 8 : at + size - 4]
        if kind == _SECTION:
            if at:
                break  # one section is what we write
            found.heads.append((at, at + size))
            found.about = tuple(_comments(body[16:]))
        elif kind == _INTERFACE and len(scales) < _MAX_INTERFACES:
            found.heads.append((at, at + size))
            scales.append(_scale(body[8:]))
        elif kind == _PACKET:
            _take(found, body, (at, at + size), scales)
        at += size
    found.is_cut |= at != len(raw) and not found.is_cut and at + 12 > len(raw)
    return found


def _take(found: SliceFile, body: bytes, block: tuple[int, int], scales: list[int]) -> None:
    if len(body) < 20:
        found.is_cut = True
        return
    interface, high, low, captured, length = struct.unpack_from("<5I", body)
    if interface >= len(scales) or 20 + captured > len(body):
        found.is_cut = True
        return
    if len(found.frames) >= MAX_FRAMES:
        found.left_out += 1
        return
    found.frames.append(
        SliceFrame(
            number=len(found.frames) + 1,
            time_ns=(high << 32 | low) * 10**9 // scales[interface],
            length=length,
            data=body[20 : 20 + captured],
            remarks=tuple(_comments(body[20 + captured + -captured % 4 :])),
            block=block,
        )
    )


def _options(body: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 4 <= len(body) and len(found) < _MAX_REMARKS:
        code, size = struct.unpack_from("<HH", body, at)
        if code == 0 or at + 4 + size > len(body):
            break
        found.append((code, body[at + 4 : at + 4 + size]))
        at += 4 + size + -size % 4
    return found


def _comments(body: bytes) -> list[str]:
    return [clean(value, REMARK_CELLS) for code, value in _options(body) if code == _COMMENT]


def _scale(body: bytes) -> int:
    """Units of time in a second (``if_tsresol``, pcapng draft section 4.2)."""
    values = (value for code, value in _options(body) if code == _RESOLUTION and value)
    stated = next(values, bytes([_MICROSECONDS]))[0]
    power = min(stated & 0x7F, 60)
    return min(1 << power if stated & 0x80 else int("1" + "0" * power), 10**18)
