"""What a cTCP endpoint puts into a segment: one whole IKE or ESP packet and the trailer. Bytes only."""

from __future__ import annotations

import struct

AGGRESSIVE, INFORMATIONAL, TRANSACTION, QUICK = 4, 5, 6, 32
"""ISAKMP exchange types of an IKEv1 remote access session."""
IKE, ESP = 0x11, 0x32
"""Protocol byte of the trailer."""
TRAILER_BYTES = 16
COOKIE = bytes.fromhex("21456c6910")
"""Constant of the trailer; as ike-scan sends it."""
_ENCRYPTED = 1
_NEXT_SA, _NEXT_HASH = 1, 8


def ike(
    exchange: int,
    cookies: tuple[bytes, bytes],
    message_id: int,
    body: bytes,
    *,
    number: int,
    to_headend: bool,
) -> bytes:
    """An ISAKMP message behind a UDP 500/500 header, with its trailer."""
    is_open = exchange == AGGRESSIVE
    head = struct.pack(
        "!8s8sBBBBII",
        *cookies,
        _NEXT_SA if is_open else _NEXT_HASH,
        0x10,
        exchange,
        0 if is_open else _ENCRYPTED,
        message_id,
        28 + len(body),
    )
    udp = struct.pack("!HHHH", 500, 500, 8 + len(head) + len(body), 0)
    return udp + head + body + _trailer(IKE, number, 0x4000 if to_headend else 0)


def esp(spi: int, seq: int, body: bytes) -> bytes:
    """An ESP packet with its trailer."""
    return struct.pack("!II", spi, seq) + body + _trailer(ESP, 0, 0)


def exchange_of(payload: bytes) -> int | None:
    """Exchange type of an IKE segment; ``None`` for ESP and for segments that are not whole."""
    if len(payload) < 8 + 28 + TRAILER_BYTES or payload[-4:-2] != bytes((0x10, IKE)):
        return None
    return payload[8 + 18]


def _trailer(protocol: int, number: int, direction: int) -> bytes:
    return struct.pack("!IHH", 0, number & 0xFFFF, direction) + COOKIE + bytes((protocol, 1, 0))
