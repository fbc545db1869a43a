"""Makes the view that answers a query from a running engine, the incident book and what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctcpmon import engine
from ctcpmon.narration import INCOMPLETE_NOTES
from ctcpmon.slicing import Case
from ctcpmon.text import clean
from ctcpmon.tui import presenting
from ctcpmon.tui.assurance import judge_tap, situation
from ctcpmon.tui.filters import FilterError, parse
from ctcpmon.tui.view import Counter, Detail, FixView, Listing, Reach, Refused, Tally, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctcpmon.config import Settings
    from ctcpmon.diagnosis import Incident, IncidentBook
    from ctcpmon.engine import FlowWindow, Held, Replay, Session, SessionWindow, Stats
    from ctcpmon.tui.ended import EndedSessions, FindingLog
    from ctcpmon.tui.runlog import RunLog
    from ctcpmon.tui.trend import TrendLog
    from ctcpmon.tui.view import FlowRow, IncidentRow, Progress, Query, SessionRow

    Window = tuple[Listing, tuple[SessionRow, ...], tuple[FlowRow, ...]]

__all__ = ["ViewMaker", "refused"]

_MOST_ROWS = 600
"""Rows in a view, whoever asks: three screens of the highest terminal that is known."""
_MOST_IN_PIECE = 1_000
_MOST_HELD = 20
"""In a view; how many there are is said besides (guess: more than a screen has lines for)."""
_OLD_S = 5.0
"""An order older than this is told with its age (guess: rows that visibly stand wrong by then)."""


class ViewMaker:
    """Reads the run; changes nothing of it. Used by one thread."""

    def __init__(
        self,
        replay: Replay,
        *,
        book: IncidentBook,
        ended: EndedSessions,
        log: FindingLog,
        trend: TrendLog,
        run_log: RunLog,
        names: Mapping[str, str],
        settings: Settings,
    ) -> None:
        self._replay = replay
        self._book = book
        self._ended = ended
        self._log = log
        self._trend = trend
        self._run_log = run_log
        self._names = names
        self._settings = settings
        self._docs = {one.name: clean(one.doc, 160) for one in engine.COUNTERS}
        self._rendered: tuple[tuple[str, int] | None, tuple[FixView, ...]] = (None, ())
        self._held: dict[str, Held] = {}
        """By the key of the session, as of the last view."""
        self._list: tuple[Reach, Window] = (Reach(), (Listing(), (), ()))
        """What was read last, and for what."""

    def make(self, query: Query, stats: Stats, progress: Progress, *, reads_flows: bool = True) -> View:
        """The view of this moment. Without ``reads_flows`` a list of flows may be that of the last one."""
        # One that was moved lives on in a worse incident; listing both would count it twice.
        incidents = tuple(one for one in self._book.incidents() if one.close_reason != "moved")
        chosen = next((one for one in incidents if one.id == query.incident), None)
        if chosen is None and incidents:
            chosen = incidents[0]
        self._held = {f"{one.id}/{one.generation}": one for one in stats.held}
        longest = tuple(self._held.values())[:_MOST_HELD]
        self._trend.look(stats)
        self._run_log.incidents(stats.last_ns, incidents)
        tally = self._tally(stats, is_over=progress.phase == "done")
        names = tuple(self._names.values())
        # Sessions must agree with the incidents and with what is held, of which flows know nothing.
        is_kept = query.reach.name == "flows" and query.reach == self._list[0]
        if reads_flows or not is_kept or self._list[1][0].progress is not None:
            self._list = (query.reach, self._listing(query.reach))
        listing, sessions, flows = self._list[1]
        return View(
            query=query,
            name=presenting.input_name(names),
            inputs=names,
            progress=progress,
            tap=judge_tap(stats),
            refused=refused(stats, self._book.counters),
            tally=tally,
            situation=situation(stats, tally, progress.phase, len(engine.DETECTORS)),
            packets=stats.packets,
            tcp_packets=stats.tcp_packets,
            conversations=stats.tcp_conversations,
            first_ns=stats.first_ns,
            last_ns=stats.last_ns,
            notes=tuple(
                presenting.note_line(note, self._names.get(note.input, clean(note.input)))
                for note in stats.notes
            ),
            notes_incomplete=sum(note.kind in INCOMPLETE_NOTES for note in stats.notes),
            incidents=self._incident_rows(incidents, stats.last_ns),
            held=tuple(map(presenting.held_row, longest)),
            held_total=len(self._held),
            held_is_full=stats.held_is_full,
            evidence=presenting.evidence(chosen, incidents.index(chosen) + 1, len(incidents))
            if chosen
            else None,
            fixes=self._fixes(chosen),
            sessions=sessions,
            flows=flows,
            listing=listing,
            log=self._run_log.last(min(query.log, _MOST_ROWS)),
            detail=self._detail(query.session, incidents),
            counters=tuple(
                Counter(clean(name, 40), value, self._docs.get(name, ""))
                for name, value in (*stats.counters.items(), *self._book.counters.items())
            ),
            ports=tuple(map(presenting.port, stats.ports)),
            trend=self._trend.trend(),
        )

    def _incident_rows(self, incidents: tuple[Incident, ...], now_ns: int | None) -> tuple[IncidentRow, ...]:
        held: dict[str, list[int]] = {}
        for one in self._held.values():
            home = self._book.home_of(one.id, one.generation)
            if home is not None:
                held.setdefault(home, []).append(presenting.held_seconds(one))
        rows = (presenting.incident_row(one, now_ns) for one in incidents)
        return tuple(presenting.holding(row, held.get(row.key, ())) for row in rows)

    def _fixes(self, chosen: Incident | None) -> tuple[FixView, ...]:
        if chosen is None:
            return ()
        key = (chosen.id, chosen.seq)
        if self._rendered[0] != key:
            self._rendered = (key, presenting.fixes(chosen, self._settings.site))
        return self._rendered[1]

    def _tally(self, stats: Stats, *, is_over: bool) -> Tally:
        states = dict(self._ended.by_state)
        if not is_over:
            # Sessions that the end of the input ended may still stand in the live counts.
            for name, number in stats.sessions_by_state.items():
                live = max(number - self._ended.at_end_by_state[name], 0)
                states[name] = states.get(name, 0) + live
        return Tally(
            total=sum(states.values()),
            stalled=states.get("stalled", 0),
            at_risk=states.get("at_risk", 0) + states.get("suspect", 0),
            healthy=states.get("healthy", 0),
            unknown=states.get("unknown", 0),
        )

    def piece(self, reach: Reach) -> Window:
        """Rows of a long list that go to a file, with their place in it."""
        return self._listing(reach, _MOST_IN_PIECE)

    def _listing(self, reach: Reach, most: int = _MOST_ROWS) -> Window:
        """The rows of the window that is asked for. They come out of the engine already chosen and sorted."""
        if reach.height <= 0:
            # What nobody sees is not looked for: it costs the engine a pass over its table.
            return Listing(), (), ()
        try:
            terms = [term.wire() for term in parse(reach.filter, reach.name)]
        except FilterError as error:
            return Listing(fault=clean(str(error), 100)), (), ()
        wanted: dict[str, Any] = {
            "order": reach.order,
            "is_reversed": reach.is_reversed,
            "terms": terms,
            "offset": max(reach.offset, 0),
            "height": min(reach.height, most),
            "anchor": reach.anchor.partition("/")[0] or None,
            "line": max(reach.line, 0),
        }
        try:
            if reach.name == "flows":
                window = self._replay.list_flows(**wanted)
                return _listing(window), (), presenting.flow_rows(window)
            found = self._replay.list_sessions(self._ended.sessions(), **wanted)
        except ValueError as error:
            # Whoever attaches may send any words.
            return Listing(fault=clean(str(error), 100)), (), ()
        rows = tuple(presenting.session_row(one, self._held) for one in found.sessions if one is not None)
        return _listing(found), rows, ()

    def case(self, key: str) -> Case | None:
        """A session with its findings, as a slice wants it; None when it is not kept any more."""
        session = self._session(key)
        if session is None:
            return None
        findings = [(str(one.seq), one) for one in self._log.of(key)]
        return Case(session, findings, is_open=self._ended.get(key) is None)

    def _session(self, key: str) -> Session | None:
        session = self._ended.get(key)
        if session is not None:
            return session
        session_id, _, generation = key.partition("/")
        live = self._replay.session(session_id)
        if live is not None and str(live.generation) == generation:
            return live
        findings = self._log.of(key)
        return findings[-1].session if findings else None

    def _detail(self, key: str | None, incidents: tuple[Incident, ...]) -> Detail | None:
        if key is None:
            return None
        session, findings = self._session(key), self._log.of(key)
        if session is None:
            return Detail(key, key, ("This session is no longer kept in memory.",))
        home = self._book.incident_of(session)
        incident = next((one for one in incidents if one.id == home), None)
        held = self._held.get(key) if self._ended.get(key) is None else None
        site = self._settings.site
        return presenting.detail(session, findings, incident, engine.DETECTORS, site, held=held)


def refused(stats: Stats, book: Mapping[str, int]) -> Refused:
    """What had no room, in the engine and in the incident book, and what a bug cost."""
    counters = stats.counters
    return Refused(
        segments=counters.get("segments_without_flow", 0),
        flows_evicted=counters.get("flows_evicted", 0),
        sessions=counters.get("sessions_refused", 0) + counters.get("sessions_put_off", 0),
        incidents=book.get("incidents_refused", 0) + book.get("incident_sessions_refused", 0),
        undecoded=counters.get("frames_decoder_failed", 0),
    )


def _listing(window: SessionWindow | FlowWindow) -> Listing:
    return Listing(
        total=window.total,
        matching=window.matching,
        offset=window.offset,
        anchor_at=window.anchor_at,
        progress=window.progress,
        order_age_s=int(window.age_s) if window.age_s >= _OLD_S else 0,
    )
