"""A part of a screen that paints a view into its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ctcpmon.tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctcpmon.tui.painting.brush import Frame, Line

__all__ = ["Panel"]

Shown = TypeVar("Shown")


class Panel(LineView, Generic[Shown]):
    """Shows what ``painter`` makes of the last value; paints anew when its size changes."""

    def __init__(self, painter: Callable[[Shown, Frame], Sequence[Line]], **options: Any) -> None:
        super().__init__(**options)
        self._painter = painter
        self._shown: Shown | None = None

    def show(self, value: Shown) -> None:
        """Shows ``value``."""
        self._shown = value
        self.paint()

    def paint(self) -> None:
        """Paints the last value."""
        if self._shown is not None and self.content_size.width > 0:
            self.set_lines(self._painter(self._shown, self.frame))
