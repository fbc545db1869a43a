"""Which columns a long list has: switched on and off while the list stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.text import pad
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.widgets import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.desk import Desk, ListChoice
    from ctcpmon.tui.painting.brush import Line
    from ctcpmon.tui.painting.columns import Column
    from ctcpmon.tui.view import View

__all__ = ["ColumnsScreen"]


class ColumnsScreen(ViewScreen):
    """A list of columns with a mark."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("Enter", "on or off"),
        ("j k", "choose"),
        ("Esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "app.leave", show=False, id="columns")]
    DEFAULT_CSS = """
    ColumnsScreen #columns { height: 1fr; }
    """

    def __init__(self, desk: Desk, columns: Sequence[Column[Any]], choice: ListChoice) -> None:
        super().__init__(desk)
        self._columns = tuple(columns)
        self._choice = choice

    def body(self) -> ComposeResult:
        """Title and list."""
        yield self.panel(lambda _view, frame: [frame.rule((("COLUMNS", "title"),))], "title", "bar")
        yield RowList[tuple[bool, Any]](
            _row, lambda item: item[1].name, id="columns", is_ascii=self.desk.is_ascii
        )

    def on_mount(self) -> None:
        """The list has the keys."""
        super().on_mount()
        self.focus_list()

    def focus_list(self) -> None:
        """See above."""
        self.query_one("#columns", RowList).focus()

    def show_body(self, view: View) -> None:
        """Shows which are wanted; those that do not fit are left out from the last on."""
        self.part("title").show(view)
        toggled = self._choice.columns
        self.query_one("#columns", RowList).show(
            tuple((one.is_spare is (one.name in toggled), one) for one in self._columns)
        )

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Switches one."""
        event.stop()
        self._choice.columns ^= {event.key}
        self.show_body(self.desk.view)


def _row(item: tuple[bool, Any], cells: int, *, is_chosen: bool) -> tuple[Line, ...]:  # noqa: ARG001
    is_on, one = item
    mark = "[x]" if is_on else "[ ]"
    body = "chosen" if is_chosen else ""
    text = f"{mark} {pad(one.title, 18)} {one.doc}"
    return ((("> " if is_chosen else "  ", "chosen"), (text, body)),)  # type: ignore[return-value]
