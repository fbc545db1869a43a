"""Findings to incidents. Pure: no clock, no files; the only time is the findings' packet time.

A session belongs to at most one incident, that of its worst verdict, so counts over all
incidents are counts of sessions. After a stall the session stays with the cause of its first
stall, whatever its later symptoms (silence, reset) are called: S-a, S-b, S-e and S-d are usually
stages of one story. A session that stalled and is now held only *at risk* counts as recovered: it
moves, and the loss it is remembered for is the one that this incident already tells.

Everything is bounded; what is refused at a limit stands in ``counters``.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ctcpmon.config import Limits
from ctcpmon.diagnosis.causes import cause_of
from ctcpmon.diagnosis.incident import SEVERITY_RANK, Change, Incident, Severity
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.engine import Finding, Session

__all__ = ["IncidentBook", "client_net"]

_STALLED = 3
_RANKS = {"stalled": _STALLED, "at_risk": 2, "suspect": 2, "unknown": 1, "healthy": 0}
_SEVERITIES: dict[int, Severity] = {3: "critical", 2: "warning", 1: "info", 0: "info"}
_SHOWN_SESSIONS = 20
_NEVER = 2**63

FixChooser = Callable[["Finding"], tuple[str, ...]]
SessionKey = tuple[str, int]


class _Key(NamedTuple):
    headend_ip: str
    headend_port: int
    family: str
    client_net: str
    loss_side: str


@dataclass(slots=True)
class _Member:
    """One session in one incident: the detectors that hold a verdict on it."""

    ranks: dict[str, int] = field(default_factory=dict)
    doubts: set[str] = field(default_factory=set)
    """Detectors that hold *suspect*: of the rank of *at risk*, but a stall may be going on."""
    has_stalled: bool = False

    @property
    def held(self) -> int:
        """Worst verdict in force."""
        return max(self.ranks.values(), default=0)

    @property
    def rank(self) -> int:
        """The one it is counted under."""
        is_back = self.has_stalled and self.held < _STALLED and not self.doubts
        return 0 if is_back else self.held

    def take(self, detector: str, verdict: str, rank: int) -> None:
        """Replaces the verdict of one detector."""
        self.ranks.pop(detector, None)
        self.doubts.discard(detector)
        if rank:
            self.ranks[detector] = rank
        if verdict == "suspect":
            self.doubts.add(detector)
        self.has_stalled |= rank == _STALLED


@dataclass(slots=True)
class _Open:
    """An open incident. ``counts[rank]`` is the number of members of that rank."""

    key: _Key
    id: str
    lead: Finding
    lead_rank: int
    since_ns: int
    last_ns: int
    members: dict[SessionKey, _Member] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    protocols: dict[str, None] = field(default_factory=dict)
    fixes: tuple[str, ...] = ()
    worst: int = 0
    seq: int = 0
    change: Change = "opened"
    emitted_ns: int = 0
    emitted_rank: int = -1

    @property
    def rank(self) -> int:
        return next((rank for rank in (3, 2, 1) if self.counts[rank]), 0)


def client_net(ip: str) -> str:
    """The client side of a path: the /24 of an IPv4, the /64 of an IPv6 address."""
    try:
        bits = 24 if ip_address(ip).version == 4 else 64
        return str(ip_network(f"{ip}/{bits}", strict=False))
    except ValueError:
        return clean(ip, 45)


def _no_fixes(_finding: Finding) -> tuple[str, ...]:
    return ()


class IncidentBook:
    """Keeps the incidents of one run.

    ``choose_fixes`` gives the fix ids for a finding, best first. ``add`` and ``finish`` return the
    incidents to be announced: opened, severity changed, closed at once; changed counts at most
    once per ``limits.incident_update_s`` seconds of packet time.
    """

    def __init__(self, limits: Limits | None = None, choose_fixes: FixChooser = _no_fixes) -> None:
        self._limits = limits or Limits()
        self._choose_fixes = choose_fixes
        self._update_ns = int(self._limits.incident_update_s * 1e9)
        self._open: dict[_Key, _Open] = {}
        self._homes: dict[SessionKey, _Key] = {}
        self._pending: dict[_Key, int] = {}
        self._next_due_ns = _NEVER
        self._closed: deque[Incident] = deque(maxlen=self._limits.max_incidents)
        self.counters: dict[str, int] = {
            "incidents_opened": 0,
            "incidents_closed": 0,
            "incidents_refused": 0,
            "incidents_forgotten": 0,
            "incident_sessions_refused": 0,
        }

    def incident_of(self, session: Session) -> str | None:
        """Id of the open incident a session belongs to."""
        key = self._homes.get((session.id, session.generation))
        return self._open[key].id if key is not None else None

    def incidents(self, *, include_closed: bool = True) -> tuple[Incident, ...]:
        """All known incidents: open before closed, worst first, then most stalled, then oldest."""
        views = [self._view(incident) for incident in self._open.values()]
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
        session = finding.session
        session_key = (session.id, session.generation)
        rank = _RANKS.get(finding.verdict, 1)
        home = self._homes.get(session_key)
        announce: list[Incident] = []
        if home is None:
            if rank > 1:
                announce += self._join(session_key, finding, rank, _Member())
        else:
            incident = self._open[home]
            member = incident.members[session_key]
            if rank > member.held and self._key(finding, rank) != home:
                announce += self._leave(session_key, incident, finding.ts_ns)
                announce += self._join(session_key, finding, rank, member)
            else:
                announce += self._update(session_key, incident, finding, rank)
        return (*announce, *self._due(finding.ts_ns))

    def finish(self) -> tuple[Incident, ...]:
        """Announces the changes that were held back. Open incidents stay open."""
        held = [self._open[key] for key in self._pending]
        self._pending.clear()
        return tuple(self._announce(incident, "changed", incident.last_ns) for incident in held)

    def _key(self, finding: Finding, rank: int) -> _Key:
        session = finding.session
        detector = finding.detector
        if rank == _STALLED and session.signature:
            detector = session.signature
        return _Key(
            session.headend_ip,
            session.headend_port,
            cause_of(detector).family,
            client_net(session.client_ip),
            finding.loss_side or "",
        )

    def _join(self, session_key: SessionKey, finding: Finding, rank: int, member: _Member) -> list[Incident]:
        if len(self._homes) >= self._limits.max_incident_sessions:
            self.counters["incident_sessions_refused"] += 1
            return []
        key = self._key(finding, rank)
        incident = self._open.get(key)
        if incident is None:
            if len(self._open) >= self._limits.max_incidents:
                self.counters["incidents_refused"] += 1
                return []
            self.counters["incidents_opened"] += 1
            incident = _Open(
                key=key,
                id=_incident_id(key, finding),
                lead=finding,
                lead_rank=-1,
                since_ns=finding.since_ns,
                last_ns=finding.ts_ns,
            )
            self._open[key] = incident
        self._homes[session_key] = key
        incident.members[session_key] = member
        incident.counts[member.rank] += 1
        incident.protocols[clean(finding.session.protocol, 20)] = None
        incident.since_ns = min(incident.since_ns, finding.since_ns)
        return self._update(session_key, incident, finding, rank)

    def _leave(self, session_key: SessionKey, incident: _Open, now_ns: int) -> list[Incident]:
        member = incident.members.pop(session_key)
        incident.counts[member.rank] -= 1
        del self._homes[session_key]
        incident.last_ns = max(incident.last_ns, now_ns)
        if not incident.members:
            return [self._close(incident, "moved", now_ns)]
        if not any(incident.counts[1:]):
            return [self._close(incident, "cleared", now_ns)]
        return self._changed(incident, now_ns)

    def _update(
        self, session_key: SessionKey, incident: _Open, finding: Finding, rank: int
    ) -> list[Incident]:
        member = incident.members[session_key]
        before = member.rank
        member.take(finding.detector, finding.verdict, rank)
        after = member.rank
        incident.last_ns = max(incident.last_ns, finding.ts_ns)
        incident.counts[before] -= 1
        incident.counts[after] += 1
        incident.worst = max(incident.worst, after)
        if rank > incident.lead_rank:
            incident.lead, incident.lead_rank = finding, rank
            incident.fixes = self._choose_fixes(finding)
        if incident.seq == 0:
            return [self._announce(incident, "opened", finding.ts_ns)]
        if not any(incident.counts[1:]):
            return [self._close(incident, "cleared", finding.ts_ns)]
        if before == after:
            return []
        return self._changed(incident, finding.ts_ns)

    def _changed(self, incident: _Open, now_ns: int) -> list[Incident]:
        if incident.rank != incident.emitted_rank:
            return [self._announce(incident, "changed", now_ns)]
        due_ns = self._pending.setdefault(incident.key, incident.emitted_ns + self._update_ns)
        self._next_due_ns = min(self._next_due_ns, due_ns)
        return []

    def _due(self, now_ns: int) -> list[Incident]:
        if now_ns < self._next_due_ns:
            return []
        due = [key for key, at_ns in self._pending.items() if at_ns <= now_ns]
        waiting = (at_ns for at_ns in self._pending.values() if at_ns > now_ns)
        self._next_due_ns = min(waiting, default=_NEVER)
        return [self._announce(self._open[key], "changed", now_ns) for key in due]

    def _announce(self, incident: _Open, change: Change, now_ns: int) -> Incident:
        self._pending.pop(incident.key, None)
        incident.seq += 1
        incident.change = change
        incident.emitted_ns = now_ns
        incident.emitted_rank = incident.rank
        return self._view(incident)

    def _close(self, incident: _Open, reason: str, now_ns: int) -> Incident:
        self.counters["incidents_closed"] += 1
        if len(self._closed) == self._closed.maxlen:
            self.counters["incidents_forgotten"] += 1
        self._announce(incident, "closed", now_ns)
        view = self._view(incident, closed_ns=now_ns, reason=reason)
        for session_key in incident.members:
            del self._homes[session_key]
        del self._open[incident.key]
        self._closed.append(view)
        return view

    def _view(self, incident: _Open, *, closed_ns: int | None = None, reason: str | None = None) -> Incident:
        lead = incident.lead
        detector = lead.detector
        if incident.lead_rank == _STALLED and lead.session.signature:
            detector = lead.session.signature
        shown = islice(incident.members, _SHOWN_SESSIONS)
        return Incident(
            id=incident.id,
            seq=incident.seq,
            change=incident.change,
            severity=_SEVERITIES[incident.rank],
            worst_severity=_SEVERITIES[incident.worst],
            cause=cause_of(detector),
            lead=lead,
            client_net=incident.key.client_net,
            headend_ip=incident.key.headend_ip,
            headend_port=incident.key.headend_port,
            protocols=tuple(incident.protocols),
            since_ns=incident.since_ns,
            last_ns=incident.last_ns,
            closed_ns=closed_ns,
            close_reason=reason,
            sessions_total=len(incident.members),
            sessions_stalled=incident.counts[3],
            sessions_at_risk=incident.counts[2],
            sessions_recovered=incident.counts[0],
            session_ids=tuple(session_id for session_id, _ in shown),
            stopped_side=lead.stopped_side,
            loss_side=incident.key.loss_side or None,
            confidence=lead.confidence,
            fixes=incident.fixes,
        )


def _incident_id(key: _Key, finding: Finding) -> str:
    """Depends on the path, the cause and the moment only, so it is the same on every machine."""
    text = "|".join((*map(str, key), str(finding.since_ns), finding.session.id))
    return "i-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
