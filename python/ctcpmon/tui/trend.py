"""The last hour of a run in at most sixty steps: packets, stalls, losses. Packet time; bounded; no clock.

Steps are a second wide at first and twice as wide each time there are too many, up to a minute; from then on
the oldest go. Packets and losses are known at the points that the engine keeps, and when somebody looks: what
came between two of these is spread evenly over the time between them. Stalls have times of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.tui.view import Trend

if TYPE_CHECKING:
    from ctcpmon.engine import Finding, Stats

__all__ = ["TrendLog"]

_STEPS = 60
_SECOND_NS = 1_000_000_000
_WIDEST_NS = 64 * _SECOND_NS


class TrendLog:
    """Used by the thread that makes views."""

    def __init__(self) -> None:
        self._width_ns = _SECOND_NS
        self._first: int | None = None
        """Number of the first step: its time in widths."""
        self._steps: list[list[float]] = []
        self._at_ns: int | None = None
        self._packets = self._lost = self._dropped = 0

    def add(self, finding: Finding) -> None:
        """Takes in a finding; only stalls count."""
        if finding.verdict == "stalled":
            self._put(finding.ts_ns, 1, 1.0)

    def look(self, stats: Stats) -> None:
        """Takes in the counters of now."""
        now = stats.last_ns
        if now is None:
            return
        for at_ns, packets, missed in stats.rhythm:
            if at_ns < now and (self._at_ns is None or at_ns > self._at_ns):
                # What a port dropped since the last look is of now.
                self._reach(stats, at_ns, packets, missed + self._dropped)
        self._dropped = sum(port.dropped + port.driver_dropped for port in stats.ports)
        missed = stats.counters.get("tap_missed_segments", 0)
        self._reach(stats, now, stats.packets, missed + self._dropped)

    def _reach(self, stats: Stats, now: int, packets: int, lost: int) -> None:
        """Takes in the sums of one moment."""
        before = self._at_ns if self._at_ns is not None else stats.first_ns
        if before is None or now <= before:
            before = now
        self._spread(before, now, 0, packets - self._packets)
        self._spread(before, now, 2, lost - self._lost)
        self._at_ns, self._packets, self._lost = now, packets, lost

    def trend(self) -> Trend:
        """What there is; whole numbers, so that a view that did not change is equal."""
        seconds = self._width_ns / _SECOND_NS
        return Trend(
            step_s=round(seconds),
            packets=tuple(round(one[0] / seconds) for one in self._steps),
            stalls=tuple(round(one[1]) for one in self._steps),
            lost=tuple(round(one[2] / seconds) for one in self._steps),
        )

    def _spread(self, from_ns: int, until_ns: int, what: int, number: int) -> None:
        if number <= 0:
            return
        if from_ns >= until_ns:
            self._put(until_ns, what, number)
            return
        # Makes room for all of it first, so that the width is known.
        self._put(from_ns, what, 0.0)
        self._put(until_ns, what, 0.0)
        wide = self._width_ns
        step = max(from_ns // wide, until_ns // wide - _STEPS)
        while step * wide < until_ns:
            begin, end = max(from_ns, step * wide), min(until_ns, (step + 1) * wide)
            self._put(begin, what, number * (end - begin) / (until_ns - from_ns))
            step += 1

    def _put(self, at_ns: int, what: int, number: float) -> None:
        if self._first is None:
            self._first = at_ns // self._width_ns
        # Findings may come before the packets that were read first are counted.
        while self._width_ns < _WIDEST_NS and self._need(at_ns) > _STEPS:
            self._widen()
        place = at_ns // self._width_ns - self._first
        if place < 0:
            if self._need(at_ns) > _STEPS:
                # Older than what is remembered; or a clock that was set back.
                return
            self._steps[:0] = [[0.0, 0.0, 0.0] for _ in range(-place)]
            self._first += place
            place = 0
        if place >= _STEPS:
            gone = place - _STEPS + 1
            del self._steps[:gone]
            self._first += gone
            place = _STEPS - 1
        while len(self._steps) <= place:
            self._steps.append([0.0, 0.0, 0.0])
        self._steps[place][what] += number

    def _need(self, at_ns: int) -> int:
        """Steps from the first to the last one, with that time among them."""
        place = at_ns // self._width_ns - (self._first or 0)
        return max(place + 1, len(self._steps)) - min(place, 0)

    def _widen(self) -> None:
        if self._first is None:
            return
        odd = self._first % 2
        steps = [[0.0, 0.0, 0.0] for _ in range(odd)] + self._steps
        if len(steps) % 2:
            steps.append([0.0, 0.0, 0.0])
        self._steps = [
            [a + b for a, b in zip(one, other, strict=True)]
            for one, other in zip(steps[::2], steps[1::2], strict=True)
        ]
        self._width_ns *= 2
        self._first //= 2
