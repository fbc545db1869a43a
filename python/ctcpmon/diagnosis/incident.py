"""The incident: many sessions with one cause, as a frozen view. Grouping is in ``grouping``.

This is what the screen, the table, the Python interface and ``ctcpmon.incident.v1`` show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ctcpmon.diagnosis.wording import loss_words, stopped_words
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.diagnosis.causes import Cause
    from ctcpmon.engine import Finding

__all__ = ["SEVERITY_RANK", "Change", "Incident", "Severity"]

Severity = Literal["critical", "warning", "info"]
Change = Literal["opened", "changed", "closed"]

SEVERITY_RANK: dict[Severity, int] = {"critical": 3, "warning": 2, "info": 1}
"""Higher is worse."""


@dataclass(frozen=True, slots=True)
class Incident:
    """State of one incident at one moment. Counts are sessions, times are packet times."""

    id: str
    """``i-`` and ten hex digits; same for the same input on every machine."""
    seq: int
    """Number of the last emitted change, from 1."""
    change: Change
    """The last change: opened, changed (counts or severity), closed."""
    severity: Severity
    """Of the present state; ``info`` once closed."""
    worst_severity: Severity
    cause: Cause
    lead: Finding
    """The finding that speaks for the incident: the first of the worst verdict."""
    client_net: str
    """The clients' side of the path: their /24 or /64."""
    headend_ip: str
    headend_port: int
    protocols: tuple[str, ...]
    since_ns: int
    last_ns: int
    closed_ns: int | None
    """None while open."""
    close_reason: str | None
    """``cleared`` (all sessions move again) or ``moved`` (they are part of a worse incident)."""
    sessions_total: int
    sessions_stalled: int
    sessions_at_risk: int
    """At risk or suspect, not stalled."""
    sessions_recovered: int
    session_ids: tuple[str, ...]
    """The first few, in order of appearance."""
    stopped_side: str | None
    loss_side: str | None
    confidence: float
    """0 to 1, of the leading finding."""
    fixes: tuple[str, ...]
    """Fix ids, best first."""

    @property
    def is_open(self) -> bool:
        """False once every session cleared or moved on."""
        return self.closed_ns is None

    @property
    def headend(self) -> str:
        """Headend as ``ip:port``, IPv6 in brackets."""
        ip = clean(self.headend_ip, 45)
        return f"[{ip}]:{self.headend_port}" if ":" in ip else f"{ip}:{self.headend_port}"

    @property
    def path(self) -> str:
        """The affected path in words."""
        return f"{self.client_net} to {self.headend}"

    @property
    def where(self) -> str:
        """Where the loss was, relative to the tap."""
        return loss_words(self.loss_side)

    @property
    def stopped(self) -> str:
        """Whose data no longer get through."""
        return stopped_words(self.stopped_side)

    @property
    def what(self) -> str:
        """What happened, one short line."""
        if self.close_reason == "cleared":
            count = self.sessions_recovered
            return f"cleared: {count} session{'s' if count != 1 else ''} moving again"
        if self.close_reason == "moved":
            return "closed: its sessions are part of a worse incident"
        return self.cause.what
