"""Timers and sockets of one run, in one thread. Knows no packet and no protocol."""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable

LONGEST_WAIT_S = 0.2
"""How soon a stop is noticed."""


class Clockwork:
    """Runs what is due and what is readable until told to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Calls ``call`` in ``delay_s`` seconds."""
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), call))

    def watch(self, readable: socket.socket, call: Callable[[], None]) -> None:
        """Calls ``call`` when the socket is readable."""
        self._selector.register(readable, selectors.EVENT_READ, call)

    def run(self, duration_s: float) -> None:
        """Runs for ``duration_s`` seconds, or until the stop event is set."""
        end = time.monotonic() + duration_s
        while (now := time.monotonic()) < end and not self._stop.is_set():
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            next_due = self._due[0][0] if self._due else end
            wait = max(0.0, min(next_due, end) - time.monotonic())
            for key, _ in self._selector.select(min(wait, LONGEST_WAIT_S)):
                key.data()

    def close(self) -> None:
        """Forgets the sockets; their owners close them."""
        self._selector.close()
