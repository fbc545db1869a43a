"""A scrolling view over ready lines, painted by the line API.

The base of every part of a screen. Strips are made for visible lines only and kept until the line
or the width changes; ``set_lines`` repaints only the lines that differ. Textual's ``DataTable`` is
not used: it lays out all rows on every change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView

from ctcpmon.tui.painting.brush import Brush, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from ctcpmon.tui.painting.brush import Line

__all__ = ["LineView"]

_CACHED_STRIPS = 512


class LineView(ScrollView, can_focus=False):
    """Shows lines; scrolls vertically when they do not fit. Not focusable by itself."""

    DEFAULT_CSS = """
    LineView {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        background: ansi_default;
        color: ansi_default;
    }
    """

    def __init__(self, *, is_ascii: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._is_ascii = is_ascii
        self._brush = Brush(is_ascii=is_ascii)
        self._lines: Sequence[Line] = ()
        self._strips: LRUCache[tuple[Line, int], Strip] = LRUCache(_CACHED_STRIPS)

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown, visible or not."""
        return tuple(self._lines)

    @property
    def frame(self) -> Frame:
        """The room for painters, without the scroll bar."""
        return Frame(self.content_size.width, self.content_size.height, is_ascii=self._is_ascii)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Shows ``lines``; what did not change is not painted again."""
        before, self._lines = self._lines, tuple(lines)
        if before == self._lines:
            return
        if len(before) != len(self._lines):
            self.virtual_size = Size(self.content_size.width, len(self._lines))
            self.refresh()
            return
        top = int(self.scroll_y)
        for at in range(top, min(top + self.size.height, len(self._lines))):
            if before[at] != self._lines[at]:
                self.refresh(Region(0, at - top, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen; called by Textual."""
        at = y + int(self.scroll_y)
        # Not the cell of the scroll bar: the mark of a cut would lie under it.
        cells = self.size.width - (self.scrollbar_size_vertical if self.show_vertical_scrollbar else 0)
        if at >= len(self._lines):
            return self._brush.strip((), cells)
        key = (self._lines[at], cells)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._brush.strip(self._lines[at], cells)
        return strip

    def on_resize(self, _event: events.Resize) -> None:
        """Keeps the scroll range; subclasses paint anew."""
        self.virtual_size = Size(self.content_size.width, len(self._lines))
        self.paint()

    def paint(self) -> None:
        """Makes the lines anew for the present size. Nothing to do for fixed lines."""
