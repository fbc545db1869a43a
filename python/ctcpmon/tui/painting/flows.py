"""The list of TCP conversations: its columns and orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.columns import Column

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Span
    from ctcpmon.tui.view import FlowRow

__all__ = ["COLUMNS", "ORDERS"]

_MOST = 65_535
"""Where the engine's small counters stand still."""
_STATES: dict[str, Span] = {
    "open": ("open", ""),
    "opening": ("opening", "dim"),
    "one_way": ("one-way", "warning"),
    "closed": ("closed", "dim"),
}


def _small(number: int) -> str:
    return f"{number:,}+" if number >= _MOST else f"{number:,}"


def _state(one: FlowRow) -> Span:
    return ("tunnel", "bold") if one.session else _STATES.get(one.state, (one.state, "dim"))


def _path(one: FlowRow) -> str:
    # Without the beginning nobody knows who opened it.
    return f"{one.client} {'->' if one.opener_known else '--'} {one.server}"


COLUMNS: tuple[Column[FlowRow], ...] = (
    Column("state", "STATE", 7, rank=8, text=_state, doc="tunnel, open, opening, one-way or closed"),
    Column(
        "client",
        "CLIENT -> SERVER",
        46,
        rank=0,
        text=_path,
        doc="both ends; -- when nobody saw who opened it",
        order="client",
        most=98,
    ),
    Column(
        "bytes",
        "BYTES",
        8,
        rank=1,
        text=lambda one: words.size(sum(one.payload_bytes)),
        doc="of both streams, each byte once",
        order="bytes",
        is_number=True,
    ),
    Column(
        "packets",
        "PACKETS",
        9,
        rank=3,
        text=lambda one: f"{sum(one.packets):,}",
        doc="packets of both sides",
        order="packets",
        is_number=True,
    ),
    Column(
        "retrans",
        "RETRANS",
        8,
        rank=2,
        text=lambda one: _small(one.retransmissions),
        doc="segments sent again",
        order="retransmissions",
        is_number=True,
    ),
    Column(
        "dup-acks",
        "DUPACK",
        7,
        rank=5,
        text=lambda one: _small(one.dup_acks),
        doc="duplicate ACKs",
        order="dup_acks",
        is_number=True,
    ),
    Column(
        "zero-windows",
        "ZEROWIN",
        8,
        rank=6,
        text=lambda one: _small(one.zero_windows),
        doc="windows of 0",
        order="zero_windows",
        is_number=True,
    ),
    Column(
        "missing",
        "MISSED",
        7,
        rank=4,
        text=lambda one: _small(one.missing),
        doc="segments that the tap missed",
        order="missing",
        is_number=True,
    ),
    Column(
        "since",
        "SINCE",
        8,
        rank=7,
        text=lambda one: words.moment(one.first_ns, one.last_ns),
        doc="first packet",
        order="age",
    ),
    Column(
        "last",
        "LAST",
        8,
        rank=9,
        text=lambda one: words.moment(one.last_ns),
        doc="last packet, to a second",
        order="idle",
    ),
    Column(
        "up",
        "UP",
        8,
        rank=10,
        text=lambda one: words.size(one.payload_bytes[0]),
        doc="bytes of the client",
        is_number=True,
    ),
    Column(
        "down",
        "DOWN",
        8,
        rank=11,
        text=lambda one: words.size(one.payload_bytes[1]),
        doc="bytes of the server",
        is_number=True,
    ),
)
"""Of the flows screen."""

ORDERS: dict[str, str] = {
    "bytes": "most bytes first",
    "packets": "most packets first",
    "retransmissions": "most sent again first",
    "dup_acks": "most duplicate ACKs first",
    "zero_windows": "most zero windows first",
    "missing": "most missed by the tap first",
    "age": "oldest first",
    "idle": "last heard first",
    "client": "by client",
    "headend": "by server",
}
"""In the order of the key, with what the title says."""
