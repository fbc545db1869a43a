"""What happened in this run, as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.painting import pages
from ctcpmon.tui.painting.fold import prose
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.view import LogLine
from ctcpmon.tui.widgets import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["LogScreen"]

_LINES = 500


class LogScreen(ViewScreen):
    """The newest line first, so that the one to read needs no key."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k PgDn PgUp", "scroll"),
        ("1", "incidents"),
        ("h", "history"),
        ("Space", "pause"),
        ("Esc", "back"),
    )
    DEFAULT_CSS = """
    LogScreen {
        #log { height: 1fr; }
        #whole { height: 2; overflow: hidden; }
    }
    """

    def body(self) -> ComposeResult:
        """Title and lines."""
        yield self.panel(_title, "title", "bar")
        yield RowList[LogLine](
            pages.log_row, lambda line: str(line.number), id="log", is_ascii=self.desk.is_ascii
        )
        yield self.panel(self._whole, "whole")

    def on_mount(self) -> None:
        """The list has the keys."""
        super().on_mount()
        self.focus_list()

    def focus_list(self) -> None:
        """See above."""
        self.query_one("#log", RowList).focus()

    def on_screen_resume(self) -> None:
        """Asks for lines: no other screen needs them."""
        super().on_screen_resume()
        if self.is_there:
            self.desk.read_log(_LINES)
            self.look_soon()

    def on_screen_suspend(self) -> None:
        """They are not needed any more."""
        self.desk.read_log(0)

    def show_body(self, view: View) -> None:
        """Shows the lines."""
        self.part("title").show(view)
        if view.query.log:
            self.query_one("#log", RowList).show(view.log[::-1])
        self.part("whole").show(view)

    def on_row_list_moved(self, _event: RowList.Moved) -> None:
        """The line is told in full."""
        self.part("whole").show(self.desk.view)

    def _whole(self, view: View, frame: Frame) -> list[Line]:
        """The selected line: in the list there is seldom room for all of it."""
        key = self.query_one("#log", RowList).key
        line = next((line for line in view.log if str(line.number) == key), None)
        if line is None:
            return []
        pieces = prose(line.text, frame.width - 1, first="  ", rest="  ", most=2)
        return [((piece, "bold"),) for piece in pieces]


def _title(view: View, frame: Frame) -> list[Line]:
    total = view.log[-1].number if view.log else 0
    shown = f"  the last {len(view.log):,}, newest first" if total > len(view.log) else "  newest first"
    return [frame.rule(((f"LOG {total:,}", "title"), (shown, "")))]
