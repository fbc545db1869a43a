"""Ctrl-C without half lines: the first one asks for an orderly end, the second one is obeyed at once.

The first sets ``is_requested`` and lets the running write finish; the run then stops the
engine, writes what was found and returns 130. The second raises, so a stuck reader cannot
hold us.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Interrupts"]


class Interrupts:
    """Installs the SIGINT handler for the time of ``active``; does nothing outside the main thread."""

    def __init__(self) -> None:
        self.is_requested = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Holds the handler."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
