"""Every TCP conversation, by what is worst or largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.painting import flows
from ctcpmon.tui.screens.listing import ListScreen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctcpmon.tui.filters import Listed
    from ctcpmon.tui.painting.columns import Column
    from ctcpmon.tui.view import FlowRow, LongList, View

__all__ = ["FlowsScreen"]


class FlowsScreen(ListScreen):
    """The flow table; Enter opens the tunnel session in a flow."""

    LISTED: ClassVar[LongList] = "flows"
    FILTERED: ClassVar[Listed] = "flows"
    COLUMNS: ClassVar[Sequence[Column[FlowRow]]] = flows.COLUMNS
    ORDERS: ClassVar[Mapping[str, str]] = flows.ORDERS
    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("o O", "order"),
        ("/", "filter"),
        ("c", "columns"),
        ("Enter", "its tunnel"),
        ("1", "incidents"),
        ("2", "sessions"),
        ("Space", "pause"),
        ("Esc", "back"),
    )

    def rows(self, view: View) -> Sequence[FlowRow]:
        """The flows of a view."""
        return view.flows

    def session_in_hand(self) -> str | None:
        """That of the tunnel in the selected conversation, if there is one."""
        row = self.table.row
        return None if row is None else row.session or None
