"""The first screen: is anything broken, who, since when, what to do first, can it be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container

from ctcpmon.text import cut, width
from ctcpmon.tui.filters import matches, parse
from ctcpmon.tui.painting import held, incidents, reasons, sessions, trend
from ctcpmon.tui.painting.brush import Frame
from ctcpmon.tui.screens.filtering import FilterScreen
from ctcpmon.tui.view import IncidentRow, SessionRow
from ctcpmon.tui.widgets import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ctcpmon.tui.filters import Listed
    from ctcpmon.tui.painting.brush import Line
    from ctcpmon.tui.view import View

__all__ = ["MainScreen"]

_SESSIONS = 50
"""Rows of the session list, where there is room for one."""
_SHARE = 3
"""The incident list takes at most a third of the room that the panels share."""


class MainScreen(FilterScreen):
    """Incidents above, reasons and the first fix of the selected one below."""

    FILTERED: ClassVar[Listed] = "incidents"
    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("Enter", "detail"),
        ("t", "graph"),
        ("s", "sessions"),
        ("f", "fixes"),
        ("y", "copy"),
        ("p", "packets"),
        ("R", "report"),
        ("4", "tap"),
        ("Space", "pause"),
        (", ;", "speed"),
        ("q", "quit"),
    )

    DEFAULT_CSS = """
    MainScreen {
        #incidents { height: 2; }
        #situation { height: 4; display: none; }
        #held { display: none; }
        &.-held #held { display: block; }
        #reasons { height: 1fr; layout: vertical; }
        #evidence, #fix { height: 1fr; overflow: hidden; }
        #sessions-title, #sessions-heading, #sessions { display: none; }
        #sessions { height: 8; overflow: hidden; }
        &.-wide #reasons { layout: horizontal; }
        &.-wide #evidence { width: 1fr; height: 100%; margin-right: 2; }
        &.-wide #fix { width: 1fr; height: 100%; }
        &.-short.-filtered #incidents-heading { display: block; }
        &.-tall {
            #sessions-title, #sessions-heading, #sessions { display: block; }
        }
        &.-quiet {
            #incidents, #incidents-heading, #reasons { display: none; }
            #situation { display: block; }
            #sessions { height: 1fr; display: block; }
            #sessions-title, #sessions-heading { display: block; }
        }
        &.-no-sessions {
            #sessions-title, #sessions-heading, #sessions { display: none; }
        }
    }
    """

    def body(self) -> ComposeResult:
        """Trend, summary, what is held right now, list, reasons, sessions."""
        yield self.panel(trend.trend, "trend", "bar trend")
        yield self.panel(incidents.summary, "summary", "bar")
        yield self.panel(held.held, "held", "bar")
        yield self.panel(self._heading, "incidents-heading", "bar in-room")
        yield self.panel(reasons.situation, "situation")
        yield RowList[IncidentRow](
            incidents.row,
            lambda row: row.key,
            lines_per_row=incidents.row_lines,
            id="incidents",
            is_ascii=self.desk.is_ascii,
        )
        with Container(id="reasons"):
            yield self.panel(self._evidence, "evidence")
            yield self.panel(self._first_fix, "fix")
        yield self.panel(sessions.title, "sessions-title", "bar")
        yield self.panel(lambda _view, frame: sessions.heading(frame), "sessions-heading", "bar")
        yield RowList[SessionRow](
            sessions.row,
            lambda row: row.key,
            has_cursor=False,
            id="sessions",
            is_ascii=self.desk.is_ascii,
        )
        yield self.filter_bar()

    def on_mount(self) -> None:
        """The incident list has the keys; the session list here is for the eyes."""
        super().on_mount()
        self.query_one("#incidents", RowList).focus()

    def on_screen_resume(self) -> None:
        """A long list may have been looked at meanwhile."""
        super().on_screen_resume()
        if self.is_there:
            self._ask_sessions(self.desk.view)

    def _ask_sessions(self, view: View) -> None:
        """Sessions are asked for where they are shown: below many incidents there is no room."""
        if self.app.screen is self:
            self.desk.reach_worst(0 if view.incidents and not self.has_class("-tall") else _SESSIONS)

    def show_body(self, view: View) -> None:
        """Shows incidents, or why there are none."""
        self.set_class(not view.incidents, "-quiet")
        self.set_class(bool(view.held), "-held")
        self.set_class(bool(self.filter), "-filtered")
        self._ask_sessions(view)
        is_answer = view.query.reach == self.desk.query.reach
        if is_answer and view.query.reach.height:
            self.set_class(not view.sessions, "-no-sessions")
        if not view.incidents:
            frame = Frame(self.size.width, self.size.height, is_ascii=self.desk.is_ascii)
            said = min(len(reasons.situation(view, frame)) + 1, max(self.size.height - 6, 3))
            self.part("situation").styles.height = said if view.sessions else "1fr"
        listed = self.query_one("#incidents", RowList)
        self._fit(listed, view)
        listed.show(self._chosen(view))
        for name in ("trend", "summary", "held", "incidents-heading", "situation", "evidence", "fix"):
            self.part(name).show(view)
        for name in ("sessions-title", "sessions-heading"):
            self.part(name).show(view)
        if is_answer:
            self.query_one("#sessions", RowList).show(view.sessions[:_SESSIONS])

    def apply(self) -> None:
        """Another filter: the same view, other rows."""
        self.show_body(self.desk.view)

    def focus_rows(self) -> None:
        """Gives the keys back."""
        self.query_one("#incidents", RowList).focus()

    def _chosen(self, view: View) -> tuple[IncidentRow, ...]:
        if not self.filter:
            return view.incidents
        terms = parse(self.filter, "incidents")
        return tuple(row for row in view.incidents if matches(terms, row))

    def _heading(self, view: View, frame: Frame) -> list[Line]:
        if not self.filter:
            return incidents.heading(frame)
        number = len(self._chosen(view))
        told = f"{number:,} of {len(view.incidents):,} incidents shown, Esc shows all"
        # How many are hidden is never what is cut.
        typed = cut(self.filter, max(frame.width - width(told) - 6, 4))
        return [((f"  /{typed}  ", "key"), (told, "warning"))]

    def _evidence(self, view: View, frame: Frame) -> list[Line]:
        return reasons.evidence(view, frame) if self._is_told(view) else self._not_told(view, frame)

    def _first_fix(self, view: View, frame: Frame) -> list[Line]:
        return reasons.first_fix(view, frame) if self._is_told(view) else []

    def _is_told(self, view: View) -> bool:
        """False when the view will not tell about the selected incident, however long one waits."""
        key, facts = self.incident_in_hand(), view.evidence
        if facts is None or key == facts.incident:
            return True
        return key is not None and view.progress.phase not in {"past", "failed"}

    def _not_told(self, view: View, frame: Frame) -> list[Line]:
        if self.incident_in_hand() is None:
            told = "no incident fits the filter"
        elif view.progress.phase == "past":
            told = "not kept: another incident was selected then; Space leads back to now"
        else:
            told = "not here: the run does not answer"
        return [frame.rule((("EVIDENCE", "title"),)), ((f"  {told}", "warning"),)]

    def exported(self) -> tuple[str, Sequence[IncidentRow]]:
        """Those that the filter leaves."""
        return "incidents", self._chosen(self.desk.view)

    def incident_in_hand(self) -> str | None:
        """The selected one; the evidence may still be that of the one before."""
        return self.query_one("#incidents", RowList).key

    def session_in_hand(self) -> str | None:
        """The one that speaks for the selected incident."""
        key = self.incident_in_hand()
        return next((row.session for row in self.desk.view.incidents if row.key == key), None)

    def step(self, by: int) -> str:
        """Selects the next or previous incident; gives the session that speaks for it."""
        listed = self.query_one("#incidents", RowList)
        listed.action_move(by)
        return next((row.session for row in self.desk.view.incidents if row.key == listed.key), "")

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Evidence and fix follow the selection."""
        if event.control.id == "incidents" and type(event) is RowList.Moved:
            self.desk.look_at(incident=event.key)
            self.show_body(self.desk.view)

    def _fit(self, listed: RowList[IncidentRow], view: View) -> None:
        """Room for the incidents there are. It only grows, so that nothing jumps back and forth."""
        per_row = incidents.row_lines(self.size.width)
        most = max((self.size.height - 6) // _SHARE, 2)
        most -= most % per_row
        wanted = min(max(len(view.incidents) * per_row, 2), most)
        present = listed.styles.height
        now = int(present.value) if present is not None else 0
        height = min(max(wanted, now if now <= most and view.incidents else 0), most)
        if height != now:
            listed.styles.height = height
