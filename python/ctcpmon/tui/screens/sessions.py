"""All tunnel sessions, worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.tui.painting import sessions
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.view import SessionRow
from ctcpmon.tui.widgets import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.view import View

__all__ = ["SessionsScreen"]


class SessionsScreen(ViewScreen):
    """The session list; Enter opens one."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("Enter", "detail"),
        ("t", "graph"),
        ("p", "packets"),
        ("o", "order"),
        ("g G", "ends"),
        ("1", "incidents"),
        ("4", "tap"),
        ("Space", "pause"),
        ("Esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "order", show=False)]

    DEFAULT_CSS = """
    SessionsScreen #sessions { height: 1fr; }
    """

    def body(self) -> ComposeResult:
        """Title, columns, rows."""
        yield self.panel(sessions.title, "sessions-title", "bar")
        yield self.panel(lambda _view, frame: sessions.heading(frame), "sessions-heading", "bar")
        yield RowList[SessionRow](
            sessions.row, lambda row: row.key, id="sessions", is_ascii=self.desk.is_ascii
        )

    def on_mount(self) -> None:
        """The list has the keys."""
        super().on_mount()
        self.query_one("#sessions", RowList).focus()

    def show_body(self, view: View) -> None:
        """Shows the rows."""
        self.part("sessions-title").show(view)
        self.part("sessions-heading").show(view)
        self.query_one("#sessions", RowList).show(view.sessions)

    def session_in_hand(self) -> str | None:
        """The selected one."""
        return self.query_one("#sessions", RowList).key

    def action_order(self) -> None:
        """Worst, last heard, or by address first."""
        self.desk.next_order()
