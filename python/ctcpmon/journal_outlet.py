"""Runs one output from the event file instead of from memory: nothing that was accepted is lost to it.

``put`` only counts; the thread reads the file behind the place that was acknowledged, and acknowledges what
the output took. An output that fails for days is behind by what the rotation of the file keeps; what was
taken away meanwhile is counted as given up.
Any output fits (a bus, too): it sees lines in order, each at least once, with ids by which a receiver can
tell a repetition.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ctcpmon.carrying import LAST_S, Carrier, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.journal import Journal
    from ctcpmon.sinks.output import Output

__all__ = ["JournalOutlet"]

_LOOK_S = 0.25
"""The file is looked at this often when nobody says that it grew."""
_KEEP_EVERY_S = 1.0
"""The place behind lines that the output does not want is kept this often."""


class JournalOutlet(Carrier):
    """Carries lines from the event file."""

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
        never_came: Callable[[], int] = int,
        drain_s: float = 1.5,
        last_s: float = LAST_S,
        max_retry_s: float = 60.0,
    ) -> None:
        """``accepted`` says which lines the file takes, ``never_came`` how many of these it lost itself.

        Else see ``Carrier``.
        """
        super().__init__(
            name, output, wants, say=say, drain_s=drain_s, last_s=last_s, max_retry_s=max_retry_s
        )
        self._journal, self._accepted, self._never_came = journal, accepted, never_came
        self._put = self._seen = 0
        self._has_more = self._has_complained = False
        self._kept_at = 0.0

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
        """See ``Carrier``."""
        with self._changed:
            self._has_more = True
        super().reopen()

    def counters(self) -> dict[str, int]:
        """See ``Carrier``."""
        with self._changed:
            gone = self._seen + self._journal.given_up + self._never_came()
            return {
                f"{self.name}_delivered": self._delivered,
                f"{self.name}_lost": self._lost,
                f"{self.name}_waiting": max(self._journal.backlog + self._put - gone, 0),
                f"{self.name}_failures": self._failures,
                f"{self.name}_abandoned": self._journal.given_up,
            }

    def _run(self) -> None:
        # Whom it told that an incident began is told that it is over, also after a restart.
        for line in self._journal.acknowledged():
            self._wants(line)
        if self._journal.backlog:
            self._say(f"{self.name}: {self._journal.backlog:,} events of before wait in the file")
        self._carry()
        self._acknowledge(is_due=True)
        self._close_output()
        self._journal.close()

    def _carry(self) -> None:
        """Until the file is complete and read, or the time is over."""
        while True:
            lines = self._lines()
            for line in lines:
                if self._is_over or (self._wants(line) and not self._deliver(line)):
                    return
                self._journal.passed(line)
                with self._changed:
                    self._seen += 1
                self._acknowledge(is_due=False)
            if not lines and not self._wait():
                return

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
        while True:
            if self._must_reopen:
                self._must_reopen = False
                self._output.reopen()
            delivered, refused = self._hand_over([line])
            if delivered + refused:
                with self._changed:
                    self._delivered += delivered
                    self._lost += refused
                # What was delivered is acknowledged at once.
                self._kept_at = 0.0
                return True
            if not self._rest(self._retry_s):
                return False

    def _rest(self, seconds: float) -> bool:
        """Waits before the next try; false when the end comes first."""
        until = time.monotonic() + seconds
        with self._changed:
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

    def _progress(self) -> int:
        return self._seen

    def _news(self) -> str:
        return "; what waited in the file follows"

    def _account_for_rest(self) -> None:
        left = self._journal.left()
        if left:
            self._say(f"{self.name}: {left:,} events wait in the file; the next start goes on with them")
