"""IP addresses from text, each parsed once: the same few ends stand in every event."""

from __future__ import annotations

# The part of ``socket`` that is C: the rest loads a dozen modules, and so does ``ipaddress``.
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["ip_version", "packed", "v6_net"]

_IPV4_BYTES = 4


@lru_cache(maxsize=4_096)
def packed(ip: str) -> bytes | None:
    """The address in network byte order, 4 or 16 bytes; None when the text is none, or has a zone."""
    try:
        return inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)
    except (OSError, ValueError):
        # A null character or a lone surrogate is a ValueError.
        return None


def ip_version(ip: str) -> Literal["ipv4", "ipv6"] | None:
    """The version in the words of ECS ``network.type``; None when the text is no address."""
    address = packed(ip)
    if address is None:
        return None
    return "ipv4" if len(address) == _IPV4_BYTES else "ipv6"


def v6_net(ip: str) -> str:
    """The /64 of an IPv6 address, as ``ipaddress`` writes it."""
    address = packed(ip) or bytes(16)
    return inet_ntop(AF_INET6, address[:8].ljust(16, b"\0")) + "/64"
