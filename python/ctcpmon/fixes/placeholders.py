"""The closed set of placeholders of fix recipes, and the only place that fills them.

A value enters a command that a person will paste into a firewall. Therefore every value is
built here from a parsed address, a checked port or a checked tag; no other string can get in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from ctcpmon.errors import FixError

if TYPE_CHECKING:
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Session

__all__ = ["NAMES", "Target", "fill", "placeholders_in"]

NAMES: tuple[str, ...] = (
    "CLIENT",  # address or network in CIDR form
    "CLIENT_ACL",  # "host 10.1.4.17" or "10.1.4.0 255.255.255.0" (Cisco form)
    "CLIENT_ADDRESS",  # "10.1.4.17" or "10.1.4.0 netmask 255.255.255.0" (ASA clear conn)
    "SERVER",
    "PORT",
    "CPORT",
    "ID",
    "NFT_IP",  # "ip" or "ip6"
    "IPTABLES",  # "iptables" or "ip6tables"
)
_PLACEHOLDER = re.compile(r"\{([A-Z_]+)\}")
_TAG = re.compile(r"[A-Za-z0-9]{1,12}")
_TAG_LENGTH = 6


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
        is_host = network.prefixlen == network.max_prefixlen
        address = str(network.network_address)
        if is_host:
            client, acl, clear = address, f"host {address}", address
        elif isinstance(network, IPv4Network):
            mask = str(network.netmask)
            client, acl, clear = str(network), f"{address} {mask}", f"{address} netmask {mask}"
        else:
            client = acl = clear = str(network)
        values = {
            "CLIENT": client,
            "CLIENT_ACL": acl,
            "CLIENT_ADDRESS": clear,
            "SERVER": str(ip_address(self.server)),
            "PORT": str(self.port),
            "ID": self.tag,
            "NFT_IP": "ip" if network.version == 4 else "ip6",
            "IPTABLES": "iptables" if network.version == 4 else "ip6tables",
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


def fill(text: str, target: Target | None) -> str:
    """Puts the target's values into ``text``; without a target the placeholders stay to be filled in."""
    if target is None:
        return text
    values = target.values()
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
