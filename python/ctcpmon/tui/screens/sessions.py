"""All tunnel sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.painting import sessions
from ctcpmon.tui.screens.listing import ListScreen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctcpmon.tui.filters import Listed
    from ctcpmon.tui.painting.columns import Column
    from ctcpmon.tui.view import LongList, SessionRow, View

__all__ = ["SessionsScreen"]


class SessionsScreen(ListScreen):
    """The session list; Enter opens one."""

    LISTED: ClassVar[LongList] = "sessions"
    FILTERED: ClassVar[Listed] = "sessions"
    COLUMNS: ClassVar[Sequence[Column[SessionRow]]] = sessions.COLUMNS
    ORDERS: ClassVar[Mapping[str, str]] = sessions.ORDERS
    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("Enter", "detail"),
        ("t", "graph"),
        ("p", "packets"),
        ("/", "filter"),
        ("o O", "order"),
        ("c", "columns"),
        ("1", "incidents"),
        ("3", "flows"),
        ("Space", "pause"),
        ("Esc", "back"),
    )

    def rows(self, view: View) -> Sequence[SessionRow]:
        """The sessions of a view."""
        return view.sessions

    def total(self, view: View) -> int:
        """Of ended sessions only the worst are kept."""
        return max(view.tally.total, view.listing.total)

    def session_in_hand(self) -> str | None:
        """The selected one."""
        return self.table.key
