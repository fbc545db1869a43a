"""Slices: which sessions a reference means, and their packets as an annotated pcapng.

Two passes over the captures: one judges, and keeps what was found; the other cuts. Memory is
bounded by the number of sessions kept, not by the captures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ctcpmon.diagnosis import proof_of, verdict_words
from ctcpmon.narration import INCOMPLETE_NOTES
from ctcpmon.pipeline import Pipeline
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ctcpmon.config import Settings
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Finding, Replay, Session, Sliced
    from ctcpmon.pipeline import Item

__all__ = [
    "MAX_SESSIONS",
    "Bounds",
    "Case",
    "Order",
    "cut_files",
    "cut_kept",
    "gather",
    "order_of",
    "slice_files",
    "slice_kept",
]

MAX_SESSIONS = 64
"""Sessions of one slice (guess: more than anybody looks through)."""
_MAX_CASES = 10_000
_MAX_FINDINGS = 100
_MIN_PREFIX = 4
_RANKS = {"stalled": 4, "suspect": 3, "at_risk": 2, "unknown": 1, "healthy": 0}
_EVER_NS = 2**63 - 1
_ABOUT_CELLS = 400


@dataclass(slots=True)
class Case:
    """One session and what was found on it."""

    session: Session
    """As it was last seen."""
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    """Event id and finding, in order; the first ones."""
    is_open: bool = True

    @property
    def lead(self) -> tuple[str, Finding] | None:
        """The first finding of the worst verdict."""
        return max(self.findings, key=lambda one: _RANKS.get(one[1].verdict, 0), default=None)


@dataclass(frozen=True, slots=True)
class Order:
    """What the engine is asked for; see ``slice_captures`` in the stub."""

    wanted: list[tuple[str, int, str, int, int, int]]
    marks: list[tuple[int, int, str | None, str, str]]
    about: list[str]


class Bounds(NamedTuple):
    """How much is taken where there may be too much; see ``slice_bytes`` in the stub."""

    around_ns: int
    packets: int
    size: int
    """Bytes."""


@dataclass(slots=True)
class _Search:
    reference: str
    cases: dict[tuple[str, int], Case] = field(default_factory=dict)
    """By session and generation; those with findings, and those that the reference names."""
    named: set[tuple[str, int]] = field(default_factory=set)
    ended: dict[str, Session] = field(default_factory=dict)
    """Ended sessions by id, the first ones: a session may continue one without findings."""
    incident: Incident | None = None

    def take(self, item: Item) -> None:
        if item.incident is not None and item.incident.id == self.reference:
            self.incident = item.incident
        if item.finding is not None:
            self._finding(item, item.finding)
        if item.session is not None:
            key = (item.session.id, item.session.generation)
            if self._names(item.session.id) or item.id == self.reference:
                self.named.add(key)
            if len(self.ended) < _MAX_CASES:
                self.ended[item.session.id] = item.session
            case = self._case(key, item.session)
            if case is not None:
                case.session = item.session
                case.is_open = False
                if not case.findings and key not in self.named:
                    del self.cases[key]

    def _finding(self, item: Item, finding: Finding) -> None:
        key = (finding.session.id, finding.session.generation)
        is_meant = item.id == self.reference or (
            self.reference.isdecimal() and item.id.rpartition(".")[2] == self.reference
        )
        if is_meant or self._names(finding.session.id):
            self.named.add(key)
        case = self._case(key, finding.session)
        if case is None:
            return
        case.session = finding.session
        if is_meant:
            # Nothing else is meant, so nothing else is remarked on.
            case.findings = [(item.id, finding)]
            case.is_open = True
        elif len(case.findings) < _MAX_FINDINGS:
            case.findings.append((item.id, finding))

    def _case(self, key: tuple[str, int], session: Session) -> Case | None:
        case = self.cases.get(key)
        if case is None and (key in self.named or len(self.cases) < _MAX_CASES):
            case = self.cases[key] = Case(session)
        return case

    def _names(self, session_id: str) -> bool:
        return len(self.reference) >= _MIN_PREFIX and session_id.startswith(self.reference.lower())

    def found(self) -> list[Case]:
        if self.incident is not None:
            ids = set(self.incident.session_ids)
            cases = [case for (session_id, _), case in self.cases.items() if session_id in ids]
        else:
            cases = [case for key, case in self.cases.items() if key in self.named]
        return cases + self._continued(cases)

    def _continued(self, cases: list[Case]) -> list[Case]:
        """The sessions that these continue: that they do is part of what is known of them."""
        there = {case.session.id for case in cases}
        linked = dict.fromkeys(case.session.linked_session for case in cases)
        return [
            Case(self.ended[one], is_open=False)
            for one in linked
            if one is not None and one not in there and one in self.ended
        ]


def gather(paths: Sequence[str], reference: str, settings: Settings) -> tuple[list[Case], bool]:
    """Replays ``paths`` and gives the sessions that ``reference`` means, in order of appearance.

    Of an incident these are its first sessions, those that its event names. The other value is false when
    part of the input could not be read.
    """
    from ctcpmon import engine

    found = _Search(reference.strip())
    limits = settings.limits
    with engine.open_replay(
        paths,
        max_flow_mib=limits.max_flow_mib,
        max_sessions=limits.max_sessions,
        max_pending=limits.max_pending,
    ) as replay:
        for items in Pipeline(replay, settings, version=engine.__version__).batches():
            for item in items:
                found.take(item)
        notes = replay.stats().notes
    return found.found(), not any(note.kind in INCOMPLETE_NOTES for note in notes)


def order_of(cases: Iterable[Case], title: str, *, until_ns: int = _EVER_NS) -> Order:
    """Sessions and remarks of a slice that is called ``title``; of open sessions up to ``until_ns``."""
    order = Order([], [], [clean(title, _ABOUT_CELLS)])
    for index, case in enumerate(cases):
        session = case.session
        order.wanted.append(
            (
                session.client_ip,
                session.client_port,
                session.headend_ip,
                session.headend_port,
                session.first_ns,
                until_ns if case.is_open else session.last_ns,
            )
        )
        lead = case.lead
        for event_id, finding in case.findings:
            words = verdict_words(finding, event_id)
            order.about.append(clean(f"session {session.id}: {words}", _ABOUT_CELLS))
            if lead is not None and finding is lead[1]:
                remarks = proof_of(finding, event_id)
                order.marks.extend((index, one.ts_ns, one.side, one.sign, one.text) for one in remarks)
            else:
                order.marks.append((index, finding.ts_ns, None, "any", f"judged here: {words}"))
        if not case.findings:
            order.about.append(clean(f"session {session.id}: no detector raised", _ABOUT_CELLS))
    return order


def slice_files(paths: Sequence[str], out: str | None, order: Order) -> Sliced:
    """Cuts captures into the file ``out``, which must be there; None is standard output."""
    from ctcpmon import engine

    return engine.slice_captures(
        list(paths), out, order.wanted, order.marks, about=order.about, application=_application()
    )


def slice_kept(replay: Replay, cases: Sequence[Case], order: Order) -> tuple[bytes, Sliced]:
    """The same of what a run has kept."""
    ids = [case.session.id for case in cases]
    return replay.slice(ids, order.wanted, order.marks, about=order.about, application=_application())


def cut_files(
    paths: Sequence[str], order: Order, bounds: Bounds, goes_on: Callable[[], bool]
) -> tuple[bytes, Sliced] | None:
    """Cuts captures into memory; None when ``goes_on`` said no on the way."""
    from ctcpmon import engine

    return engine.slice_bytes(
        list(paths),
        order.wanted,
        order.marks,
        about=order.about,
        application=_application(),
        most=bounds,
        goes_on=goes_on,
    )


def cut_kept(replay: Replay, cases: Sequence[Case], order: Order, bounds: Bounds) -> tuple[bytes, Sliced]:
    """The same of what a run has kept."""
    ids = [case.session.id for case in cases]
    return replay.slice(
        ids, order.wanted, order.marks, about=order.about, application=_application(), most=bounds
    )


def _application() -> str:
    from ctcpmon import engine

    return f"ctcpmon {engine.__version__}"
