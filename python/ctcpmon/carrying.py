"""What both kinds of outlets share: the thread that hands lines to one output, its tries, its end.

``outlets.Outlet`` carries lines from memory, ``journal_outlet.JournalOutlet`` from the event file.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ctcpmon.sinks.output import RefusedError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.sinks.output import Output

__all__ = ["LAST_S", "Carrier", "words_of"]

_FIRST_RETRY_S = 1.0
_SAID_REFUSALS = 10
"""Refused lines that are said one by one; all are counted."""
LAST_S = 30.0
"""What a receiver that takes one event after another, slowly, gets once the run was asked to end (guess: a
third of the 90 s after which systemd kills)."""


class Carrier:
    """Runs one output on a thread of its own. Everything but ``_run`` belongs to the thread of the run."""

    is_behind_file = False

    def __init__(
        self,
        name: str,
        output: Output,
        wants: Callable[[bytes], bool],
        *,
        say: Callable[[str], None],
        drain_s: float,
        last_s: float,
        max_retry_s: float,
    ) -> None:
        """``drain_s``: how long an output that fails may go on trying once the run is over.

        ``last_s``: how long one that makes progress may go on once the run was asked to end.
        """
        self.name = name
        self._output, self._wants, self._say = output, wants, say
        self._drain_s, self._last_s, self._max_retry_s = drain_s, last_s, max_retry_s
        self._changed = threading.Condition()
        self._delivered = self._lost = self._failures = self._refusals = 0
        self._retry_s = 0.0
        """Wait before the next try; 0 while the output works."""
        self._must_reopen = False
        self._ends_at: float | None = None
        self._is_over = False
        """Nobody waits for it any more."""
        self._is_ending: Callable[[], bool] = bool
        self._thread = threading.Thread(target=self._run, name=f"ctcpmon-{name}", daemon=True)

    @property
    def lost(self) -> int:
        """Events that it did not deliver and will not."""
        return self._lost

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def put(self, lines: Sequence[bytes]) -> None:
        """Takes lines of the run."""
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        """Events of this output; the names are fixed."""
        raise NotImplementedError

    def watch(self, is_ending: Callable[[], bool]) -> None:
        """``is_ending`` says whether the run was asked to end; then nothing waits for long."""
        self._is_ending = is_ending

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
        """Waits until everything is delivered, or until the output had its time."""
        if self._ends_at is None:
            self.end()
        assert self._ends_at is not None  # noqa: S101 set by end
        last = self._ends_at - self._drain_s + self._last_s
        # An output that makes progress may take longer than one that fails.
        while self._thread.is_alive():
            before = self._progress()
            self._thread.join(self._drain_s + 0.5)
            now = time.monotonic()
            if now > self._ends_at and (self._progress() == before or (now > last and self._is_ending())):
                break
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._account_for_rest()

    def _run(self) -> None:
        raise NotImplementedError

    def _progress(self) -> int:
        """Grows with every line that is done with."""
        raise NotImplementedError

    def _account_for_rest(self) -> None:
        """Says and counts what was not delivered."""
        raise NotImplementedError

    def _news(self) -> str:
        """What to say when an output that failed works again."""
        raise NotImplementedError

    # By the thread of the output.

    def _hand_over(self, lines: Sequence[bytes]) -> tuple[int, int]:
        """One try: how many of the first lines were delivered and refused; none: it failed, try again."""
        try:
            taken = self._output.deliver(lines)
        except RefusedError as error:
            return self._refused(str(error))
        except OSError as error:
            if not self._retry_s:
                self._say(f"{self.name}: {words_of(error)}; trying again")
            with self._changed:
                self._failures += 1
            self._retry_s = min(max(self._retry_s * 2, _FIRST_RETRY_S), self._max_retry_s)
            return 0, 0
        # A bug in one output must not end the others.
        except Exception as error:  # noqa: BLE001
            return self._refused(f"{type(error).__name__}: {error}")
        if self._retry_s:
            self._retry_s = 0.0
            self._say(f"{self.name}: goes on{self._news()}")
        return taken, 0

    def _refused(self, why: str) -> tuple[int, int]:
        self._refusals += 1
        if self._refusals <= _SAID_REFUSALS:
            self._say(f"{self.name}: an event was refused: {clean(why, 200)}")
        return 0, 1

    def _close_output(self) -> None:
        try:
            self._output.close()
        except OSError as error:
            self._say(f"{self.name}: {words_of(error)}")


def words_of(error: OSError) -> str:
    """What went wrong, safe to show."""
    return clean(error.strerror or str(error) or type(error).__name__, 200)
