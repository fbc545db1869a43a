"""The fixes for the selected incident: list above, whole text below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.tui.painting import pages
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.view import FixView
from ctcpmon.tui.widgets import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["FixesScreen"]

_MOST_LISTED = 8


class FixesScreen(ViewScreen):
    """Choose a fix, read it, copy it. Nothing is ever sent to a device."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k", "choose"),
        ("PgDn PgUp", "scroll"),
        ("y", "copy and save"),
        ("[ ]", "incident"),
        ("1", "incidents"),
        ("Esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "scroll_text('page_down')", show=False, priority=True),
        Binding("pageup", "scroll_text('page_up')", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    FixesScreen {
        #fixes { height: 4; }
        #text { height: 1fr; }
    }
    """

    def body(self) -> ComposeResult:
        """List and text."""
        yield self.panel(self._title, "title", "bar")
        yield RowList[tuple[int, FixView]](
            pages.fix_row, lambda item: item[1].id, id="fixes", is_ascii=self.desk.is_ascii
        )
        yield self.panel(self._text_title, "text-title", "bar")
        yield self.panel(self._text, "text")

    def on_mount(self) -> None:
        """The list has the keys."""
        super().on_mount()
        self.focus_list()

    def focus_list(self) -> None:
        """See above."""
        self.query_one("#fixes", RowList).focus()

    def show_body(self, view: View) -> None:
        """Shows list and text."""
        listed = self.query_one("#fixes", RowList)
        listed.styles.height = min(max(len(view.fixes), 1), _MOST_LISTED, max(self.size.height // 4, 2))
        listed.show(tuple(enumerate(view.fixes, 1)))
        for name in ("title", "text-title", "text"):
            self.part(name).show(view)

    def incident_in_hand(self) -> str | None:
        """The one whose fixes these are."""
        return self.desk.view.evidence.incident if self.desk.view.evidence else None

    def copyable(self) -> FixView | None:
        """The chosen fix."""
        key = self.query_one("#fixes", RowList).key
        fixes = self.desk.view.fixes
        return next((fix for fix in fixes if fix.id == key), fixes[0] if fixes else None)

    def on_row_list_moved(self, _event: RowList.Moved) -> None:
        """The text follows the list."""
        self.part("text").scroll_home(animate=False)
        self.show_body(self.desk.view)

    def action_scroll_text(self, way: str) -> None:
        """Scrolls the text."""
        getattr(self.part("text"), f"scroll_{way}")(animate=False)

    def _title(self, view: View, frame: Frame) -> list[Line]:
        facts = view.evidence
        row = next((row for row in view.incidents if facts and row.key == facts.incident), None)
        what = f"  for {row.client} -> {row.headend}" if row else ""
        return [frame.rule(((f"FIXES {len(view.fixes)}", "title"), (what, "bold")))]

    def _text_title(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        fix = self.copyable()
        return [frame.rule((("TEXT", "title"), (f"  {fix.platform}" if fix else "", "")))]

    def _text(self, view: View, frame: Frame) -> list[Line]:
        fix = self.copyable()
        if fix is None:
            why = "no shipped fix fits this finding" if view.incidents else "there is no incident to fix"
            return [((f"  {why}", "dim"),)]
        return pages.fix(fix, frame)
