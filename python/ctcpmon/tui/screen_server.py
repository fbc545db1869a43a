"""The side of ``serve``: a Unix socket, and the views that attached screens ask for.

Two threads. That of the run owns the incident book and makes views (``take``, ``answer``); one of ours moves
bytes. A screen gets a view only after it asked, so one that is stopped costs nothing; one that leaves an
answer unread is let go.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import stat
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ctcpmon.narration import say
from ctcpmon.text import clean
from ctcpmon.tui.ended import EndedSessions, FindingLog
from ctcpmon.tui.pace import Pace
from ctcpmon.tui.packet_jobs import PacketJobs
from ctcpmon.tui.runlog import RunLog
from ctcpmon.tui.trend import TrendLog
from ctcpmon.tui.viewmaking import ViewMaker
from ctcpmon.tui.wire import (
    ASK_MOST,
    Answer,
    Frames,
    Hello,
    WireError,
    ask_of,
    encode_answer,
    encode_hello,
    views_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ctcpmon.config import Settings
    from ctcpmon.diagnosis import IncidentBook
    from ctcpmon.engine import Replay, Stats
    from ctcpmon.pipeline import Item
    from ctcpmon.tui.view import Progress, Query, View
    from ctcpmon.tui.wire import Ask, PacketsPart

__all__ = ["ScreenServer"]

_MOST_SCREENS = 8
_UNREAD_S = 10.0
"""A screen that takes nothing of its answer for so long is let go."""
_TURN_S = 5.0
"""Waited at most for the turn of another run, which takes a millisecond. In a folder that everybody reads,
anybody may hold the lock for longer."""
_LEAST_PERIOD_S = 0.04
_SHARE = 10
"""Making views may take one part in so many of the time of the run."""
_PACE_S = 0.5
"""Rates are measured whether anybody looks or not."""
_CHUNK = 1 << 16


class _Screen:
    """One client."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames = Frames(ASK_MOST)
        self.out = bytearray()
        self.moved = 0.0
        """When it last took something, seconds of the monotonic clock."""
        self.asked: Ask | None = None
        self.sent: View | None = None


