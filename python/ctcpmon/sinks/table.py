"""Plain text table of a finished run: incidents, sessions, first fixes. For people and for files.

Keeps a bounded number of rows until ``close``; what is left out is said. The same events give
the same text for the same width.
"""

from __future__ import annotations

import heapq
import textwrap
from typing import TYPE_CHECKING

from ctcpmon.errors import OutputClosedError
from ctcpmon.events import DeviceEvent, IncidentEvent, SessionEvent, StatsEvent, decode
from ctcpmon.fixes import catalogue
from ctcpmon.sinks.device_table import device_lines
from ctcpmon.text import clean, cut, pad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctcpmon.events import CtcpIncident
    from ctcpmon.sinks.sink import ByteStream

__all__ = ["TableSink"]

_MAX_INCIDENTS = 1_000
_SHOWN_INCIDENTS = 40
"""Guess: what a person reads; the rest is summed up."""
_MAX_SESSIONS = 200
_MAX_PAIRS = 200
_MIN_WIDTH = 60
_STATE_ORDER = {"stalled": 4, "suspect": 3, "at_risk": 2, "unknown": 1, "healthy": 0}
_STATE_WORDS = {"at_risk": "at risk"}
_SEVERITY_ORDER = {"critical": 3, "warning": 2, "info": 1}
_CLOSED_WORDS = {"cleared": "OK", "reconnected": "OK", "gone": "gone", "moved": "-"}
_SEVERITY_WORDS = {"critical": "CRIT", "warning": "WARN", "info": "info"}

# Worst first, then in order of arrival: the second number counts down.
_Ranked = tuple[tuple[int, int], int, SessionEvent]
_Column = tuple[str, int, bool]
"""Heading, width in cells (0: what is left), right-aligned."""

_INCIDENT_COLUMNS: tuple[_Column, ...] = (
    ("SEV", 4, False),
    ("SINCE UTC", 12, False),
    ("SESS", 5, True),
    ("STALLED", 7, True),
    ("WHAT HAPPENED", 0, False),
)
_SESSION_COLUMNS: tuple[_Column, ...] = (
    ("WORST", 8, False),
    ("END", 8, False),
    ("SESSION", 12, False),
    ("STALLED UTC", 12, False),
    ("CLIENT TO HEADEND", 0, False),
)


