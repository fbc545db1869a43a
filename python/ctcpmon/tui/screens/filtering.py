"""What screens with a filter share: the key, the line in which it is typed, how it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.tui.filters import FilterError, expected, parse
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.widgets import FilterBar

if TYPE_CHECKING:
    from ctcpmon.tui.filters import Listed

__all__ = ["FilterScreen"]


class FilterScreen(ViewScreen):
    """Subclasses say what is filtered, yield ``filter_bar()``, and give ``apply`` and ``focus_rows``."""

    FILTERED: ClassVar[Listed]

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False, id="filter"),
        Binding("escape", "leave_filter", show=False),
    ]
    DEFAULT_CSS = """
    FilterScreen {
        #filter { display: none; }
        &.-typing #filter { display: block; }
        &.-typing #message { display: none; }
    }
    """

    def filter_bar(self) -> FilterBar:
        """The line, not shown until it is needed."""
        return FilterBar(self._check, id="filter", is_ascii=self.desk.is_ascii)

    @property
    def filter(self) -> str:
        """The filter in force."""
        return self.desk.filters[self.FILTERED]

    def apply(self) -> None:
        """Another filter is in force."""

    def action_filter(self) -> None:
        """Types a filter."""
        self.add_class("-typing")
        self.query_one(FilterBar).open(self.filter)

    def action_leave_filter(self) -> None:
        """Takes the filter off; without one, back."""
        if self.filter:
            self._set("")
        else:
            self.app.call_later(self.app.run_action, "leave")

    def on_filter_bar_typed(self, event: FilterBar.Typed) -> None:
        """The list follows while it is typed."""
        self._set(event.text)

    def on_filter_bar_done(self, event: FilterBar.Done) -> None:
        """The filter stays, or the one from before."""
        self._set(event.text)
        self.remove_class("-typing")
        self.focus_list()

    def focus_list(self) -> None:
        """The line that is typed in, or the list."""
        if self.has_class("-typing"):
            self.query_one(FilterBar).focus()
        else:
            self.focus_rows()

    def focus_rows(self) -> None:
        """Gives the keys to the list."""

    def _set(self, text: str) -> None:
        if text != self.filter:
            self.desk.filters[self.FILTERED] = text
            self.apply()

    def _check(self, text: str) -> tuple[int, str] | str:
        try:
            parse(text, self.FILTERED)
        except FilterError as error:
            return error.at, str(error)
        return expected(text, self.FILTERED)