class ScreenServer:
    """Bound while there are rights to bind; lets screens in once started."""

    def __init__(self, path: str, *, owner: tuple[int, int] | None = None, history: str = "") -> None:
        """``history`` is the file in which the run keeps its history. Raises ``OSError``."""
        self.path = path
        self._place = _Place(path, owner)
        try:
            with self._place.alone():
                self._listener = _bound(path, owner)
                self._identity = os.stat(path).st_ino  # noqa: PTH116
        except BaseException:
            self._place.close()
            raise
        self._wake, self._woken = socket.socketpair()
        for one in (self._wake, self._woken):
            one.setblocking(False)  # noqa: FBT003
        self._lock = threading.Lock()
        self._screens: list[_Screen] = []
        self._answers: deque[tuple[_Screen, int, View, PacketsPart | None]] = deque()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="ctcpmon-screens", daemon=True)
        self._maker: ViewMaker | None = None
        self._jobs: PacketJobs | None = None
        self._history = os.path.abspath(history) if history else ""  # noqa: PTH100
        self._next_at = self._paced_at = 0.0

    def start(self) -> None:
        """Starts the thread that moves bytes."""
        self._thread.start()

    def close(self) -> None:
        """Lets every screen go and takes the socket away, if it is still ours. By the thread of the run."""
        if self._jobs is not None:
            self._jobs.close()
        self._is_closing = True
        self._poke()
        if self._thread.is_alive():
            self._thread.join(1.0)
        # While it listens nobody else takes the path, so what stands there is ours by its number.
        with suppress(OSError), self._place.alone():
            if os.stat(self.path).st_ino == self._identity:  # noqa: PTH116
                os.unlink(self.path)  # noqa: PTH108
        self._listener.close()
        self._place.close()
        if not self._thread.is_alive():
            self._wake.close()
            self._woken.close()

    @property
    def number(self) -> int:
        """Screens at the moment."""
        return len(self._screens)

    def watch(
        self,
        replay: Replay,
        book: IncidentBook,
        *,
        names: Sequence[str],
        settings: Settings,
        is_live: bool,
    ) -> None:
        """Says what there is to look at: interfaces of a live run, or files."""
        self._replay = replay
        from ctcpmon import engine

        self._ended, self._log, self._pace = EndedSessions(), FindingLog(), Pace()
        self._trend = TrendLog()
        self._run_log = RunLog(engine.DETECTORS)
        self._maker = ViewMaker(
            replay,
            book=book,
            ended=self._ended,
            log=self._log,
            trend=self._trend,
            run_log=self._run_log,
            names={name: clean(name) for name in names},
            settings=settings,
        )
        self._jobs = PacketJobs(
            replay, names, is_live=is_live, case=self._maker.case, piece=self._maker.piece
        )

    def take(self, items: Iterable[Item]) -> None:
        """Keeps what views are made of; the book has taken the same already."""
        for item in items:
            if item.finding is not None:
                self._log.add(item.finding)
                self._trend.add(item.finding)
                self._run_log.finding(item.finding)
            if item.session is not None:
                self._ended.add(item.session)
                self._run_log.ended(item.session)

    def answer(self, now: float, *, is_done: bool) -> None:
        """Makes the views that were asked for, if it is time. Called by the thread of the run."""
        if now < self._next_at or self._maker is None or self._jobs is None:
            return
        self._next_at = now + _LEAST_PERIOD_S
        if now - self._paced_at >= _PACE_S:
            self._paced_at = now
            self._progress(now, is_done=is_done)
        with self._lock:
            asked = [(one, one.asked) for one in self._screens if one.asked is not None]
            for screen, _ in asked:
                screen.asked = None
            self._jobs.keep(self._screens)
        if not asked:
            return
        stats, progress = self._progress(now, is_done=is_done)
        made: dict[Query, View] = {}
        for screen, ask in asked:
            if ask.query not in made:
                made[ask.query] = self._maker.make(ask.query, stats, progress)
            part = self._jobs.part(screen, ask.packets, stats.last_ns or 0)
            self._answers.append((screen, ask.number, made[ask.query], part))
        taken = time.monotonic() - now
        self._next_at = now + max(_LEAST_PERIOD_S, taken * _SHARE)
        self._poke()

    def _progress(self, now: float, *, is_done: bool) -> tuple[Stats, Progress]:
        stats = self._replay.stats()
        self._trend.look(stats)
        return stats, self._pace.progress(stats, now, is_done=is_done, is_paused=False, speed=0.0)

    def _poke(self) -> None:
        try:
            self._wake.send(b"x")
        except OSError:
            return  # full: it is awake

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ, None)
            selector.register(self._woken, selectors.EVENT_READ, None)
            while not self._is_closing:
                for key, _ in selector.select(1.0):
                    if key.fileobj is self._listener:
                        self._let_in(selector)
                    elif key.fileobj is self._woken:
                        self._drain()
                    else:
                        self._serve(selector, key.data)
                self._send_answers(selector)
                now = time.monotonic()
                for screen in [one for one in self._screens if one.out and now - one.moved > _UNREAD_S]:
                    say(f"a screen that did not read for {_UNREAD_S:.0f} s was let go")
                    self._let_go(selector, screen)
            for screen in [*self._screens]:
                self._let_go(selector, screen)

    def _drain(self) -> None:
        try:
            while self._woken.recv(_CHUNK):
                pass
        except OSError:
            return

    def _let_in(self, selector: selectors.BaseSelector) -> None:
        from ctcpmon import engine

        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it is gone again, or we have no descriptor left
        connection.setblocking(False)  # noqa: FBT003
        is_full = len(self._screens) >= _MOST_SCREENS
        hello = Hello(
            program="ctcpmon",
            version=engine.__version__,
            views=views_digest(),
            history=self._history,
            refused=f"{_MOST_SCREENS} screens are attached already" if is_full else "",
        )
        try:
            connection.send(encode_hello(hello))
        except OSError:
            is_full = True
        if is_full:
            connection.close()
            return
        screen = _Screen(connection)
        with self._lock:
            self._screens.append(screen)
        selector.register(connection, selectors.EVENT_READ, screen)

    def _serve(self, selector: selectors.BaseSelector, screen: _Screen) -> None:
        """Reads what there is to read and writes what can be written."""
        try:
            self._read(screen)
            self._write(selector, screen)
        except (OSError, WireError):
            self._let_go(selector, screen)

    def _read(self, screen: _Screen) -> None:
        try:
            data = screen.connection.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError
        for message in screen.frames.feed(data):
            # One at a time: who asks before it has its answer asks anew.
            ask = ask_of(message)
            with self._lock:
                screen.asked = ask

    def _send_answers(self, selector: selectors.BaseSelector) -> None:
        while self._answers:
            screen, number, view, part = self._answers.popleft()
            if screen not in self._screens or screen.out:
                continue
            news = None if view == screen.sent else view
            screen.sent = view
            screen.out += encode_answer(Answer(number, news, part))
            screen.moved = time.monotonic()
            try:
                self._write(selector, screen)
            except OSError:
                self._let_go(selector, screen)

    @staticmethod
    def _write(selector: selectors.BaseSelector, screen: _Screen) -> None:
        if screen.out:
            try:
                sent = screen.connection.send(screen.out)
            except BlockingIOError:
                sent = 0
            if sent:
                del screen.out[:sent]
                screen.moved = time.monotonic()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if screen.out else 0)
        if selector.get_key(screen.connection).events != wanted:
            selector.modify(screen.connection, wanted, screen)

    def _let_go(self, selector: selectors.BaseSelector, screen: _Screen) -> None:
        selector.unregister(screen.connection)
        screen.connection.close()
        with self._lock:
            self._screens.remove(screen)


