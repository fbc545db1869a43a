"""Memory of a run for the screen: ended sessions and findings by session, bounded.

The engine hands both over once and forgets them. What does not fit any more is counted; the
screen never claims to list what it does not.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING

from ctcpmon.tui.presenting import session_key

if TYPE_CHECKING:
    from ctcpmon.engine import Finding, Session

__all__ = ["BADNESS", "EndedSessions", "FindingLog"]

BADNESS = {"stalled": 4, "suspect": 3, "at_risk": 2, "unknown": 1, "healthy": 0}
"""Order of states, higher is worse."""


class EndedSessions:
    """The worst ``most`` ended sessions, and counts of all of them by state."""

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._number = 0
        self._heap: list[tuple[int, int, int, str]] = []
        self._kept: dict[str, Session] = {}
        self.by_state: Counter[str] = Counter()
        self.at_end_by_state: Counter[str] = Counter()
        """Those that only the end of the input ended; they were live until then."""

    def add(self, session: Session) -> None:
        """Takes in one ended session."""
        self._number += 1
        self.by_state[session.state] += 1
        if session.end_reason == "end_of_input":
            self.at_end_by_state[session.state] += 1
        key = session_key(session)
        rank = (BADNESS.get(session.state, 1), BADNESS.get(session.worst_state, 1), -self._number, key)
        self._kept[key] = session
        heapq.heappush(self._heap, rank)
        if len(self._heap) > self._most:
            dropped = heapq.heappop(self._heap)[3]
            self._kept.pop(dropped, None)

    def get(self, key: str) -> Session | None:
        """One kept session."""
        return self._kept.get(key)

    def sessions(self) -> tuple[Session, ...]:
        """The kept ones, in no order."""
        return tuple(self._kept.values())


class FindingLog:
    """The last findings of each session, for as many sessions as fit; the latest ones stay.

    A finding holds its session as it was, some 2 kB: ``findings`` bounds them all together.
    """

    def __init__(self, sessions: int = 5_000, per_session: int = 40, findings: int = 20_000) -> None:
        self._sessions = sessions
        self._per_session = per_session
        self._most = findings
        self._number = 0
        self._by_key: OrderedDict[str, deque[Finding]] = OrderedDict()

    def add(self, finding: Finding) -> None:
        """Takes in one finding."""
        key = session_key(finding.session)
        log = self._by_key.get(key)
        if log is None:
            log = self._by_key[key] = deque(maxlen=self._per_session)
        else:
            self._by_key.move_to_end(key)
        self._number += len(log) < self._per_session
        log.append(finding)
        while len(self._by_key) > self._sessions or (self._number > self._most and len(self._by_key) > 1):
            _, oldest = self._by_key.popitem(last=False)
            self._number -= len(oldest)

    def of(self, key: str) -> tuple[Finding, ...]:
        """What is known of one session, in order."""
        return tuple(self._by_key.get(key, ()))
