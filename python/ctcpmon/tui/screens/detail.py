"""One session: time line, numbers, reasoning."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.tui.painting import pages
from ctcpmon.tui.screens.base import ViewScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.desk import Desk
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["TEXT_KEYS", "DetailScreen"]

TEXT_KEYS: list[BindingType] = [
    Binding("j", "scroll_text('down')", show=False, priority=True, id="down"),
    Binding("k", "scroll_text('up')", show=False, priority=True, id="up"),
    Binding("down", "scroll_text('down')", show=False, priority=True),
    Binding("up", "scroll_text('up')", show=False, priority=True),
    Binding("pagedown", "scroll_text('page_down')", show=False, priority=True),
    Binding("pageup", "scroll_text('page_up')", show=False, priority=True),
    Binding("g", "scroll_text('home')", show=False, priority=True, id="first"),
    Binding("G", "scroll_text('end')", show=False, priority=True, id="last"),
    Binding("home", "scroll_text('home')", show=False, priority=True),
    Binding("end", "scroll_text('end')", show=False, priority=True),
]
"""Keys of a screen that is one page of text, the part ``text``."""


class TextScreen(ViewScreen):
    """A screen whose body is one scrolling page, the part ``text``."""

    BINDINGS: ClassVar[list[BindingType]] = TEXT_KEYS

    DEFAULT_CSS = """
    TextScreen #text { height: 1fr; }
    """

    def body(self) -> ComposeResult:
        """A title and the page."""
        yield self.panel(self.page_title, "title", "bar")
        yield self.panel(self.page, "text")

    def page_title(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        """The line above the page."""
        return []

    def page(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        """The page."""
        return []

    def show_body(self, view: View) -> None:
        """Shows title and page."""
        self.part("title").show(view)
        self.part("text").show(view)

    def action_scroll_text(self, way: str) -> None:
        """Scrolls the page."""
        text = self.part("text")
        getattr(text, f"scroll_{way}")(animate=False)


class DetailScreen(TextScreen):
    """Everything known about the session that was opened."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k PgDn PgUp", "scroll"),
        ("t", "graph"),
        ("p", "packets"),
        ("f", "fixes"),
        ("2", "sessions"),
        ("1", "incidents"),
        ("Esc", "back"),
    )

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.session = desk.query.session
        """Asked for anew when another screen has covered this one."""

    def on_screen_resume(self) -> None:
        """Back from another screen: this session again."""
        if self.is_there:
            self.desk.look_at(session=self.session)
        super().on_screen_resume()

    def session_in_hand(self) -> str | None:
        """The one that is shown."""
        return self.session

    def page_title(self, view: View, frame: Frame) -> list[Line]:
        """Which session."""
        name = view.detail.title if view.detail and view.detail.key == self.session else ""
        return [frame.rule((("SESSION", "title"), (f"  {name}", "bold")))]

    def page(self, view: View, frame: Frame) -> list[Line]:
        """Its time line, ledger and reasoning."""
        if view.detail is None or view.detail.key != self.session:
            is_past = view.progress.phase == "past"
            told = "not kept: this session was not open then" if is_past else "asking for this session"
            return [((f"  {told}", "dim"),)]
        return pages.detail(view.detail, frame)
