"""A whole long list for a file, read in pieces: whoever reads has other things to do in between.

The order may be made anew while pieces are read, so a row is taken once, by its key, and one that moved up
meanwhile may be missed: of a run that goes on there is no moment that a list is of.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from typing import TYPE_CHECKING

from ctcpmon.tui.packets import fail
from ctcpmon.tui.view import MOST_EXPORTED, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.view import FlowRow, Listing, Reach, SessionRow

    Piece = tuple[Listing, tuple[SessionRow, ...], tuple[FlowRow, ...]]

__all__ = ["ListJob", "ListJobs"]

_PIECE = 1_000
"""Rows at once: some 40 ms (measured), of which the engine's thread has one."""
_STEP_S = 0.05


class ListJob:
    """Used by the thread that makes views."""

    def __init__(self, reach: Reach, answer: Future[Rows], read: Callable[[Reach], Piece]) -> None:
        """``read`` gives the rows of a window."""
        self._reach = replace(reach, offset=0, height=_PIECE, anchor="", line=0)
        self._answer, self._read = answer, read
        self._sessions: dict[str, SessionRow] = {}
        self._flows: dict[str, FlowRow] = {}

    @property
    def is_over(self) -> bool:
        """True when there is nothing more to do."""
        return self._answer.done()

    def step(self) -> None:
        """Reads for a twentieth of a second."""
        until = time.monotonic() + _STEP_S
        while not self.is_over and time.monotonic() < until:
            listing, sessions, flows = self._read(self._reach)
            if listing.fault:
                fail(self._answer, listing.fault)
            if listing.fault or listing.progress is not None:
                return  # counted for the first time: later
            self._sessions |= {row.key: row for row in sessions}
            self._flows |= {row.key: row for row in flows}
            offset = self._reach.offset + _PIECE
            self._reach = replace(self._reach, offset=offset)
            if offset >= min(listing.matching, MOST_EXPORTED):
                self._finish(listing.matching)

    def _finish(self, matching: int) -> None:
        found = Rows(matching, tuple(self._sessions.values()), tuple(self._flows.values()))
        try:
            self._answer.set_result(found)
        except InvalidStateError:
            return  # nobody waits for it any more


class ListJobs:
    """One list at a time, the one that was asked for last."""

    def __init__(self, read: Callable[[Reach], Piece]) -> None:
        self._read = read
        self._asked: tuple[Reach, Future[Rows]] | None = None
        self._job: ListJob | None = None

    @property
    def is_busy(self) -> bool:
        """True while there is something to read."""
        return self._job is not None and not self._job.is_over

    def step(self, asked: tuple[Reach, Future[Rows]] | None) -> None:
        """Reads on, or begins with what is asked now."""
        if asked is not None and asked is not self._asked:
            self._asked, self._job = asked, ListJob(*asked, self._read)
        if self._job is not None:
            self._job.step()
