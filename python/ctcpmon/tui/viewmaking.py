"""Makes the view that answers a query from a running engine, the incident book and what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon import engine
from ctcpmon.narration import INCOMPLETE_NOTES
from ctcpmon.slicing import Case
from ctcpmon.text import clean
from ctcpmon.tui import presenting
from ctcpmon.tui.assurance import judge_tap, situation
from ctcpmon.tui.ended import BADNESS
from ctcpmon.tui.view import Counter, Detail, FixView, Refused, Tally, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctcpmon.config import Settings
    from ctcpmon.diagnosis import Incident, IncidentBook
    from ctcpmon.engine import Replay, Session, Stats
    from ctcpmon.tui.ended import EndedSessions, FindingLog
    from ctcpmon.tui.trend import TrendLog
    from ctcpmon.tui.view import Order, Progress, Query

__all__ = ["ViewMaker", "refused"]

_LISTED = 500
"""Sessions in a view: some screens full. The tally says how many there are."""


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
        names: Mapping[str, str],
        settings: Settings,
    ) -> None:
        self._replay = replay
        self._book = book
        self._ended = ended
        self._log = log
        self._trend = trend
        self._names = names
        self._settings = settings
        self._docs = {one.name: clean(one.doc, 160) for one in engine.COUNTERS}
        self._rendered: tuple[tuple[str, int] | None, tuple[FixView, ...]] = (None, ())

    def make(self, query: Query, stats: Stats, progress: Progress) -> View:
        """The view of this moment."""
        # One that was moved lives on in a worse incident; listing both would count it twice.
        incidents = tuple(one for one in self._book.incidents() if one.close_reason != "moved")
        chosen = next((one for one in incidents if one.id == query.incident), None)
        if chosen is None and incidents:
            chosen = incidents[0]
        self._trend.look(stats)
        tally = self._tally(stats, is_over=progress.phase == "done")
        names = tuple(self._names.values())
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
            incidents=tuple(map(presenting.incident_row, incidents)),
            evidence=presenting.evidence(chosen, incidents.index(chosen) + 1, len(incidents))
            if chosen
            else None,
            fixes=self._fixes(chosen),
            sessions=tuple(map(presenting.session_row, self._sessions(query.order))),
            detail=self._detail(query.session, incidents),
            counters=tuple(
                Counter(clean(name, 40), value, self._docs.get(name, ""))
                for name, value in (*stats.counters.items(), *self._book.counters.items())
            ),
            ports=tuple(map(presenting.port, stats.ports)),
            trend=self._trend.trend(),
        )

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

    def _sessions(self, order: Order) -> list[Session]:
        live = self._replay.snapshot(limit=_LISTED, order=order)
        found = {presenting.session_key(one): one for one in live}
        found.update((presenting.session_key(one), one) for one in self._ended.sessions())
        return sorted(found.values(), key=_KEYS[order])[:_LISTED]

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
        return presenting.detail(session, findings, incident, engine.DETECTORS, self._settings.site)


def refused(stats: Stats, book: Mapping[str, int]) -> Refused:
    """What had no room, in the engine and in the incident book."""
    counters = stats.counters
    return Refused(
        segments=counters.get("segments_without_flow", 0),
        flows_evicted=counters.get("flows_evicted", 0),
        sessions=counters.get("sessions_refused", 0),
        incidents=book.get("incidents_refused", 0) + book.get("incident_sessions_refused", 0),
    )


def _worst(session: Session) -> tuple[int, int, int, str, int]:
    return (
        -BADNESS.get(session.state, 1),
        -BADNESS.get(session.worst_state, 1),
        session.stalled_at_ns or session.first_ns,
        session.id,
        session.generation,
    )


def _recent(session: Session) -> tuple[int, str, int]:
    return (-session.last_ns, session.id, session.generation)


def _address(session: Session) -> tuple[str, int, str, int, int]:
    return (
        session.client_ip,
        session.client_port,
        session.headend_ip,
        session.headend_port,
        session.generation,
    )


_KEYS = {"worst": _worst, "recent": _recent, "key": _address}
