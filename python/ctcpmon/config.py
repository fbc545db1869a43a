"""Settings of one run: frozen, typed, units in names. Reads TOML, never writes it.

The site facts here make advice concrete (which firewall platform stands where); no detector
threshold lives here, those belong to the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from ctcpmon import defaults
from ctcpmon.errors import SettingsError
from ctcpmon.output_settings import Outputs
from ctcpmon.platforms import PLATFORMS, family_of, nearest_platform
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

__all__ = ["Firewall", "Headend", "Limits", "Settings", "Site", "load_settings", "settings_with"]

Tag = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")]
Port = Annotated[int, Meta(ge=1, le=65535)]
DeviceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,62}\Z")]
"""Name of an interface, zone or policy on a device. It goes into text that a person pastes there."""
Release = Annotated[
    str, Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){0,5}(\([0-9A-Za-z.]{1,12}\))?[0-9A-Za-z.]{0,12}\Z")
]
Chain = Annotated[str, Meta(pattern=r"^(ip|ip6|inet) [A-Za-z0-9_-]{1,32} [A-Za-z0-9_-]{1,32}\Z")]


_DEFAULT = defaults.Limits()
_MOST_BYTES = 1_000_000
"""Of a configuration file, a guess far above any: what is named by mistake may have no end."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Firewall(_Part, frozen=True):
    """A stateful device of the site. The names are those configured on the device; all optional."""

    name: Tag
    platform: Tag
    inside: tuple[str, ...] = ()
    """Networks of the clients behind it; a client in one of them is reached through this device."""
    version: Release | None = None
    nat: bool | None = None
    """Whether it translates the addresses or ports of these clients."""
    inside_interface: DeviceName | None = None
    outside_interface: DeviceName | None = None
    inside_zone: DeviceName | None = None
    outside_zone: DeviceName | None = None
    policy: DeviceName | None = None
    """Policy (policy map) that traffic from the clients meets."""
    return_policy: DeviceName | None = None
    """Policy of the opposite direction, where the device has one."""
    forward_chain: Chain | None = None
    """Linux: family, table and chain that filter forwarded packets, ``inet filter forward``."""

    def __post_init__(self) -> None:
        _need_platform(self.platform)
        for one in self.inside:
            _need_network(one)

    @property
    def family(self) -> str:
        """The platform under its own name: ``pf`` for ``opnsense``."""
        return family_of(self.platform) or self.platform

    def stands_before(self, client: IPv4Network | IPv6Network) -> bool:
        """True when ``client`` (an address or a network of clients) is in one of ``inside``."""
        from ipaddress import ip_network

        insides = (ip_network(one) for one in self.inside)
        return any(one.version == client.version and one.overlaps(client) for one in insides)


class Headend(_Part, frozen=True):
    """A VPN headend of the site."""

    name: Tag
    address: str
    ports: tuple[Port, ...] = (10000,)
    nat_t: bool | None = None
    """True: it accepts UDP 4500 too; False: it does not."""
    platform: Tag | None = None
    version: Release | None = None

    def __post_init__(self) -> None:
        if self.platform is not None:
            _need_platform(self.platform)
        from ipaddress import ip_address

        try:
            ip_address(self.address)
        except ValueError as error:
            message = f"address: {clean(self.address, 45)!r} is no IP address"
            raise ValueError(message) from error

    @property
    def family(self) -> str | None:
        """The platform under its own name."""
        return family_of(self.platform) if self.platform else None


def _need_platform(name: str) -> None:
    if family_of(name) is None:
        near = nearest_platform(name)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"platform: {name!r} is not known{hint} (known: {', '.join(PLATFORMS)})"
        raise ValueError(message)


def _need_network(text: str) -> None:
    from ipaddress import ip_network

    try:
        ip_network(text)
    except ValueError as error:
        message = f"inside: {clean(text, 45)!r} is no network in the form 10.0.0.0/8"
        raise ValueError(message) from error


class Site(_Part, frozen=True):
    """What is known about the place of the tap."""

    name: Tag = defaults.Settings().sensor
    position: Literal["client-side", "headend-side", "auto"] = "auto"
    firewall: tuple[Firewall, ...] = ()
    headend: tuple[Headend, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """Firewall platforms of the site, each once, in file order."""
        return tuple(dict.fromkeys(firewall.family for firewall in self.firewall))


class Limits(_Part, frozen=True):
    """Bounds of memory. Reaching one is counted and shown, never silent."""

    max_flow_mib: Annotated[int, Meta(ge=1, le=1_048_576)] = _DEFAULT.max_flow_mib
    max_sessions: Annotated[int, Meta(ge=1, le=10_000_000)] = _DEFAULT.max_sessions
    max_pending: Annotated[int, Meta(ge=1, le=1_000_000)] = _DEFAULT.max_pending
    max_incidents: Annotated[int, Meta(ge=1, le=100_000)] = _DEFAULT.max_incidents
    max_incident_sessions: Annotated[int, Meta(ge=1, le=1_000_000)] = _DEFAULT.max_incident_sessions
    incident_update_s: Annotated[float, Meta(ge=0, le=3600)] = _DEFAULT.incident_update_s


class Settings(_Part, frozen=True):
    """Everything a run needs besides its inputs."""

    site: Site = Site()
    limits: Limits = Limits()
    show_groups: bool = False
    """Put the VPN group name, which aggressive mode sends in clear, into session events."""
    outputs: Outputs = Outputs()
    """Of ``serve``."""
    keys: dict[str, str] = {}
    """Of the screen, by action (``ctcpmon.keys``)."""

    def __post_init__(self) -> None:
        if self.keys:
            from ctcpmon.keys import check_keys

            check_keys(self.keys)

    @property
    def sensor(self) -> str:
        """Name in event ids and ``source``; ``local`` unless the site has a name."""
        return self.site.name


def load_settings(path: str | Path | None) -> Settings:
    """Reads a configuration file; None gives the defaults. Raises ``SettingsError``."""
    if path is None:
        return Settings()
    from pathlib import Path

    from ctcpmon.strict_toml import StrictTomlError, parse

    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            message = f"{clean(str(path))}: longer than {_MOST_BYTES:,} bytes, which no configuration is"
            raise SettingsError(message)
        # Editors of other systems begin a file with a mark.
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        message = f"{clean(str(path))}: {reason}"
        raise SettingsError(message) from error
    try:
        return parse(text, Settings, str(path))
    except StrictTomlError as error:
        raise SettingsError(str(error)) from error


def settings_with(
    path: str | Path | None, *, max_flow_mib: int | None = None, show_groups: bool = False
) -> Settings:
    """The settings of ``path`` with what the command line says on top. Raises ``SettingsError``."""
    settings = load_settings(path)
    if show_groups:
        settings = msgspec.structs.replace(settings, show_groups=True)
    if max_flow_mib is None:
        return settings
    limits = msgspec.structs.replace(settings.limits, max_flow_mib=max_flow_mib)
    return msgspec.structs.replace(settings, limits=limits)
