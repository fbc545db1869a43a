"""A ``ViewSource`` over a socket, for ``attach``. One thread asks and takes in; nobody waits for it.

Nothing that comes over the socket reaches the terminal as it came: ``wire`` makes every string safe. When the
connection breaks the last view stays, marked as old, and the thread tries again.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ctcpmon import __version__
from ctcpmon.errors import AttachError
from ctcpmon.text import clean
from ctcpmon.tui.packets import Packets, fail
from ctcpmon.tui.view import Progress, Query, Reach, Refused, Rows, Situation, Tally, Tap, View
from ctcpmon.tui.wire import (
    ANSWER_MOST,
    PACKETS_MOST,
    Answer,
    Ask,
    Frames,
    Hello,
    PacketsAsk,
    PacketsPart,
    WireError,
    answer_of,
    encode_ask,
    hello_of,
    packets_of,
    rows_of,
    views_digest,
)

__all__ = ["RemoteSource"]

_CONNECT_S = 5.0
_ANSWER_S = 30.0
"""A run that does not answer for so long is taken for gone."""
_RETRY_S = 1.0
_CHUNK = 1 << 18


class _Wanted:
    """Packets on their way, or a list."""

    def __init__(self, session: str, number: int, reach: Reach | None = None) -> None:
        self.session, self.number, self.reach = session, number, reach
        self.answer: Future[Any] = Future()
        self.data = bytearray()

    def take(self, part: PacketsPart) -> bool:
        """Takes in a piece; true when more is there to be had at once. Raises ``WireError``."""
        if part.number != self.number:
            return True
        if part.refused:
            fail(self.answer, part.refused)
        elif part.total:
            if part.total > PACKETS_MOST or part.at != len(self.data) or not part.data:
                message = "packets in a wrong order"
                raise WireError(message)
            self.data += part.data
            if len(self.data) < part.total:
                return True
            # Nobody may be waiting any more.
            with suppress(InvalidStateError):
                self.answer.set_result((packets_of if self.reach is None else rows_of)(bytes(self.data)))
        return False


class RemoteSource:
    """A run of ``serve`` elsewhere. Call ``start``, then ``close`` whatever happens."""

    is_paced = False
    """The run belongs to all its screens."""

    def __init__(self, path: str, *, period_s: float = 0.2) -> None:
        """``period_s`` is the time between two questions."""
        self._path, self._period_s = path, period_s
        self._query = Query()
        self._is_paused = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        self._wanted: _Wanted | None = None
        self.history = ""
        """File in which the run keeps its history."""
        self._connection: socket.socket | None = None
        self._frames = Frames(ANSWER_MOST)
        self._view = self._newest = _first_view(path)
        self._thread = threading.Thread(target=self._run, name="ctcpmon-attach", daemon=True)

    def start(self) -> None:
        """Connects. Raises ``AttachError`` when nobody answers, or one of another version."""
        self._connect()
        self._thread.start()

    def close(self) -> None:
        """Ends the connection; the run goes on."""
        self._closing.set()
        self._wake.set()
        if self._wanted is not None:
            self._wanted.answer.cancel()
        if self._connection is not None:
            # Closed already, perhaps.
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(1.0)

    @property
    def failure(self) -> BaseException | None:
        """A bug of ours; a broken connection is none."""
        return self._failure

    @property
    def is_incomplete(self) -> bool:
        """What the run could not read is its own exit code."""
        return False

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        self._query = query
        self._wake.set()

    def view(self) -> View:
        """See ``ViewSource``."""
        return self._view

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """Only this screen stands still."""
        self._is_paused = paused
        self._show(self._newest)
        self._wake.set()

    def set_speed(self, speed: float) -> None:
        """The run belongs to all its screens: none of them sets its pace."""

    def packets(self, session: str) -> Future[Packets]:
        """See ``ViewSource``."""
        return self._want(session, None)

    def rows(self, reach: Reach) -> Future[Rows]:
        """See ``ViewSource``. Over the socket comes one thing at a time: packets, or a list."""
        return self._want("", reach)

    def _want(self, session: str, reach: Reach | None) -> Future[Any]:
        before = self._wanted
        self._wanted = wanted = _Wanted(session, 1 if before is None else before.number + 1, reach)
        if before is not None:
            before.answer.cancel()
        if not self._thread.is_alive():
            fail(wanted.answer, "the connection to serve has ended")
        self._wake.set()
        return wanted.answer

    def step(self) -> None:
        """See ``set_speed``."""

    def to_next_incident(self) -> None:
        """See ``set_speed``."""

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    self._follow()
                except (OSError, WireError, AttachError) as error:
                    self._lost(error)
                    self._closing.wait(_RETRY_S)
        # Whatever it is, the screen must be able to say so.
        except BaseException as error:  # noqa: BLE001
            self._failure = error
            self._say("internal error")
        finally:
            self._hang_up()

    def _follow(self) -> None:
        if self._connection is None:
            self._connect()
        number = 0
        had_wanted = False
        while not self._closing.is_set():
            self._wake.clear()
            query, wanted = self._query, self._wanted
            is_more = False
            if wanted is not None and wanted.answer.done():
                wanted = None
            is_due = not self._is_paused or query != self._newest.query
            # Also once without, so that the run gives them up.
            if is_due or had_wanted or wanted is not None:
                number += 1
                packets = None
                if wanted is not None:
                    packets = PacketsAsk(wanted.session, len(wanted.data), wanted.number, wanted.reach)
                had_wanted = wanted is not None
                answer = self._question(Ask(number, query, packets))
                if answer.view is not None:
                    self._newest = answer.view
                if is_due:
                    self._show(self._newest)
                if wanted is not None and answer.part is not None:
                    is_more = wanted.take(answer.part)
            if self._query == query and not is_more:
                self._wake.wait(self._period_s)

    def _question(self, ask: Ask) -> Answer:
        assert self._connection is not None  # noqa: S101 made by _connect
        self._connection.sendall(encode_ask(ask))
        while True:
            answer = answer_of(self._message())
            if answer.number == ask.number:
                return answer

    def _message(self) -> bytes:
        found: list[bytes] = []
        while not found:
            assert self._connection is not None  # noqa: S101
            data = self._connection.recv(_CHUNK)
            if not data:
                raise ConnectionResetError(104, "serve has ended")
            found = self._frames.feed(data)
        if len(found) > 1:
            message = "more than one answer"
            raise WireError(message)
        return found[0]

    def _connect(self) -> None:
        self._frames = Frames(ANSWER_MOST)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._connection = connection
        try:
            connection.settimeout(_CONNECT_S)
            connection.connect(self._path)
            hello = hello_of(self._message())
        except (OSError, WireError) as error:
            self._hang_up()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            message = f"no ctcpmon serve at {clean(self._path, 200)}: {clean(reason, 100)}"
            raise AttachError(message) from error
        self._need_match(hello)
        self.history = clean(hello.history, 4_000)
        connection.settimeout(_ANSWER_S)

    def _need_match(self, hello: Hello) -> None:
        message = ""
        if hello.program != "ctcpmon":
            message = (
                f"{clean(self._path, 200)} is the socket of {clean(hello.program, 40)!r}, not of ctcpmon"
            )
        elif hello.views != views_digest():
            message = (
                f"serve is ctcpmon {clean(hello.version, 40)} and this is {__version__}, with another form "
                "of views; attach with the version that serves"
            )
        elif hello.refused:
            message = f"serve lets no screen in: {clean(hello.refused, 200)}"
        if message:
            self._hang_up()
            raise AttachError(message)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _lost(self, error: Exception) -> None:
        self._hang_up()
        if self._wanted is not None:
            fail(self._wanted.answer, "the connection to serve was lost; ask again")
        if not self._closing.is_set():
            self._say(
                str(error) if isinstance(error, AttachError) else "connection to serve lost; trying again"
            )

    def _say(self, text: str) -> None:
        progress = replace(self._newest.progress, phase="failed", error=clean(text, 200), is_lost=True)
        self._view = replace(self._newest, progress=progress)

    def _show(self, view: View) -> None:
        if self._is_paused and view.progress.phase == "reading":
            view = replace(view, progress=replace(view.progress, phase="paused"))
        if view != self._view:
            self._view = view


def _first_view(path: str) -> View:
    name = clean(path)
    return View(
        query=Query(),
        name=name,
        inputs=(name,),
        progress=Progress("opening"),
        tap=Tap(text="tap not measured"),
        refused=Refused(),
        tally=Tally(),
        situation=Situation("info", "Waiting for the first view."),
    )
