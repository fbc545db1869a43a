"""Can the verdicts be trusted: the tap, the input, what had no room, every counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctcpmon.tui.painting import pages, trend
from ctcpmon.tui.screens.detail import TextScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["TapScreen"]


class TapScreen(TextScreen):
    """Tap and counters."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k PgDn PgUp", "scroll"),
        ("1", "incidents"),
        ("2", "sessions"),
        ("Space", "pause"),
        ("Esc", "back"),
    )
    DEFAULT_CSS = """
    TapScreen #title { display: none; }
    """

    def body(self) -> ComposeResult:
        """The trend above the page."""
        yield self.panel(trend.trend, "trend", "bar trend")
        yield from super().body()

    def show_body(self, view: View) -> None:
        """Shows both."""
        self.part("trend").show(view)
        super().show_body(view)

    def page(self, view: View, frame: Frame) -> list[Line]:
        """The page."""
        return pages.counters(view, frame)
