"""The ``[outputs]`` part of the configuration: where events of ``serve`` go. Types and checks only."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctcpmon.text import clean

__all__ = [
    "EventKind",
    "FileSettings",
    "HistorySettings",
    "HookSettings",
    "MetricsSettings",
    "Outputs",
    "SyslogSettings",
    "WebhookSettings",
    "address_of",
]

EventKind = Literal["finding", "incident", "session", "device", "stats"]
Kinds = tuple[EventKind, ...]
LevelName = Literal["info", "warning", "critical"]
Path = Annotated[str, Meta(min_length=1, max_length=4_096, pattern=r"^[^\x00]*\Z")]
Address = Annotated[str, Meta(pattern=r"^(\[[0-9A-Fa-f:.%a-z]+\]|[0-9A-Za-z._-]*):[0-9]{1,5}\Z")]
"""``host:port``, ``[v6]:port`` or ``:port``."""
Header = Annotated[str, Meta(max_length=4_096, pattern=r"^[\x20-\x7e]*\Z")]
Mebibytes = Annotated[int, Meta(ge=1, le=1_048_576)]

_EVERYTHING: Kinds = ("finding", "incident", "session", "device", "stats")
_ALERTS: Kinds = ("finding", "incident")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class FileSettings(_Part, frozen=True):
    """JSON Lines in a file. It is rotated to ``path.1``, ``path.2``, ... by size, and reopened on SIGHUP."""

    path: Path
    max_mib: Annotated[int, Meta(ge=0, le=1_048_576)] = 256
    """0: no rotation here; something else renames the file and sends SIGHUP."""
    keep: Annotated[int, Meta(ge=1, le=1_000)] = 5
    """Rotated files kept besides the one that is written."""
    events: Kinds = _EVERYTHING


class SyslogSettings(_Part, frozen=True):
    """RFC 5424 over UDP (RFC 5426) or TCP with octet counting (RFC 6587)."""

    address: Address
    transport: Literal["udp", "tcp"] = "udp"
    facility: Annotated[int, Meta(ge=0, le=23)] = 16
    """16 is local0."""
    events: Kinds = _ALERTS
    min_severity: LevelName = "info"

    def __post_init__(self) -> None:
        if not address_of(self.address)[1]:
            message = "nothing can be sent to port 0"
            raise ValueError(message)


class WebhookSettings(_Part, frozen=True):
    """One POST of JSON for each event."""

    url: Annotated[str, Meta(max_length=2_048, pattern=r"^https?://[\x21-\x7e]+\Z")]
    headers: dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")], Header] = {}
    timeout_s: Annotated[float, Meta(ge=0.1, le=120)] = 10.0
    events: Kinds = _ALERTS
    min_severity: LevelName = "info"


class HookSettings(_Part, frozen=True):
    """A program started for each event, which it reads on standard input. No shell takes part."""

    command: Annotated[tuple[Path, ...], Meta(min_length=1)]
    timeout_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 30.0
    at_once: Annotated[int, Meta(ge=1, le=32)] = 2
    """Programs that may run at the same time."""
    events: Kinds = ("incident",)
    min_severity: LevelName = "info"

    def __post_init__(self) -> None:
        if not self.command[0].startswith("/"):
            message = f"command: {clean(self.command[0])!r} is no absolute path"
            raise ValueError(message)


class MetricsSettings(_Part, frozen=True):
    """``/metrics`` in the text format of Prometheus."""

    address: Address

    def __post_init__(self) -> None:
        address_of(self.address)


class HistorySettings(_Part, frozen=True):
    """Events in SQLite, for ``ctcpmon history``."""

    path: Path
    keep_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    max_mib: Mebibytes = 1_024
    events: Kinds = ("finding", "incident", "session", "device")


class Outputs(_Part, frozen=True):
    """All of them are optional."""

    file: FileSettings | None = None
    syslog: SyslogSettings | None = None
    webhook: WebhookSettings | None = None
    hook: HookSettings | None = None
    metrics: MetricsSettings | None = None
    history: HistorySettings | None = None


def address_of(text: str) -> tuple[str, int]:
    """Host and port of an ``Address``; an empty host is this machine alone. Raises ``ValueError``."""
    host, _, port = text.rpartition(":")
    number = int(port)
    if number > 65_535:
        message = f"no such port: {number}"
        raise ValueError(message)
    return host.strip("[]") or "127.0.0.1", number
