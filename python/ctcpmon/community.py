"""Community ID version 1, the flow hash that joins our events to those of Zeek and Suricata.

Specification: https://github.com/corelight/community-id-spec (seed 0, SHA-1, base64).
"""

from __future__ import annotations

import base64
import hashlib

from ctcpmon.addresses import parsed

__all__ = ["community_id"]

_TCP = 6
_SEED = 0


def community_id(ip_a: str, port_a: int, ip_b: str, port_b: int) -> str | None:
    """Community ID of a TCP flow, same for both directions.

    None when an address or port is not valid, or the two addresses are of different versions.
    """
    a, b = parsed(ip_a), parsed(ip_b)
    if a is None or b is None or a.version != b.version:
        return None
    try:
        ends = sorted([(a.packed, port_a.to_bytes(2)), (b.packed, port_b.to_bytes(2))])
    except OverflowError:
        return None
    (ip_1, port_1), (ip_2, port_2) = ends
    text = _SEED.to_bytes(2) + ip_1 + ip_2 + bytes([_TCP, 0]) + port_1 + port_2
    # SHA-1 is what the specification names; nothing here is secret.
    digest = hashlib.sha1(text, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")
