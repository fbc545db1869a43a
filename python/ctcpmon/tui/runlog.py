"""What happened in a run, newest last, for the log screen. Bounded; no textual."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ctcpmon.text import clean
from ctcpmon.tui.presenting import ends_of
from ctcpmon.tui.view import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import DetectorInfo, Finding, Session
    from ctcpmon.tui.view import Level

__all__ = ["RunLog"]

_MOST = 2_000
_VERDICTS: dict[str, Level] = {
    "stalled": "critical",
    "suspect": "warning",
    "at_risk": "warning",
    "healthy": "ok",
}
_SEVERITIES: dict[str, Level] = {"critical": "critical", "warning": "warning"}


class RunLog:
    """Takes in what the engine hands out, and what became of incidents."""

    def __init__(self, detectors: Iterable[DetectorInfo]) -> None:
        self._names = {one.id: clean(one.name, 60) for one in detectors}
        self._lines: deque[LogLine] = deque(maxlen=_MOST)
        self._number = 0
        self._incidents: dict[str, tuple[bool, str]] = {}

    def finding(self, finding: Finding) -> None:
        """A verdict changed."""
        name = self._names.get(finding.detector, clean(finding.detector, 40))
        verdict = clean(finding.verdict, 12).replace("_", "-")
        client, headend = ends_of(finding.session)
        text = f"{client} {verdict}: {name}, to {headend}"
        self._add(finding.ts_ns, _VERDICTS.get(finding.verdict, "info"), text)

    def ended(self, session: Session) -> None:
        """A session ended."""
        reason = clean(session.end_reason, 16).replace("_", " ")
        state = clean(session.state, 12).replace("_", "-")
        client, headend = ends_of(session)
        text = f"{client} session ended ({reason}, {state}), to {headend}"
        self._add(session.last_ns, "info", text)

    def incidents(self, now_ns: int | None, incidents: Sequence[Incident]) -> None:
        """Notes which incidents opened, got worse or closed since the last look."""
        there = {one.id for one in incidents}
        for gone in self._incidents.keys() - there:
            # The book forgets old ones, and so does this.
            del self._incidents[gone]
        for one in incidents:
            state = (one.is_open, one.severity)
            before = self._incidents.get(one.id)
            if before == state:
                continue
            self._incidents[one.id] = state
            level: Level = _SEVERITIES.get(one.severity, "info") if one.is_open else "ok"
            word = "closed" if not one.is_open else "opened" if before is None else "changed"
            text = f"incident {word}: {clean(one.what, 80)}, {clean(one.where, 120)}"
            at_ns = one.since_ns if before is None or now_ns is None else now_ns
            self._add(at_ns, level, text)

    def last(self, number: int) -> tuple[LogLine, ...]:
        """The newest lines, oldest first."""
        lines = list(self._lines)
        return tuple(lines[max(len(lines) - number, 0) :]) if number > 0 else ()

    def _add(self, at_ns: int, level: Level, text: str) -> None:
        self._number += 1
        self._lines.append(LogLine(self._number, at_ns, level, text))
