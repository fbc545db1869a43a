"""Packets for attached screens: what each one waits for, in the hands of the thread of the run.

One cut at a time for all screens; others wait their turn. A screen that stops asking, or is let go, gives its
cut up.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from ctcpmon.text import clean
from ctcpmon.tui.packets import PacketCutter, Packets
from ctcpmon.tui.wire import PART_BYTES, PacketsPart, encode_packets

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from ctcpmon.engine import Replay
    from ctcpmon.slicing import Case
    from ctcpmon.tui.wire import PacketsAsk

__all__ = ["PacketJobs"]


class _Job:
    def __init__(self, ask: PacketsAsk) -> None:
        self.session, self.number = ask.session, ask.number
        self.answer: Future[Packets] = Future()
        self.data: bytes | None = None
        self.has_begun = False


class PacketJobs:
    """By screen. Every method is called by the thread of the run."""

    def __init__(
        self, replay: Replay, paths: Sequence[str], *, is_live: bool, case: Callable[[str], Case | None]
    ) -> None:
        self._cutter = PacketCutter(replay, paths, is_kept=is_live)
        self._case = case
        self._jobs: dict[Hashable, _Job] = {}
        self._cutting: _Job | None = None

    def part(self, screen: Hashable, ask: PacketsAsk | None, until_ns: int) -> PacketsPart | None:
        """What to send to a screen that asked this."""
        job = self._jobs.get(screen)
        if job is not None and (ask is None or ask.number != job.number or ask.session != job.session):
            self._give_up(screen)
            job = None
        if ask is None:
            return None
        if job is None:
            job = self._jobs[screen] = _Job(ask)
        self._begin(until_ns)
        if not job.answer.done():
            return PacketsPart(ask.number, 0, 0)
        if job.data is None:
            error = job.answer.exception()
            if error is not None:
                return PacketsPart(ask.number, 0, 0, refused=clean(str(error), 300))
            job.data = encode_packets(job.answer.result())
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
        job = next((one for one in self._jobs.values() if not one.has_begun), None)
        self._cutting = job
        if job is not None:
            job.has_begun = True
            self._cutter.cut(job.session, self._case(job.session), until_ns, job.answer)

    def _give_up(self, screen: Hashable) -> None:
        job = self._jobs.pop(screen, None)
        if job is not None:
            job.answer.cancel()
