"""The session list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import pad, width
from ctcpmon.tui.painting import words

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line, Role
    from ctcpmon.tui.view import SessionRow, View

__all__ = ["heading", "row", "title"]

_STATE = 9
_PATH = 47
_WIDE = 100


def title(view: View, frame: Frame) -> list[Line]:
    """How many there are and how many are listed."""
    listed = len(view.sessions)
    what = {"worst": "worst first", "recent": "last heard first", "key": "by address"}[view.query.order]
    shown = "all listed" if listed == view.tally.total else f"{listed:,} listed"
    left: Line = ((f"SESSIONS {view.tally.total:,}", "title"), (f"  {shown}, {what}", ""))
    right: Line = (
        (f"{view.tally.stalled:,} stalled", "critical" if view.tally.stalled else "dim"),
        (f"  {view.tally.at_risk:,} at risk", "warning" if view.tally.at_risk else "dim"),
    )
    return [frame.rule(left, right if frame.width >= 72 else ())]


def heading(frame: Frame) -> list[Line]:
    """Column names."""
    if frame.width >= _WIDE:
        rest = (
            f"{pad('STALLED', 8)} {pad('CLIENT -> HEADEND', _PATH)} {pad('LAST', 8)} "
            f"{pad('HOLES', 6, right=True)} {pad('MISSING', 7, right=True)}  {pad('WAS', 9)} PROTOCOL, END"
        )
    else:
        rest = (
            f"{pad('STALLED', 8)} {pad('CLIENT -> HEADEND', _PATH)} {pad('HOLES', 5, right=True)}"
            if frame.width >= 76
            else "CLIENT -> HEADEND"
        )
    return [((f"  {pad('STATE', _STATE)} {rest}", "dim"),)]


def row(item: SessionRow, cells: int, *, is_chosen: bool) -> tuple[Line, ...]:
    """One session; ``HOLES`` were seen since it began, ``MISSING`` are ESP packets, both directions."""
    body: Role = "chosen" if is_chosen else ""
    name, look = words.state(item.state)
    path = f"{item.client} -> {item.headend}"
    start: Line = (("> " if is_chosen else "  ", "chosen"), (pad(name, _STATE), look), (" ", ""))
    stalled = pad(words.moment(item.stalled_at_ns), 8)
    fitted = pad(path, max(_PATH, width(path)))
    if cells >= _WIDE:
        ended = f"{item.protocol}, {item.ended}" if item.ended else f"{item.protocol}, open"
        was = "-" if item.worst_state == item.state else words.state(item.worst_state)[0].strip()
        text = (
            f"{stalled} {fitted} {words.moment(item.last_ns)} {item.holes:>6,} {item.missing:>7,}  "
            f"{pad(was, 9)} {ended}"
        )
    elif cells >= 76:
        text = f"{stalled} {fitted} {item.holes:>5,}"
    else:
        text = path
    return ((*start, (text, body)),)
