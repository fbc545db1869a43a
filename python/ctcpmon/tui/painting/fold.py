"""Folding of prose and of text to type into the width of a frame. Plain strings only."""

from __future__ import annotations

import textwrap

__all__ = ["fold", "prose"]


def prose(text: str, cells: int, *, first: str = "", rest: str = "", most: int | None = None) -> list[str]:
    """Words filled into lines of at most ``cells``; a text cut after ``most`` lines ends in ``~``."""
    joined = " ".join(text.split())
    lines = textwrap.wrap(
        joined, max(cells, 10), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    if most is not None and len(lines) > most:
        lines = lines[:most]
        if lines:
            lines[-1] = lines[-1][: cells - 2] + " ~"
    return lines or [first]


def fold(line: str, cells: int) -> list[str]:
    r"""One line of text to type: kept whole if it fits, else continued below, deeper by four.

    A continued piece ends in `` \\`` so that nobody takes it for two commands.
    """
    if len(line) <= cells:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    pieces = textwrap.wrap(
        line.strip(),
        max(cells - 2, 10),
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_on_hyphens=False,
    )
    return [piece + " \\" for piece in pieces[:-1]] + pieces[-1:]
