"""What the site file says about the path of one stream: its firewalls, its headend, whether UDP fits.

Reads ``config.Site`` only; no rank, no wording of fixes.
"""

from __future__ import annotations

from ctcpmon.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from typing import Literal

    from ctcpmon.config import Firewall, Headend, Site

    Standing = Literal["on_path", "in_site", "elsewhere", "foreign", "unknown"]
    """Of a platform: in front of this client; in the site, place not told; in front of other clients
    only; not in the site; no firewall of the site is known."""

__all__ = ["Place", "fits_release", "place_of"]


class Place(Record, frozen=True):
    """The site as seen from one stream. ``client`` and ``headend`` None: not known."""

    site: Site | None
    client: IPv4Network | IPv6Network | None
    headend: Headend | None
    on_path: tuple[Firewall, ...]
    """Firewalls whose ``inside`` networks hold the client."""

    def __hash__(self) -> int:
        """Of what differs most; it is asked for with every finding."""
        return hash((self.client, self.headend is None))

    def standing(self, platform: str) -> Standing:
        """Where devices of ``platform`` stand."""
        if self.site is None or not self.site.firewall:
            return "unknown"
        ours = [one for one in self.site.firewall if one.family == platform]
        if not ours:
            return "foreign"
        if any(one in self.on_path for one in ours):
            return "on_path"
        is_elsewhere = self.client is not None and all(one.inside for one in ours)
        return "elsewhere" if is_elsewhere else "in_site"

    def devices(self, platform: str) -> tuple[Firewall, ...]:
        """The firewalls of ``platform`` that the advice is for.

        Those on the path; without any, those whose place the site file does not tell.
        """
        if self.site is None:
            return ()
        on_path = tuple(one for one in self.on_path if one.family == platform)
        return on_path or tuple(
            one for one in self.site.firewall if one.family == platform and not one.inside
        )

    @property
    def udp(self) -> Literal["udp_works", "udp_refused", ""]:
        """Whether the tunnel could leave TCP; empty when the site file does not say.

        It can when the headend takes NAT-T, or when no firewall on the path translates: then
        native ESP passes.
        """
        if self.headend is not None and self.headend.nat_t:
            return "udp_works"
        if self.on_path and all(one.nat is False for one in self.on_path):
            return "udp_works"
        return "udp_refused" if self.headend is not None and self.headend.nat_t is False else ""


_ANYWHERE = Place(None, None, None, ())
"""Nothing is known of any path: one place for all streams."""


def place_of(site: Site | None, client: str, headend_ip: str, headend_port: int) -> Place:
    """The place of a stream; an address that is none leaves that side unknown."""
    if site is None or not (site.firewall or site.headend):
        return _ANYWHERE if site is None else Place(site, None, None, ())
    from ipaddress import ip_address, ip_network

    try:
        net = ip_network(client)
        server = ip_address(headend_ip)
    except ValueError:
        return Place(site, None, None, ())
    same = [one for one in site.headend if ip_address(one.address) == server]
    right_port = [one for one in same if headend_port in one.ports]
    return Place(
        site,
        client=net,
        headend=next(iter((*right_port, *same)), None),
        on_path=tuple(one for one in site.firewall if one.stands_before(net)),
    )


def fits_release(release: str | None, *, since: str = "", before: str = "") -> bool:
    """Whether ``release`` lies in the range; an unknown release fits everything.

    Numbers are compared as far as both have them, so 8.2 is not before 8.2(1).
    """
    if release is None:
        return True
    has = _numbers(release)
    return not (since and _is_before(has, _numbers(since))) and (
        not before or _is_before(has, _numbers(before))
    )


def _numbers(release: str) -> tuple[int, ...]:
    import re

    return tuple(map(int, re.findall(r"[0-9]+", release)))


def _is_before(release: tuple[int, ...], bound: tuple[int, ...]) -> bool:
    shared = min(len(release), len(bound))
    return release[:shared] < bound[:shared]
