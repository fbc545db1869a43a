"""One thread and one bounded queue for each output, so that none can hold up another or the engine.

The queue is bounded in bytes. An output that fails keeps its lines and is tried again, later each time. A
line that has no room is counted as lost; both are said when they begin and when they end. A *patient* outlet
makes the run wait instead: right for a capture file, which can wait, and wrong for a wire.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from ctcpmon.carrying import LAST_S, Carrier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.sinks.output import Output

__all__ = ["FanOut", "Outlet"]

_MAX_BYTES = 8 << 20
"""About 4,000 events (reliability.md section 9)."""
_BATCH_LINES = 256


class Outlet(Carrier):
    """Carries lines from memory."""

    def __init__(
        self,
        name: str,
        output: Output,
        wants: Callable[[bytes], bool],
        *,
        say: Callable[[str], None],
        is_patient: bool = False,
        drain_s: float = 1.5,
        last_s: float = LAST_S,
        max_retry_s: float = 60.0,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        """See ``Carrier``."""
        super().__init__(
            name, output, wants, say=say, drain_s=drain_s, last_s=last_s, max_retry_s=max_retry_s
        )
        self._is_patient, self._max_bytes = is_patient, max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._told: list[Callable[[], None]] = []

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
                    self._lose()
                    continue
                self._lines.append(line)
                self._bytes += len(line)
            self._changed.notify_all()

    def counters(self) -> dict[str, int]:
        """See ``Carrier``."""
        with self._changed:
            return {
                f"{self.name}_delivered": self._delivered,
                f"{self.name}_lost": self._lost,
                f"{self.name}_waiting": len(self._lines),
                f"{self.name}_failures": self._failures,
            }

    def _waits(self, line: bytes) -> bool:
        is_patient = self._is_patient and not self._is_ending()
        return is_patient and self._is_full(line) and self._thread.is_alive()

    def _is_full(self, line: bytes) -> bool:
        return self._bytes + len(line) > self._max_bytes and bool(self._lines)

    def _lose(self) -> None:
        if not self._lost:
            self._say(f"{self.name}: no room for more events; those that find none are counted as lost")
        self._lost += 1

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            delivered, refused = self._hand_over(batch)
            if not delivered + refused:
                continue
            self._pop(delivered, refused)
            if delivered:
                for who in self._told:
                    who()
        self._close_output()

    def _next(self) -> list[bytes] | None:
        """What to try next; None when everything is done or the time is over."""
        with self._changed:
            until = time.monotonic() + self._retry_s
            while not self._is_over:
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
            return None

    def _pop(self, delivered: int, refused: int) -> None:
        with self._changed:
            self._delivered += delivered
            if self._is_over:
                # Counted as lost already when nobody waited any more.
                self._lost -= delivered
                return
            self._lost += refused
            for _ in range(delivered + refused):
                self._bytes -= len(self._lines.popleft())
            self._changed.notify_all()

    def _progress(self) -> int:
        return self._delivered + self._refusals

    def _news(self) -> str:
        return f", {self._lost:,} events lost so far"

    def _account_for_rest(self) -> None:
        with self._changed:
            left = len(self._lines)
            if left:
                self._say(f"{self.name}: {left:,} events could not be delivered before the end")
                self._lost += left
                self._lines.clear()
                self._bytes = 0


class FanOut:
    """The sink of ``serve``: hands every line to every outlet."""

    def __init__(self, outlets: Sequence[Carrier]) -> None:
        self._outlets = tuple(outlets)

    def start(self) -> None:
        """Starts the threads: after the rights are given up, and not before."""
        for outlet in self._outlets:
            outlet.start()

    def watch(self, is_ending: Callable[[], bool]) -> None:
        """See ``Carrier.watch``."""
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
