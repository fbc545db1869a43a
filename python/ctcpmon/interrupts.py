"""Ctrl-C without half lines: the first one asks for an orderly end, the second one is obeyed at once.

The first sets ``is_requested`` and lets the running write finish; the run then stops the
engine, writes what was found and returns 130. The second raises, so a stuck reader cannot
hold us. Held from the start of the engine on, also over the imports that follow: an import may
swallow a KeyboardInterrupt. So nothing slow is imported here.
"""

from __future__ import annotations

# Below signal, which makes enumerations of its numbers first.
import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Self

__all__ = ["Interrupts"]


class Interrupts:
    """Holds the handlers of its signals (SIGINT) while entered; does nothing outside the main thread."""

    def __init__(self, signals: Sequence[int] = (_signal.SIGINT,)) -> None:
        self.is_requested = False
        self._signals = signals
        self._undo: list[tuple[int, object]] = []

    def __enter__(self) -> Self:
        try:
            for number in self._signals:
                self._undo.append((number, _signal.signal(number, self._handle)))
        except ValueError:
            # Only the main thread gets signals.
            return self
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, before in self._undo:
            _signal.signal(number, before)
        self._undo.clear()

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
