"""An incident while it is open: members, counts, and its frozen view. The rules are elsewhere.

The invariant: every session that was ever in it is in exactly one of stalled, at risk, recovered, gone.
Ended sessions leave the table of members and stay as numbers, so a long incident does not grow.
"""

from __future__ import annotations

from ctcpmon.diagnosis.causes import cause_of
from ctcpmon.diagnosis.device_timer import StopMeter
from ctcpmon.diagnosis.incident import Incident
from ctcpmon.diagnosis.reconnects import place_of, tell_cycle
from ctcpmon.records import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
    from typing import NamedTuple

    from ctcpmon.diagnosis.incident import Change, CloseReason, Severity
    from ctcpmon.diagnosis.reconnects import Place, Row
    from ctcpmon.engine import Finding, Session

else:
    # What hashlib itself falls back on. hashlib loads OpenSSL, which takes longer than all of our modules.
    try:
        from _sha2 import sha256
    except ImportError:  # before Python 3.12
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256

__all__ = [
    "OUTAGE",
    "STALLED",
    "Key",
    "Member",
    "OpenIncident",
    "SessionKey",
    "incident_id",
    "rank_of",
]

SessionKey = tuple[str, int]
"""Session id and generation."""

OUTAGE = "outage"
"""Family of a headend-wide outage."""
STALLED = 3
_RANKS = {"stalled": STALLED, "at_risk": 2, "suspect": 2, "unknown": 1, "healthy": 0}
_SEVERITIES: dict[int, Severity] = {3: "critical", 2: "warning", 1: "info", 0: "info"}
_SHOWN_SESSIONS = 20
MAX_ROWS = 256
"""Reconnect rows looked at for one incident."""
MAX_NETS = 4_096
"""Client networks counted for one incident."""
CLEARED_AFTER_NS = 6 * 10**9
"""A verdict is taken back after so long without cause (``CLEAR_AFTER_NS`` of the engine)."""


def rank_of(verdict: str) -> int:
    """3 stalled, 2 at risk or suspect, 1 unknown, 0 healthy."""
    return _RANKS.get(verdict, 1)


if TYPE_CHECKING:

    class _Key(NamedTuple):
        headend_ip: str
        headend_port: int
        family: str
        client_net: str
        loss_side: str | None
        rank: int = 0

else:
    from _operator import itemgetter

    class _Key(tuple):  # a named tuple, which is the fastest key, without the library that makes them
        __slots__ = ()

        def __new__(  # noqa: PLR0917 as a named tuple has it
            cls,
            headend_ip: str,
            headend_port: int,
            family: str,
            client_net: str,
            loss_side: str | None,
            rank: int = 0,
        ) -> Key:
            return tuple.__new__(cls, (headend_ip, headend_port, family, client_net, loss_side, rank))

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"Key{tuple(self)!r}"

        headend_ip = property(itemgetter(0))
        headend_port = property(itemgetter(1))
        family = property(itemgetter(2))
        client_net = property(itemgetter(3))
        loss_side = property(itemgetter(4))
        rank = property(itemgetter(5))


class Key(_Key):
    """What sessions of one incident have in common.

    ``client_net`` is empty for all client networks; ``loss_side`` is in an outage the side that fell silent;
    ``rank`` is that of a storm, which takes in sessions of this rank only, and 0 for any.
    """

    __slots__ = ()

    def of_storm(self, rank: int) -> Key:
        """The same cause over all client networks."""
        return Key(self.headend_ip, self.headend_port, self.family, "", self.loss_side, rank)


class Member(Record):
    """One session in one incident: the detectors that hold a verdict on it."""

    verdicts: dict[str, str] = field(default_factory=dict)
    """Those in force, by detector; ``take`` changes them."""
    was_stalled: bool = False
    row: Row | None = None
    """Stalled connections of the same client, once this one stalled."""
    is_rebound: bool = False
    """It is an older connection on a new port."""
    worst: int = 0
    """Rank of the worst verdict in force."""

    @property
    def rank(self) -> int:
        """The same, but a session that had stalled and is only at risk moves again: 0."""
        worst = self.worst
        if self.was_stalled and worst < STALLED and all(one == "at_risk" for one in self.verdicts.values()):
            return 0
        return worst

    def take(self, finding: Finding) -> None:
        """The verdict of one detector."""
        verdict = finding.verdict
        if rank_of(verdict) == 0:
            self.verdicts.pop(finding.detector, None)
        else:
            self.verdicts[finding.detector] = verdict
        self.worst = max(map(rank_of, self.verdicts.values()), default=0)
        self.was_stalled |= verdict == "stalled"


