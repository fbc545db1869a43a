"""A plot as cells: dots for data, a sign for everything else. What is rarer covers what is common.

Each sign has a rank and a look; colour never says what the sign does not. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Role, Span

__all__ = ["ASCII", "BLOCK", "BRAILLE", "Canvas", "Style"]

Style = Literal["braille", "block", "ascii"]
BRAILLE: Style = "braille"
BLOCK: Style = "block"
ASCII: Style = "ascii"

DOTS: dict[Style, tuple[int, int]] = {BRAILLE: (2, 4), BLOCK: (2, 2), ASCII: (1, 1)}
"""Columns and rows of dots in one cell."""
_BRAILLE_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_QUADRANT_BITS = ((1, 2), (4, 8))

# Rank, sign, sign in ASCII, look. A higher rank covers a lower one.
_SIGNS: dict[str, tuple[int, str, str, Role]] = {
    "moment": (1, "┊", ":", "dim"),
    "window": (2, "╌", "~", "dim"),
    "hole": (3, "░", "/", "warning"),
    "rise": (4, "│", "|", "good"),
    "ack": (5, "─", "-", "good"),
    "duplicate": (6, "d", "d", "good"),
    "sack": (7, "s", "s", "good"),
    "data": (8, "", "#", ""),
    "late": (9, "O", "O", "warning"),
    "again": (10, "R", "R", "warning"),
    "onset": (11, "\N{MULTIPLICATION SIGN}", "x", "critical"),
    "zero": (12, "Z", "Z", "warning"),
    "syn": (13, "S", "S", "bold"),
    "fin": (13, "F", "F", "bold"),
    "reset": (14, "X", "X", "critical"),
    "stall": (1, "┃", "!", "warning"),
}


class Canvas:
    """``width`` by ``height`` cells; rows count from the bottom."""

    def __init__(self, width: int, height: int, style: Style) -> None:
        self.width, self.height, self.style = width, height, style
        across, up = DOTS[style]
        self.columns, self.rows = width * across, height * up
        self._across, self._up = across, up
        self._cells: dict[tuple[int, int], str] = {}
        self._dots: dict[tuple[int, int], int] = {}

    def dots(self, column: int, low: int, high: int) -> None:
        """Data from dot row ``low`` to ``high``, both included."""
        cell = column // self._across
        for row in range(low, high + 1):
            at = (cell, row // self._up)
            self._dots[at] = self._dots.get(at, 0) | self._bit(column, row)
            self._put(at, "data")

    def sign(self, name: str, column: int, row: int) -> None:
        """A sign in the cell of a dot."""
        self._put((column // self._across, row // self._up), name)

    def across(self, name: str, first: int, last: int, row: int) -> None:
        """A level line of signs between two dot columns, both included."""
        for cell in range(first // self._across, last // self._across + 1):
            self._put((cell, row // self._up), name)

    def up(self, name: str, column: int, low: int, high: int) -> None:
        """An upright line of signs between two dot rows, both included."""
        for cell in range(low // self._up, high // self._up + 1):
            self._put((column // self._across, cell), name)

    def line(self, row: int, cursor: int | None = None) -> list[Span]:
        """One row of cells, from the top; ``cursor`` is the cell of an upright line, seen in free cells."""
        up = self.height - 1 - row
        spans: list[Span] = []
        for cell in range(self.width):
            text, role = self._shown((cell, up))
            if cell == cursor:
                role = "key"
                if text == " ":
                    text = "|" if self.style == ASCII else "│"
            if spans and spans[-1][1] == role:
                spans[-1] = (spans[-1][0] + text, role)
            else:
                spans.append((text, role))
        return spans

    def _put(self, at: tuple[int, int], name: str) -> None:
        if not (0 <= at[0] < self.width and 0 <= at[1] < self.height):
            return
        known = self._cells.get(at)
        if known is None or _SIGNS[known][0] <= _SIGNS[name][0]:
            self._cells[at] = name

    def _bit(self, column: int, row: int) -> int:
        if self.style == ASCII:
            return 1
        bits = _BRAILLE_BITS if self.style == BRAILLE else _QUADRANT_BITS
        return bits[self._up - 1 - row % self._up][column % self._across]

    def _shown(self, at: tuple[int, int]) -> Span:
        name = self._cells.get(at)
        if name is None:
            return " ", ""
        _, sign, plain, role = _SIGNS[name]
        if self.style == ASCII:
            return plain, role
        if name == "data":
            bits = self._dots[at]
            return chr(0x2800 + bits) if self.style == BRAILLE else _QUADRANTS[bits], role
        return sign, role
