"""Widgets for other people's Textual apps: incidents, sessions and flows, each with its own CSS.

A host makes a source (``EngineSource`` for captures, ``RemoteSource`` for a running ``serve``, or anything
with the few methods of ``ViewSource``), puts it into a ``Desk``, and hands that to the widgets. They look
for news by themselves, ask for the rows they show, and post ``Moved`` and ``Opened``; they own neither the
run nor the app. Of the two long lists a desk answers one at a time: that of the widget mounted last, or
focused.

The host sets ``TEXTUAL_*`` as it likes; colours are the 16 of the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ctcpmon.tui.desk import Desk
from ctcpmon.tui.filters import FilterError, parse
from ctcpmon.tui.painting import flows, incidents, sessions
from ctcpmon.tui.view import IncidentRow
from ctcpmon.tui.widgets import LongTable, RowList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctcpmon.tui.painting.columns import Column
    from ctcpmon.tui.view import LongList, View

__all__ = ["Desk", "FilterError", "FlowTable", "IncidentTable", "SessionTable"]

_PERIOD_S = 0.2


class IncidentTable(RowList[IncidentRow]):
    """The incidents; of the one under the cursor are ``desk.view.evidence`` and ``desk.view.fixes``."""

    DEFAULT_CSS = """
    IncidentTable { height: 1fr; min-height: 2; }
    """

    def __init__(self, desk: Desk, **options: Any) -> None:
        super().__init__(
            incidents.row,
            lambda row: row.key,
            lines_per_row=incidents.row_lines,
            is_ascii=desk.is_ascii,
            **options,
        )
        self._desk = desk
        self._seen: View | None = None

    def on_mount(self) -> None:
        """Looks for news from now on."""
        self.set_interval(_PERIOD_S, self.look)
        self.look()

    def look(self) -> None:
        """Takes the newest view."""
        self._desk.refresh()
        if self._desk.view is not self._seen:
            self._seen = self._desk.view
            self.show(self._seen.incidents)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Evidence and fixes follow; the host hears of it too."""
        if event.control is self:
            self._desk.look_at(incident=event.key)


class _ListTable(LongTable[Any]):
    """A long list of a desk."""

    LISTED: ClassVar[LongList]
    COLUMNS: ClassVar[Sequence[Column[Any]]]
    ORDERS: ClassVar[Mapping[str, str]]

    DEFAULT_CSS = """
    _ListTable { height: 1fr; min-height: 2; }
    """

    def __init__(self, desk: Desk, **options: Any) -> None:
        super().__init__(self.COLUMNS, lambda row: row.key, is_ascii=desk.is_ascii, **options)
        self._desk = desk
        self._seen: View | None = None

    @property
    def terms(self) -> str:
        """The filter in force."""
        return self._desk.filters[self.LISTED]

    def choose_rows(self, text: str) -> None:
        """Sets the filter (``docs/screens.md``). Raises ``FilterError``, which says where the fault is."""
        parse(text, self.LISTED)
        self._desk.filters[self.LISTED] = text
        self.restart()
        self._ask()

    def sort(self, order: str, *, is_reversed: bool = False) -> None:
        """By another column; ``ORDERS`` has the names. Raises ``ValueError``."""
        if order not in self.ORDERS:
            message = f"no such order: {order!r}; there are {', '.join(self.ORDERS)}"
            raise ValueError(message)
        choice = self._desk.lists[self.LISTED]
        choice.order, choice.is_reversed = order, is_reversed
        self.set_order(order, is_reversed=is_reversed)
        self.restart()
        self._ask()

    def on_mount(self) -> None:
        """Looks for news from now on."""
        choice = self._desk.lists[self.LISTED]
        self.set_order(choice.order, is_reversed=choice.is_reversed)
        self.set_interval(_PERIOD_S, self.look)
        self.call_after_refresh(self._ask)

    def on_focus(self) -> None:
        """Whoever has the focus is answered."""
        self._ask()

    def look(self) -> None:
        """Takes the newest view, if it is of this list as it is wanted now."""
        self._desk.refresh()
        view = self._desk.view
        if view is self._seen:
            return
        self._seen = view
        reach, choice = view.query.reach, self._desk.lists[self.LISTED]
        wanted = (self.LISTED, choice.order, choice.is_reversed, self.terms)
        if (reach.name, reach.order, reach.is_reversed, reach.filter) == wanted:
            self.show(
                view.flows if self.LISTED == "flows" else view.sessions,
                first=view.listing.offset,
                matching=view.listing.matching,
                anchor=reach.anchor,
                anchor_at=view.listing.anchor_at,
            )

    def on_long_table_wanted(self, event: LongTable.Wanted) -> None:
        """Other rows are needed."""
        if event.control is self:
            self._ask()

    def on_long_table_sorted(self, event: LongTable.Sorted) -> None:
        """A click on a title."""
        if event.control is self:
            choice = self._desk.lists[self.LISTED]
            self.sort(event.order, is_reversed=event.order == choice.order and not choice.is_reversed)

    def _ask(self) -> None:
        self._desk.reach(self.LISTED, self.window)


class SessionTable(_ListTable):
    """The tunnel sessions."""

    LISTED: ClassVar[LongList] = "sessions"
    COLUMNS: ClassVar[Sequence[Column[Any]]] = sessions.COLUMNS
    ORDERS: ClassVar[Mapping[str, str]] = sessions.ORDERS


class FlowTable(_ListTable):
    """Every TCP conversation."""

    LISTED: ClassVar[LongList] = "flows"
    COLUMNS: ClassVar[Sequence[Column[Any]]] = flows.COLUMNS
    ORDERS: ClassVar[Mapping[str, str]] = flows.ORDERS
