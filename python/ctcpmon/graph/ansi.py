"""Painted lines for a plain terminal: the 16 colours of its palette, or none. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctcpmon.tui.painting.brush import Line, Role

__all__ = ["text_of"]

_LOOKS: dict[Role, str] = {
    "dim": "2",
    "bold": "1",
    "title": "1",
    "critical": "1;7",
    "warning": "1;33",
    "good": "94",
    "key": "1",
    "chosen": "1",
}


def text_of(lines: Iterable[Line], cells: int, *, has_colour: bool) -> str:
    """Lines cut to ``cells``, each with a newline."""
    made = []
    for line in lines:
        left, parts = cells, []
        for text, role in line:
            shown = cut(text if text.isprintable() else clean(text, 4 * len(text)), left)
            left -= len(shown)
            look = _LOOKS.get(role) if has_colour else None
            parts.append(f"\x1b[{look}m{shown}\x1b[0m" if look and shown.strip() else shown)
            if left <= 0:
                break
        made.append("".join(parts).rstrip())
    return "".join(f"{one}\n" for one in made)
