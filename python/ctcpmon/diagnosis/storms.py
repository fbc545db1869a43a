"""Storms: many incidents of one headend and one cause at once are one incident over all networks.

Counts openings; merging is the book's. Bounded: groups, and openings kept for each.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.diagnosis.open_incident import Key

__all__ = ["STORM_INCIDENTS", "StormWatch"]

STORM_INCIDENTS = 8
"""Guess: so many client networks do not break at once each for itself; more would not fit on a screen."""
WITHIN_NS = 60 * 10**9
"""Guess: a fault that all share shows within a minute, at each with its next lost packet."""
MAX_OPENINGS = 64


class StormWatch:
    """Knows which incidents of a group began lately. ``forgotten`` counts groups dropped for room."""

    def __init__(self, max_groups: int) -> None:
        self._max_groups = max_groups
        self._openings: dict[Key, list[tuple[int, Key]]] = {}
        self.forgotten = 0

    def opened(self, key: Key, rank: int, now_ns: int, is_like: Callable[[Key], bool]) -> tuple[Key, ...]:
        """Notes that an incident reached ``rank``; returns the incidents to merge once they are many.

        ``is_like`` says whether an incident is still open and of that rank.
        """
        group = key.of_storm(rank)
        recent = self._openings.get(group)
        if recent is None:
            if len(self._openings) >= self._max_groups:
                del self._openings[next(iter(self._openings))]
                self.forgotten += 1
            recent = self._openings[group] = []
        while recent and (len(recent) >= MAX_OPENINGS or now_ns - recent[0][0] > WITHIN_NS):
            del recent[0]
        recent.append((now_ns, key))
        if len(recent) < STORM_INCIDENTS:
            return ()
        keys = tuple(dict.fromkeys(one for _, one in recent if is_like(one)))
        if len(keys) < STORM_INCIDENTS:
            return ()
        del self._openings[group]
        return keys
