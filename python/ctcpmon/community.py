"""Community ID version 1, the flow hash that joins our events to those of Zeek and Suricata.

Specification: https://github.com/corelight/community-id-spec (seed 0, SHA-1, base64).
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64

from ctcpmon.addresses import packed

__all__ = ["community_id"]

_TCP = b"\x06\x00"
"""Protocol and padding."""
_SEED = b"\x00\x00"


def community_id(ip_a: str, port_a: int, ip_b: str, port_b: int) -> str | None:
    """Community ID of a TCP flow, same for both directions.

    None when an address or port is not valid, or the two addresses are of different versions.
    """
    a, b = packed(ip_a), packed(ip_b)
    if a is None or b is None or len(a) != len(b):
        return None
    try:
        one, other = (a, port_a.to_bytes(2)), (b, port_b.to_bytes(2))
    except OverflowError:
        return None
    (ip_1, port_1), (ip_2, port_2) = (one, other) if one <= other else (other, one)
    text = _SEED + ip_1 + ip_2 + _TCP + port_1 + port_2
    # SHA-1 is what the specification names; nothing here is secret.
    digest = hashlib.sha1(text, usedforsecurity=False).digest()
    return "1:" + b2a_base64(digest, newline=False).decode("ascii")
