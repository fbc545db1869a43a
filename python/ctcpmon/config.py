"""Settings of one run: frozen, typed, units in names. Reads TOML, never writes it.

The site facts here make advice concrete (which firewall platform stands where); no detector
threshold lives here, those belong to the engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctcpmon.errors import SettingsError
from ctcpmon.strict_toml import StrictTomlError, parse
from ctcpmon.text import clean

__all__ = ["Firewall", "Headend", "Limits", "Settings", "Site", "load_settings"]

Tag = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Firewall(_Part, frozen=True):
    """A stateful device of the site."""

    name: Tag
    platform: Tag
    inside: tuple[str, ...] = ()


class Headend(_Part, frozen=True):
    """A VPN headend of the site."""

    name: Tag
    address: str
    ports: tuple[Port, ...] = (10000,)
    nat_t: bool | None = None


class Site(_Part, frozen=True):
    """What is known about the place of the tap."""

    name: Tag = "local"
    position: Literal["client-side", "headend-side", "auto"] = "auto"
    firewall: tuple[Firewall, ...] = ()
    headend: tuple[Headend, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """Firewall platforms of the site, each once, in file order."""
        return tuple(dict.fromkeys(firewall.platform for firewall in self.firewall))


class Limits(_Part, frozen=True):
    """Bounds of memory. Reaching one is counted and shown, never silent."""

    max_flow_mib: Annotated[int, Meta(ge=1, le=1_048_576)] = 256
    max_sessions: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    max_pending: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_incidents: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    max_incident_sessions: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    incident_update_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0


class Settings(_Part, frozen=True):
    """Everything a run needs besides its inputs."""

    site: Site = Site()
    limits: Limits = Limits()
    show_groups: bool = False
    """Put the VPN group name, which aggressive mode sends in clear, into session events."""

    @property
    def sensor(self) -> str:
        """Name in event ids and ``source``; ``local`` unless the site has a name."""
        return self.site.name


def load_settings(path: str | Path | None) -> Settings:
    """Reads a configuration file; None gives the defaults. Raises ``SettingsError``."""
    if path is None:
        return Settings()
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        message = f"{clean(str(path))}: {reason}"
        raise SettingsError(message) from error
    try:
        return parse(text, Settings, str(path))
    except StrictTomlError as error:
        raise SettingsError(str(error)) from error
