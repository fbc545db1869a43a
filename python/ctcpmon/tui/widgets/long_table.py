"""A table over a list of any length: it holds the rows of a window and asks for others.

The selection is a key. With every answer the source says where that row is by then, and the table moves with
it, so that it stays in its line while others come, go and change places around it. What is shown costs the
same whether the list has ten rows or ten million.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.message import Message

from ctcpmon.tui.painting import columns as painting
from ctcpmon.tui.widgets.line_view import LineView
from ctcpmon.tui.widgets.list_keys import LIST_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import BindingType

    from ctcpmon.tui.painting.brush import Line
    from ctcpmon.tui.painting.columns import Column

__all__ = ["LongTable", "Window"]

Row = TypeVar("Row")

_WHEEL = 3
"""Rows by one notch of a wheel."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a table wants: ``height`` from ``offset`` on, or those around a row.

    With an ``anchor`` the window is the one in which the row of that key is in line ``line``.
    """

    offset: int = 0
    height: int = 50
    anchor: str = ""
    line: int = 0


class LongTable(LineView, Generic[Row], can_focus=True):
    """Posts ``Moved``, ``Opened``, ``Wanted`` (another window) and ``Sorted`` (a click on a title)."""

    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS

    DEFAULT_CSS = """
    LongTable { overflow-y: hidden; }
    """

    class Event(Message):
        """Something happened in a table."""

        def __init__(self, table: LongTable[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> LongTable[Any]:
            """The table."""
            return self.table

    class Moved(Event):
        """The selection is on another row, ``table.key``."""

    class Opened(Event):
        """The selected row is to be opened."""

    class Wanted(Event):
        """Rows are needed: ``table.window``."""

    class Sorted(Event):
        """The list is to be by ``order``."""

        def __init__(self, table: LongTable[Any], order: str) -> None:
            super().__init__(table)
            self.order = order

    def __init__(self, columns: Sequence[Column[Row]], key_of: Callable[[Row], str], **options: Any) -> None:
        super().__init__(**options)
        self._columns = tuple(columns)
        self._key_of = key_of
        self._toggled: frozenset[str] = frozenset()
        self._order, self._is_reversed = "", False
        self._rows: tuple[Row, ...] = ()
        self._keys: tuple[str, ...] = ()
        self._first = 0
        self._matching = 0
        self._key: str | None = None
        self._at = 0
        self._top = 0
        self._goes_to: int | None = None
        """Position to select as soon as its row is there."""
        self._is_pinned = False
        self._asked = Window()
        self._painted: dict[str, tuple[Row, object, Line]] = {}

    @property
    def key(self) -> str | None:
        """Key of the selected row."""
        return self._key

    @property
    def row(self) -> Row | None:
        """The selected row, if it is in the window."""
        return next((row for key, row in zip(self._keys, self._rows, strict=True) if key == self._key), None)

    @property
    def position(self) -> int | None:
        """Where the selection is in the list, from 1; None while nothing is selected."""
        return None if self._key is None and self._goes_to is None else self._at + 1

    @property
    def window(self) -> Window:
        """The rows that are wanted now: those on the screen, and as many before and behind."""
        rows = self.body_height
        offset = max(self._top - rows, 0)
        is_anchored = self._is_pinned and self._key is not None and self._goes_to is None
        return Window(
            offset=offset,
            height=3 * rows,
            anchor=(self._key or "") if is_anchored else "",
            line=max(self._at - offset, 0) if is_anchored else 0,
        )

    @property
    def body_height(self) -> int:
        """Rows on the screen; the first line has the titles."""
        return max(self.size.height - 1, 1)

    @property
    def shown_columns(self) -> tuple[Column[Row], ...]:
        """The columns that fit."""
        return painting.chosen(self._columns, self.size.width - 1, self._toggled, self._order)

    def set_columns(self, toggled: frozenset[str]) -> None:
        """Switches columns by name: those that are shown off, spare ones on."""
        self._toggled = toggled
        self.paint()

    def set_order(self, order: str, *, is_reversed: bool) -> None:
        """Marks the column that the list is by."""
        self._order, self._is_reversed = order, is_reversed
        self.paint()

    def restart(self) -> None:
        """Back to the first row: what comes next is another list."""
        self._key, self._is_pinned, self._goes_to = None, False, None
        self._at = self._top = 0
        self._want()

    def show(
        self,
        rows: Sequence[Row],
        *,
        first: int,
        matching: int,
        anchor: str = "",
        anchor_at: int | None = None,
    ) -> None:
        """Shows ``rows``, which stand in the list from position ``first`` on.

        ``anchor_at`` is where the row with the key ``anchor`` is in the list now.
        """
        self._rows, self._first, self._matching = tuple(rows), first, matching
        self._keys = tuple(map(self._key_of, self._rows))
        before = self._key
        if not matching:
            self._key, self._at, self._top, self._goes_to = None, 0, 0, None
        elif self._goes_to is not None:
            self._settle()
        elif not self._is_pinned:
            self._at = self._top = 0
            self._key = self._keys[0] if self._keys and first == 0 else self._key
        else:
            self._follow(anchor, anchor_at)
        self._clamp()
        self.paint()
        if self._key != before and self._key is not None:
            self.post_message(self.Moved(self))
        self._want()

    def choose(self, at: int) -> None:
        """Selects the row at a position, now or when it is there."""
        if not self._matching:
            return
        self._is_pinned = True
        self._at = min(max(at, 0), self._matching - 1)
        self._goes_to = self._at
        before = self._key
        is_there = self._settle()
        self._reveal()
        self.paint()
        if self._key != before and is_there:
            self.post_message(self.Moved(self))
        self._want()

    def paint(self) -> None:
        """Paints the lines of the screen."""
        cells = self.size.width
        if cells <= 0 or self.size.height <= 0:
            return
        shown = self.shown_columns
        lines: list[Line] = [
            painting.heading(shown, self._order, is_reversed=self._is_reversed, is_ascii=self._is_ascii)
        ]
        kept: dict[str, tuple[Row, object, Line]] = {}
        thumb = self._thumb()
        for line in range(self.body_height):
            at = self._top + line - self._first
            made: Line = ()
            if 0 <= at < len(self._rows):
                key, item = self._keys[at], self._rows[at]
                is_chosen = key == self._key and self._goes_to is None
                look = (shown, is_chosen)
                known = self._painted.get(key)
                if known is None or known[1] != look or known[0] != item:
                    known = (item, look, painting.row(item, shown, is_chosen=is_chosen))
                kept[key] = known
                made = known[2]
            elif self._top + line < self._matching:
                made = (("  ...", "dim"),)
            lines.append(self._with_thumb(made, is_thumb=line in thumb))
        self._painted = kept
        self.set_lines(lines)

    def action_move(self, step: int) -> None:
        """Up or down by rows."""
        self.choose(self._at + step)

    def action_jump(self, at: int) -> None:
        """To the first (0) or last (-1) row."""
        self.choose(at if at >= 0 else self._matching + at)

    def action_page(self, step: int) -> None:
        """Up or down by a screen of rows."""
        rows = max(self.body_height - 1, 1)
        self._top += step * rows
        self._clamp()
        self.choose(self._at + step * rows)

    def action_open(self) -> None:
        """Opens the selected row."""
        if self._key is not None and self._goes_to is None:
            self._is_pinned = True
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        """A click selects, a second one opens; on a title it sorts."""
        if event.y == 0:
            left = 2
            for one in self.shown_columns:
                if left <= event.x < left + one.cells and one.order:
                    self.post_message(self.Sorted(self, one.order))
                left += one.cells + 1
            return
        at = self._top + event.y - 1
        if at < self._matching:
            self.choose(at)
            if event.chain >= 2:
                self.action_open()

    def on_mouse_scroll_down(self, _event: events.MouseScrollDown) -> None:
        """The wheel moves the selection: what is not on the screen cannot be selected."""
        self.action_move(_WHEEL)

    def on_mouse_scroll_up(self, _event: events.MouseScrollUp) -> None:
        """See above."""
        self.action_move(-_WHEEL)

    def on_resize(self, event: events.Resize) -> None:
        """Another height is another window."""
        super().on_resize(event)
        self._reveal()
        self._want()

    def _settle(self) -> bool:
        """Takes the key of the row that is gone to; False while it is not there."""
        if self._goes_to is None:
            return True
        at = min(self._goes_to, self._matching - 1)
        index = at - self._first
        self._at = at
        if 0 <= index < len(self._keys):
            self._key, self._goes_to = self._keys[index], None
        return self._goes_to is None

    def _follow(self, anchor: str, anchor_at: int | None) -> None:
        """Moves with the selected row, wherever it is now; one that is gone leaves its place to the next."""
        line = self._at - self._top
        if self._key in self._keys:
            at = self._first + self._keys.index(self._key)
        elif anchor == self._key and anchor_at is not None:
            at = anchor_at
        elif anchor == self._key:
            at = self._goes_to = self._at
        else:
            return  # it answers an earlier question
        self._at = at
        self._top = at - line
        self._settle()

    def _reveal(self) -> None:
        """Scrolls as little as it takes to have the selection on the screen."""
        if self._at < self._top:
            self._top = self._at
        elif self._at >= self._top + self.body_height:
            self._top = self._at - self.body_height + 1
        self._clamp()

    def _clamp(self) -> None:
        self._top = min(max(self._top, 0), max(self._matching - self.body_height, 0))
        self._at = min(max(self._at, 0), max(self._matching - 1, 0))

    def _want(self) -> None:
        """Asks for rows when what is asked for already does not serve."""
        if self.size.height <= 0:
            return
        wanted = self.window
        if wanted != self._asked:
            self._asked = replace(wanted)
            self.post_message(self.Wanted(self))

    def _thumb(self) -> range:
        """Lines of the mark at the right that says where in the list this is."""
        rows = self.body_height
        if self._matching <= rows:
            return range(0)
        size = max(rows * rows // self._matching, 1)
        room = rows - size
        start = round(self._top / (self._matching - rows) * room)
        return range(start, start + size)

    def _with_thumb(self, line: Line, *, is_thumb: bool) -> Line:
        return (*self._brush.fitted(line, self.size.width - 1), ("█" if is_thumb else " ", "dim"))
