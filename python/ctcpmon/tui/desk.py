"""What the user has in hand: the source, the query and the last view. No textual, no painting."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ctcpmon.keys import DEFAULT_KEYS
from ctcpmon.tui.marking import marked
from ctcpmon.tui.marks import MarkBook
from ctcpmon.tui.source import next_speed
from ctcpmon.tui.view import Query, Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ctcpmon.graph import Style
    from ctcpmon.tui.filters import Listed
    from ctcpmon.tui.source import ViewSource
    from ctcpmon.tui.view import LongList, Phase, View
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


_KEPT = 300
_KEEP_EVERY_S = 2.0
"""Ten minutes of a live run; a view has some ten kilobytes, most of them shared with the next."""


@dataclass
class Past:
    """Views of a live run that were shown, and which of them stands on the screen."""

    kept: deque[tuple[float, View]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    at: float | None = None
    """When the view on the screen was made, by the steady clock; None: it is the newest."""
    is_frozen: bool = False

    def keep(self, now: float, view: View) -> None:
        """Notes a view, every few seconds."""
        if not self.kept or now - self.kept[-1][0] >= _KEEP_EVERY_S:
            self.kept.append((now, view))

    def step(self, by: int) -> View | None:
        """The kept view before (-1) or behind (1) the one shown; None when there is none."""
        times = [time for time, _ in self.kept]
        # The newest one that was kept is what is shown now, or nearly so.
        at = times[-1] if self.at is None and times else self.at or 0.0
        found = [t for t in times if (t < at if by < 0 else t > at)]
        if not found:
            return None
        self.at = found[-1] if by < 0 else found[0]
        return dict(self.kept)[self.at]


@dataclass
class Desk:
    """One user in front of one source; shared by all screens of an app."""

    source: ViewSource
    is_ascii: bool = False
    marks: MarkBook = field(default_factory=MarkBook)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys by action, checked."""
    is_redacted: bool = False
    """Notes and names of people are not shown."""
    history: str | None = None
    """File of a history to look into."""
    query: Query = field(default_factory=Query)
    notice: str = ""
    """A message for the user, shown in place of the progress line until it expires."""
    dots: Style = "braille"
    """What graphs are drawn with, unless ``is_ascii``."""
    lists: dict[LongList, ListChoice] = field(default_factory=_lists)
    filters: dict[Listed, str] = field(default_factory=_filters)
    """What is typed behind ``/`` on a screen, kept while others are looked at."""
    past: Past = field(default_factory=Past)
    clock: Callable[[], float] = time.monotonic
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self._plain: View | None = None
        """What is shown, without what people said of it."""
        self._state = (-1, -1)
        """Version of the marks, and when they were looked at."""
        self._period = -1
        self._age_shown = 0
        plain = {key: action for action, key in DEFAULT_KEYS.items()}
        plain |= {"Space": "pause", "s": "sessions"}
        self._shown = {key: self.keys[action] for key, action in plain.items() if action in self.keys}
        self.marks.refresh()
        self._newest = self.source.view()
        self._put(self._newest, self._state, time.time())

    def shown_key(self, key: str) -> str:
        """What to press for an action that has ``key`` by itself; several with blanks between them."""
        return " ".join(self._shown.get(one, one) for one in key.split())

    def refresh(self) -> bool:
        """Takes the newest view, with what people said of it; False when it is the one already shown."""
        now = time.time()
        period = int(now // _MARKS_S)
        if period != self._period:
            self._period = period
            self.marks.refresh()
        newest = self.source.view()
        if newest.is_live:
            self.past.keep(self.clock(), newest)
        # A mute ends by itself, so a view with marks is looked at anew from time to time.
        state = (self.marks.version, period if len(self.marks) else 0)
        if self.past.at is not None and not self._takes(newest):
            return self._put(self._plain or newest, state, now) or self._has_aged()
        if newest is self._newest:
            return self._put(self._plain or newest, state, now)
        self._newest = newest
        if self.past.is_frozen:
            self.past.at = self.clock()
            newest = _phased(newest, "paused")
        return self._put(newest, state, now)

    def _put(self, plain: View, state: tuple[int, int], now: float) -> bool:
        """Shows a view with what people said of it; False when nothing of it is new."""
        if plain is self._plain and state == self._state:
            return False
        self._plain, self._state = plain, state
        self.view = marked(plain, self.marks, now, is_redacted=self.is_redacted)
        return True

    @property
    def is_past(self) -> bool:
        """True while what is shown is not now."""
        return self.past.at is not None

    @property
    def age_s(self) -> float:
        """How long ago what is shown was so."""
        return 0.0 if self.past.at is None else max(self.clock() - self.past.at, 0.0)

    def travel(self, by: int) -> bool:
        """Shows the view kept before or behind; behind the last one is now. False: there is none."""
        if by > 0 and not self.is_past:
            return False
        kept = self.past.step(by)
        if by > 0 and (kept is None or self.past.at == self.past.kept[-1][0]):
            self.back_to_now()
            return True
        if kept is None:
            return False
        self.past.is_frozen = False
        self._put(_phased(kept, "past"), self._state, time.time())
        return True

    def back_to_now(self) -> None:
        """Follows the run again."""
        self.past.at, self.past.is_frozen = None, False
        self._newest = self.source.view()
        self._put(self._newest, self._state, time.time())

    def _takes(self, newest: View) -> bool:
        """A view that is frozen gives way to the answer to another question, never to time alone."""
        return self.past.is_frozen and newest.query == self.query and self.view.query != self.query

    def _has_aged(self) -> bool:
        """True once a second, for the age that is shown."""
        age = int(self.age_s)
        is_older, self._age_shown = age != self._age_shown, age
        return is_older

    @property
    def is_paced(self) -> bool:
        """True when this screen may set the pace of the reading; that of ``serve`` belongs to all screens."""
        return getattr(self.source, "is_paced", True)

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

    def whole(self, name: LongList) -> Reach:
        """All rows of a long list, as it is filtered and sorted."""
        choice = self.lists[name]
        return Reach(name, choice.order, choice.is_reversed, self.filters[name])

    def read_log(self, lines: int) -> None:
        """Asks for so many lines of the log."""
        self._ask(replace(self.query, log=lines))

    def reach_worst(self, rows: int = 0) -> None:
        """Asks for the worst sessions only, for the first screen; none where it shows none."""
        self._ask(replace(self.query, reach=Reach(height=rows)))

    def change_speed(self, step: int) -> None:
        """Faster or slower by ``step`` places."""
        if self.view.progress.phase in {"reading", "paused", "opening"}:
            self.source.set_speed(next_speed(self.view.progress.speed, step))

    def step(self) -> None:
        """One second of packet time further."""
        if self.view.progress.phase in {"reading", "paused"}:
            self.source.step()

    def to_next_incident(self) -> None:
        """Reads on to the next incident."""
        if self.view.progress.phase in {"reading", "paused"}:
            self.source.to_next_incident()

    def toggle_pause(self) -> None:
        """Holds or resumes the reading; of a live run the view only: the engine goes on."""
        phase = self.view.progress.phase
        if self.is_past:
            self.back_to_now()
        elif self.view.is_live:
            self.past.at, self.past.is_frozen = self.clock(), True
            self._put(_phased(self._plain or self.view, "paused"), self._state, time.time())
        elif phase in {"reading", "paused"}:
            self.source.set_paused(phase == "reading")

    def _ask(self, query: Query) -> None:
        if query != self.query:
            self.query = query
            self.source.ask(query)


def _phased(view: View, phase: Phase) -> View:
    return replace(view, progress=replace(view.progress, phase=phase, is_lost=False))
