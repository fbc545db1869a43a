"""What is held right now: one line above the incidents, there only while something is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import cut, width

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line
    from ctcpmon.tui.view import View

__all__ = ["count", "held"]

_WIDE = 120


def count(view: View) -> str:
    """How many sessions."""
    return f"{view.held_total:,}{'+' if view.held_is_full else ''}"


def held(view: View, frame: Frame) -> list[Line]:
    """How many, the longest of them, and that it is no stall yet. Nothing where nothing is held."""
    if not view.held:
        return []
    longest = view.held[0]
    head = f"? {count(view)} HELD NOW  "
    path = f"{longest.client} -> {longest.headend}"
    room = frame.width - width(head)
    if frame.width >= _WIDE:
        text = cut(f"{path}: {longest.told}", room)
    else:
        forms = (f"{path}  for {longest.held_s} s, no stall yet", f"{path}  {longest.held_s} s", path)
        text = next((form for form in forms if width(form) <= room), cut(path, room))
    return [((head, "warning"), (text, "bold"))]
