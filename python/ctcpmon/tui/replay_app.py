"""The Textual app of a replay: screens, keys of every screen, the clock that looks for news.

It owns no run: it is given a ``ViewSource`` and leaves ending that to its caller.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from ctcpmon.keys import key_name
from ctcpmon.looks import PLAIN, Looks
from ctcpmon.text import clean
from ctcpmon.tui.app import look_period_s
from ctcpmon.tui.clipboard import OSC52_MAX_BYTES, load_tmux_buffer, save_text
from ctcpmon.tui.desk import Desk
from ctcpmon.tui.exporting import as_csv, as_json, counted, save_new
from ctcpmon.tui.marks import NOTE_CELLS, MarkBook, who
from ctcpmon.tui.packets import PacketsError
from ctcpmon.tui.reporting import reportable, save_report
from ctcpmon.tui.screens.ask import AskKey, AskText
from ctcpmon.tui.screens.base import MIN_HEIGHT, MIN_WIDTH, Asked, ViewScreen
from ctcpmon.tui.screens.detail import DetailScreen
from ctcpmon.tui.screens.fixes import FixesScreen
from ctcpmon.tui.screens.flows import FlowsScreen
from ctcpmon.tui.screens.graph import GraphScreen
from ctcpmon.tui.screens.help import HelpScreen
from ctcpmon.tui.screens.history import HistoryScreen
from ctcpmon.tui.screens.log import LogScreen
from ctcpmon.tui.screens.main import MainScreen
from ctcpmon.tui.screens.packets import PacketsScreen
from ctcpmon.tui.screens.sessions import SessionsScreen
from ctcpmon.tui.screens.tap import TapScreen
from ctcpmon.tui.screens.wall import WallScreen
from ctcpmon.tui.signals import catch_signals
from ctcpmon.tui.view import FlowRow
from ctcpmon.tui.waiting import arrived
from ctcpmon.tui.widgets import LongTable, RowList  # noqa: TC001  Textual reads the handlers' annotations

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping, Sequence

    from textual.screen import Screen

    from ctcpmon.tui.source import ViewSource
    from ctcpmon.tui.view import EvidenceView, FixView, IncidentRow, LongList, View

__all__ = ["ReplayApp"]

_QUICK_S = (0.02, 0.06, 0.12)
_NOTICE_S = 15.0
_MUTES = {"1": (3_600, "1 h"), "2": (8 * 3_600, "8 h"), "3": (7 * 86_400, "7 d"), "0": (0, "no longer")}
"""Keys of the question: seconds and words."""
_SCREENS: dict[str, type[ViewScreen]] = {
    "sessions": SessionsScreen,
    "flows": FlowsScreen,
    "fixes": FixesScreen,
    "tap": TapScreen,
    "log": LogScreen,
    "history": HistoryScreen,
    "help": HelpScreen,
}


class ReplayApp(App[str]):
    """Returns why it ended: ``quit``, ``interrupt`` or ``signal``."""

    ENABLE_COMMAND_PALETTE = False
    # Not annotated ClassVar: the base class declares them otherwise.
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-tiny-wide"),
        (MIN_WIDTH, "-usable-wide"),
        (120, "-spacious"),
        (150, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-tiny-high"),
        (MIN_HEIGHT, "-short"),
        (20, "-roomy"),
        (36, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('main')", show=False, id="incidents"),
        Binding("2,s", "go('sessions')", show=False, id="sessions"),
        Binding("3", "go('flows')", show=False, id="flows"),
        Binding("4", "go('tap')", show=False, id="tap"),
        Binding("f", "go('fixes')", show=False, id="fixes"),
        Binding("t", "graph", show=False, id="graph"),
        Binding("p", "packets", show=False, id="packets"),
        Binding("R", "report", show=False, id="report"),
        Binding("a", "ack", show=False, id="ack"),
        Binding("m", "mute", show=False, id="mute"),
        Binding("N", "note", show=False, id="note"),
        Binding("e", "export", show=False, id="export"),
        Binding("l", "go('log')", show=False, id="log"),
        Binding("h", "go('history')", show=False, id="history"),
        Binding("question_mark", "go('help')", show=False, id="help"),
        Binding("escape", "leave", show=False),
        Binding("q", "leave_or_quit", show=False, id="quit"),
        Binding("y", "copy", show=False, id="copy"),
        Binding("space", "pause", show=False, id="pause"),
        Binding("comma", "speed(-1)", show=False, id="slower"),
        Binding("semicolon", "speed(1)", show=False, id="faster"),
        Binding("full_stop", "step", show=False, id="step"),
        Binding("n", "next_incident", show=False, id="next_incident"),
        Binding("less_than_sign", "travel(-1)", show=False, id="back"),
        Binding("greater_than_sign", "travel(1)", show=False, id="forth"),
        Binding("left_square_bracket", "incident(-1)", show=False, id="previous_row"),
        Binding("right_square_bracket", "incident(1)", show=False, id="next_row"),
        Binding("ctrl+z", "suspend_process", show=False),
        Binding("ctrl+c,ctrl+q", "interrupt", show=False, priority=True),
    ]
    CSS = """
    ViewScreen.-ascii LineView { scrollbar-size-vertical: 0; }
    """

    def __init__(
        self,
        source: ViewSource,
        *,
        looks: Looks = PLAIN,
        period_s: float | None = None,
        marks: MarkBook | None = None,
        news: deque[str] | None = None,
        person: str | None = None,
    ) -> None:
        """``period_s`` is the time between two pictures; by itself it depends on how far the terminal is.

        ``news``: lines of another thread, each shown for a while. ``person``: who acknowledges and notes.
        """
        super().__init__()
        self._news = news
        self._person = person or who()
        self.theme = "ansi-dark"
        self._is_wallboard = looks.is_wallboard
        self._period_s = period_s or look_period_s()
        self.desk = Desk(
            source,
            is_redacted=looks.is_redacted,
            is_ascii=looks.is_ascii,
            keys=looks.keys,
            history=looks.history or getattr(source, "history", None) or None,
            marks=MarkBook() if marks is None else marks,
        )
        if looks.keys:
            self.set_keymap({action: key_name(key) for action, key in looks.keys.items()})
        self.saved: list[str] = []
        """Names of the files that the user had written."""
        self._notice_number = 0
        self._is_leaving = False

    def exit(self, *words: Any, **options: Any) -> None:
        """Keys that were typed ahead open nothing any more."""
        self._is_leaving = True
        super().exit(*words, **options)

    def get_default_screen(self) -> Screen[None]:
        """The first screen."""
        return WallScreen(self.desk) if self._is_wallboard else MainScreen(self.desk)

    def on_mount(self) -> None:
        """Starts the clock, takes over the signals, and keeps the start-up objects out of later scans."""
        self.set_interval(self._period_s, self.tick)
        catch_signals(self)
        gc.collect()
        gc.freeze()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """A key may come before the parts of a new screen, or behind the one that leaves."""
        if self._is_leaving:
            return False
        if action in {"interrupt", "suspend_process"} or not self.screen_stack:
            return True
        return not isinstance(self.screen, ViewScreen) or self.screen.is_there

    def tick(self) -> None:
        """Shows the newest view, if there is a new one."""
        if not (self.is_running and self.screen_stack):
            # The app is on its way out; its clock may strike once more.
            return
        if self._news:
            self.say(self._news.popleft())
        screen = self.screen
        if self.desk.refresh() and isinstance(screen, ViewScreen):
            with self.batch_update():
                screen.show(self.desk.view)

    def say(self, text: str) -> None:
        """Shows a message in place of the progress line for a while."""
        self._notice_number += 1
        number = self._notice_number
        self.desk.notice = text
        self._repaint()
        self.set_timer(_NOTICE_S, lambda: self._unsay(number))

    def action_go(self, name: str) -> None:
        """Opens a screen; whatever lay over the first one is left."""
        wanted = _SCREENS.get(name)
        if wanted is not None and isinstance(self.screen, wanted):
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.desk.look_at()
        if wanted is not None:
            self.push_screen(wanted(self.desk))

    def action_graph(self) -> None:
        """The graph of the session in hand."""
        screen = self.screen
        key = screen.session_in_hand() if isinstance(screen, ViewScreen) else None
        if not key:
            hint = "; s lists the sessions" if self.desk.view.tally.total else ""
            self.say(f"no graph: there is no session here{hint}")
        else:
            self._open(GraphScreen, key)

    def _open(self, kind: type[GraphScreen | PacketsScreen], session: str) -> None:
        """Opens a page of a session, or goes back to it where it lies below: each holds many packets."""
        for at, below in enumerate(self.screen_stack):
            if isinstance(below, kind) and below.session_in_hand() == session:
                while len(self.screen_stack) > at + 1:
                    self.pop_screen()
                return
        self.push_screen(kind(self.desk, session))

    def action_leave(self) -> None:
        """One screen back."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            # The graph lies over a page whose session stays in hand.
            self.desk.look_at(
                session=self.desk.query.session if isinstance(self.screen, DetailScreen) else None
            )
            self._look_soon()

    def action_leave_or_quit(self) -> None:
        """One screen back; from the first one, out."""
        if len(self.screen_stack) > 1:
            self.action_leave()
        else:
            self.exit("quit")

    def action_interrupt(self) -> None:
        """Out at once."""
        self.exit("interrupt")

    def action_pause(self) -> None:
        """Holds or resumes the reading; of a live run the view."""
        if not self.desk.view.is_live:
            self._has_more()
        self.desk.toggle_pause()
        self._repaint()
        self._look_soon()

    def action_speed(self, step: int) -> None:
        """Slower or faster."""
        if self.desk.view.is_live:
            self.say("a live run has the speed of its packets")
        elif self._sets_pace():
            self.desk.change_speed(step)
        self._look_soon()

    def action_step(self) -> None:
        """One second of packet time."""
        if self.desk.view.is_live:
            self.say("a live run cannot be stepped; Space freezes the view, < goes back")
        elif self._sets_pace():
            self.desk.step()
        self._look_soon()

    def action_next_incident(self) -> None:
        """On to the next incident; of a live run to the next one in the list."""
        if self.desk.view.is_live:
            self.action_incident(1)
        elif self._sets_pace():
            self.desk.to_next_incident()
        self._look_soon()

    def _has_more(self) -> bool:
        """False, and said, when the input is at its end."""
        is_over = self.desk.view.progress.phase in {"done", "failed"}
        if is_over:
            self.say("the capture is read to its end, so there is nothing to hold or to step")
        return not is_over

    def _sets_pace(self) -> bool:
        if not self.desk.is_paced:
            self.say("this run belongs to serve and all its screens: none of them sets its pace")
        return self.desk.is_paced and self._has_more()

    def action_travel(self, by: int) -> None:
        """Back and forth through views of a live run."""
        if not self.desk.view.is_live:
            self.say("only a live run has a past here; of a capture, read it again")
        elif self.desk.travel(by):
            self._repaint()
        else:
            self.say("nothing older is kept" if by < 0 else "this is now")

    def action_incident(self, step: int) -> None:
        """Previous or next incident, from any screen."""
        first = self.screen_stack[0]
        if isinstance(first, MainScreen):
            session = first.step(step)
            if session and isinstance(self.screen, GraphScreen):
                self.screen.change(session)
        self._look_soon()

    def action_packets(self) -> None:
        """Opens the packets of the session in hand."""
        screen = self.screen
        if isinstance(screen, PacketsScreen) or not isinstance(screen, ViewScreen):
            return
        session = screen.session_in_hand()
        if session is None:
            self.say("no session is selected here, so there are no packets to show")
        else:
            self._open(PacketsScreen, session)

    def action_copy(self) -> None:
        """Saves and copies the fix in hand."""
        screen = self.screen
        fix = screen.copyable() if isinstance(screen, ViewScreen) else None
        if not self._is_answered("fixes"):
            return
        if fix is None:
            self.say("nothing to copy: there is no fix for this")
        else:
            incident = self.desk.view.evidence.incident if self.desk.view.evidence else ""
            self.run_worker(self._copy(fix, incident), exclusive=True, exit_on_error=False)

    def action_report(self) -> None:
        """Writes the report of the incident in hand."""
        view = self.desk.view
        chosen = reportable(view)
        if chosen is None:
            self.say("no report: there is no incident")
        elif self._is_answered("evidence"):
            self.say("making the report: cutting the packets for its graph")
            work = self._report(view, *chosen)
            self.run_worker(work, group="report", exclusive=True, exit_on_error=False)

    def action_ack(self) -> None:
        """Takes notice of the incident in hand, or takes that back."""
        row = self._incident_in_hand()
        if row is None:
            return
        now, name = int(time.time()), self._person
        is_acked = bool(row.acked_by)
        changes: dict[str, str | int] = {
            "acked_at": 0 if is_acked else now,
            "acked_by": name,
            "acked_level": row.level,
        }
        by = "" if self.desk.is_redacted else f" by {name}"
        said = "no longer acked" if is_acked else f"acked{by}: it counts on, but somebody knows"
        self._mark(row, said, **changes)

    def action_mute(self) -> None:
        """Asks how long the incident in hand is to raise no alarm."""
        row = self._incident_in_hand()
        if row is None:
            return
        keys = {key: text for key, (_, text) in _MUTES.items() if key != "0" or row.muted_until_s}

        def answered(key: str | None) -> None:
            if key:
                seconds, text = _MUTES[key]
                until = int(time.time()) + seconds if seconds else 0
                said = f"muted for {text}, unless it gets worse" if seconds else "no longer muted"
                self._mark(row, said, muted_until=until, muted_level=row.level)

        question = f"MUTE {row.client} -> {row.headend}"
        self.push_screen(AskKey(question, keys, is_ascii=self.desk.is_ascii), answered)

    def action_note(self) -> None:
        """Asks for a note on the incident in hand."""
        if self.desk.is_redacted:
            self.say("no notes on a redacted screen: what people wrote may name anything")
            return
        row = self._incident_in_hand()
        if row is None:
            return

        def answered(text: str | None) -> None:
            if text is not None:
                note = clean(" ".join(text.split()), NOTE_CELLS)
                said = "note kept" if note else "note taken away"
                self._mark(
                    row, said, note=note, note_at=int(time.time()) if note else 0, note_by=self._person
                )

        question = f"NOTE on {row.client} -> {row.headend}"
        ask = AskText(question, row.note, most=NOTE_CELLS, is_ascii=self.desk.is_ascii)
        self.push_screen(ask, answered)

    def action_export(self) -> None:
        """Asks for the form, then writes the whole table in view to a file, not what is on the screen."""
        screen, view = self.screen, self.desk.view
        wanted = screen.exported() if isinstance(screen, ViewScreen) else None
        if not isinstance(screen, ViewScreen):
            return
        if wanted is None:
            self.say("there is no table here; 1 incidents, 2 sessions, 3 flows have one")
            return
        name, rows = (wanted, None) if isinstance(wanted, str) else wanted
        number = view.listing.matching if rows is None else len(rows)
        is_known = rows is not None or view.query.reach == self.desk.query.reach
        if is_known and not number and (rows is not None or view.listing.progress is None):
            self.say(f"nothing to export: there are no {name} in view")
            return

        def answered(key: str | None) -> None:
            if key:
                work = self._export(name, rows, is_csv=key == "c")
                self.run_worker(work, group="export", exclusive=True, exit_on_error=False)

        question = f"EXPORT {name} to a file" + f", {counted(number, number)}" * is_known
        if rows is None and self.desk.is_past:
            question = f"EXPORT {name} as they are NOW: of the past only what was shown is kept"
        keys = {"c": "CSV", "j": "JSON"}
        self.push_screen(AskKey(question, keys, is_ascii=self.desk.is_ascii), answered)

    def _is_answered(self, what: str) -> bool:
        """False, and said, while the view tells about another incident or session than the one in hand."""
        screen, facts = self.screen, self.desk.view.evidence
        if not isinstance(screen, ViewScreen):
            return False
        key, chosen = screen.incident_in_hand(), reportable(self.desk.view)
        session = screen.session_in_hand()
        if key is None and chosen and session and session != chosen[0].session:
            self.say(
                f"the {what} are of the incident of {chosen[0].client}, not of this session: see 1, or f"
            )
            return False
        if facts is None or (key is None and not isinstance(screen, MainScreen)) or key == facts.incident:
            return True
        if key is None:
            self.say("no incident is selected; Esc takes the filter off")
        elif self.desk.view.progress.phase == "past":
            self.say(f"the {what} of this incident were not on the screen then; Space leads back to now")
        else:
            self.say(f"the {what} of this incident are not here yet; once more in a moment")
        return False

    def _incident_in_hand(self) -> IncidentRow | None:
        screen = self.screen
        key = screen.incident_in_hand() if isinstance(screen, ViewScreen) else None
        row = next((row for row in self.desk.view.incidents if row.key == key), None)
        if row is None and isinstance(screen, ViewScreen):
            self.say("no incident is selected here; 1 shows them")
        return row

    def _mark(self, row: IncidentRow, said: str, **changes: str | int) -> None:
        """Keeps what was said of an incident."""
        self.run_worker(self._keep(row, changes, said), group="marks", exit_on_error=False)

    async def _keep(self, row: IncidentRow, changes: Mapping[str, str | int], said: str) -> None:
        change = self.desk.marks.change
        problem = await asyncio.to_thread(change, row.place, row.key, changes, time.time())
        self.say(problem or said)
        self.tick()

    async def _export(self, name: str, rows: Sequence[Any] | None, *, is_csv: bool) -> None:
        matching = 0
        if rows is None:
            self.say(f"reading all {name}")
            listed: LongList = "flows" if name == "flows" else "sessions"
            try:
                found = await arrived(self.desk.source.rows(self.desk.whole(listed)))
            except PacketsError as error:
                self.say(f"not exported: {clean(str(error), 200)}")
                return
            rows, matching = found.flows or found.sessions, found.matching
        if not rows:
            self.say(f"nothing to export: there are no {name} in view")
            return
        stem = f"ctcpmon-{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        data = await asyncio.to_thread(as_csv if is_csv else as_json, rows)
        await self._save(stem, ".csv" if is_csv else ".json", data, counted(len(rows), matching))

    def on_view_screen_save(self, event: ViewScreen.Save) -> None:
        """Writes what a screen hands over."""
        work = self._save(event.stem, event.suffix, event.data, event.what)
        self.run_worker(work, group="export", exit_on_error=False)

    async def _save(self, stem: str, suffix: str, data: bytes, what: str) -> None:
        """Writes a new file and says where it is, or why it is not."""
        try:
            path = await asyncio.to_thread(save_new, stem, suffix, data)
        except OSError as error:
            self.say(f"not saved: {error.strerror or 'cannot write'}")
            return
        name = clean(path.name if path.parent == path.cwd() else str(path), 100)
        self.saved.append(name)
        self.say(f"saved {name}: {what}")

    def on_row_list_moved(self, _event: RowList.Moved) -> None:
        """A new selection is answered without waiting for the clock."""
        self._look_soon()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Opens the detail of a session, or of the session that speaks for an incident."""
        key = event.key
        if event.control.id == "incidents":
            key = next((row.session for row in self.desk.view.incidents if row.key == key), "")
        if key and event.control.id in {"incidents", "sessions"}:
            self.desk.look_at(session=key)
            self.push_screen(DetailScreen(self.desk))
            self._look_soon()

    def on_long_table_opened(self, event: LongTable.Opened) -> None:
        """Opens the detail of a session, or of the tunnel session in a flow."""
        row = event.table.row
        key = row.session if isinstance(row, FlowRow) else event.table.key
        if key:
            self.desk.look_at(session=key)
            self.push_screen(DetailScreen(self.desk))
            self._look_soon()
        else:
            self.say("an ordinary conversation: what is known of it stands in its columns (c)")

    def on_asked(self, _event: Asked) -> None:
        """An answer is taken without waiting for the clock."""
        self._look_soon()

    async def _copy(self, fix: FixView, incident: str) -> None:
        text = fix.config or "\n".join(fix.text)
        try:
            path = await asyncio.to_thread(
                save_text, f"ctcpmon-{fix.id}-{incident.removeprefix('i-')[:6]}", "\n".join(fix.text)
            )
        except OSError as error:
            self.say(f"not saved: {error.strerror or 'cannot write'}; nothing was copied")
            return
        name = clean(path.name if path.parent == path.cwd() else str(path), 100)
        self.saved.append(name)
        if await asyncio.to_thread(load_tmux_buffer, text):
            self.say(f"saved {name}; copied to the tmux buffer")
        elif len(base64.b64encode(text.encode())) <= OSC52_MAX_BYTES:
            self.copy_to_clipboard(text)
            self.say(f"saved {name}; sent to the clipboard")
        else:
            self.say(f"saved {name}; too long for the clipboard")

    async def _report(self, view: View, row: IncidentRow, facts: EvidenceView) -> None:
        packets, no_graph = None, ""
        try:
            packets = await arrived(self.desk.source.packets(row.session))
        except PacketsError as error:
            no_graph = clean(str(error), 300)
        try:
            paths = await asyncio.to_thread(save_report, view, row, facts, packets, no_graph)
        except OSError as error:
            self.say(f"no report: {error.strerror or 'cannot write'}")
            return
        names = [clean(one.name if one.parent == one.cwd() else str(one), 100) for one in paths]
        self.saved += names
        self.say(f"wrote {names[0]} and .md" + (f"; no graph: {no_graph}" if no_graph else ""))

    def _unsay(self, number: int) -> None:
        if number == self._notice_number:
            self.desk.notice = ""
            self._repaint()

    def _repaint(self) -> None:
        if isinstance(self.screen, ViewScreen):
            self.screen.show(self.desk.view)

    def _look_soon(self) -> None:
        for delay in _QUICK_S:
            self.set_timer(delay, self.tick)
