"""What all screens share: header, message and key lines, the size below which nothing is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ScreenStackError
from textual.message import Message
from textual.screen import Screen

from ctcpmon.tui.painting import bars
from ctcpmon.tui.painting.fold import prose
from ctcpmon.tui.widgets import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from ctcpmon.tui.desk import Desk
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import FixView, LongList, View

__all__ = ["MIN_HEIGHT", "MIN_WIDTH", "Asked", "ViewScreen"]

MIN_WIDTH = 60
MIN_HEIGHT = 15


class Asked(Message):
    """The source was asked for something else."""


class ViewScreen(Screen[None]):
    """Shows views. Subclasses give ``body`` and ``show_body``."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = ()
    """Keys of the footer, most important first; each is bound."""

    OWN_KEYS: ClassVar[frozenset[str]] = frozenset()
    """Of the hints, keys of this screen alone: ``[keys]`` does not change them."""

    class Save(Message):
        """Bytes are to be written to a new file."""

        def __init__(self, stem: str, suffix: str, data: bytes, what: str) -> None:
            super().__init__()
            self.stem, self.suffix, self.data, self.what = stem, suffix, data, what

    DEFAULT_CSS = """
    ViewScreen {
        layout: vertical;
        background: ansi_default;
        color: ansi_default;
        overflow: hidden;
        .bar { height: 1; overflow: hidden; }
        .trend { display: none; }
        &.-spacious.-roomy .trend, &.-spacious.-tall .trend { display: block; }
        &.-wide.-roomy .trend, &.-wide.-tall .trend { display: block; }
        #too-small { display: none; height: 1fr; overflow: hidden; }
        &.-tiny-wide, &.-tiny-high {
            * { display: none; }
            #too-small { display: block; }
        }
        &.-short .in-room { display: none; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(classes="-ascii" if desk.is_ascii else None)
        self.desk = desk
        self._is_composed = False

    def compose(self) -> ComposeResult:
        """Header, body, message and keys."""
        yield self.panel(bars.header, "header", "bar")
        yield self.panel(bars.counters, "counters", "bar in-room")
        yield from self.body()
        yield self.panel(self._message, "message", "bar")
        yield self.panel(self._hints, "hints", "bar")
        yield self.panel(_too_small, "too-small")

    def body(self) -> ComposeResult:
        """The parts between the header and the message."""
        yield from ()

    def panel(self, painter: _Painter, name: str, classes: str = "") -> Panel[View]:
        """A part that paints views."""
        return Panel(painter, id=name, classes=classes or None, is_ascii=self.desk.is_ascii)

    def show(self, view: View) -> None:
        """Shows a view in all parts. The clock may strike before a new screen has its parts."""
        if not self.is_there:
            return
        for name in ("header", "counters", "message", "hints", "too-small"):
            self.part(name).show(view)
        self.show_body(view)
        if self.focused is None:
            # A part that is not shown for a while (no incident yet, too small a terminal) loses the keys.
            self.focus_list()

    def focus_list(self) -> None:
        """Gives the keys to the part that has rows."""

    def show_body(self, view: View) -> None:
        """Shows a view in the parts of this screen."""

    def part(self, name: str) -> Panel[View]:
        """A panel by its id."""
        return self.query_one(f"#{name}", Panel)

    def look_soon(self) -> None:
        """Lets the app take the answer to a question as soon as it is there."""
        self.post_message(Asked())

    def copyable(self) -> FixView | None:
        """The fix that the copy key takes."""
        return self.desk.view.fixes[0] if self.desk.view.fixes else None

    def exported(self) -> tuple[str, Sequence[Any]] | LongList | None:
        """What the export key writes: a name with its rows, or a long list; None where there is no table."""
        return None

    def incident_in_hand(self) -> str | None:
        """Key of the incident that the user looks at; None on a screen that shows none."""
        return None

    def session_in_hand(self) -> str | None:
        """Key of the session that the user looks at: the one that speaks for the selected incident."""
        view = self.desk.view
        return next(
            (row.session for row in view.incidents if view.evidence and row.key == view.evidence.incident),
            None,
        )

    def on_mount(self) -> None:
        """Shows the last view at once."""
        self._is_composed = True
        self.call_after_refresh(self._show_last)

    def on_screen_resume(self) -> None:
        """A covered screen is not kept up to date; it catches up here."""
        self.call_after_refresh(self._show_last)

    def on_resize(self, _event: events.Resize) -> None:
        """Sizes of parts may depend on that of the screen."""
        self.call_after_refresh(self._show_last)

    @property
    def is_there(self) -> bool:
        """False once it was left: what it had in hand still comes, and its parts may be gone by then.

        An app on its way out takes the parts away first; the screen stays on the stack for a while.
        """
        try:
            return self._is_composed and self.app.is_running and self in self.app.screen_stack
        except ScreenStackError:
            return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """A key may come before the parts of a new screen."""
        return self.is_there

    def _show_last(self) -> None:
        self.show(self.desk.view)

    def _hints(self, view: View, frame: Frame) -> list[Line]:
        keys = [
            (key if key in self.OWN_KEYS else self.desk.shown_key(key), text)
            for key, text in self.HINTS
            if text != "speed" or self.desk.is_paced
        ]
        return bars.hints(keys, frame, view, help_key=self.desk.shown_key("?"))

    def _message(self, view: View, frame: Frame) -> list[Line]:
        if self.desk.notice:
            return [((self.desk.notice, "bold"),)]
        if self.desk.is_past:
            return bars.age(view, self.desk.age_s)
        return bars.progress(view, frame)


def _too_small(view: View, frame: Frame) -> list[Line]:
    tally = view.tally
    texts = (
        f"{view.critical} critical incidents, {tally.stalled:,} of {tally.total:,} sessions stalled.",
        f"The terminal is too small for more: {frame.width}x{frame.height}, wanted {MIN_WIDTH}x{MIN_HEIGHT}.",
        "q quits.",
    )
    return [((piece, ""),) for text in texts for piece in prose(text, frame.width)]


if TYPE_CHECKING:
    from collections.abc import Callable

    _Painter = Callable[[View, Frame], Sequence[Line]]
