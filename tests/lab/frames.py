"""Ethernet, IPv4 and TCP to bytes and back. Knows no tunnel; opens no socket.

Checksums are right, because connection tracking verifies them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETHERTYPE_IPV4 = 0x0800
TCP = 6
ETHERNET_BYTES = 14
FULL_CIRCLE = 1 << 32


@dataclass(frozen=True)
class Segment:
    """One TCP segment with its addresses."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes = b""
    options: bytes = b""

    @property
    def end(self) -> int:
        """Sequence number behind the payload."""
        return (self.seq + len(self.payload)) % FULL_CIRCLE


def ahead(a: int, b: int) -> int:
    """How far ``a`` lies ahead of ``b`` on the circle of sequence numbers; negative when behind."""
    distance = (a - b) % FULL_CIRCLE
    return distance - FULL_CIRCLE if distance >= FULL_CIRCLE // 2 else distance


def syn_options(mss: int, *, sack: bool) -> bytes:
    """MSS, and SACK permitted when asked for; padded to a multiple of four."""
    return struct.pack("!BBH", 2, 4, mss) + (b"\x01\x01\x04\x02" if sack else b"")


def frame(segment: Segment, source_mac: bytes, destination_mac: bytes, ttl: int, ident: int) -> bytes:
    """The segment as an Ethernet frame."""
    source = IPv4Address(segment.source).packed
    destination = IPv4Address(segment.destination).packed
    offset = (20 + len(segment.options)) // 4
    head = (
        segment.source_port,
        segment.destination_port,
        segment.seq % FULL_CIRCLE,
        segment.ack % FULL_CIRCLE,
        offset << 4,
        segment.flags,
        segment.window,
    )
    length = offset * 4 + len(segment.payload)
    pseudo = source + destination + struct.pack("!BBH", 0, TCP, length)
    blank = struct.pack("!HHIIBBHHH", *head, 0, 0)
    tail = segment.options + segment.payload
    tcp = struct.pack("!HHIIBBHHH", *head, _checksum(pseudo + blank + tail), 0) + tail
    dont_fragment = 0x4000
    words = (0x45, 0, 20 + length, ident & 0xFFFF, dont_fragment, ttl, TCP)
    blank_ip = struct.pack("!BBHHHBBH4s4s", *words, 0, source, destination)
    ip = struct.pack("!BBHHHBBH4s4s", *words, _checksum(blank_ip), source, destination)
    return destination_mac + source_mac + struct.pack("!H", ETHERTYPE_IPV4) + ip + tcp


def parse(data: bytes) -> Segment | None:
    """The TCP segment in a frame; ``None`` for anything else and for what is cut."""
    if len(data) < ETHERNET_BYTES + 40 or data[12:14] != b"\x08\x00" or data[23] != TCP:
        return None
    ip_bytes = (data[ETHERNET_BYTES] & 15) * 4
    total = int.from_bytes(data[16:18], "big")
    at = ETHERNET_BYTES + ip_bytes
    if len(data) < ETHERNET_BYTES + total or total < ip_bytes + 20:
        return None
    ports_and_more = struct.unpack_from("!HHIIBBH", data, at)
    source_port, destination_port, seq, ack, offset, flags, window = ports_and_more
    tcp_bytes = (offset >> 4) * 4
    return Segment(
        str(IPv4Address(data[26:30])),
        source_port,
        str(IPv4Address(data[30:34])),
        destination_port,
        seq,
        ack,
        flags,
        window,
        data[at + tcp_bytes : ETHERNET_BYTES + total],
        data[at + 20 : at + tcp_bytes],
    )


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
