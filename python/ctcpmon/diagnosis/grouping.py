"""Findings to incidents. Pure: no clock, no files; the only time is packet time.

A session belongs to at most one incident, that of its worst verdict, so counts over all
incidents are counts of sessions. After a stall the session stays with the cause of its first
stall, whatever its later symptoms (silence, reset) are called: S-a, S-b, S-e and S-d are usually
stages of one story. Rules that look at several sessions have a file each: ``outage``, ``storms``,
``reconnects``, ``device_timer``; this one applies them.

Everything is bounded; what is refused at a limit stands in ``counters``.
"""

from __future__ import annotations

from ctcpmon.defaults import Limits
from ctcpmon.diagnosis.causes import cause_of
from ctcpmon.diagnosis.incident import SEVERITY_RANK, Incident
from ctcpmon.diagnosis.open_incident import (
    CLEARED_AFTER_NS,
    OUTAGE,
    STALLED,
    Key,
    Member,
    OpenIncident,
    SessionKey,
    incident_id,
    rank_of,
)
from ctcpmon.diagnosis.outage import OutageWatch
from ctcpmon.diagnosis.reconnects import Place, Reconnects, place_of
from ctcpmon.diagnosis.storms import StormWatch
from ctcpmon.lean import deque
from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ctcpmon.defaults import AnyLimits
    from ctcpmon.diagnosis.incident import Change, CloseReason
    from ctcpmon.diagnosis.outage import Side, Silence
    from ctcpmon.engine import Finding, Session

    class FixChooser(Protocol):
        """Gives the fix ids for a finding, best first."""

        def __call__(self, finding: Finding, /, *, is_headend_outage: bool) -> tuple[str, ...]:
            """``is_headend_outage``: the whole headend is away, no single stream is at fault."""


__all__ = ["IncidentBook"]

_NEVER = 2**63
WAIT_FOR_RETURN_NS = 120 * 10**9
"""Guess: a client gives up after 90 s (its DPD default) and dials again; then it counts as gone."""
_MOVED_NS = 10 * 10**9
"""Guess: a connection that lived so long without a stall carried its user's traffic."""


def _no_fixes(_finding: Finding, /, *, is_headend_outage: bool) -> tuple[str, ...]:  # noqa: ARG001
    return ()


