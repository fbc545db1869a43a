"""The keys of everything that has rows and a selection. Actions are the widget's."""

from __future__ import annotations

from textual.binding import Binding, BindingType

__all__ = ["LIST_KEYS"]

LIST_KEYS: list[BindingType] = [
    Binding("j", "move(1)", show=False, id="down"),
    Binding("k", "move(-1)", show=False, id="up"),
    Binding("g", "jump(0)", show=False, id="first"),
    Binding("G", "jump(-1)", show=False, id="last"),
    Binding("down", "move(1)", show=False),
    Binding("up", "move(-1)", show=False),
    Binding("home", "jump(0)", show=False),
    Binding("end", "jump(-1)", show=False),
    Binding("pagedown", "page(1)", show=False),
    Binding("pageup", "page(-1)", show=False),
    Binding("enter", "open", show=False),
]
"""Those with an id may be changed under ``[keys]``."""
