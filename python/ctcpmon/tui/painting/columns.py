"""Columns of a long table: which fit into a width, how a row and a heading look. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ctcpmon.text import cut, pad, width

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ctcpmon.tui.painting.brush import Line, Role, Span

__all__ = ["Column", "chosen", "heading", "row"]

Row = TypeVar("Row")

_MARK = 2
"""Cells before the first column: the cursor."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a table of ``Row``."""

    name: str
    title: str
    cells: int
    text: Callable[[Row], str | Span]
    doc: str
    """What it means, for the list of columns."""
    order: str = ""
    """Order in which the list is by this column; empty: there is none."""
    is_number: bool = False
    """Stands at the right of its cells."""
    rank: int = 0
    """The lower, the more it is wanted where there is no room for all."""
    is_spare: bool = False
    """Shown only when the user asks for it."""
    most: int = 0
    """Cells it may take where there is room left."""


def chosen(
    columns: Sequence[Column[Row]], cells: int, toggled: Collection[str] = (), order: str = ""
) -> tuple[Column[Row], ...]:
    """The columns that fit into ``cells``, in their places; ``toggled`` were switched by the user.

    What the user asked for, and what the list is by, stand before what is only useful.
    """
    wanted = [one for one in columns if one.is_spare is (one.name in toggled)]
    is_asked = {one.name: one.is_spare or (one.order and one.order == order) for one in wanted}
    wanted.sort(key=lambda one: 1 if is_asked[one.name] and one.rank else one.rank)
    left = cells - _MARK
    fitting: set[str] = set()
    for one in wanted:
        if one.cells + 1 <= left or not fitting:
            left -= one.cells + 1
            fitting.add(one.name)
    found = [one for one in columns if one.name in fitting]
    for at, one in enumerate(found):
        if one.most > one.cells and left > 0:
            more = min(one.most - one.cells, left)
            found[at] = replace(one, cells=one.cells + more)
            left -= more
    return tuple(found)


def heading(columns: Sequence[Column[Row]], order: str, *, is_reversed: bool, is_ascii: bool) -> Line:
    """Titles; the one that the list is by has an arrow."""
    signs = "v^" if is_ascii else "▼▲"
    line: list[Span] = [(" " * _MARK, "")]
    for one in columns:
        is_order = bool(one.order) and one.order == order
        title = one.title + (signs[is_reversed] if is_order else "")
        line.append(
            (pad(cut(title, one.cells), one.cells, right=one.is_number), "key" if is_order else "dim")
        )
        line.append((" ", ""))
    return tuple(line)


def row(item: Row, columns: Sequence[Column[Row]], *, is_chosen: bool) -> Line:
    """One row; a span of a column keeps its look, anything else has that of the cursor."""
    body: Role = "chosen" if is_chosen else ""
    line: list[Span] = [("> " if is_chosen else "  ", "chosen")]
    for one in columns:
        made = one.text(item)
        text, role = (made, body) if isinstance(made, str) else made
        # Two addresses that do not fit push what is behind them: cut, they would be others.
        if width(text) <= one.cells:
            text = pad(text, one.cells, right=one.is_number)
        look = role or body
        # Every piece is cut, styled and sent by itself, so a blank of the same look is part of it.
        line += [(text, look), (" ", "")] if look else [(f"{text} ", "")]
    return tuple(line)
