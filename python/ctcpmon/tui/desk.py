"""What the user has in hand: the source, the query and the last view. No textual, no painting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ctcpmon.tui.source import next_speed
from ctcpmon.tui.view import Order, Query

if TYPE_CHECKING:
    from ctcpmon.graph import Style
    from ctcpmon.tui.source import ViewSource
    from ctcpmon.tui.view import View

__all__ = ["Desk"]

_ORDERS: tuple[Order, ...] = ("worst", "recent", "key")


@dataclass
class Desk:
    """One user in front of one source; shared by all screens of an app."""

    source: ViewSource
    is_ascii: bool = False
    query: Query = field(default_factory=Query)
    notice: str = ""
    """A message for the user, shown in place of the progress line until it expires."""
    dots: Style = "braille"
    """What graphs are drawn with, unless ``is_ascii``."""
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.view = self.source.view()

    def refresh(self) -> bool:
        """Takes the newest view; False when it is the one already shown."""
        newest = self.source.view()
        if newest is self.view:
            return False
        self.view = newest
        return True

    @property
    def is_waiting(self) -> bool:
        """True while the source has not answered the query."""
        return self.view.query != self.query

    def look_at(self, *, incident: str | None = None, session: str | None = None) -> None:
        """Asks for an incident (None keeps it) and the detail of a session (None closes it)."""
        self._ask(replace(self.query, incident=incident or self.query.incident, session=session))

    def next_order(self) -> None:
        """The next order of the session list."""
        at = (_ORDERS.index(self.query.order) + 1) % len(_ORDERS)
        self._ask(replace(self.query, order=_ORDERS[at]))

    def change_speed(self, step: int) -> None:
        """Faster or slower by ``step`` places."""
        if self.view.progress.phase in {"reading", "paused", "opening"}:
            self.source.set_speed(next_speed(self.view.progress.speed, step))

    def toggle_pause(self) -> None:
        """Holds or resumes the reading."""
        phase = self.view.progress.phase
        if phase in {"reading", "paused"}:
            self.source.set_paused(phase == "reading")

    def _ask(self, query: Query) -> None:
        if query != self.query:
            self.query = query
            self.source.ask(query)
