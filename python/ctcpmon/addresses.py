"""IP addresses from text, each parsed once: the same few ends stand in every event."""

from __future__ import annotations

from ctcpmon.lean import remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["ip_version", "packed"]

_IPV4_BYTES = 4
_OCTETS = {str(octet): octet for octet in range(256)}
"""Of the texts that an address may have between its dots. RFC 6943: none has a leading zero."""


@remembered(4_096)
def packed(ip: str) -> bytes | None:
    """The address in network byte order, 4 or 16 bytes; None when the text is none, or has a zone."""
    if ":" not in ip:
        octets = [_OCTETS.get(text, -1) for text in ip.split(".")]
        return bytes(octets) if len(octets) == _IPV4_BYTES and -1 not in octets else None
    # The part of ``socket`` that is C: the rest loads a dozen modules, and so does ``ipaddress``.
    from _socket import AF_INET6, inet_pton

    try:
        return inet_pton(AF_INET6, ip)
    except (OSError, ValueError):
        # A null character or a lone surrogate is a ValueError.
        return None


def ip_version(ip: str) -> Literal["ipv4", "ipv6"] | None:
    """The version in the words of ECS ``network.type``; None when the text is no address."""
    address = packed(ip)
    if address is None:
        return None
    return "ipv4" if len(address) == _IPV4_BYTES else "ipv6"
