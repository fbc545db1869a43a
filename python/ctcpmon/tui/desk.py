"""What the user has in hand: the source, the query and the last view. No textual, no painting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ctcpmon.tui.marking import marked
from ctcpmon.tui.marks import MarkBook
from ctcpmon.tui.source import next_speed
from ctcpmon.tui.view import Query, Reach

if TYPE_CHECKING:
    from ctcpmon.graph import Style
    from ctcpmon.tui.filters import Listed
    from ctcpmon.tui.source import ViewSource
    from ctcpmon.tui.view import LongList, View
    from ctcpmon.tui.widgets import Window

__all__ = ["Desk", "ListChoice"]

_MARKS_S = 5
"""Marks of other screens, and the end of a mute, show within so many seconds."""


@dataclass
class ListChoice:
    """How the user wants a long list."""

    order: str
    is_reversed: bool = False
    columns: frozenset[str] = frozenset()
    """Columns that were switched from what they are by themselves."""


def _lists() -> dict[LongList, ListChoice]:
    return {"sessions": ListChoice("worst"), "flows": ListChoice("bytes")}


def _filters() -> dict[Listed, str]:
    return {"incidents": "", "sessions": "", "flows": ""}


@dataclass
class Desk:
    """One user in front of one source; shared by all screens of an app."""

    source: ViewSource
    is_ascii: bool = False
    marks: MarkBook = field(default_factory=MarkBook)
    query: Query = field(default_factory=Query)
    notice: str = ""
    """A message for the user, shown in place of the progress line until it expires."""
    dots: Style = "braille"
    """What graphs are drawn with, unless ``is_ascii``."""
    lists: dict[LongList, ListChoice] = field(default_factory=_lists)
    filters: dict[Listed, str] = field(default_factory=_filters)
    """What is typed behind ``/`` on a screen, kept while others are looked at."""
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self._newest: View | None = None
        self._state = (-1, -1)
        self._period = -1
        self.refresh()

    def refresh(self) -> bool:
        """Takes the newest view, with what people said of it; False when it is the one already shown."""
        now = time.time()
        period = int(now // _MARKS_S)
        if period != self._period:
            self._period = period
            self.marks.refresh()
        newest = self.source.view()
        # A mute ends by itself, so a view with marks is looked at anew from time to time.
        state = (self.marks.version, period if len(self.marks) else 0)
        if newest is self._newest and state == self._state:
            return False
        self._newest, self._state = newest, state
        self.view = marked(newest, self.marks, now)
        return True

    @property
    def is_waiting(self) -> bool:
        """True while the source has not answered the query."""
        return self.view.query != self.query

    def look_at(self, *, incident: str | None = None, session: str | None = None) -> None:
        """Asks for an incident (None keeps it) and the detail of a session (None closes it)."""
        self._ask(replace(self.query, incident=incident or self.query.incident, session=session))

    def reach(self, name: LongList, window: Window) -> None:
        """Asks for rows of a long list."""
        choice = self.lists[name]
        reach = Reach(
            name=name,
            order=choice.order,
            is_reversed=choice.is_reversed,
            filter=self.filters[name],
            offset=window.offset,
            height=window.height,
            anchor=window.anchor,
            line=window.line,
        )
        self._ask(replace(self.query, reach=reach))

    def reach_worst(self) -> None:
        """Asks for the worst sessions only, for the first screen."""
        self._ask(replace(self.query, reach=Reach()))

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
