"""One line of sparklines: packets, stalls and losses of the last hour.

Stalls are counted in a step, not as a rate: seven in a quarter of a minute are seven, not 28 a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.brush import line_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.tui.painting.brush import Frame, Line, Role, Span
    from ctcpmon.tui.view import View

__all__ = ["LEAST_CELLS", "sparkline", "trend"]

LEAST_CELLS = 120
_LEVELS = " ▁▂▃▄▅▆▇█"
_ASCII_LEVELS = " .:-=+*#@"


def sparkline(values: Sequence[int], cells: int, *, is_ascii: bool = False) -> str:
    """The newest values at the right; where there are more than cells, each cell has the highest of its own.

    Nothing is a blank, anything at all is seen.
    """
    if not values or cells <= 0:
        return " " * max(cells, 0)
    per_cell = -(-len(values) // cells)
    ends = range(len(values), 0, -per_cell)
    shown = [max(values[max(end - per_cell, 0) : end]) for end in ends][::-1]
    levels = _ASCII_LEVELS if is_ascii else _LEVELS
    top = max(*shown, 1)
    most = len(levels) - 1
    return "".join(levels[min(-(-value * most // top), most)] for value in shown).rjust(cells)


def trend(view: View, frame: Frame) -> list[Line]:
    """Three sparklines and what a cell and the highest one stand for."""
    now = view.trend
    if frame.width < LEAST_CELLS or not now.packets:
        return [()]
    parts: tuple[tuple[str, Sequence[int], Role], ...] = (
        ("packets/s", now.packets, ""),
        ("stalls", now.stalls, "critical" if any(now.stalls) else "dim"),
        ("lost/s", now.lost, "warning" if any(now.lost) else "dim"),
    )
    span = len(now.packets) * now.step_s
    tail = f"last {words.left(span)}, {now.step_s} s a step"
    tops = [f" max {words.amount(max(values))}" for _, values, _ in parts]
    fixed = sum(len(name) + 1 + len(top) + 3 for (name, _, _), top in zip(parts, tops, strict=True))
    cells = max((frame.width - fixed - len(tail)) // len(parts), 4)
    line: list[Span] = []
    for (name, values, role), top in zip(parts, tops, strict=True):
        # Reversed bars would show their own opposite: the word and the number carry the alarm.
        bars: Role = "warning" if role == "critical" else role
        line += [(f"{name} ", "dim"), (sparkline(values, cells, is_ascii=frame.is_ascii), bars), (top, role)]
        line.append(("   ", ""))
    return [(*line, (" " * (frame.width - line_width(line) - len(tail)) + tail, "dim"))]