class _Place:
    """The folder of a socket, made if it is missing, and the turn of who changes what stands in it.

    The lock is on the folder itself: there is no file that could be left behind, and the kernel takes it
    from a process that is killed.
    """

    def __init__(self, path: str, owner: tuple[int, int] | None) -> None:
        folder = os.path.dirname(path) or "."  # noqa: PTH120
        if not os.path.isdir(folder):  # noqa: PTH112
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755)  # noqa: PTH102
            if owner is not None:
                os.chown(folder, *owner)
        self._folder: int | None = None
        # One that may not be read is no place of ours; what cannot be bound there says why.
        with suppress(OSError):
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other ``serve`` looks at the sockets of the folder meanwhile, or changes them.

        Raises ``OSError``.
        """
        is_locked = self._folder is not None and self._lock(self._folder)
        try:
            yield
        finally:
            if is_locked and self._folder is not None:
                fcntl.flock(self._folder, fcntl.LOCK_UN)

    def _lock(self, folder: int) -> bool:
        until = time.monotonic() + _TURN_S
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise OSError(0, "another program holds the lock of its folder") from None
                time.sleep(0.01)
            except OSError:
                # A file system without locks.
                return False
            else:
                return True

    def close(self) -> None:
        """Gives the folder up."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def _bound(path: str, owner: tuple[int, int] | None) -> socket.socket:
    """A listening socket that nobody else may connect to. To be called alone, see ``_Place``."""
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # The mode is there before the first connection: the socket does not listen yet.
        listener.bind(path)
        os.chmod(path, 0o660 if owner is not None else 0o600)  # noqa: PTH101
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
        listener.listen(_MOST_SCREENS)
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener


def _clear(path: str) -> None:
    """Takes away the socket of a run that was killed, never that of one that lives, nor any other file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(0, "there is something else that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # One that is stopped lets nobody in and refuses nobody: there is no waiting for it.
        probe.setblocking(False)  # noqa: FBT003
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
        except BlockingIOError:
            pass
    raise OSError(0, "another ctcpmon serves there")
