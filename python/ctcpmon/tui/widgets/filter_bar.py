"""One line in which a filter is typed. It says with every key whether that is one, and what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

from ctcpmon.text import clean, cut, width
from ctcpmon.tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from ctcpmon.tui.painting.brush import Line, Span

__all__ = ["FilterBar"]

_MOST = 200


class FilterBar(LineView, can_focus=True):
    """Posts ``Typed`` with every change to another valid filter, ``Done`` with Enter or Esc."""

    DEFAULT_CSS = """
    FilterBar { height: 1; overflow: hidden; }
    """

    class Typed(Message):
        """``text`` is a valid filter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Done(Typed):
        """The typing ended; ``text`` is the filter to keep."""

    def __init__(self, check: Callable[[str], tuple[int, str] | str], **options: Any) -> None:
        """``check`` gives a place and what is wrong there, or a hint for a text that is a filter."""
        super().__init__(**options)
        self._check = check
        self._text = self._kept = ""
        self._cursor = 0

    def open(self, text: str) -> None:
        """Begins with the filter in force; Esc leads back to it."""
        self._text = self._kept = text
        self._cursor = len(text)
        self.focus()
        self.paint()

    def paint(self) -> None:
        """The line: sign, text with the cursor and the fault, what is wrong or expected."""
        cells = self.size.width
        if cells <= 0:
            return
        told = self._check(self._text)
        is_fault = not isinstance(told, str)
        fault, words = told if not isinstance(told, str) else (-1, told)
        sign: Span = ("! / " if is_fault else "  / ", "warning" if is_fault else "key")
        room = max(cells // 2, cells - 4 - width(words) - 3)
        start, end = _window(self._text + " ", self._cursor, room)
        line: list[Span] = [sign]
        for at, char in enumerate((self._text + " ")[start:end], start):
            role = "critical" if at == self._cursor else "warning" if is_fault and at >= fault else "bold"
            line.append((char, role))  # type: ignore[arg-type]
        used = sum(width(text) for text, _ in line)
        line.append(("   " + cut(words, max(cells - used - 3, 0)), "warning" if is_fault else "dim"))
        self.set_lines([_joined(line)])

    def on_key(self, event: events.Key) -> None:
        """Every key is for the text, except those of the app that end it."""
        if event.key in {"ctrl+c", "ctrl+q", "ctrl+z"}:
            return
        event.stop()
        event.prevent_default()
        at, end = self._cursor, len(self._text)
        moves = {
            "left": self._beside(-1),
            "right": self._beside(1),
            "home": 0,
            "ctrl+a": 0,
            "end": end,
            "ctrl+e": end,
        }
        cuts = {
            "backspace": (self._beside(-1), at),
            "delete": (at, self._beside(1)),
            "ctrl+u": (0, end),
            "ctrl+w": (self._word_start(), at),
        }
        if event.key in {"enter", "escape"}:
            self._leave(event.key)
        elif event.key in moves:
            self._cursor = moves[event.key]
        elif event.key in cuts:
            self._change(*cuts[event.key], "")
        elif event.character and event.character.isprintable():
            self._change(at, at, event.character)
        self.paint()

    def _leave(self, key: str) -> None:
        """Enter keeps what is typed, if it is a filter; Esc what was there."""
        if key == "escape":
            self.post_message(self.Done(self._kept))
        elif isinstance(self._check(self._text), str):
            self.post_message(self.Done(self._text.strip()))

    def _beside(self, step: int) -> int:
        """The place of the next character: marks upon one (accents of their own) go with it."""
        at = min(max(self._cursor + step, 0), len(self._text))
        while 0 < at < len(self._text) and width(self._text[at]) == 0:
            at += step
        return at

    def _word_start(self) -> int:
        kept = self._text[: self._cursor].rstrip()
        return kept.rfind(" ") + 1

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted is one line of harmless characters."""
        event.stop()
        self._change(self._cursor, self._cursor, clean(" ".join(event.text.split()), _MOST))
        self.paint()

    def _change(self, start: int, end: int, text: str) -> None:
        before = self._text
        after = before[:start] + text + before[end:]
        if len(after) > _MOST or after == before:
            return
        self._text, self._cursor = after, start + len(text)
        if isinstance(self._check(after), str):
            self.post_message(self.Typed(after.strip()))


def _window(text: str, cursor: int, room: int) -> tuple[int, int]:
    """First and last place shown of ``text``: with the cursor, in ``room`` cells at most."""
    # What stands behind the cursor is seen too, where there is room for it.
    start, used = cursor, width(text[cursor : cursor + 2])
    while start and used + width(text[start - 1]) <= room:
        start -= 1
        used += width(text[start])
    end, used = start, 0
    while end < len(text) and used + width(text[end]) <= room:
        used += width(text[end])
        end += 1
    return start, end


def _joined(line: list[Span]) -> Line:
    """Neighbours of one look as one span."""
    joined: list[Span] = []
    for text, role in line:
        if joined and joined[-1][1] == role:
            joined[-1] = (joined[-1][0] + text, role)
        else:
            joined.append((text, role))
    return tuple(joined)