class OpenIncident(Record):
    """An open incident. ``counts[rank]`` is the number of members of that rank."""

    key: Key
    id: str
    lead: Finding
    since_ns: int
    last_ns: int
    lead_rank: int = -1
    members: dict[SessionKey, Member] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    moved_and_ended: int = 0
    """Sessions that moved again before they ended."""
    gone: int = 0
    """Sessions that ended otherwise."""
    reconnected: int = 0
    """Of those, the ones whose client came back on another connection."""
    missing: dict[Place, list[tuple[int, int]]] = field(default_factory=dict)
    """Sessions that are gone and whose client did not come back: rank and moment of the stall."""
    missed: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """``missing``, counted by rank."""
    shown: dict[SessionKey, None] = field(default_factory=dict)
    """The first sessions, in order of appearance."""
    moving_since_ns: int = 0
    nets: dict[str, None] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    stops: StopMeter = field(default_factory=StopMeter)
    protocols: dict[str, None] = field(default_factory=dict)
    rebindings: int = 0
    is_refuted: bool = False
    """An outage that turned out not to be headend-wide."""
    fixes: tuple[str, ...] = ()
    worst: int = 0
    seq: int = 0
    change: Change = "opened"
    emitted_ns: int = 0
    emitted_rank: int = -1

    @property
    def total(self) -> int:
        """Sessions that were ever in it."""
        return len(self.members) + self.moved_and_ended + self.gone

    @property
    def is_ill(self) -> bool:
        """True while a session is stalled or at risk."""
        return any(self.counts[1:])

    @property
    def rank(self) -> int:
        """Rank of the worst session; one that is gone counts until its client is back."""
        for rank in (3, 2, 1):
            if self.counts[rank] or self.missed[rank]:
                return rank
        return 0

    @property
    def is_outage(self) -> bool:
        """True while the whole headend is thought to be away."""
        return self.key.family == OUTAGE and not self.is_refuted

    def put_row(self, row: Row) -> None:
        """Keeps the row of a client that reconnects."""
        if len(self.rows) < MAX_ROWS:
            self.rows[id(row)] = row

    def put_member(self, session_key: SessionKey, member: Member) -> None:
        """Takes in a session."""
        self.members[session_key] = member
        self.counts[member.rank] += 1
        self.rebindings += member.is_rebound
        if member.row is not None:
            self.put_row(member.row)
        if len(self.shown) < _SHOWN_SESSIONS:
            self.shown[session_key] = None

    def take_member(self, session_key: SessionKey) -> Member:
        """Gives a session away to another incident."""
        member = self.members.pop(session_key)
        self.counts[member.rank] -= 1
        self.rebindings -= member.is_rebound
        self.shown.pop(session_key, None)
        return member

    def put_net(self, net: str) -> None:
        """Counts a client network."""
        if len(self.nets) < MAX_NETS:
            self.nets[net] = None

    def absorb(self, other: OpenIncident) -> None:
        """Takes over everything of an incident that becomes part of this one, and empties that."""
        for session_key, member in tuple(other.members.items()):
            self.put_member(session_key, other.take_member(session_key))
            self.worst = max(self.worst, member.worst)
        self.moved_and_ended += other.moved_and_ended
        self.gone += other.gone
        self.reconnected += other.reconnected
        other.moved_and_ended = other.gone = other.reconnected = 0
        for place, gone in other.missing.items():
            self.missing.setdefault(place, []).extend(gone)
        self.missed = [mine + its for mine, its in zip(self.missed, other.missed, strict=True)]
        other.missed = [0, 0, 0, 0]
        for net in other.nets:
            self.put_net(net)
        for row in other.rows.values():
            self.put_row(row)
        self.protocols.update(other.protocols)
        self.stops.absorb(other.stops)
        self.since_ns, self.last_ns = min(self.since_ns, other.since_ns), max(self.last_ns, other.last_ns)
        self.moving_since_ns = max(self.moving_since_ns, other.moving_since_ns)
        self.worst = max(self.worst, other.worst)
        if other.lead_rank > self.lead_rank or (
            other.lead_rank == self.lead_rank and other.lead.ts_ns < self.lead.ts_ns
        ):
            self.lead, self.lead_rank = other.lead, other.lead_rank

    def end_member(self, session_key: SessionKey, session: Session) -> None:
        """A session is over: it stays as a number."""
        member = self.members.pop(session_key)
        rank = member.rank
        self.counts[rank] -= 1
        if rank == 0:
            self.moved_and_ended += 1
            return
        self.gone += 1
        # A session that was only at risk and was closed in order is not missed.
        if rank == STALLED or session.end_reason not in {"fin", "rst"}:
            at_ns = session.last_ns if session.stalled_at_ns is None else session.stalled_at_ns
            self.missing.setdefault(place_of(session), []).append((rank, at_ns))
            self.missed[rank] += 1

    def came_back(self, place: Place, since_ns: int) -> bool:
        """The client has a connection that began at ``since_ns``; True when it was missed here."""
        gone = self.missing.pop(place, [])
        still = [one for one in gone if one[1] > since_ns]
        for rank, at_ns in gone:
            self.missed[rank] -= at_ns <= since_ns
        if still:
            self.missing[place] = still
        self.reconnected += len(gone) - len(still)
        return len(still) < len(gone)

    def view(self, *, closed_ns: int | None = None, reason: CloseReason | None = None) -> Incident:
        """The state at this moment."""
        lead, key, counts = self.lead, self.key, self.counts
        session = lead.session
        detector = lead.detector
        is_outage = self.is_outage
        is_named_outage = key.family == OUTAGE
        if is_outage:
            detector = "ctcp.headend_outage"
        elif self.lead_rank == STALLED:
            detector = session.signature or detector
        ended = closed_ns is not None
        return Incident(
            id=self.id,
            seq=self.seq,
            change=self.change,
            severity="info" if ended else _SEVERITIES[self.rank],
            worst_severity=_SEVERITIES[self.worst],
            cause=cause_of(detector),
            lead=lead,
            client_net=session.client_net,
            client_nets=len(self.nets),
            headend_ip=key.headend_ip,
            headend_port=key.headend_port,
            protocols=tuple(self.protocols),
            since_ns=self.since_ns,
            last_ns=self.last_ns,
            closed_ns=closed_ns,
            close_reason=reason,
            sessions_total=self.total,
            sessions_stalled=counts[3],
            sessions_at_risk=counts[2] + counts[1],
            sessions_recovered=counts[0] + self.moved_and_ended,
            sessions_gone=self.gone,
            sessions_reconnected=self.reconnected,
            sessions_missing=sum(self.missed),
            moving_since_ns=self.moving_since_ns or None,
            session_ids=tuple([session_id for session_id, _ in self.shown]),
            stopped_side=lead.stopped_side,
            loss_side=None if is_named_outage else key.loss_side or None,
            silent_side=key.loss_side if is_named_outage else None,
            confidence=lead.confidence,
            fixes=self.fixes,
            timer=None if is_outage else self.stops.read(),
            cycle=tell_cycle(list(self.rows.values())) if self.rows else None,
            rebindings=self.rebindings,
            is_refuted=self.is_refuted,
        )


def incident_id(key: Key, finding: Finding) -> str:
    """Depends on the path, the cause and the moment only, so it is the same on every machine."""
    headend_ip, headend_port, family, net, loss_side, rank = key
    storm = f"|{rank}" if rank else ""
    place = f"{headend_ip}|{headend_port}|{family}|{net}|{loss_side}{storm}"
    text = f"{place}|{finding.since_ns}|{finding.session.id}"
    return "i-" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
