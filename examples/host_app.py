"""A Textual app of somebody else that shows the incidents and sessions of a capture.

python examples/host_app.py CAPTURE
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.embedding import Desk, IncidentTable, SessionTable
from textual.app import App
from textual.widgets import Footer, Header, Label

if TYPE_CHECKING:
    from ctcpmon.tui.source import ViewSource
    from textual.app import ComposeResult
    from textual.binding import BindingType


class HostApp(App[None]):
    """Two widgets of ctcpmon between a header and a footer that it knows nothing of."""

    CSS = """
    IncidentTable { height: 6; }
    Label { text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("s", "stalled", "Stalled only"),
        ("a", "all", "All"),
        ("q", "quit", "Quit"),
    ]

    def __init__(self, source: ViewSource) -> None:
        super().__init__()
        self.desk = Desk(source)

    def compose(self) -> ComposeResult:
        """Header, the two lists, what was chosen, footer."""
        yield Header()
        yield IncidentTable(self.desk)
        yield SessionTable(self.desk)
        yield Label("nothing chosen", id="chosen")
        yield Footer()

    def action_stalled(self) -> None:
        """The filter language is that of ctcpmon."""
        self.query_one(SessionTable).choose_rows("state=stalled")

    def action_all(self) -> None:
        """No filter."""
        self.query_one(SessionTable).choose_rows("")

    def on_long_table_opened(self, event: SessionTable.Opened) -> None:
        """Enter on a session."""
        self.query_one("#chosen", Label).update(f"session {event.table.key}")

    def on_row_list_opened(self, event: IncidentTable.Opened) -> None:
        """Enter on an incident: its first fix is at hand."""
        fixes = self.desk.view.fixes
        self.query_one("#chosen", Label).update(f"{event.key}: {fixes[0].title if fixes else 'no fix'}")


def main() -> None:
    """Reads a capture; whoever makes a source also ends it."""
    from ctcpmon.errors import CtcpmonError
    from ctcpmon.tui.engine_source import EngineSource

    if len(sys.argv) < 2:
        sys.exit("usage: host_app.py CAPTURE...")
    source = EngineSource(sys.argv[1:])
    try:
        source.start()
    except CtcpmonError as error:
        sys.exit(f"host_app: {error}")
    try:
        HostApp(source).run()
    finally:
        source.close()


if __name__ == "__main__":
    main()