class TableSink:
    """Collects a run and prints it at the end, at most ``cells`` wide."""

    def __init__(self, stream: ByteStream, *, cells: int = 80) -> None:
        self._stream = stream
        self._cells = max(cells, _MIN_WIDTH)
        self._incidents: dict[str, IncidentEvent] = {}
        self._incidents_left_out = 0
        self._sessions: list[_Ranked] = []
        self._seen = 0
        self._devices: list[tuple[int, int, DeviceEvent]] = []
        self._devices_seen = 0
        self._stats: StatsEvent | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Keeps what the table shows."""
        for event in map(decode, lines):
            if isinstance(event, IncidentEvent):
                self._keep_incident(event)
            elif isinstance(event, SessionEvent):
                self._keep_session(event)
            elif isinstance(event, DeviceEvent):
                self._keep_device(event)
            elif isinstance(event, StatsEvent):
                self._stats = event
            # Findings are told by their incidents: the table is one page.

    def close(self) -> None:
        """Prints the table."""
        lines = [cut(line, self._cells).rstrip() for line in self._lines()]
        try:
            self._stream.write(("\n".join(lines) + "\n").encode("utf-8"))
            self._stream.flush()
        except BrokenPipeError as error:
            message = "the reader of the output is gone"
            raise OutputClosedError(message) from error

    def _keep_incident(self, event: IncidentEvent) -> None:
        key = event.data.ctcp.incident
        if key not in self._incidents and len(self._incidents) >= _MAX_INCIDENTS:
            self._incidents_left_out += 1
        else:
            self._incidents[key] = event

    def _keep_session(self, event: SessionEvent) -> None:
        self._seen += 1
        ctcp = event.data.ctcp
        badness = (_STATE_ORDER[ctcp.worst_state], _STATE_ORDER[ctcp.state])
        ranked = (badness, -self._seen, event)
        if len(self._sessions) < _MAX_SESSIONS:
            heapq.heappush(self._sessions, ranked)
        else:
            heapq.heappushpop(self._sessions, ranked)

    def _keep_device(self, event: DeviceEvent) -> None:
        if not event.data.ctcp.is_final:
            return  # the last report of a pair repeats what the earlier ones said
        self._devices_seen += 1
        ranked = (event.data.event.severity, -self._devices_seen, event)
        if len(self._devices) < _MAX_PAIRS:
            heapq.heappush(self._devices, ranked)
        else:
            heapq.heappushpop(self._devices, ranked)

    def _lines(self) -> Iterator[str]:
        incidents = sorted(
            # One that was moved lives on in another incident; listing both would count it twice.
            (one for one in self._incidents.values() if one.data.ctcp.close_reason != "moved"),
            key=lambda event: (
                event.data.ctcp.change == "closed",
                -_SEVERITY_ORDER[event.data.ctcp.severity],
                -event.data.ctcp.sessions_stalled,
                event.data.event.start or "",
                event.data.ctcp.incident,
            ),
        )
        yield from self._incident_lines(incidents)
        yield ""
        yield from self._session_lines()
        if self._stats is not None and self._stats.data.matching is not None:
            yield from device_lines(
                [event for _, _, event in sorted(self._devices, key=lambda r: r[:2], reverse=True)],
                self._devices_seen,
                self._cells,
            )
        yield from self._fix_lines(incidents)
        yield from self._stats_lines()

    def _incident_lines(self, incidents: list[IncidentEvent]) -> Iterator[str]:
        still_open = [event for event in incidents if event.data.ctcp.change != "closed"]
        critical = sum(event.data.ctcp.severity == "critical" for event in still_open)
        yield (
            f"INCIDENTS {len(incidents)}: {len(still_open)} open, {critical} critical"
            if incidents
            else "NO INCIDENTS"
        )
        if not incidents:
            return
        columns = _fit(_INCIDENT_COLUMNS, self._cells)
        room = columns[-1][1]
        yield _row(columns, [name for name, _, _ in columns])
        for event in incidents[:_SHOWN_INCIDENTS]:
            data = event.data
            ctcp = data.ctcp
            what = textwrap.wrap(clean(data.event.reason or ctcp.what), room) or [""]
            yield _row(columns, [
                _CLOSED_WORDS[ctcp.close_reason]
                if ctcp.close_reason is not None
                else _SEVERITY_WORDS[ctcp.severity],
                _clock(data.event.start),
                str(ctcp.sessions_total),
                str(ctcp.sessions_stalled),
                what[0],
            ])  # fmt: skip
            yield from (" " * (self._cells - room) + piece for piece in what[1:])
            headend = _endpoint(data.destination.ip, data.destination.port)
            more = f" and {data.source.networks - 1:,} more" if data.source.networks > 1 else ""
            yield f"      {ctcp.incident}  {clean(data.source.address)}{more} to {headend}"
            start = "" if ctcp.silent_side else "loss "
            yield f"      {start}{clean(ctcp.where)}; confidence {ctcp.confidence:.2f}"
            yield from self._group_lines(ctcp)
        rest = [event.data.ctcp for event in incidents[_SHOWN_INCIDENTS:]]
        if rest:
            total, stalled = (
                sum(one.sessions_total for one in rest),
                sum(one.sessions_stalled for one in rest),
            )
            yield f"  and {len(rest):,} more, none worse: {total:,} sessions, {stalled:,} stalled"
        if self._incidents_left_out:
            yield f"  and more: {self._incidents_left_out} incident events not shown"

    def _group_lines(self, ctcp: CtcpIncident) -> Iterator[str]:
        """What became of the sessions, and what they say together."""
        is_told = ctcp.close_reason == "cleared" and not ctcp.sessions_gone
        if (ctcp.sessions_recovered or ctcp.sessions_gone) and not is_told:
            back = f" ({ctcp.sessions_reconnected:,} reconnected)" if ctcp.sessions_reconnected else ""
            yield (
                f"      {ctcp.sessions_recovered:,} of {ctcp.sessions_total:,} moving again, "
                f"{ctcp.sessions_gone:,} ended{back}, {ctcp.sessions_at_risk:,} at risk"
            )
        if ctcp.moving_since is not None and ctcp.worst_severity == "critical":
            yield f"      the last of them moves again since {_clock(ctcp.moving_since)}"
        for remark in ctcp.remarks or ():
            yield from textwrap.wrap(
                clean(remark, 400), self._cells - 2, initial_indent="      ", subsequent_indent="        "
            )

    def _session_lines(self) -> Iterator[str]:
        if not self._seen:
            yield "SESSIONS 0: no tunnel session recognised"
            return
        shown = sorted(self._sessions, key=lambda ranked: (ranked[0], ranked[1]), reverse=True)
        yield f"SESSIONS {self._seen}, worst first"
        columns = _fit(_SESSION_COLUMNS, self._cells)
        yield _row(columns, [name for name, _, _ in columns])
        for _, _, event in shown:
            data = event.data
            ctcp = data.ctcp
            client = _endpoint(data.source.ip, data.source.port)
            headend = _endpoint(data.destination.ip, data.destination.port)
            yield _row(columns, [
                _STATE_WORDS.get(ctcp.worst_state, ctcp.worst_state),
                _STATE_WORDS.get(ctcp.state, ctcp.state),
                clean(ctcp.session),
                _clock(ctcp.stalled_at),
                f"{client} to {headend} {clean(data.network.protocol)}",
            ])  # fmt: skip
        if self._seen > len(shown):
            yield f"  and {self._seen - len(shown)} more, none worse"

    def _fix_lines(self, incidents: list[IncidentEvent]) -> Iterator[str]:
        wanted: dict[str, str] = {}
        for event in incidents:
            ctcp = event.data.ctcp
            if ctcp.first_fix is not None and ctcp.change != "closed":
                wanted.setdefault(ctcp.first_fix, ctcp.incident)
        if not wanted:
            return
        yield ""
        yield "DO FIRST"
        for fix_id, incident in wanted.items():
            recipe = catalogue().get(fix_id)
            yield f"  {incident}  {recipe.title if recipe else clean(fix_id)}"
            yield f"    text to type: ctcpmon fixes {incident} FILE"
        yield "  Text only, for you to check: ctcpmon never changes a device."

    def _stats_lines(self) -> Iterator[str]:
        if self._stats is None:
            return
        data = self._stats.data
        yield ""
        yield (
            f"{data.packets:,} packets, {data.tcp_packets:,} TCP, "
            f"{data.tcp_conversations:,} TCP conversations"
        )


def _fit(columns: Sequence[_Column], cells: int) -> list[_Column]:
    """Gives what is left of ``cells`` to the columns of width 0."""
    fixed = sum(size for _, size, _ in columns) + 2 * len(columns)
    return [(name, size or max(cells - fixed, 10), right) for name, size, right in columns]


def _row(columns: Sequence[_Column], values: Sequence[str]) -> str:
    return "".join(
        "  " + pad(value, size, right=right) for (_, size, right), value in zip(columns, values, strict=True)
    )


def _endpoint(ip: str, port: int) -> str:
    ip = clean(ip, 45)
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _clock(time: str | None) -> str:
    return time[11:23] if time is not None else "-"
