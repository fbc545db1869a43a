"""Lines to strips: the last gate before the terminal.

Here a role gets its look and any character that could move the cursor is replaced, whatever was
promised upstream. Looks never carry meaning alone: words and signs do, colour comes last. Only
the 16 colours of the terminal's own palette are used, blue for good and orange (yellow on
many terminals) for warnings; critical is reversed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ctcpmon.text import clean, cut, width

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Brush", "Frame", "Line", "Role", "Span", "line_width", "plain"]

Role = Literal["", "dim", "bold", "title", "critical", "warning", "good", "info", "key", "chosen", "marked"]
Span = tuple[str, Role]
Line = tuple[Span, ...]

_LOOKS: dict[Role, Style] = {
    "": Style(),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "title": Style(bold=True),
    "critical": Style(bold=True, reverse=True),
    "warning": Style(bold=True, color="yellow"),
    "good": Style(color="bright_blue"),
    "info": Style(),
    "key": Style(bold=True),
    "chosen": Style(bold=True),
    "marked": Style(reverse=True),
}
_ASCII = str.maketrans({"─": "-", "█": "#", "░": ".", "▼": "v", "▲": "^"})


class Frame:
    """The room a painter has, in cells, and the characters it may use."""

    __slots__ = ("height", "is_ascii", "width")

    def __init__(self, width: int, height: int, *, is_ascii: bool = False) -> None:
        self.width = width
        self.height = height
        self.is_ascii = is_ascii

    def rule(self, left: Line, right: Line = ()) -> Line:
        """A heading with a line that fills the frame."""
        gap = self.width - line_width(left) - line_width(right) - 2
        if gap < 1:
            return left
        dash = "-" if self.is_ascii else "─"
        return (*left, (f" {dash * gap} ", "dim"), *right)


def line_width(line: Iterable[Span]) -> int:
    """Cells a line occupies."""
    return sum(width(text) for text, _ in line)


def plain(line: Iterable[Span]) -> str:
    """A line without looks."""
    return "".join(text for text, _ in line)


def _cut(text: str, cells: int) -> str:
    """Blanks that do not fit are no text that is missing."""
    kept = text.rstrip(" ")
    return text[:cells] if width(kept) == len(kept) <= cells < width(text) else cut(text, cells)


class Brush:
    """Makes strips of exactly the asked width."""

    def __init__(self, *, is_ascii: bool) -> None:
        self._is_ascii = is_ascii

    def strip(self, line: Line, cells: int) -> Strip:
        """One line, cut (with ``~``) or filled to ``cells`` cells."""
        segments: list[Segment] = []
        left = cells
        for text, role in line:
            if left <= 0:
                break
            # A cell takes at most three characters, so no more are looked at, however long the text is.
            shown = _cut(self._safe(text[: 4 * left + 8]), left)
            segments.append(Segment(shown, _LOOKS[role]))
            left -= width(shown)
        # Never a segment without a style: the NO_COLOR filter of Textual fails on one.
        return Strip(segments).adjust_cell_length(cells, _LOOKS[""])

    def fitted(self, line: Line, cells: int) -> Line:
        """The line cut (with ``~``) or filled to ``cells`` cells, for what is to stand behind it."""
        spans: list[Span] = []
        left = cells
        for text, role in line:
            if left <= 0:
                break
            shown = _cut(self._safe(text), left)
            spans.append((shown, role))
            left -= width(shown)
        return (*spans, (" " * max(left, 0), ""))

    def _safe(self, text: str) -> str:
        if not text.isprintable():
            text = clean(text, 4 * len(text))
        if text.isascii():
            return text
        if self._is_ascii:
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
        if cell_len(text) != width(text):
            # Where Textual and we count differently the columns would slip.
            text = "".join(char if cell_len(char) == width(char) else "?" for char in text)
        return text
