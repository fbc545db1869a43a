"""What the screens of long lists share: title with the position, table, order, filter, columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.text import cut, width
from ctcpmon.tui.painting.brush import line_width
from ctcpmon.tui.screens.columns import ColumnsScreen
from ctcpmon.tui.screens.filtering import FilterScreen
from ctcpmon.tui.widgets import LongTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.desk import ListChoice
    from ctcpmon.tui.painting.brush import Frame, Line, Span
    from ctcpmon.tui.painting.columns import Column
    from ctcpmon.tui.view import LongList, View

__all__ = ["ListScreen"]


class ListScreen(FilterScreen):
    """A long list; subclasses say which, with ``FILTERED`` of the same name."""

    LISTED: ClassVar[LongList]
    COLUMNS: ClassVar[Sequence[Column[Any]]]
    ORDERS: ClassVar[Mapping[str, str]]

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "order(1)", show=False, id="order"),
        Binding("O", "reverse", show=False, id="reverse"),
        Binding("c", "columns", show=False, id="columns"),
    ]

    DEFAULT_CSS = """
    ListScreen #rows { height: 1fr; }
    """

    @property
    def choice(self) -> ListChoice:
        """Order, filter and columns of this list, kept while other screens are looked at."""
        return self.desk.lists[self.LISTED]

    @property
    def table(self) -> LongTable[Any]:
        """The table."""
        return self.query_one("#rows", LongTable)

    def body(self) -> ComposeResult:
        """Title, table, and the line for a filter."""
        yield self.panel(self._title, "list-title", "bar")
        table = LongTable[Any](self.COLUMNS, lambda row: row.key, id="rows", is_ascii=self.desk.is_ascii)
        table.set_columns(self.choice.columns)
        yield table
        yield self.filter_bar()

    def on_mount(self) -> None:
        """The table has the keys."""
        super().on_mount()
        self.table.set_order(self.choice.order, is_reversed=self.choice.is_reversed)
        self.table.focus()
        self._ask()

    def on_screen_resume(self) -> None:
        """Whoever lay over this screen may have looked at another list, or switched columns."""
        super().on_screen_resume()
        if self.is_there:
            self.table.set_columns(self.choice.columns)
            self._ask()

    def exported(self) -> LongList:
        """All of it, as it is filtered and sorted."""
        return self.LISTED

    def rows(self, view: View) -> Sequence[Any]:
        """The rows of a view."""
        raise NotImplementedError

    def total(self, view: View) -> int:
        """Rows there ever were."""
        return view.listing.total

    def show_body(self, view: View) -> None:
        """Shows the rows, if they are of this list in its present order."""
        if self._answers(view):
            listing, reach = view.listing, view.query.reach
            self.table.show(
                self.rows(view),
                first=listing.offset,
                matching=listing.matching,
                anchor=reach.anchor,
                anchor_at=listing.anchor_at,
            )
        elif view.progress.phase == "past":
            # Rows of now under a heading of then would be a lie.
            self.table.show((), first=0, matching=0)
        self.part("list-title").show(view)

    def _answers(self, view: View) -> bool:
        """True for a view of this list as it is wanted now."""
        reach, asked = view.query.reach, self.desk.query.reach
        return (reach.name, reach.order, reach.is_reversed, reach.filter) == (
            asked.name,
            asked.order,
            asked.is_reversed,
            asked.filter,
        )

    def on_long_table_wanted(self) -> None:
        """The table needs other rows."""
        self._ask()

    def on_long_table_moved(self) -> None:
        """The title says where the cursor is."""
        self.part("list-title").show(self.desk.view)

    def on_long_table_sorted(self, event: LongTable.Sorted) -> None:
        """A click on a title: by that, or the other way round."""
        self._sort(event.order, is_reversed=event.order == self.choice.order and not self.choice.is_reversed)

    def action_order(self, step: int) -> None:
        """By the next column."""
        names = list(self.ORDERS)
        self._sort(names[(names.index(self.choice.order) + step) % len(names)], is_reversed=False)

    def action_reverse(self) -> None:
        """The other way round."""
        self._sort(self.choice.order, is_reversed=not self.choice.is_reversed)

    def action_columns(self) -> None:
        """Which columns are shown."""
        self.app.push_screen(ColumnsScreen(self.desk, self.COLUMNS, self.choice))

    def apply(self) -> None:
        """Another list: from its first row on."""
        self.table.restart()
        self._ask()

    def focus_rows(self) -> None:
        """Gives the keys back."""
        self.table.focus()

    def _sort(self, order: str, *, is_reversed: bool) -> None:
        self.choice.order, self.choice.is_reversed = order, is_reversed
        self.table.set_order(order, is_reversed=is_reversed)
        self.table.restart()
        self._ask()

    def _ask(self) -> None:
        self.desk.reach(self.LISTED, self.table.window)
        self.part("list-title").show(self.desk.view)
        self.look_soon()

    def _title(self, view: View, frame: Frame) -> list[Line]:
        listing, choice = view.listing, self.choice
        if view.progress.phase == "past" and not self._answers(view):
            told = "  not kept: this list was not on the screen then"
            return [frame.rule(((self.LISTED.upper(), "title"), (told, "warning")))]
        if view.query.reach.name != self.LISTED:
            return [frame.rule(((self.LISTED.upper(), "title"), ("  counting", "")))]
        total = self.total(view)
        left: list[Span] = [(f"{self.LISTED.upper()} {total:,}", "title")]
        at = self.table.position
        if listing.progress is not None:
            left.append((f"  counting {listing.progress:.0%}", "bold"))
        elif at is not None:
            left.append((f"  {at:,} of {listing.matching:,}", "bold"))
        order = self.ORDERS.get(choice.order, choice.order)
        order = f"{order}, reversed" if choice.is_reversed else order
        left.append((f"  {order}", ""))
        if listing.order_age_s:
            left.append((f", sorted {listing.order_age_s:,} s ago", "dim"))
        if total > listing.total:
            left.append((f", {total - listing.total:,} ended ones not kept", "dim"))
        right: Line = ()
        if self.filter:
            is_faulty = bool(listing.fault)
            told = listing.fault if is_faulty else f"{listing.matching:,} match"
            right = ((f"/{self.filter}  ", "key"), (told, "warning" if is_faulty else "bold"))
        line = frame.rule(tuple(left), right)
        if not right or line[-1] == right[-1]:
            return [line]
        # How many match is never what is cut.
        room = frame.width - line_width(left[:2]) - width(right[-1][0]) - 6
        typed: Span = (f"/{cut(self.filter, max(room, 4))}  ", "key")
        return [(*left[:2], ("  ", ""), typed, right[-1])]
