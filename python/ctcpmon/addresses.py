"""IP addresses from text, each parsed once: the same few ends stand in every event."""

from __future__ import annotations

from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["ip_version", "packed"]

_IPV4_BYTES = 4


@lru_cache(maxsize=4_096)
def packed(ip: str) -> bytes | None:
    """The address in network byte order, 4 or 16 bytes; None when the text is none."""
    try:
        four = bytes(map(int, ip.split(".")))
        # ``int`` takes more than an address may hold (blanks, signs, leading zeros): it must read the same.
        if len(four) == _IPV4_BYTES and ".".join(map(str, four)) == ip:
            return four
    except ValueError:
        pass
    from ipaddress import ip_address

    try:
        return ip_address(ip).packed
    except ValueError:
        return None


def ip_version(ip: str) -> Literal["ipv4", "ipv6"] | None:
    """The version in the words of ECS ``network.type``; None when the text is no address."""
    address = packed(ip)
    if address is None:
        return None
    return "ipv4" if len(address) == _IPV4_BYTES else "ipv6"
