"""Which part of a graph is looked at: direction, window, cursor. Pure; every step gives a new look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ctcpmon.graph.subject import SIDES

if TYPE_CHECKING:
    from ctcpmon.graph.subject import Subject

__all__ = ["BOTH", "Look"]

BOTH = "both"
_LEAST_NS = 1_000_000
"""A window below a millisecond shows the jitter of the capture, not the session."""
_AROUND = 0.6
"""Of the time from the first sign of trouble to the verdict, so much is shown before and after (guess)."""
_LEAST_AROUND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """Times are packet times; ``place`` is the packet under the cursor, by its place in the series."""

    side: str
    """``client``, ``headend`` or ``both``: whose data are drawn."""
    from_ns: int
    until_ns: int
    place: int

    @classmethod
    def first(cls, subject: Subject) -> Look:
        """The stall, where there is one; else everything."""
        look = cls(subject.main_side, subject.first_ns, max(subject.last_ns, subject.first_ns + _LEAST_NS), 0)
        return look.trouble(subject)

    def whole(self, subject: Subject) -> Look:
        """The whole session."""
        return self._within(subject, subject.first_ns, subject.last_ns)

    def trouble(self, subject: Subject) -> Look:
        """What happened around the finding, with the cursor where it stalled; everything without one."""
        since, judged = subject.cut.since_ns, subject.cut.judged_ns
        if since is None or judged is None:
            return replace(self.whole(subject), place=subject.series.count - 1)
        around = max(int((judged - since) * _AROUND), _LEAST_AROUND_NS)
        look = self._within(subject, since - around, judged + around)
        return replace(look, place=subject.series.place_at(judged))

    def kept(self, subject: Subject) -> Look:
        """The same part of packets that were cut anew."""
        at = subject.series.place_at(self.from_ns)
        place = min(self.place, subject.series.count - 1)
        return replace(self._within(subject, self.from_ns, self.until_ns), place=max(place, at))

    def turned(self) -> Look:
        """The next direction: one, the other, both."""
        order = (*SIDES, BOTH)
        return replace(self, side=order[(order.index(self.side) + 1) % len(order)])

    def zoomed(self, subject: Subject, factor: float) -> Look:
        """``factor`` below 1 shows less time; what is under the cursor stays where it is."""
        at = min(max(self.cursor_ns(subject), self.from_ns), self.until_ns)
        wide = self.until_ns - self.from_ns
        new = max(int(wide * factor), _LEAST_NS)
        before = int((at - self.from_ns) / max(wide, 1) * new)
        return self._within(subject, at - before, at - before + new)

    def panned(self, subject: Subject, share: float) -> Look:
        """Later by ``share`` of the window, or earlier; the cursor keeps its place on the screen."""
        step = int((self.until_ns - self.from_ns) * share)
        look = self._within(subject, self.from_ns + step, self.until_ns + step)
        at = self.cursor_ns(subject) + look.from_ns - self.from_ns
        return replace(look, place=subject.series.place_at(at))

    def stepped(self, subject: Subject, step: int) -> Look:
        """The cursor to the next packet, or the one before; the window follows."""
        place = min(max(self.place + step, 0), subject.series.count - 1)
        return self._at(subject, place)

    def moved(self, subject: Subject, columns: int, of: int) -> Look:
        """The cursor by columns of a window that has ``of`` of them; at least by one packet."""
        step = (self.until_ns - self.from_ns) * columns // max(of, 1)
        place = subject.series.place_at(self.cursor_ns(subject) + step)
        place = max(place, self.place + 1) if columns > 0 else min(place, self.place - 1)
        return self._at(subject, min(max(place, 0), subject.series.count - 1))

    def cursor_ns(self, subject: Subject) -> int:
        """Time of the packet under the cursor."""
        return subject.series.packet(self.place).ts_ns

    def _at(self, subject: Subject, place: int) -> Look:
        """The cursor at a packet; the window follows when it has to."""
        look = replace(self, place=place)
        at, wide = look.cursor_ns(subject), self.until_ns - self.from_ns
        if at < self.from_ns:
            return look._within(subject, at - wide // 4, at - wide // 4 + wide)  # noqa: SLF001 one of us
        if at > self.until_ns:
            return look._within(subject, at + wide // 4 - wide, at + wide // 4)  # noqa: SLF001
        return look

    def _within(self, subject: Subject, from_ns: int, until_ns: int) -> Look:
        """A window of that length that lies in the session as far as it can."""
        whole = max(subject.last_ns - subject.first_ns, _LEAST_NS)
        wide = min(max(until_ns - from_ns, _LEAST_NS), whole)
        start = min(max(from_ns, subject.first_ns), subject.first_ns + whole - wide)
        return replace(self, from_ns=start, until_ns=start + wide)
