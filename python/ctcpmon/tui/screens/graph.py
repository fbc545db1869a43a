"""The time-sequence graph of one session: where data and ACKs part. Its packets come from the source."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ctcpmon.errors import CtcpmonError
from ctcpmon.graph import Look, Room, Subject
from ctcpmon.graph.painting import columns_of, paint, values
from ctcpmon.text import clean, width
from ctcpmon.tui.painting.fold import prose
from ctcpmon.tui.screens.base import ViewScreen
from ctcpmon.tui.waiting import GivenUpError, arrived

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from ctcpmon.graph import Style
    from ctcpmon.tui.desk import Desk
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["GraphScreen"]

_ZOOM = 0.5
_PAN = 0.5
_STYLES: tuple[Style, ...] = ("braille", "block", "ascii")


class GraphScreen(ViewScreen):
    """Draws what the source cuts out; the keys choose the part."""

    OWN_KEYS = frozenset({"Tab", "+ -", "h l", "< >", "0", "t", "b", "r"})

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("Tab", "direction"),
        ("+ -", "zoom"),
        ("h l", "cursor"),
        ("< >", "packet"),
        ("0", "all"),
        ("t", "trouble"),
        ("PgUp PgDn", "pan"),
        ("b", "dots"),
        ("r", "reload"),
        ("[ ]", "incident"),
        ("Esc", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "look('turned')", show=False, priority=True),
        Binding("plus,equals_sign", "look('closer')", show=False),
        Binding("minus", "look('wider')", show=False),
        Binding("h,left", "look('left')", show=False),
        Binding("l,right", "look('right')", show=False),
        Binding("less_than_sign", "look('before')", show=False),
        Binding("greater_than_sign", "look('behind')", show=False),
        Binding("pageup,shift+left", "look('earlier')", show=False),
        Binding("pagedown,shift+right", "look('later')", show=False),
        Binding("home", "look('first')", show=False),
        Binding("end", "look('last')", show=False),
        Binding("0", "look('whole')", show=False),
        Binding("t", "look('trouble')", show=False),
        Binding("b", "dots", show=False),
        Binding("r", "reload", show=False),
    ]
    DEFAULT_CSS = """
    GraphScreen {
        #plot { height: 1fr; overflow: hidden; }
        #values { height: 2; overflow: hidden; }
    }
    """

    def __init__(self, desk: Desk, session: str) -> None:
        """``session`` is the key of the session in the view."""
        super().__init__(desk)
        self.session = session
        self.subject: Subject | None = None
        self.look: Look | None = None
        self._said = "asking for the packets of this session"
        """Why there is no graph; beside one: why there is no newer one."""
        self._requests = 0
        self._plotted: tuple[tuple[object, ...], list[Line]] = ((), [])

    def body(self) -> ComposeResult:
        """Title, plot, values."""
        yield self.panel(self._title, "title", "bar")
        yield self.panel(self._plot, "plot")
        yield self.panel(self._values, "values")

    def on_mount(self) -> None:
        """Asks for the packets."""
        super().on_mount()
        self.action_reload()

    def show_body(self, view: View) -> None:
        """Shows the parts."""
        for name in ("title", "plot", "values"):
            self.part(name).show(view)

    def session_in_hand(self) -> str:
        """The session that is drawn."""
        return self.session

    def change(self, session: str) -> None:
        """Draws another session."""
        if session != self.session:
            self.session, self.subject, self.look = session, None, None
            self.action_reload()
            self.show_body(self.desk.view)

    def action_reload(self) -> None:
        """The packets as of now; of a running capture there are more by now."""
        self._said = "" if self.subject is not None else "asking for the packets of this session"
        self._requests += 1
        # Ends with the screen; leaving it gives up the cutting.
        self.run_worker(self._load(self._requests), exclusive=True, exit_on_error=False)

    def action_dots(self) -> None:
        """Braille, blocks or ASCII: what the terminal's font can show."""
        at = (_STYLES.index(self._style) + 1) % len(_STYLES)
        self.desk.dots = _STYLES[at]
        self.show_body(self.desk.view)

    def action_look(self, way: str) -> None:
        """Another part of the graph."""
        if self.subject is None or self.look is None:
            return
        self.look = self._moves(self.subject, self.look)[way]()
        self.show_body(self.desk.view)

    def _moves(self, subject: Subject, look: Look) -> dict[str, Callable[[], Look]]:
        cells = columns_of(self.part("plot").frame.width)
        return {
            "turned": look.turned,
            "closer": lambda: look.zoomed(subject, _ZOOM),
            "wider": lambda: look.zoomed(subject, 1 / _ZOOM),
            "left": lambda: look.moved(subject, -1, cells),
            "right": lambda: look.moved(subject, 1, cells),
            "before": lambda: look.stepped(subject, -1),
            "behind": lambda: look.stepped(subject, 1),
            "earlier": lambda: look.panned(subject, -_PAN),
            "later": lambda: look.panned(subject, _PAN),
            "first": lambda: look.stepped(subject, -subject.series.count),
            "last": lambda: look.stepped(subject, subject.series.count),
            "whole": lambda: look.whole(subject),
            "trouble": lambda: look.trouble(subject),
        }

    @property
    def _style(self) -> Style:
        return "ascii" if self.desk.is_ascii else self.desk.dots

    async def _load(self, request: int) -> None:
        try:
            cut = await arrived(self.desk.source.packets(self.session))
            subject = await asyncio.to_thread(Subject.of, cut)
        except GivenUpError as error:
            if request == self._requests:
                self._said = f"{error}; r asks again"
        except CtcpmonError as error:
            self._said = clean(str(error), 400)
        except Exception as error:  # noqa: BLE001 the engine's own error is no CtcpmonError
            self._said = f"no graph: {clean(str(error), 300)}"
        else:
            self._said = ""
            is_first = self.subject is None
            self.subject = subject
            if is_first or self.look is None:
                self.look = Look.first(subject)
            else:
                self.look = self.look.kept(subject)
        if self.is_there:
            self.show_body(self.desk.view)

    def _title(self, _view: View, frame: Frame) -> list[Line]:
        if self.subject is None:
            return [frame.rule((("GRAPH", "title"), (f"  session {self.session}", "")))]
        series, cut = self.subject.series, self.subject.cut
        seconds = (self.subject.last_ns - self.subject.first_ns) / 1e9
        ends = f"  {self.subject.end('client')} -> {self.subject.end('headend')}"
        count: Line = ((f"{series.count:,} packets, {seconds:,.1f} s", ""),)
        left: Line = (("GRAPH", "title"), (ends, "bold"))
        if self._said or cut.left_out:
            text = self._said or clean(cut.left_out)
            return [frame.rule((("GRAPH", "title"), (f"  {text}", "warning")))]
        return [frame.rule(left, count if width(ends) + width(count[0][0]) + 10 < frame.width else ())]

    def _plot(self, _view: View, frame: Frame) -> list[Line]:
        if self.subject is None or self.look is None:
            return [((f"  {piece}", "bold"),) for piece in prose(self._said, frame.width - 3)]
        wanted = (self.subject, self.look, frame.width, frame.height, self._style)
        if self._plotted[0] != wanted:
            room = Room(frame.width, frame.height, self._style)
            lines = paint(self.subject, self.look, room)
            self._plotted = (wanted, lines)
        return self._plotted[1]

    def _values(self, _view: View, frame: Frame) -> list[Line]:
        if self.subject is None or self.look is None:
            return []
        return values(self.subject, self.look, frame.width)
