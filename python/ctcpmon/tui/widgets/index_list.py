"""A list of numbered lines with a cursor, painted only where it is looked at. For lists that do not move.

Rows of a run move under the cursor and need ``RowList``; the packets of a slice and the fields of a packet
do not, and there may be tens of thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

from textual.geometry import Size
from textual.message import Message

from ctcpmon.tui.widgets.line_view import LineView
from ctcpmon.tui.widgets.list_keys import LIST_KEYS

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from ctcpmon.tui.painting.brush import Line

__all__ = ["IndexList"]

Painter = Callable[[int, int], "Line"]
"""Makes the line of a number for so many cells."""


class _Lazy(Sequence["Line"]):
    """Lines that are made when they are read."""

    def __init__(self, count: int, paint: Callable[[int], Line]) -> None:
        self._count, self._paint = count, paint

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return [self._paint(one) for one in range(*at.indices(self._count))]
        if not 0 <= at < self._count:
            raise IndexError(at)
        return self._paint(at)


class IndexList(LineView, can_focus=True):
    """Lines 0 to ``count`` - 1 with a cursor. Posts ``Moved`` and ``Opened``."""

    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, source: IndexList, at: int) -> None:
            super().__init__()
            self.source = source
            self.at = at

        @property
        def control(self) -> IndexList:
            """The list."""
            return self.source

    class Opened(Moved):
        """The line is to be opened."""

    def __init__(self, painter: Painter, **options: Any) -> None:
        super().__init__(**options)
        self._painter = painter
        self._at = 0

    @property
    def at(self) -> int:
        """The line of the cursor."""
        return self._at

    def show(self, count: int, at: int | None = None) -> None:
        """Shows ``count`` lines, anew; None leaves the cursor where it is."""
        self._lines = _Lazy(count, lambda one: self._painter(one, self.content_size.width))
        self.virtual_size = Size(self.content_size.width, count)
        self._at = min(max(self._at if at is None else at, 0), max(count - 1, 0))
        self._reveal()
        self.refresh()

    def choose(self, at: int) -> None:
        """Moves the cursor."""
        at = min(max(at, 0), max(len(self._lines) - 1, 0))
        if at != self._at and self._lines:
            self._at = at
            self._reveal()
            self.refresh()
            self.post_message(self.Moved(self, at))

    def paint(self) -> None:
        """Lines are painted when they are looked at; after a change of size the cursor stays in view."""
        self._reveal()
        self.refresh()

    def action_move(self, step: int) -> None:
        """Up or down."""
        self.choose(self._at + step)

    def action_jump(self, at: int) -> None:
        """To the first (0) or last (-1) line."""
        self.choose(0 if at == 0 else len(self._lines) - 1)

    def action_page(self, step: int) -> None:
        """Up or down by a screen."""
        self.choose(self._at + step * max(self.size.height - 1, 1))

    def action_open(self) -> None:
        """Opens the line of the cursor."""
        if self._lines:
            self.post_message(self.Opened(self, self._at))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a second one opens."""
        at = int(self.scroll_y) + event.y
        if at < len(self._lines):
            self.choose(at)
            if event.chain >= 2:
                self.action_open()

    def _reveal(self) -> None:
        height = max(self.size.height, 1)
        if self._at < self.scroll_y:
            self.scroll_to(y=self._at, animate=False, force=True)
        elif self._at >= self.scroll_y + height:
            self.scroll_to(y=self._at - height + 1, animate=False, force=True)
