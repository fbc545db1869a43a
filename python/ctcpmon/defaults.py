"""The settings of a run without a configuration file, without the types that read one.

``config`` takes the numbers from here and says what a file may put in their place. A run takes either.
"""

from __future__ import annotations

from ctcpmon.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ctcpmon import config

__all__ = ["Limits", "Settings"]


class Limits(Record, frozen=True):
    """Bounds of memory. Reaching one is counted and shown, never silent."""

    max_flow_mib: int = 256
    max_sessions: int = 100_000
    max_pending: int = 10_000
    max_incidents: int = 1_000
    max_incident_sessions: int = 10_000
    incident_update_s: float = 10.0


class Settings(Record, frozen=True):
    """Everything a run needs besides its inputs, where nothing is known about its site."""

    limits: Limits = Limits()
    show_groups: bool = False
    site: config.Site | None = None
    sensor: str = "local"


if TYPE_CHECKING:
    AnyLimits: TypeAlias = config.Limits | Limits
    AnySettings: TypeAlias = config.Settings | Settings
