"""A list of keyed rows with a selection that stays on its row, wherever that row moves.

The selection is a key, never a position: new rows above push the list, not the cursor. Until the
user moves it the selection follows the first row, so that the worst one is in view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from textual.message import Message

from ctcpmon.tui.widgets.line_view import LineView
from ctcpmon.tui.widgets.list_keys import LIST_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import BindingType

    from ctcpmon.tui.painting.brush import Line

__all__ = ["RowList", "RowPainter"]

Row = TypeVar("Row")
Row_contra = TypeVar("Row_contra", contravariant=True)


class RowPainter(Protocol[Row_contra]):
    """Makes the lines of one row; every row has the same number of lines at one width."""

    def __call__(self, item: Row_contra, cells: int, *, is_chosen: bool) -> tuple[Line, ...]:
        """Lines of ``item``."""


class RowList(LineView, Generic[Row], can_focus=True):
    """Rows of ``lines_per_row`` lines. Posts ``Moved`` and ``Opened``."""

    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS

    class Moved(Message):
        """The selection is on another row."""

        def __init__(self, source: RowList[Any], key: str) -> None:
            super().__init__()
            self.source = source
            self.key = key

        @property
        def control(self) -> RowList[Any]:
            """The list."""
            return self.source

    class Opened(Moved):
        """The selected row is to be opened."""

    def __init__(
        self,
        painter: RowPainter[Row],
        key_of: Callable[[Row], str],
        *,
        lines_per_row: Callable[[int], int] = lambda _cells: 1,
        has_cursor: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._painter = painter
        self._key_of = key_of
        self._lines_per_row = lines_per_row
        self._has_cursor = has_cursor
        self.can_focus = has_cursor
        self._rows: tuple[Row, ...] = ()
        self._keys: tuple[str, ...] = ()
        self._index: dict[str, int] = {}
        self._key: str | None = None
        self._is_pinned = False
        self._painted: dict[str, tuple[Row, int, bool, tuple[Line, ...]]] = {}

    @property
    def key(self) -> str | None:
        """Key of the selected row."""
        return self._key

    def show(self, rows: Sequence[Row]) -> None:
        """Shows ``rows``; the selection and its place on the screen are kept."""
        if self._rows == rows:
            return
        before = self._index.get(self._key or "")
        self._rows = tuple(rows)
        self._keys = tuple(map(self._key_of, self._rows))
        self._index = {key: at for at, key in enumerate(self._keys)}
        key = self._key
        if not self._keys:
            key = None
        elif not self._is_pinned:
            key = self._keys[0]
        elif key not in self._index:
            key = self._keys[min(before or 0, len(self._keys) - 1)]
        is_moved, self._key = key != self._key, key
        self.paint()
        after = self._index.get(key or "")
        if before is not None and after is not None and before != after and self._is_pinned:
            height = self._lines_per_row(self.content_size.width)
            self.scroll_to(y=self.scroll_y + (after - before) * height, animate=False, force=True)
        if is_moved and key is not None:
            self.post_message(self.Moved(self, key))

    def choose(self, key: str) -> None:
        """Selects a row; from then on the selection stays on it."""
        self._is_pinned = True
        if key not in self._index or key == self._key:
            return
        self._key = key
        self.paint()
        self._reveal()
        self.post_message(self.Moved(self, key))

    def paint(self) -> None:
        """Paints the rows whose content, width or selection changed."""
        cells = self.content_size.width
        if cells <= 0:
            return
        kept: dict[str, tuple[Row, int, bool, tuple[Line, ...]]] = {}
        lines: list[Line] = []
        for key, row in zip(self._keys, self._rows, strict=True):
            is_chosen = self._has_cursor and key == self._key
            known = self._painted.get(key)
            if known is None or known[1:3] != (cells, is_chosen) or known[0] != row:
                known = (row, cells, is_chosen, self._painter(row, cells, is_chosen=is_chosen))
            kept[key] = known
            lines += known[3]
        self._painted = kept
        self.set_lines(lines)

    def action_move(self, step: int) -> None:
        """Up or down by rows."""
        if self._keys:
            at = self._index.get(self._key or "", 0) + step
            self.choose(self._keys[min(max(at, 0), len(self._keys) - 1)])

    def action_jump(self, at: int) -> None:
        """To the first (0) or last (-1) row."""
        if self._keys:
            self.choose(self._keys[at])

    def action_page(self, step: int) -> None:
        """Up or down by a screen of rows."""
        height = self._lines_per_row(self.content_size.width)
        self.action_move(step * max(self.size.height // height - 1, 1))

    def action_open(self) -> None:
        """Opens the selected row."""
        if self._key is not None:
            self._is_pinned = True
            self.post_message(self.Opened(self, self._key))

    def on_click(self, event: events.Click) -> None:
        """A click selects; a second one opens."""
        height = self._lines_per_row(self.content_size.width)
        at = (int(self.scroll_y) + event.y) // height
        if self._has_cursor and 0 <= at < len(self._keys):
            self.choose(self._keys[at])
            if event.chain >= 2:
                self.action_open()

    def _reveal(self) -> None:
        height = self._lines_per_row(self.content_size.width)
        top = self._index.get(self._key or "", 0) * height
        if top < self.scroll_y:
            self.scroll_to(y=top, animate=False, force=True)
        elif top + height > self.scroll_y + self.size.height:
            self.scroll_to(y=top + height - self.size.height, animate=False, force=True)
