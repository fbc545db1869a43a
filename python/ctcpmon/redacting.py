"""Addresses replaced by those of documentation, so that a text can be shared: one always by the same.

Counted up in the order in which they are met (ranges of RFC 5737, RFC 2544 and RFC 3849); ports, times and
ids stay, so what belongs together can still be seen. Networks keep their length. Nothing else is hidden:
names of files, names that a site file gives, and packets are as they are.
"""

from __future__ import annotations

import re
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["Redactor"]

_V4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
_V6 = r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]|\.\d)"
_ADDRESS = re.compile(f"{_V4}|{_V6}")
_COMMUNITY = re.compile(r',"community_id":"1:[A-Za-z0-9+/]{27}="')
"""A Community ID is a hash of the addresses that anybody can reverse by trying them all."""
_DOCUMENTATION = (("192.0.2.0", 254), ("198.51.100.0", 254), ("203.0.113.0", 254), ("198.18.0.0", 131_070))
_OCTET = r"(?:255|254|252|248|240|224|192|128|127|63|31|15|7|3|1|0)"
_MASKS = re.compile(rf"(?:255|0)(?:\.{_OCTET}){{3}}")
"""Netmasks and wildcards of a configuration; no host has such an address."""
_MOST = 131_832
_V6_START = int(IPv6Address("2001:db8::"))


class Redactor:
    """One mapping; everything that goes through the same one fits together. Any thread may use it."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._real: dict[str, str] = {}
        self._v4 = self._v6 = 0
        # Entered again for an address that is written in another way.
        self._lock = threading.RLock()

    def text(self, text: str) -> str:
        """``text`` with every address replaced."""
        return _ADDRESS.sub(lambda found: self._address(found[0]), text)

    def real(self, text: str) -> str:
        """``text`` with every address that was shown in place of another by that one: what somebody types."""
        return _ADDRESS.sub(lambda found: self._real.get(found[0], found[0]), text)

    def line(self, line: bytes) -> bytes:
        """A line of JSON with every address replaced, and without Community IDs."""
        shown = self.text(line.decode("utf-8", "surrogateescape"))
        return _COMMUNITY.sub("", shown).encode("utf-8", "surrogateescape")

    def _address(self, written: str) -> str:
        known = self._known.get(written)
        if known is None:
            with self._lock:
                known = self._known.get(written) or self._replaced(written)
                self._known[written] = known
                self._real.setdefault(known, written)
        return known

    def _replaced(self, written: str) -> str:
        try:
            address = ip_address(written)
        except ValueError:
            return written
        if isinstance(address, IPv4Address):
            return written if _MASKS.fullmatch(written) else self._next_v4()
        if not int(address):
            return written
        # The same address may be written in two ways.
        short = str(address)
        if short != written:
            return self._address(short)
        self._v6 += 1
        return str(IPv6Address(_V6_START + self._v6))

    def _next_v4(self) -> str:
        at = min(self._v4, _MOST - 1)
        self._v4 += 1
        for first, room in _DOCUMENTATION:
            if at < room:
                return str(IPv4Address(first) + 1 + at)
            at -= room
        return str(IPv4Address("198.19.255.254"))
