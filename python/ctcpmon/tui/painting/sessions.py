"""The session list: columns of its screen, and the short form below the incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import pad, width
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.columns import Column

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line, Role, Span
    from ctcpmon.tui.view import SessionRow, View

__all__ = ["COLUMNS", "ORDERS", "heading", "row", "title"]

_STATE = 9
_PATH = 47
_WIDE = 100


def _was(item: SessionRow) -> str:
    return "-" if item.worst_state == item.state else words.state(item.worst_state)[0].strip()


def _state(item: SessionRow) -> Span:
    return words.state_of(item)


COLUMNS: tuple[Column[SessionRow], ...] = (
    Column(
        "state", "STATE", _STATE, rank=0, text=_state, doc="state now; ? held: no stall yet", order="worst"
    ),
    Column(
        "stalled",
        "STALLED",
        8,
        rank=2,
        text=lambda one: words.moment(one.stalled_at_ns, one.last_ns),
        doc="when it stalled",
        order="stalled",
    ),
    Column(
        "client",
        "CLIENT -> HEADEND",
        46,
        rank=0,
        text=lambda one: f"{one.client} -> {one.headend}",
        doc="both ends",
        order="client",
        most=98,
    ),
    Column(
        "last", "LAST", 8, rank=4, text=lambda one: words.moment(one.last_ns), doc="last packet", order="idle"
    ),
    Column(
        "holes",
        "HOLES",
        6,
        rank=3,
        text=lambda one: f"{one.holes:,}",
        doc="lost segments seen in TCP",
        order="holes",
        is_number=True,
    ),
    Column(
        "missing",
        "MISSING",
        8,
        rank=5,
        text=lambda one: f"{one.missing:,}",
        doc="ESP packets missing by their numbers",
        order="missing",
        is_number=True,
    ),
    Column("was", "WAS", 9, rank=6, text=_was, doc="worst state ever, if it is better now"),
    Column("protocol", "PROTOCOL", 10, rank=7, text=lambda one: one.protocol, doc="kind of tunnel"),
    Column("end", "END", 12, rank=8, text=lambda one: one.ended or "open", doc="why it ended"),
    Column(
        "packets",
        "PACKETS",
        10,
        rank=9,
        text=lambda one: f"{one.packets:,}",
        doc="packets of both sides",
        order="packets",
        is_number=True,
    ),
    Column(
        "since",
        "SINCE",
        8,
        rank=10,
        text=lambda one: words.moment(one.first_ns, one.last_ns),
        doc="first packet",
        order="age",
    ),
    Column(
        "retrans",
        "RETRANS",
        8,
        rank=11,
        text=lambda one: f"{one.retransmissions:,}",
        doc="segments sent again",
        order="retransmissions",
        is_number=True,
        is_spare=True,
    ),
)
"""Of the sessions screen."""

ORDERS: dict[str, str] = {
    "worst": "worst first",
    "idle": "last heard first",
    "client": "by client",
    "headend": "by headend",
    "stalled": "longest stalled first",
    "holes": "most holes first",
    "missing": "most missing first",
    "packets": "most packets first",
    "age": "oldest first",
    "retransmissions": "most sent again first",
}
"""In the order of the key, with what the title says."""


def title(view: View, frame: Frame) -> list[Line]:
    """How many there are; the worst are listed."""
    left: Line = ((f"SESSIONS {view.tally.total:,}", "title"), ("  worst first", ""))
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
    name, look = words.state_of(item)
    path = f"{item.client} -> {item.headend}"
    start: Line = (("> " if is_chosen else "  ", "chosen"), (pad(name, _STATE), look), (" ", ""))
    stalled = pad(words.moment(item.stalled_at_ns, item.last_ns), 8)
    fitted = pad(path, max(_PATH, width(path)))
    if cells >= _WIDE:
        ended = f"{item.protocol}, {item.ended}" if item.ended else f"{item.protocol}, open"
        text = (
            f"{stalled} {fitted} {words.moment(item.last_ns)} {item.holes:>6,} {item.missing:>7,}  "
            f"{pad(_was(item), 9)} {ended}"
        )
    elif cells >= 76:
        text = f"{stalled} {fitted} {item.holes:>5,}"
    else:
        text = path
    return ((*start, (text, body)),)
