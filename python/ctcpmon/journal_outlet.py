"""Runs one output from the event file instead of from memory: nothing that was accepted is lost to it.

Beside ``outlets.Outlet``, whose methods it has. ``put`` only counts; the thread reads the file behind the
place that was acknowledged, and acknowledges what the output took. An output that fails for days is behind
by what the rotation of the file keeps; what was taken away meanwhile is counted as given up.
Any output fits (a bus, too): it sees lines in order, each at least once, with ids by which a receiver can
tell a repetition.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ctcpmon.outlets import FIRST_RETRY_S, words_of
from ctcpmon.sinks.output import RefusedError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.journal import Journal
    from ctcpmon.sinks.output import Output

__all__ = ["JournalOutlet"]

_LOOK_S = 0.25
"""The file is looked at this often when nobody says that it grew."""
_KEEP_EVERY_S = 1.0
"""The place behind lines that the output does not want is kept this often."""
_SAID_REFUSALS = 10


class JournalOutlet:
    """See ``outlets.Outlet``."""

    is_behind_file = True

    def __init__(
        self,
        name: str,
        output: Output,
        wants: Callable[[bytes], bool],
        journal: Journal,
        *,
        accepted: Callable[[bytes], bool],
        say: Callable[[str], None],
        drain_s: float = 1.5,
        max_retry_s: float = 60.0,
    ) -> None:
        """``accepted`` says which lines the file takes.

        ``drain_s``: how long an output that fails may go on trying once the run is over.
        """
        self.name = name
        self._output, self._wants, self._journal, self._say = output, wants, journal, say
        self._accepted = accepted
        self._drain_s, self._max_retry_s = drain_s, max_retry_s
        self._changed = threading.Condition()
        self._delivered = self._refusals = self._failures = self._put = self._seen = 0
        self._must_reopen = False
        self._has_more = self._has_complained = False
        self._ends_at: float | None = None
        self._kept_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"ctcpmon-{name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def put(self, lines: Sequence[bytes]) -> None:
        """The lines come by the file; they are counted here."""
        number = sum(map(self._accepted, lines))
        with self._changed:
            self._put += number

    def poke(self) -> None:
        """The file has grown."""
        with self._changed:
            self._has_more = True
            self._changed.notify_all()

    def reopen(self) -> None:
        """Asks the output to reopen; it does so before the next line."""
        with self._changed:
            self._must_reopen = self._has_more = True
            self._changed.notify_all()

    def watch(self, is_ending: Callable[[], bool]) -> None:
        """Nothing ever waits for this output."""

    def end(self) -> None:
        """Says that the file is complete."""
        with self._changed:
            self._ends_at = time.monotonic() + self._drain_s
            self._changed.notify_all()

    def join(self) -> None:
        """Waits until the file is delivered, or until the output had its time."""
        if self._ends_at is None:
            self.end()
        assert self._ends_at is not None  # noqa: S101 set by end
        while self._thread.is_alive():
            before = self._delivered
            self._thread.join(self._drain_s + 0.5)
            if self._delivered == before and time.monotonic() > self._ends_at:
                break
        left = self._journal.left()
        if left:
            self._say(f"{self.name}: {left:,} events wait in the file; the next start goes on with them")

    def counters(self) -> dict[str, int]:
        """Events of this output; the names are fixed."""
        with self._changed:
            return {
                f"{self.name}_delivered": self._delivered,
                f"{self.name}_lost": self._refusals,
                f"{self.name}_waiting": max(
                    self._journal.backlog + self._put - self._seen - self._journal.given_up, 0
                ),
                f"{self.name}_failures": self._failures,
                f"{self.name}_abandoned": self._journal.given_up,
            }

    def _run(self) -> None:
        # Whom it told that an incident began is told that it is over, also after a restart.
        for line in self._journal.acknowledged():
            self._wants(line)
        if self._journal.backlog:
            self._say(f"{self.name}: {self._journal.backlog:,} events of before wait in the file")
        while True:
            lines = self._lines()
            for line in lines:
                if self._wants(line) and not self._deliver(line):
                    return self._close()
                self._journal.passed(line)
                with self._changed:
                    self._seen += 1
                self._acknowledge(is_due=False)
            if not lines and not self._wait():
                self._acknowledge(is_due=True)
                return self._close()

    def _lines(self) -> list[bytes]:
        try:
            return self._journal.lines()
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                self._say(f"{self.name}: the event file cannot be read: {words_of(error)}; trying again")
            return []

    def _deliver(self, line: bytes) -> bool:
        """Until the output took the line or refused it; false when the time is over."""
        retry_s = 0.0
        while True:
            if self._must_reopen:
                self._must_reopen = False
                self._output.reopen()
            try:
                self._output.deliver([line])
            except RefusedError as error:
                self._refused(str(error))
                return True
            except OSError as error:
                if not retry_s:
                    self._say(f"{self.name}: {words_of(error)}; trying again")
                retry_s = min(max(retry_s * 2, FIRST_RETRY_S), self._max_retry_s)
                if not self._rest(retry_s):
                    return False
                continue
            # A bug in one output must not end the others.
            except Exception as error:  # noqa: BLE001
                self._refused(f"{type(error).__name__}: {error}")
                return True
            if retry_s:
                self._say(f"{self.name}: goes on; what waited in the file follows")
            with self._changed:
                self._delivered += 1
            self._kept_at = 0.0
            return True

    def _rest(self, seconds: float) -> bool:
        """Waits before the next try; false when the end comes first."""
        until = time.monotonic() + seconds
        with self._changed:
            self._failures += 1
            while (now := time.monotonic()) < until and not self._must_reopen:
                if self._ends_at is not None and until > self._ends_at:
                    return False
                self._changed.wait(until - now)
        return True

    def _wait(self) -> bool:
        """Waits for the file to grow; false when it is complete and read."""
        with self._changed:
            if self._has_more:
                self._has_more = False
                return True
            if self._ends_at is not None:
                return False
            self._changed.wait(_LOOK_S)
            self._has_more = False
        return True

    def _acknowledge(self, *, is_due: bool) -> None:
        """At once behind what was delivered, now and then behind what was passed over."""
        now = time.monotonic()
        if is_due or now - self._kept_at >= _KEEP_EVERY_S:
            self._kept_at = now
            self._journal.acknowledge()

    def _refused(self, why: str) -> None:
        with self._changed:
            self._refusals += 1
        if self._refusals <= _SAID_REFUSALS:
            self._say(f"{self.name}: an event was refused: {clean(why, 200)}")

    def _close(self) -> None:
        try:
            self._output.close()
        except OSError as error:
            self._say(f"{self.name}: {words_of(error)}")
        self._journal.close()
