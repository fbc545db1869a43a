"""Small questions at the foot of the screen: one key of a few, or a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Input

from ctcpmon.text import clean, cut
from ctcpmon.tui.painting.brush import line_width
from ctcpmon.tui.widgets import Panel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual import events
    from textual.app import ComposeResult

    from ctcpmon.tui.painting.brush import Frame, Line, Span

__all__ = ["AskKey", "AskText"]

_CSS = """
    {name} {{
        align: center bottom;
        background: ansi_default 0%;
        #ask {{ height: 2; width: 100%; background: ansi_default; color: ansi_default; layout: vertical; }}
        .line {{ height: 1; overflow: hidden; }}
    }}
"""


class AskKey(ModalScreen[str]):
    """Answers with one of the keys; empty for anything else."""

    DEFAULT_CSS = _CSS.format(name="AskKey")

    def __init__(self, question: str, keys: Mapping[str, str], *, is_ascii: bool) -> None:
        super().__init__()
        self._question, self._keys, self._is_ascii = question, keys, is_ascii

    def compose(self) -> ComposeResult:
        """Question and keys."""
        with Container(id="ask"):
            yield Panel(self._asked, id="question", classes="line", is_ascii=self._is_ascii)
            yield Panel(self._choices, id="choices", classes="line", is_ascii=self._is_ascii)

    def on_mount(self) -> None:
        """Shows the question."""
        self.call_after_refresh(self._show)

    def on_resize(self, _event: events.Resize) -> None:
        """Anew at another size."""
        self.call_after_refresh(self._show)

    def on_key(self, event: events.Key) -> None:
        """Any key answers."""
        if event.key in {"ctrl+c", "ctrl+q", "ctrl+z"}:
            return
        event.stop()
        event.prevent_default()
        self.dismiss(event.key if event.key in self._keys else "")

    def _show(self) -> None:
        for name in ("question", "choices"):
            self.query_one(f"#{name}", Panel).show(0)

    def _asked(self, _value: int, frame: Frame) -> list[Line]:
        return [frame.rule(((self._question, "title"),))]

    def _choices(self, _value: int, _frame: Frame) -> list[Line]:
        line: list[Span] = []
        for key, text in self._keys.items():
            line += [(key, "key"), (f" {text}   ", "")]
        return [(*line, ("Esc", "key"), (" nothing", ""))]


class _SafeInput(Input):
    """A line that holds nothing but what may be shown: a paste can have anything in it."""

    def replace(self, text: str, start: int, end: int) -> None:
        """Every key and paste passes here."""
        super().replace(clean(text, 1_000), start, end)


class AskText(ModalScreen[str | None]):
    """Answers with a line of text; None when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]
    DEFAULT_CSS = (
        _CSS.format(name="AskText")
        + """
    AskText Input, AskText Input:focus {
        height: 1; border: none; padding: 0; background: ansi_default; color: ansi_default;
    }
    """
    )

    def __init__(self, question: str, text: str, *, most: int, is_ascii: bool) -> None:
        super().__init__()
        self._question, self._text, self._most, self._is_ascii = question, text, most, is_ascii

    def compose(self) -> ComposeResult:
        """Question and line."""
        with Container(id="ask"):
            yield Panel(self._asked, id="question", classes="line", is_ascii=self._is_ascii)
            yield _SafeInput(
                clean(self._text, self._most),
                max_length=self._most,
                id="text",
                classes="line",
                select_on_focus=False,
            )

    def on_mount(self) -> None:
        """Shows the question; the line has the keys."""
        line = self.query_one(Input)
        line.cursor_blink = False
        line.focus()
        self.call_after_refresh(lambda: self.query_one("#question", Panel).show(0))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        """Escape."""
        self.dismiss(None)

    def _asked(self, _value: int, frame: Frame) -> list[Line]:
        right: Line = (("Enter", "key"), (" keep  ", ""), ("Esc", "key"), (" not", ""))
        return [frame.rule(((cut(self._question, frame.width - line_width(right) - 3), "title"),), right)]
