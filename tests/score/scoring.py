"""Truth against report, one row per labelled flow. Compares; prints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .labels import Capture, Flow
    from .verdicts import Report, Session

CLASS_OF = {
    "ctcp.stateful_drop": "stateful_drop",
    "ctcp.proxy_ack_freeze": "proxy_ack_freeze",
    "ctcp.inspection_queue_freeze": "inspection_queue_freeze",
    "ctcp.reset_after_loss": "reset",
    "ctcp.silent_death": "silent_death",
}
DIRECTION_OF = {"client": {"c2s"}, "headend": {"s2c"}, "both": {"c2s", "s2c"}}
TUNNELS = {"ctcp", "faketcp"}
"""Protocols that ctcpmon judges: of these a stall may be reported."""


@dataclass(frozen=True)
class Row:
    """One labelled flow and the session reported for it."""

    capture: str
    flow: Flow
    session: Session | None

    @property
    def said(self) -> str:
        """The reported verdict; ``none`` when no session was reported."""
        return self.session.verdict if self.session else "none"

    @property
    def expected(self) -> bool:
        """A tunnel that should be reported as a session."""
        return self.flow.kind == "ctcp"

    @property
    def is_right(self) -> bool:
        """The reported verdict is one of those that are not wrong."""
        if not self.expected:
            return self.said != "stalled"
        return self.said in self.flow.acceptable

    @property
    def is_strict(self) -> bool:
        """The reported verdict is the best one."""
        return self.is_right if not self.expected else self.said == self.flow.verdict

    @property
    def is_false_stall(self) -> bool:
        """Reported as stalled although that is not among the answers that count as right."""
        return self.said == "stalled" and "stalled" not in self.flow.acceptable

    @property
    def is_missed(self) -> bool:
        """A stall that the tap can tell and that was not reported."""
        return self.flow.is_judgeable and self.said != "stalled"

    @property
    def class_said(self) -> str | None:
        """Class of the reported stall."""
        if self.said != "stalled" or self.session is None:
            return None
        return CLASS_OF.get(self.session.signature or "", self.session.signature)

    @property
    def class_right(self) -> bool | None:
        """``None`` when no stall was reported or truth has no class."""
        if self.class_said is None or not self.flow.acceptable_classes:
            return None
        return self.class_said in self.flow.acceptable_classes

    @property
    def direction_right(self) -> bool | None:
        """The side said to have stopped is one that did."""
        if self.class_said is None or not self.flow.dead or self.session is None:
            return None
        return bool(DIRECTION_OF.get(self.session.stopped or "", set()) & self.flow.dead)

    @property
    def loss_right(self) -> bool | None:
        """``None`` when truth does not know, or nothing was claimed."""
        if self.class_said is None or self.session is None or self.session.loss_side is None:
            return None
        named = DIRECTION_OF.get(self.session.stopped or "", set()) & self.flow.loss_sides.keys()
        sides = set().union(*(self.flow.loss_sides[d] for d in named or self.flow.loss_sides.keys()))
        return self.session.loss_side in sides if sides else None

    @property
    def loss_unsaid(self) -> bool:
        """Truth knows where the loss was and the report does not say."""
        return (
            self.class_said is not None
            and self.session is not None
            and self.session.loss_side is None
            and bool(self.flow.loss_sides)
        )

    @property
    def delay(self) -> float | None:
        """Seconds of packet time from the true onset to the first *stalled* finding."""
        if self.session is None or self.session.raised is None or self.flow.onset is None:
            return None
        onset = min(self.flow.onsets.values(), default=self.flow.onset)
        return self.session.raised - min(onset, self.flow.onset)


def rows_of(capture: Capture, report: Report) -> Iterable[Row]:
    """Pairs every labelled flow with the session reported for it."""
    used: set[int] = set()
    for flow in capture.flows:
        best, shared = None, 0.0
        for i, session in enumerate(report.sessions):
            if i in used or not _same_ends(flow, session):
                continue
            low = max(flow.window[0], session.first)
            high = min(flow.window[1], session.last)
            if best is None or high - low > shared:
                best, shared = i, high - low
        if best is not None:
            used.add(best)
        yield Row(capture.name, flow, None if best is None else report.sessions[best])


def strays(capture: Capture, report: Report) -> list[Session]:
    """Sessions reported as stalled that belong to no labelled flow."""
    return [
        s
        for s in report.sessions
        if s.verdict == "stalled" and not any(_same_ends(flow, s) for flow in capture.flows)
    ]


def _same_ends(flow: Flow, session: Session) -> bool:
    forth = (flow.client, flow.client_port, flow.server, flow.server_port)
    back = (flow.server, flow.server_port, flow.client, flow.client_port)
    return session.ends in (forth, back)


@dataclass(frozen=True)
class Delays:
    """Delays of the stalls that the tap can tell, seconds."""

    count: int
    median: float
    p95: float
    worst: float
    early: int
    """Findings before the true onset; counted apart, not among the others."""


def delays(rows: list[Row]) -> Delays | None:
    """Summary over the rows whose tap can tell."""
    all_of = [r.delay for r in rows if r.flow.is_judgeable and r.delay is not None]
    late = sorted(d for d in all_of if d >= 0.0)
    if not late:
        return None
    at = min(len(late) - 1, round(0.95 * (len(late) - 1)))
    return Delays(len(late), median(late), late[at], late[-1], len(all_of) - len(late))


def share(values: Iterable[bool | None]) -> tuple[int, int]:
    """How many are true, of how many that are known."""
    known = [v for v in values if v is not None]
    return sum(known), len(known)
