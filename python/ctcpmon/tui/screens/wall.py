"""For a wall: nothing but the answers, changing by themselves. No key is needed; q leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.tui.painting.wall import wall
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.widgets import Panel

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ctcpmon.tui.desk import Desk
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["WallScreen"]

_TURN_S = 8.0
"""Each open incident is shown for so long (guess: two lines are read twice)."""


class WallScreen(ViewScreen):
    """One panel; open incidents take turns, the worst first."""

    DEFAULT_CSS = """
    WallScreen {
        #wall { height: 1fr; overflow: hidden; }
        &.-tiny-wide #wall, &.-tiny-high #wall { display: block; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._turn = 0
        self._last: tuple[View, float] | None = None

    def compose(self) -> ComposeResult:
        """Nothing around it."""
        yield Panel(self._paint, id="wall", is_ascii=self.desk.is_ascii)

    def on_mount(self) -> None:
        """Time turns the pages."""
        super().on_mount()
        self.desk.reach_worst()
        self.set_interval(_TURN_S, self.next_turn)
        self.set_interval(1.0, self._age)

    def show(self, view: View) -> None:
        """Shows a view."""
        if self._last is None or self._last[0] is not view:
            self._last = (view, self.desk.clock())
        if self.is_there:
            self.query_one("#wall", Panel).show(view)

    def next_turn(self) -> None:
        """The next open incident."""
        still_open = [row.key for row in self.desk.view.incidents if row.is_open]
        still_open = [row.key for row in self.desk.view.incidents if row.is_alarm] or still_open
        if still_open:
            self._turn = (self._turn + 1) % len(still_open)
            self.desk.look_at(incident=still_open[self._turn])
            self.look_soon()

    def _age(self) -> None:
        """Nothing new is news too."""
        if self.is_there:
            self.query_one("#wall", Panel).paint()

    def _paint(self, view: View, frame: Frame) -> list[Line]:
        silent_s = self.desk.clock() - self._last[1] if self._last else 0.0
        return wall(view, frame, silent_s=silent_s)