class IncidentBook:
    """Keeps the incidents of one run.

    ``add``, ``end`` and ``finish`` return the incidents to be announced: opened, severity changed,
    closed at once; changed counts at most once per ``limits.incident_update_s`` seconds of packet time.
    """

    def __init__(self, limits: AnyLimits | None = None, choose_fixes: FixChooser = _no_fixes) -> None:
        self._limits: AnyLimits = limits or Limits()
        self._choose_fixes = choose_fixes
        self._update_ns = int(self._limits.incident_update_s * 1e9)
        self._open: dict[Key, OpenIncident] = {}
        self._open_storms = 0
        self._homes: dict[SessionKey, Key] = {}
        self._pending: dict[Key, int] = {}
        self._waiting: dict[Key, int] = {}
        self._missed_at: dict[Place, dict[Key, None]] = {}
        self._next_due_ns = _NEVER
        self._now_ns = 0
        self._closed: deque[Incident] = deque(maxlen=self._limits.max_incidents)
        self._outages = OutageWatch(self._limits.max_incidents)
        self._storms = StormWatch(self._limits.max_incidents)
        self._reconnects = Reconnects(self._limits.max_incident_sessions)
        self._counters: dict[str, int] = {
            "incidents_opened": 0,
            "incidents_closed": 0,
            "incidents_refused": 0,
            "incidents_forgotten": 0,
            "incident_sessions_refused": 0,
        }

    @property
    def counters(self) -> dict[str, int]:
        """What was counted, and what was refused or forgotten at a limit."""
        forgotten = self._outages.forgotten + self._storms.forgotten + self._reconnects.forgotten
        return {**self._counters, "incident_patterns_forgotten": forgotten}

    def incident_of(self, session: Session) -> str | None:
        """Id of the open incident a session belongs to."""
        return self.home_of(session.id, session.generation)

    def home_of(self, session: str, generation: int) -> str | None:
        """The same by id and generation."""
        key = self._homes.get((session, generation))
        return self._open[key].id if key is not None else None

    def incidents(self, *, include_closed: bool = True) -> tuple[Incident, ...]:
        """All known incidents: open before closed, worst first, then most stalled, then oldest."""
        views = [incident.view() for incident in self._open.values()]
        if include_closed:
            views.extend(self._closed)
        views.sort(
            key=lambda view: (
                not view.is_open,
                -SEVERITY_RANK[view.severity],
                -view.sessions_stalled,
                view.since_ns,
                view.id,
            )
        )
        return tuple(views)

    def add(self, finding: Finding) -> tuple[Incident, ...]:
        """Takes in one finding, in order of ``seq``; returns the incidents to announce."""
        ts_ns = finding.ts_ns
        self._now_ns = max(self._now_ns, ts_ns)
        session = finding.session
        session_key = (session.id, session.generation)
        rank = rank_of(finding.verdict)
        outage = self._outages.add(finding)
        if outage is not None:
            return (*self._gather(outage, finding), *self._due(ts_ns))
        home = self._homes.get(session_key)
        announce: list[Incident] = []
        if home is None:
            if rank > 1:
                announce += self._join(session_key, finding, self._key(finding, rank), Member())
        elif self._is_elsewhere(home, finding, rank):
            # The place is found before the old incident may close over the loss of this session.
            key = self._key(finding, rank)
            member = self._open[home].take_member(session_key)
            announce += self._left(session_key, self._open[home], ts_ns)
            announce += self._join(session_key, finding, key, member)
        else:
            announce += self._update(session_key, self._open[home], finding)
        return (*announce, *self._due(ts_ns))

    def end(self, session: Session) -> tuple[Incident, ...]:
        """Takes in a session that ended, or was open when the input ended."""
        self._now_ns = max(self._now_ns, session.last_ns)
        now_ns = self._now_ns
        announce: list[Incident] = []
        if session.end_reason not in {"", "end_of_input"}:
            announce += self._member_ended(session, now_ns)
        if self._outages.ended(session):
            announce += self._refute(session, now_ns)
        # Most sessions end while nobody waits for their client.
        if (self._reconnects.rows or self._missed_at) and _has_moved(session):
            place, first_ns = place_of(session), session.first_ns
            self._reconnects.moved(place, first_ns)
            announce += self._back(place, first_ns, now_ns)
        if not announce and now_ns < self._next_due_ns:
            return ()
        return (*announce, *self._due(now_ns))

    def _member_ended(self, session: Session, now_ns: int) -> list[Incident]:
        """Takes a session that is over out of its incident, if it has one."""
        session_key = (session.id, session.generation)
        home = self._homes.pop(session_key, None)
        if home is None:
            return []
        incident = self._open[home]
        incident.end_member(session_key, session)
        place = place_of(session)
        if place in incident.missing:
            self._missed_at.setdefault(place, {})[home] = None
        return self._settle(incident, now_ns)

    def finish(self) -> tuple[Incident, ...]:
        """Announces the changes that were held back. Open incidents stay open."""
        due = self._due(self._now_ns)
        held = [self._open[key] for key in self._pending]
        self._pending.clear()
        return (*due, *(self._announce(incident, "changed", incident.last_ns) for incident in held))

    def _is_elsewhere(self, home: Key, finding: Finding, rank: int) -> bool:
        """True when a worse verdict has another cause. An outage keeps what belongs to it."""
        incident = self._open[home]
        member = incident.members[finding.session.id, finding.session.generation]
        if home.family == OUTAGE or rank <= member.worst:
            return False
        # One that stalled here and moves again stays, to be counted, whatever small thing follows.
        if member.was_stalled and rank < STALLED:
            return False
        return self._key(finding, rank) != home

    def _key(self, finding: Finding, rank: int) -> Key:
        session = finding.session
        detector = finding.detector
        if rank == STALLED and session.signature:
            detector = session.signature
        key = Key(
            session.headend_ip,
            session.headend_port,
            cause_of(detector).family,
            session.client_net,
            finding.loss_side or "",
        )
        if not self._open_storms:
            return key
        storm = key.of_storm(rank)
        return storm if storm in self._open else key

    def _join(self, session_key: SessionKey, finding: Finding, key: Key, member: Member) -> list[Incident]:
        if len(self._homes) >= self._limits.max_incident_sessions:
            self._counters["incident_sessions_refused"] += 1
            return []
        incident = self._open.get(key) or self._new(key, finding)
        if incident is None:
            return []
        session = finding.session
        self._homes[session_key] = key
        incident.put_member(session_key, member)
        incident.put_net(session.client_net)
        incident.protocols[clean(session.protocol, 20)] = None
        incident.since_ns = min(incident.since_ns, finding.since_ns)
        return self._update(session_key, incident, finding, is_new=True)

    def _new(self, key: Key, finding: Finding) -> OpenIncident | None:
        if len(self._open) >= self._limits.max_incidents:
            self._counters["incidents_refused"] += 1
            return None
        self._counters["incidents_opened"] += 1
        incident = OpenIncident(
            key=key,
            id=incident_id(key, finding),
            lead=finding,
            since_ns=finding.since_ns,
            last_ns=finding.ts_ns,
        )
        self._open[key] = incident
        self._open_storms += key.rank > 0
        return incident

    def _left(self, session_key: SessionKey, incident: OpenIncident, now_ns: int) -> list[Incident]:
        """A member was taken out, to join another incident."""
        del self._homes[session_key]
        incident.last_ns = max(incident.last_ns, now_ns)
        if not incident.total:
            return [self._close(incident, "moved", now_ns)]
        return self._settle(incident, now_ns)

    def _update(
        self,
        session_key: SessionKey,
        incident: OpenIncident,
        finding: Finding,
        *,
        is_new: bool = False,
    ) -> list[Incident]:
        member = incident.members[session_key]
        before, was_stalled = member.rank, member.was_stalled
        member.take(finding)
        after = member.rank
        rank, ts_ns = rank_of(finding.verdict), finding.ts_ns
        incident.last_ns = max(incident.last_ns, ts_ns)
        incident.counts[before] -= 1
        incident.counts[after] += 1
        incident.worst = max(incident.worst, after)
        announce: list[Incident] = []
        if member.was_stalled and not was_stalled:
            announce += self._stalled(incident, member, finding)
        if after == 0 and before > 0:
            incident.moving_since_ns = max(
                incident.moving_since_ns, ts_ns - CLEARED_AFTER_NS, incident.since_ns
            )
        if rank > incident.lead_rank:
            incident.lead, incident.lead_rank = finding, rank
            incident.fixes = self._choose_fixes(finding, is_headend_outage=incident.is_outage)
        if incident.seq == 0:
            announce.append(self._announce(incident, "opened", ts_ns))
        elif is_new or before != after or not incident.is_ill:
            announce += self._settle(incident, ts_ns)
        return announce + self._merge_storm(incident, finding)

    def _stalled(self, incident: OpenIncident, member: Member, finding: Finding) -> list[Incident]:
        """A session stalled for the first time: what the rules over several sessions make of it."""
        incident.stops.add(finding)
        member.row, step = self._reconnects.stalled(finding)
        incident.put_row(member.row)
        member.is_rebound = step == "rebound"
        incident.rebindings += member.is_rebound
        if step != "next":
            return []
        return self._back(place_of(finding.session), finding.session.first_ns, finding.ts_ns)

    def _settle(self, incident: OpenIncident, now_ns: int) -> list[Incident]:
        """After a change: closes an incident without ill sessions, unless it waits for clients."""
        incident.last_ns = max(incident.last_ns, now_ns)
        if incident.is_ill:
            self._waiting.pop(incident.key, None)
            return self._changed(incident, now_ns)
        if incident.missing:
            due_ns = self._waiting.setdefault(incident.key, now_ns + WAIT_FOR_RETURN_NS)
            self._next_due_ns = min(self._next_due_ns, due_ns)
            return self._changed(incident, now_ns)
        return [self._close(incident, _reason(incident), now_ns)]

    def _back(self, place: Place, first_ns: int, now_ns: int) -> list[Incident]:
        """A client has a further connection, begun at ``first_ns``: those that are gone were reconnected."""
        announce: list[Incident] = []
        for key in tuple(self._missed_at.get(place, ())):
            incident = self._open[key]
            if incident.came_back(place, first_ns):
                if place not in incident.missing:
                    self._forget_missed(place, key)
                announce += self._settle(incident, now_ns)
        return announce

    def _forget_missed(self, place: Place, key: Key) -> None:
        here = self._missed_at.get(place, {})
        here.pop(key, None)
        if not here:
            self._missed_at.pop(place, None)

    def _gather(self, outage: tuple[Side, tuple[Silence, ...]], newest: Finding) -> list[Incident]:
        """Brings the sessions of a headend-wide outage together."""
        side, silences = outage
        session = newest.session
        key = Key(session.headend_ip, session.headend_port, OUTAGE, "", side)
        announce: list[Incident] = []
        for silence in silences:
            finding = silence.finding
            session_key = (finding.session.id, finding.session.generation)
            home = self._homes.get(session_key)
            if home == key:
                announce += self._update(session_key, self._open[key], finding)
                continue
            if home is None and finding is not newest:
                continue  # It recovered or ended in between.
            member = Member()
            if home is not None:
                member = self._open[home].take_member(session_key)
                announce += self._left(session_key, self._open[home], newest.ts_ns)
            announce += self._join(session_key, finding, key, member)
        return announce

    def _refute(self, session: Session, now_ns: int) -> list[Incident]:
        """Other sessions of the headend went on: the name is taken back."""
        for side in ("headend", "client"):
            incident = self._open.get(Key(session.headend_ip, session.headend_port, OUTAGE, "", side))
            if incident is not None and not incident.is_refuted:
                incident.is_refuted = True
                incident.fixes = self._choose_fixes(incident.lead, is_headend_outage=False)
                return [self._announce(incident, "changed", now_ns)]
        return []

    def _merge_storm(self, incident: OpenIncident, finding: Finding) -> list[Incident]:
        """Many incidents with one cause at once become one over all client networks."""
        key, rank = incident.key, rank_of(finding.verdict)
        if not key.client_net or rank < 2 or self._open.get(key) is not incident:
            return []
        if finding is not incident.lead:
            return []
        keys = self._storms.opened(
            key, rank, finding.ts_ns, lambda one: one in self._open and self._open[one].lead_rank == rank
        )
        if not keys:
            return []
        storm = self._new(key.of_storm(rank), incident.lead)
        if storm is None:
            return []
        announce: list[Incident] = []
        for one in keys:
            old = self._open[one]
            for session_key in old.members:
                self._homes[session_key] = storm.key
            for place in old.missing:
                self._missed_at.setdefault(place, {})[storm.key] = None
            storm.absorb(old)
            announce.append(self._close(old, "moved", finding.ts_ns))
        storm.fixes = self._choose_fixes(storm.lead, is_headend_outage=False)
        return [*announce, self._announce(storm, "opened", finding.ts_ns)]

    def _changed(self, incident: OpenIncident, now_ns: int) -> list[Incident]:
        if incident.rank != incident.emitted_rank:
            return [self._announce(incident, "changed", now_ns)]
        due_ns = self._pending.setdefault(incident.key, incident.emitted_ns + self._update_ns)
        self._next_due_ns = min(self._next_due_ns, due_ns)
        return []

    def _due(self, now_ns: int) -> list[Incident]:
        if now_ns < self._next_due_ns:
            return []
        late = [key for key, at_ns in self._waiting.items() if at_ns <= now_ns]
        announce = [self._close(self._open[key], _reason(self._open[key]), now_ns) for key in late]
        due = [key for key, at_ns in self._pending.items() if at_ns <= now_ns]
        announce += [self._announce(self._open[key], "changed", now_ns) for key in due]
        later = (*self._pending.values(), *self._waiting.values())
        self._next_due_ns = min(later, default=_NEVER)
        return announce

    def _announce(self, incident: OpenIncident, change: Change, now_ns: int) -> Incident:
        self._note_announced(incident, change, now_ns)
        return incident.view()

    def _note_announced(self, incident: OpenIncident, change: Change, now_ns: int) -> None:
        self._pending.pop(incident.key, None)
        incident.seq += 1
        incident.change = change
        incident.emitted_ns = now_ns
        incident.emitted_rank = incident.rank

    def _close(self, incident: OpenIncident, reason: CloseReason, now_ns: int) -> Incident:
        self._counters["incidents_closed"] += 1
        if len(self._closed) == self._closed.maxlen:
            self._counters["incidents_forgotten"] += 1
        self._note_announced(incident, "closed", now_ns)
        view = incident.view(closed_ns=now_ns, reason=reason)
        for session_key in incident.members:
            del self._homes[session_key]
        for place in incident.missing:
            self._forget_missed(place, incident.key)
        self._waiting.pop(incident.key, None)
        if incident.key.family == OUTAGE:
            self._outages.over(incident.key.headend_ip, incident.key.headend_port)
        del self._open[incident.key]
        self._open_storms -= incident.key.rank > 0
        self._closed.append(view)
        return view


def _reason(incident: OpenIncident) -> CloseReason:
    if incident.missing:
        return "gone"
    if incident.reconnected:
        return "reconnected"
    return "cleared" if incident.counts[0] or incident.moved_and_ended else "gone"


def _has_moved(session: Session) -> bool:
    """True for a connection that lived a while in both directions and did not stall."""
    return (
        session.worst_state in {"healthy", "at_risk"}
        and not session.is_one_sided
        and session.last_ns - session.first_ns >= _MOVED_NS
    )
