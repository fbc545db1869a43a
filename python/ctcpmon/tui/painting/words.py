"""Numbers and states as short words with a sign. No layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.stamps import clock, day, is_old, rfc3339

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Role, Span
    from ctcpmon.tui.view import IncidentRow, Level, SessionRow

__all__ = [
    "SEVERITY_CELLS",
    "amount",
    "count",
    "held",
    "left",
    "moment",
    "role_of",
    "severity",
    "sign_of",
    "size",
    "span",
    "speed",
    "state",
    "state_of",
]

SEVERITY_CELLS = 6
_SEVERITIES: dict[Level, Span] = {
    "critical": ("CRIT !", "critical"),
    "warning": ("WARN *", "warning"),
    "info": ("INFO -", "info"),
    "ok": ("OK    ", "good"),
}
_STATES: dict[str, Span] = {
    "stalled": ("! stalled", "critical"),
    "suspect": ("* suspect", "warning"),
    "at_risk": ("* at-risk", "warning"),
    "unknown": ("- unknown", "dim"),
    "healthy": ("  ok", "good"),
}


def severity(row: IncidentRow) -> Span:
    """Word and sign; a cleared incident is OK, one whose sessions went away is not."""
    if row.is_lost:
        return ("GONE *", "warning")
    if row.muted_until_s and row.is_open:
        return _SEVERITIES[row.level][0], "dim"
    return _SEVERITIES[row.level] if row.is_open else _SEVERITIES["ok"]


def state(name: str) -> Span:
    """State of a session with its sign."""
    return _STATES.get(name, (f"- {name}", "dim"))


def state_of(row: SessionRow) -> Span:
    """The same of a row: what is held right now is asked about before a loss of five minutes ago."""
    return state(row.state) if row.held_s is None or row.state == "stalled" else held(row.held_s)


def held(seconds: int) -> Span:
    """Data are held, and nobody can say yet whether they come: a question. In the cells of a state."""
    return ("? held " if seconds < 10 else "?held ") + f"{min(seconds, 99)}s", "warning"


def sign_of(level: Level) -> Span:
    """Word and sign of a level."""
    return _SEVERITIES[level]


def role_of(level: Level) -> Role:
    """The look of a level."""
    return _SEVERITIES[level][1]


def moment(time_ns: int | None, now_ns: int | None = None) -> str:
    """Time of day in UTC, whole seconds; the day (``Nov 24``) of what is that old at ``now_ns``."""
    if time_ns is None:
        return "-"
    return day(time_ns) if is_old(time_ns, now_ns) else clock(time_ns)[:8]


def span(first_ns: int | None, last_ns: int | None) -> str:
    """From when to when, with the day."""
    if first_ns is None or last_ns is None:
        return "no packet yet"
    day, end_day = rfc3339(first_ns)[:10], rfc3339(last_ns)[:10]
    until = moment(last_ns) if day == end_day else f"{end_day} {moment(last_ns)}"
    return f"{day} {moment(first_ns)} to {until} UTC"


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 session``, ``2,000 sessions``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def amount(number: float) -> str:
    """A rate or count in few cells: ``812``, ``4,120``, ``412 k``, ``1.84 M``."""
    if number < 10_000:
        return f"{number:,.0f}"
    if number < 1_000_000:
        return f"{number / 1000:.0f} k"
    return f"{number / 1_000_000:.2f} M"


def size(number: int) -> str:
    """Bytes in few cells."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"


def left(seconds: float) -> str:
    """Time left: ``0:12``, ``1:02:03``."""
    whole = max(int(seconds + 0.5), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def speed(factor: float) -> str:
    """Pace of the replay."""
    return "max" if factor == 0 else f"{factor:g}x"
