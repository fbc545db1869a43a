"""The incident: many sessions with one cause, as a frozen view. Grouping is in ``grouping``.

This is what the screen, the table, the Python interface and ``ctcpmon.incident.v1`` show.
"""

from __future__ import annotations

from ctcpmon.diagnosis.wording import duration, loss_words, silence_words, stopped_words
from ctcpmon.records import Record
from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ctcpmon.diagnosis.causes import Cause
    from ctcpmon.diagnosis.device_timer import DeviceTimer
    from ctcpmon.diagnosis.reconnects import Cycle
    from ctcpmon.engine import Finding

    Severity = Literal["critical", "warning", "info"]
    Change = Literal["opened", "changed", "closed"]
    CloseReason = Literal["cleared", "reconnected", "gone", "moved"]
    """Its sessions move again; the clients of those that ended are back; some went away and are not back, or
    all ended; its sessions are part of another incident."""

__all__ = ["SEVERITY_RANK", "Incident", "Remark"]

SEVERITY_RANK: dict[Severity, int] = {"critical": 3, "warning": 2, "info": 1}
"""Higher is worse."""


class Remark(Record, frozen=True):
    """Something that no session says alone."""

    text: str
    """One sentence."""
    short: str
    """The same in at most 66 cells, what a screen of 80 has room for."""


class Incident(Record, frozen=True):
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
    """The clients' side of the path: their /24 or /64; of several the first."""
    client_nets: int
    """Number of client networks; more than one in an outage or a storm."""
    headend_ip: str
    headend_port: int
    protocols: tuple[str, ...]
    since_ns: int
    last_ns: int
    closed_ns: int | None
    """None while open."""
    close_reason: CloseReason | None
    sessions_total: int
    """All that were ever in it: stalled + at risk + recovered + gone."""
    sessions_stalled: int
    sessions_at_risk: int
    """At risk or suspect, not stalled."""
    sessions_recovered: int
    """Moving again, or did so until they ended."""
    sessions_gone: int
    """Ended without moving again."""
    sessions_reconnected: int
    """Of those gone, the ones whose client came back on another connection."""
    sessions_missing: int
    """Of those gone, the ones that were in trouble and whose client did not come back."""
    moving_since_ns: int | None
    """Since when the last of the recovered ones moves."""
    session_ids: tuple[str, ...]
    """The first few, in order of appearance."""
    stopped_side: str | None
    loss_side: str | None
    confidence: float
    """0 to 1, of the leading finding."""
    fixes: tuple[str, ...]
    """Fix ids, best first."""
    silent_side: str | None = None
    """In an outage: which side is not heard any more."""
    timer: DeviceTimer | None = None
    """What the stops have in common."""
    cycle: Cycle | None = None
    """Reconnect cycles of its clients."""
    rebindings: int = 0
    """Sessions that are an older connection on a new port (NAT rebinding)."""
    is_refuted: bool = False
    """It was named an outage; then other sessions of the headend turned out to go on."""

    @property
    def is_open(self) -> bool:
        """False once every session cleared or moved on."""
        return self.closed_ns is None

    @property
    def is_headend_outage(self) -> bool:
        """True while the whole headend is thought to be away: no fix for one stream helps."""
        return self.silent_side is not None and not self.is_refuted

    @property
    def headend(self) -> str:
        """Headend as ``ip:port``, IPv6 in brackets."""
        ip = clean(self.headend_ip, 45)
        return f"[{ip}]:{self.headend_port}" if ":" in ip else f"{ip}:{self.headend_port}"

    @property
    def clients(self) -> str:
        """The client networks in words."""
        more = self.client_nets - 1
        return (
            f"{self.client_net} and {more:,} more network{'s' if more > 1 else ''}"
            if more
            else self.client_net
        )

    @property
    def path(self) -> str:
        """The affected path in words."""
        return f"{self.clients} to {self.headend}"

    @property
    def where(self) -> str:
        """Where the loss was, relative to the tap; in an outage who fell silent."""
        if self.silent_side is not None:
            return silence_words(self.silent_side)
        return loss_words(self.loss_side)

    @property
    def stopped(self) -> str:
        """Whose data no longer get through."""
        return stopped_words(self.stopped_side)

    @property
    def what(self) -> str:
        """What happened, one short line."""
        if self.close_reason is not None:
            return self._ending()
        cycle = self.cycle
        if cycle is not None and cycle.is_timer and 2 * cycle.sessions >= self.sessions_total:
            return "ends at a regular age, no loss: a timer, not this fault"
        return self.cause.what

    @property
    def counts(self) -> str:
        """What became of its sessions."""
        parts = [
            f"{self.sessions_stalled:,} stalled",
            f"{self.sessions_at_risk:,} at risk",
            f"{self.sessions_recovered:,} moving again",
        ]
        if self.sessions_gone:
            back = f" ({self.sessions_reconnected:,} reconnected)" if self.sessions_reconnected else ""
            parts.append(f"{self.sessions_gone:,} ended{back}")
        return ", ".join(parts)

    @property
    def counts_short(self) -> str:
        """The same in few cells."""
        ended = f", {self.sessions_gone:,} ended" if self.sessions_gone else ""
        return (
            f"{self.sessions_stalled:,} stalled, {self.sessions_at_risk:,} at risk, "
            f"{self.sessions_recovered:,} moving{ended}"
        )

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What the sessions together say; empty when they say nothing."""
        said = []
        if self.timer is not None:
            said.append(Remark(self.timer.text, self.timer.short))
        if self.cycle is not None:
            said.append(Remark(self.cycle.text, self.cycle.short))
        if self.rebindings:
            start = f"{self.rebindings:,} of {self.sessions_total:,}"
            said.append(
                Remark(
                    f"{start} sessions are an older connection on a new port: NAT rebinding, no reconnect; "
                    "look at the NAT in front of the clients (restart, idle timeout)",
                    f"{start} are an older connection on a new port (NAT)",
                )
            )
        if self.is_refuted:
            text = "looked like a headend outage, but more of its clients went on unharmed"
            said.append(Remark(text, "no headend outage: more of its clients went on"))
        if self.client_nets > 1:
            start = f"{self.client_nets:,} client networks at once"
            advice = "" if self.silent_side else "; the fix is filled in for one of them"
            text = f"{start}: look first at what they share, the side of the headend{advice}"
            said.append(Remark(text, f"{start}: look first at the side of the headend"))
        return tuple(said)

    def _ending(self) -> str:
        total, moving = self.sessions_total, self.sessions_recovered
        name = "session" if total == 1 else "sessions"
        match self.close_reason:
            case "moved":
                return "closed: its sessions are part of another incident"
            case "cleared":
                lasted = ""
                if self.closed_ns is not None and self.moving_since_ns is not None:
                    lasted = f" for {duration((self.closed_ns - self.moving_since_ns) / 1e6)}"
                # Sessions that were only at risk moved all the time.
                state = "moving again" if self.worst_severity == "critical" else "in order"
                return f"cleared: {moving} of {total} {name} {state}{lasted}"
            case "reconnected":
                back = self.sessions_reconnected
                return f"cleared: of {total} {name} {moving} moving again, {back} reconnected"
            case _ if self.sessions_missing:
                return f"not cured: {self.sessions_missing} of {total} {name} ended, not seen again"
            case _:
                return f"over: {self.sessions_gone} of {total} {name} ended, no stall"
