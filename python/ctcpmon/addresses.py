"""IP addresses from text, each parsed once: the same few ends stand in every event."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

__all__ = ["ip_version", "parsed"]


@lru_cache(maxsize=4_096)
def parsed(ip: str) -> IPv4Address | IPv6Address | None:
    """The address; None when the text is none."""
    try:
        return ip_address(ip)
    except ValueError:
        return None


def ip_version(ip: str) -> Literal["ipv4", "ipv6"] | None:
    """The version in the words of ECS ``network.type``; None when the text is no address."""
    address = parsed(ip)
    if address is None:
        return None
    return "ipv4" if address.version == 4 else "ipv6"
