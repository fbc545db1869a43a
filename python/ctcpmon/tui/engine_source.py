"""A ``ViewSource`` over the engine. One thread polls, groups and builds views; nobody waits for it.

The thread is the only user of the incident book and of what is kept for the screen. The user's
thread reads ``_view`` and sets ``_query``: single references, so no lock is needed.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from ctcpmon import engine
from ctcpmon.config import Settings
from ctcpmon.errors import CtcpmonError, InputError
from ctcpmon.pipeline import new_book
from ctcpmon.text import clean
from ctcpmon.tui.ended import EndedSessions, FindingLog
from ctcpmon.tui.list_jobs import ListJobs
from ctcpmon.tui.pace import Pace
from ctcpmon.tui.packets import PacketCutter, Packets, fail, has_pipe
from ctcpmon.tui.presenting import input_name
from ctcpmon.tui.priority import behind_packets
from ctcpmon.tui.runlog import RunLog
from ctcpmon.tui.trend import TrendLog
from ctcpmon.tui.view import Progress, Query, Reach, Refused, Rows, Situation, Tally, Tap, View
from ctcpmon.tui.viewmaking import ViewMaker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from ctcpmon.capture_filter import Program
    from ctcpmon.diagnosis import Incident, IncidentBook
    from ctcpmon.engine import Batch, Replay
    from ctcpmon.saving import SliceSaver

__all__ = ["EngineSource"]

_POLL_MS = 40
_MAX_ITEMS = 200
"""Per poll: keeps the interpreter free for the screen between two batches."""
_PACED_FRAMES = 16
"""Frames per step at a set speed: the pace is kept per step, so a small one moves evenly."""
_REST_S = 0.25
_FLOWS_S = 0.45
"""Between two readings of a list of flows that nobody moves in: twice a second, as over ssh (guess: nobody
reads numbers that change more often; to read and paint it costs more than all else on a screen)."""
_PIPE_KEEP_MIB = 32
"""Of packets of tunnel sessions, as ``live`` keeps: a pipe is read only once."""
_LATER_S = (0.5, 5.0)
"""After the end of the input: longer than a list of sessions, of flows, is thought fresh."""


class EngineSource:
    """One replay, to be looked at. Call ``start``, then ``close`` whatever happens."""

    def __init__(
        self,
        paths: Sequence[str],
        *,
        names: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        speed: float = 0.0,
        filters: Mapping[int, Program] | None = None,
        period_s: float = 0.2,
        live: Replay | None = None,
        is_followed: bool = False,
        idle_s: float | None = None,
        saver: SliceSaver | None = None,
    ) -> None:
        """``names`` says how a path is to be called; ``period_s`` is the time between two views.

        ``saver`` writes slices of it.

        ``live`` is a run that is open already; ``paths`` then name its interfaces. It is not paused: only
        the view stands still.
        """
        self._live = live
        self._paths = tuple(paths)
        # The kind of a path is asked now: once it is open, a pipe may be gone.
        self._keep_mib = _PIPE_KEEP_MIB if live is None and has_pipe(self._paths) else 0
        self._names = {path: clean((names or {}).get(path, path)) for path in self._paths}
        self._settings = settings or Settings()
        self._period_s = period_s
        self._speed = speed
        self._filters = filters
        self._saver = saver
        self._is_followed, self._idle_s = is_followed, idle_s
        self._is_paused = False
        self._stretches_to: int | None = None
        """Incidents there shall be when a stretch ends; 0: it is a step. None: there is no stretch."""
        self._query = Query()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._opened = threading.Event()
        self._replay: Replay | None = None
        self._failure: BaseException | None = None
        self._wanted: tuple[str, Future[Packets]] | None = None
        self._listed: tuple[Reach, Future[Rows]] | None = None
        self._view = self._first_view()
        self._thread = threading.Thread(target=self._run, name="ctcpmon-view", daemon=True)

    def start(self, wait_s: float = 0.5) -> None:
        """Begins to read. Raises ``InputError`` if that fails within ``wait_s``; a pipe may be slower."""
        self._thread.start()
        self._opened.wait(wait_s)
        if isinstance(self._failure, CtcpmonError) and self._replay is None:
            raise self._failure

    def close(self) -> None:
        """Ends the reading. A reader that hangs on a pipe is left behind."""
        self._closing.set()
        self._wake.set()
        for asked in (self._wanted, self._listed):
            if asked is not None:
                asked[1].cancel()
        if self._replay is not None:
            self._replay.stop()
        if self._thread.is_alive():
            self._thread.join(1.0)

    @property
    def failure(self) -> BaseException | None:
        """What ended the reading early."""
        return self._failure

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        self._query = query
        self._wake.set()

    def view(self) -> View:
        """See ``ViewSource``."""
        return self._view

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """See ``ViewSource``."""
        self._is_paused = paused
        self._stretches_to = None
        if self._replay is not None and self._live is None:
            self._replay.set_paused(paused)
        self._wake.set()

    def set_speed(self, speed: float) -> None:
        """See ``ViewSource``."""
        self._speed = speed
        if self._replay is not None:
            self._replay.set_speed(speed)
        self._wake.set()

    def packets(self, session: str) -> Future[Packets]:
        """See ``ViewSource``."""
        answer: Future[Packets] = Future()
        before, self._wanted = self._wanted, (session, answer)
        if before is not None:
            before[1].cancel()
        if not self._thread.is_alive():
            fail(answer, "the run has ended in an error, so its packets cannot be shown")
        if self._live is None:
            # Not for interfaces: their view may be frozen, and they are looked after all the time.
            self._wake.set()
        return answer

    def rows(self, reach: Reach) -> Future[Rows]:
        """See ``ViewSource``."""
        answer: Future[Rows] = Future()
        before, self._listed = self._listed, (reach, answer)
        if before is not None:
            before[1].cancel()
        if not self._thread.is_alive():
            fail(answer, "the run has ended in an error, so its lists cannot be read")
        return answer

    def step(self) -> None:
        """See ``ViewSource``."""
        self._stretch(0)

    def to_next_incident(self) -> None:
        """See ``ViewSource``."""
        self._stretch(len(self._view.incidents) + 1)

    def _stretch(self, incidents: int) -> None:
        if self._replay is None or self._live is not None or self._view.progress.phase == "done":
            return
        self._is_paused, self._stretches_to = False, None
        if incidents:
            self._replay.until_finding()
        else:
            self._replay.step(1.0)
        # Not before: a run that is still held would be taken for one whose stretch has ended.
        self._stretches_to = incidents
        self._wake.set()

    def _end_stretch(self, replay: Replay, book: IncidentBook) -> None:
        """Holds where a stretch has ended; a finding that made no new incident does not end one."""
        wanted = self._stretches_to
        if wanted is None or not replay.is_paused:
            return
        if len(book.incidents()) < wanted:
            replay.until_finding()
            return
        self._is_paused, self._stretches_to = True, None
        self._wake.set()

    def _run(self) -> None:
        try:
            with self._open() as replay:
                self._replay = replay
                if self._live is None:
                    replay.set_paused(self._is_paused)
                    replay.set_speed(self._speed)
                self._opened.set()
                behind_packets()
                self._follow(replay)
        # BaseException: a panic of the engine does not derive from Exception.
        except BaseException as error:  # noqa: BLE001
            self._failure = error
            text = clean(str(error), 200) if isinstance(error, InputError) else "internal error"
            self._view = replace(
                self._view, progress=replace(self._view.progress, phase="failed", error=text)
            )
        finally:
            self._opened.set()
            if self._wanted is not None:
                fail(self._wanted[1], "the run has ended in an error, so its packets cannot be shown")
            if self._listed is not None:
                fail(self._listed[1], "the run has ended in an error, so its lists cannot be read")

    def _open(self) -> AbstractContextManager[Replay]:
        if self._live is not None:
            return nullcontext(self._live)
        limits = self._settings.limits
        return engine.open_replay(
            self._paths,
            max_flow_mib=limits.max_flow_mib,
            max_sessions=limits.max_sessions,
            batch_frames=_PACED_FRAMES if self._speed else 0,
            max_pending=limits.max_pending,
            speed=self._speed,
            filters=self._filters,
            is_followed=self._is_followed,
            idle_s=self._idle_s,
            keeps_flows=True,
            # From its first packet on: a small file is read before anybody could hold it.
            is_paused=self._is_paused,
            keep_mib=self._keep_mib,
        )

    def _follow(self, replay: Replay) -> None:
        book = new_book(self._settings)
        ended, log, trend = EndedSessions(), FindingLog(), TrendLog()
        pace, run_log = Pace(), RunLog(engine.DETECTORS)
        maker = ViewMaker(
            replay,
            book=book,
            ended=ended,
            log=log,
            trend=trend,
            run_log=run_log,
            names=self._names,
            settings=self._settings,
        )
        is_kept = self._live is not None or self._keep_mib > 0
        cutter = PacketCutter(replay, self._paths, is_kept=is_kept)
        cutting: Future[Packets] | None = None
        lists = ListJobs(maker.piece)
        published = listed = 0.0
        is_done = False
        again: list[float] = []
        while not self._closing.is_set():
            if is_done:
                self._wake.wait(0.0 if lists.is_busy else _REST_S)
            else:
                batch: Batch = replay.poll(_POLL_MS, _MAX_ITEMS)
                self._take(batch, book=book, ended=ended, log=log, trend=trend, run_log=run_log)
                if not batch.more:
                    self._end_stretch(replay, book)
                if batch.done:
                    is_done = True
                    book.finish()
                    published = 0.0
            wanted = self._wanted
            if wanted is not None and wanted[1] is not cutting:
                cutting = wanted[1]
                cutter.cut(wanted[0], maker.case(wanted[0]), replay.stats().last_ns or 0, cutting)
            lists.step(self._listed)
            now = time.monotonic()
            is_asked = self._wake.is_set() or bool(again and now >= again[0])
            is_frozen = self._is_paused and self._live is not None
            is_due = not is_done and not is_frozen and now - published >= self._period_s
            if is_asked or is_due or published == 0.0:
                if not again or not now >= again[0]:
                    # Lists are a little older than the rest; at the end they catch up.
                    again = [now + late for late in _LATER_S] if is_done else []
                again = [time for time in again if time > now]
                self._wake.clear()
                published = now
                stats = replay.stats()
                progress = pace.progress(
                    stats, now, is_done=is_done, is_paused=self._is_paused, speed=self._speed
                )
                reads_flows = is_asked or is_done or now - listed >= _FLOWS_S
                listed = now if reads_flows else listed
                view = maker.make(self._query, stats, progress, reads_flows=reads_flows)
                if view != self._view:
                    self._view = view

    def _take(
        self,
        batch: Batch,
        *,
        book: IncidentBook,
        ended: EndedSessions,
        log: FindingLog,
        trend: TrendLog,
        run_log: RunLog,
    ) -> None:
        """Keeps what a poll brought."""
        changed: list[Incident] = []
        for finding in batch.findings:
            changed += book.add(finding)
            log.add(finding)
            trend.add(finding)
            run_log.finding(finding)
        for session in batch.sessions:
            changed += book.end(session)
            ended.add(session)
            run_log.ended(session)
        if self._saver is not None:
            self._saver.saw(changed)

    def _first_view(self) -> View:
        names = tuple(self._names.values())
        return View(
            query=Query(),
            name=input_name(names),
            inputs=names,
            progress=Progress("opening", speed=self._speed),
            tap=Tap(text="tap not measured"),
            refused=Refused(),
            tally=Tally(),
            situation=Situation("info", "Waiting for the first packet."),
        )

    @property
    def is_incomplete(self) -> bool:
        """True when an input could not be read whole."""
        return self._failure is not None or self._view.notes_incomplete > 0
