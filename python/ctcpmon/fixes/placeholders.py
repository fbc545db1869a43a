"""The closed set of placeholders of fix recipes, and the only place that fills them.

A value enters a command that a person will paste into a firewall. Therefore every value is
built here from a parsed address, a checked port, a checked tag, or a checked name of the site
file; no other string can get in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from ctcpmon.errors import FixError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctcpmon.config import Firewall
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Session

__all__ = ["NAMES", "SITE_NAMES", "STREAM_NAMES", "Target", "fill", "placeholders_in", "site_values"]

STREAM_NAMES: tuple[str, ...] = (
    "CLIENT",  # address or network in CIDR form
    "CLIENT_PREFIX",  # always CIDR form: "10.1.4.17/32"
    "CLIENT_ACL",  # "host 10.1.4.17" or "10.1.4.0 255.255.255.0" (ASA form)
    "CLIENT_IOS",  # "host 10.1.4.17" or "10.1.4.0 0.0.0.255" (IOS form: wildcard bits)
    "CLIENT_ADDRESS",  # "10.1.4.17" or "10.1.4.0 netmask 255.255.255.0" (ASA clear conn)
    "SERVER",
    "SERVER_PREFIX",
    "PORT",
    "CPORT",
    "ID",
    "NFT_IP",  # "ip" or "ip6"
    "IPTABLES",  # "iptables" or "ip6tables"
    "CT_FAMILY",  # "ipv4" or "ipv6"
)
"""Filled from the session or the incident."""
SITE_NAMES: dict[str, str] = {
    "INSIDE_INTERFACE": "inside_interface",
    "OUTSIDE_INTERFACE": "outside_interface",
    "INSIDE_ZONE": "inside_zone",
    "OUTSIDE_ZONE": "outside_zone",
    "POLICY": "policy",
    "RETURN_POLICY": "return_policy",
    "FORWARD_CHAIN": "forward_chain",
}
"""Filled from the firewall in the site file: placeholder to key there."""
NAMES: tuple[str, ...] = (*STREAM_NAMES, *SITE_NAMES)
_PLACEHOLDER = re.compile(r"\{([A-Z_]+)\}")
_TAG = re.compile(r"[A-Za-z0-9]{1,12}")
_TAG_LENGTH = 6
_SITE_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,62}|(?:ip|ip6|inet) [A-Za-z0-9_-]{1,32} [A-Za-z0-9_-]{1,32}"
)


def placeholders_in(text: str) -> set[str]:
    """Names in braces that look like placeholders."""
    return set(_PLACEHOLDER.findall(text))


@dataclass(frozen=True, slots=True)
class Target:
    """The stream a fix is written for. Built with ``for_session`` or ``for_incident``; checked."""

    client: str
    """Address, or network with prefix length for several clients."""
    client_port: int | None
    """None for several clients: their ports differ."""
    server: str
    port: int
    tag: str

    def __post_init__(self) -> None:
        _network(self.client)
        try:
            server = ip_address(self.server)
        except ValueError as error:
            message = "the headend address is not an IP address"
            raise FixError(message) from error
        if getattr(server, "scope_id", None):
            message = "a link-local address with a zone cannot be put into a fix"
            raise FixError(message)
        if server.version != _network(self.client).version:
            message = "client and headend are of different IP versions"
            raise FixError(message)
        for port in (self.port, self.client_port):
            if port is not None and not (type(port) is int and 1 <= port <= 65535):
                message = "a port is not in 1 to 65535"
                raise FixError(message)
        if not _TAG.fullmatch(self.tag):
            message = "the tag is not 1 to 12 letters and digits"
            raise FixError(message)

    @classmethod
    def for_session(cls, session: Session) -> Target:
        """The four-tuple of one session. Raises ``FixError`` for values that are not addresses."""
        return cls(
            client=session.client_ip,
            client_port=session.client_port,
            server=session.headend_ip,
            port=session.headend_port,
            tag=session.id[:_TAG_LENGTH],
        )

    @classmethod
    def for_incident(cls, incident: Incident) -> Target:
        """One session's four-tuple, or the clients' network when there are several."""
        if incident.sessions_total <= 1:
            return cls.for_session(incident.lead.session)
        return cls(
            client=incident.client_net,
            client_port=None,
            server=incident.headend_ip,
            port=incident.headend_port,
            tag=incident.id.removeprefix("i-")[:_TAG_LENGTH],
        )

    @property
    def ip_version(self) -> int:
        """4 or 6."""
        return _network(self.client).version

    def values(self) -> dict[str, str]:
        """Placeholder values. CPORT is absent for several clients."""
        network = _network(self.client)
        server = ip_network(self.server)
        is_host = network.prefixlen == network.max_prefixlen
        address = str(network.network_address)
        if is_host:
            client, acl, ios, clear = address, f"host {address}", f"host {address}", address
        elif isinstance(network, IPv4Network):
            mask = str(network.netmask)
            client, acl, clear = str(network), f"{address} {mask}", f"{address} netmask {mask}"
            ios = f"{address} {network.hostmask}"
        else:
            client = acl = ios = clear = str(network)
        is_v4 = network.version == 4
        values = {
            "CLIENT": client,
            "CLIENT_PREFIX": str(network),
            "CLIENT_ACL": acl,
            "CLIENT_IOS": ios,
            "CLIENT_ADDRESS": clear,
            "SERVER": str(server.network_address),
            "SERVER_PREFIX": str(server),
            "PORT": str(self.port),
            "ID": self.tag,
            "NFT_IP": "ip" if is_v4 else "ip6",
            "IPTABLES": "iptables" if is_v4 else "ip6tables",
            "CT_FAMILY": "ipv4" if is_v4 else "ipv6",
        }
        if self.client_port is not None:
            values["CPORT"] = str(self.client_port)
        return values


def _network(client: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(client, strict=True)
    except ValueError as error:
        message = "the client address is not an IP address or network"
        raise FixError(message) from error
    if getattr(network.network_address, "scope_id", None):
        message = "a link-local address with a zone cannot be put into a fix"
        raise FixError(message)
    return network


def site_values(firewall: Firewall | None, usual: Mapping[str, str]) -> dict[str, str]:
    """Values of the site placeholders: from the site file, else ``usual``, else ``<inside-zone>``.

    Raises ``FixError`` for a name that could mean something to the device it is pasted into.
    """
    values: dict[str, str] = {}
    for placeholder, key in SITE_NAMES.items():
        name = getattr(firewall, key) if firewall is not None else None
        name = name if name is not None else usual.get(placeholder)
        if name is not None and not _SITE_NAME.fullmatch(name):
            message = f"{key} is not a plain name"
            raise FixError(message)
        values[placeholder] = name if name is not None else f"<{key.replace('_', '-')}>"
    return values


def fill(text: str, target: Target | None, names: Mapping[str, str] | None = None) -> str:
    """Puts the values into ``text``; without a target the placeholders stay to be filled in."""
    if target is None:
        return text
    values = {**(names if names is not None else site_values(None, {})), **target.values()}
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
