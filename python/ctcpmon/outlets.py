"""One thread and one bounded queue for each output, so that none can hold up another or the engine.

The queue is bounded in bytes. An output that fails keeps its lines and is tried again, later each time. A
line that has no room is counted as lost; both are said when they begin and when they end. A *patient* outlet
makes the run wait instead: right for a capture file, which can wait, and wrong for a wire.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from ctcpmon.sinks.output import RefusedError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.journal_outlet import JournalOutlet
    from ctcpmon.sinks.output import Output

__all__ = ["FIRST_RETRY_S", "FanOut", "Outlet", "words_of"]

_MAX_BYTES = 8 << 20
"""About 4,000 events (reliability.md section 9)."""
_BATCH_LINES = 256
FIRST_RETRY_S = 1.0
_SAID_REFUSALS = 10
"""Refused lines that are said one by one; all are counted."""


class Outlet:
    """Runs one output. ``put`` and ``close`` belong to the thread of the run."""

    is_behind_file = False

    def __init__(
        self,
        name: str,
        output: Output,
        wants: Callable[[bytes], bool],
        *,
        say: Callable[[str], None],
        is_patient: bool = False,
        drain_s: float = 1.5,
        max_retry_s: float = 60.0,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        """``drain_s``: how long an output that fails may go on trying once the run is over."""
        self.name = name
        self._output, self._wants, self._say = output, wants, say
        self._is_patient, self._drain_s, self._max_retry_s = is_patient, drain_s, max_retry_s
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._delivered = self._lost = self._failures = 0
        self._refusals = 0
        self._must_reopen = False
        self._ends_at: float | None = None
        self._told: list[Callable[[], None]] = []
        self._is_ending: Callable[[], bool] = bool
        self._thread = threading.Thread(target=self._run, name=f"ctcpmon-{name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def tell(self, who: Callable[[], None]) -> None:
        """``who`` is called when lines were delivered; before the start."""
        self._told.append(who)

    def put(self, lines: Sequence[bytes]) -> None:
        """Takes the lines that the output wants."""
        wanted = [line for line in lines if self._wants(line)]
        if not wanted:
            return
        with self._changed:
            for line in wanted:
                # A full disk may stay full: the end is not waited for longer than it was asked for.
                while self._waits(line):
                    self._changed.wait(0.5)
                if self._is_full(line):
                    self._lose(1)
                    continue
                self._lines.append(line)
                self._bytes += len(line)
            self._changed.notify_all()

    def reopen(self) -> None:
        """Asks the output to reopen; it does so before the next line."""
        with self._changed:
            self._must_reopen = True
            self._changed.notify_all()

    def end(self) -> None:
        """Says that nothing more will be put."""
        with self._changed:
            self._ends_at = time.monotonic() + self._drain_s
            self._changed.notify_all()

    def join(self) -> None:
        """Waits until everything is delivered or given up."""
        if self._ends_at is None:
            self.end()
        assert self._ends_at is not None  # noqa: S101 set by end
        # A patient output that makes progress may take longer than one that fails.
        while self._thread.is_alive():
            before = self._delivered
            self._thread.join(self._drain_s + 0.5)
            if self._delivered == before and time.monotonic() > self._ends_at:
                break
        with self._changed:
            left = len(self._lines)
            if left:
                self._say(f"{self.name}: {left:,} events could not be delivered before the end")
                self._lost += left
                self._lines.clear()

    def counters(self) -> dict[str, int]:
        """Events of this output; the names are fixed."""
        with self._changed:
            return {
                f"{self.name}_delivered": self._delivered,
                f"{self.name}_lost": self._lost,
                f"{self.name}_waiting": len(self._lines),
                f"{self.name}_failures": self._failures,
            }

    def watch(self, is_ending: Callable[[], bool]) -> None:
        """``is_ending`` says whether the run was asked to end; then nothing waits for room."""
        self._is_ending = is_ending

    def _waits(self, line: bytes) -> bool:
        is_patient = self._is_patient and not self._is_ending()
        return is_patient and self._is_full(line) and self._thread.is_alive()

    def _is_full(self, line: bytes) -> bool:
        return self._bytes + len(line) > self._max_bytes and bool(self._lines)

    def _lose(self, number: int) -> None:
        if not self._lost:
            self._say(f"{self.name}: no room for more events; those that find none are counted as lost")
        self._lost += number

    def _run(self) -> None:
        retry_s = 0.0
        while (batch := self._next(retry_s)) is not None:
            try:
                taken = self._output.deliver(batch) if batch else 0
            except RefusedError as error:
                self._refused(str(error))
                taken = 0
            except OSError as error:
                if not retry_s:
                    self._say(f"{self.name}: {words_of(error)}; trying again")
                with self._changed:
                    self._failures += 1
                retry_s = min(max(retry_s * 2, FIRST_RETRY_S), self._max_retry_s)
                continue
            # A bug in one output must not end the others.
            except Exception as error:  # noqa: BLE001
                self._refused(f"{type(error).__name__}: {error}")
                taken = 0
            if taken and retry_s:
                retry_s = 0.0
                self._say(f"{self.name}: goes on, {self._lost:,} events lost so far")
            self._pop(taken, is_delivered=True)
            if taken:
                for who in self._told:
                    who()
        try:
            self._output.close()
        except OSError as error:
            self._say(f"{self.name}: {words_of(error)}")

    def _next(self, retry_s: float) -> list[bytes] | None:
        """What to try next; None when everything is done or the time is over."""
        with self._changed:
            until = time.monotonic() + retry_s
            while True:
                now = time.monotonic()
                if self._must_reopen:
                    self._must_reopen = False
                    # Whatever failed may work now.
                    self._output.reopen()
                    until = now
                if self._lines and now >= until:
                    return list(islice(self._lines, _BATCH_LINES))
                if self._ends_at is not None and (not self._lines or until > self._ends_at):
                    return None
                self._changed.wait(until - now if self._lines else None)

    def _refused(self, why: str) -> None:
        self._refusals += 1
        if self._refusals <= _SAID_REFUSALS:
            self._say(f"{self.name}: an event was refused: {clean(why, 200)}")
        self._pop(1, is_delivered=False)

    def _pop(self, number: int, *, is_delivered: bool) -> None:
        with self._changed:
            for _ in range(number):
                self._bytes -= len(self._lines.popleft())
            if is_delivered:
                self._delivered += number
            else:
                self._lost += number
            self._changed.notify_all()


class FanOut:
    """The sink of ``serve``: hands every line to every outlet."""

    def __init__(self, outlets: Sequence[Outlet | JournalOutlet]) -> None:
        self._outlets = tuple(outlets)

    def start(self) -> None:
        """Starts the threads: after the rights are given up, and not before."""
        for outlet in self._outlets:
            outlet.start()

    def watch(self, is_ending: Callable[[], bool]) -> None:
        """See ``Outlet.watch``."""
        for outlet in self._outlets:
            outlet.watch(is_ending)

    def write(self, lines: Sequence[bytes]) -> None:
        """See ``Sink``."""
        for outlet in self._outlets:
            outlet.put(lines)

    def reopen(self) -> None:
        """For SIGHUP."""
        for outlet in self._outlets:
            outlet.reopen()

    def close(self) -> None:
        """Delivers what waits, all outlets at the same time; those that read the file when it is complete."""
        for is_behind in (False, True):
            now = [outlet for outlet in self._outlets if outlet.is_behind_file is is_behind]
            for outlet in now:
                outlet.end()
            for outlet in now:
                outlet.join()

    def counters(self) -> dict[str, int]:
        """Of all outlets."""
        found: dict[str, int] = {}
        for outlet in self._outlets:
            found.update(outlet.counters())
        return found


def words_of(error: OSError) -> str:
    """What went wrong, safe to show."""
    return clean(error.strerror or str(error) or type(error).__name__, 200)
