"""Packets and lists for attached screens: what each one waits for, in the hands of the thread of the run.

One cut at a time for all screens; others wait their turn. A screen that stops asking, or is let go, gives its
cut up. A list is read in pieces, one with each question.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ctcpmon.text import clean
from ctcpmon.tui.list_jobs import ListJob
from ctcpmon.tui.packets import PacketCutter
from ctcpmon.tui.wire import PART_BYTES, PacketsPart, encode_packets, encode_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from ctcpmon.engine import Replay
    from ctcpmon.slicing import Case
    from ctcpmon.tui.list_jobs import Piece
    from ctcpmon.tui.view import Reach
    from ctcpmon.tui.wire import PacketsAsk

__all__ = ["PacketJobs"]


class _Job:
    def __init__(self, ask: PacketsAsk) -> None:
        self.session, self.number, self.reach = ask.session, ask.number, ask.reach
        self.answer: Future[Any] = Future()
        self.data: bytes | None = None
        self.has_begun = False
        self.listing: ListJob | None = None

    def is_for(self, ask: PacketsAsk | None) -> bool:
        return ask is not None and (ask.number, ask.session, ask.reach) == (
            self.number,
            self.session,
            self.reach,
        )

    def encoded(self) -> bytes:
        return (encode_packets if self.reach is None else encode_rows)(self.answer.result())


class PacketJobs:
    """By screen. Every method is called by the thread of the run."""

    def __init__(
        self,
        replay: Replay,
        paths: Sequence[str],
        *,
        is_live: bool,
        case: Callable[[str], Case | None],
        piece: Callable[[Reach], Piece],
    ) -> None:
        self._cutter = PacketCutter(replay, paths, is_kept=is_live)
        self._case = case
        self._piece = piece
        self._jobs: dict[Hashable, _Job] = {}
        self._cutting: _Job | None = None

    def part(self, screen: Hashable, ask: PacketsAsk | None, until_ns: int) -> PacketsPart | None:
        """What to send to a screen that asked this."""
        job = self._jobs.get(screen)
        if job is not None and not job.is_for(ask):
            self._give_up(screen)
            job = None
        if ask is None:
            return None
        if job is None:
            job = self._jobs[screen] = _Job(ask)
        if job.reach is None:
            self._begin(until_ns)
        else:
            self._list(job, job.reach)
        if not job.answer.done():
            return PacketsPart(ask.number, 0, 0)
        if job.data is None:
            error = job.answer.exception()
            if error is not None:
                return PacketsPart(ask.number, 0, 0, refused=clean(str(error), 300))
            job.data = job.encoded()
        at = min(max(ask.at, 0), len(job.data))
        return PacketsPart(ask.number, at, len(job.data), job.data[at : at + PART_BYTES])

    def keep(self, screens: Iterable[Hashable]) -> None:
        """Forgets what others than these waited for."""
        for screen in self._jobs.keys() - set(screens):
            self._give_up(screen)

    def close(self) -> None:
        """Gives up everything."""
        self.keep(())

    def _begin(self, until_ns: int) -> None:
        """Starts the next cut when none is going on."""
        if self._cutting is not None and not self._cutting.answer.done():
            return
        job = next((one for one in self._jobs.values() if not one.has_begun and one.reach is None), None)
        self._cutting = job
        if job is not None:
            job.has_begun = True
            self._cutter.cut(job.session, self._case(job.session), until_ns, job.answer)

    def _list(self, job: _Job, reach: Reach) -> None:
        if job.listing is None:
            job.listing = ListJob(reach, job.answer, self._piece)
        job.listing.step()

    def _give_up(self, screen: Hashable) -> None:
        job = self._jobs.pop(screen, None)
        if job is not None:
            job.answer.cancel()
