"""The loss ledger: what one session's own numbers say about where and how packets were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.diagnosis.wording import duration, loss_words, percent
from ctcpmon.stamps import clock
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.engine import Direction, Finding, Session

__all__ = ["ledger_lines"]

_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000


def ledger_lines(session: Session, finding: Finding | None = None) -> tuple[str, ...]:
    """The ledger as lines of plain text; every number is as observed at the tap."""
    loss_side = finding.loss_side if finding is not None else session.loss_side
    span_ns = max(session.last_ns - session.first_ns, 0)
    lines = [
        (
            f"loss ledger of session {clean(session.id, 12)}, {clock(session.first_ns)} to "
            f"{clock(session.last_ns)} UTC ({duration(span_ns / 1e6)})"
        ),
        f"  place of the loss: {loss_words(loss_side)}",
        *_direction("client to headend", session.to_headend, span_ns),
        *_direction("headend to client", session.to_client, span_ns),
    ]
    if finding is not None:
        gap = finding.tap_gap_ratio
        lines.append(
            "  tap: no ordinary TCP to measure its own loss by"
            if gap is None
            else f"  tap: ordinary TCP suggests that the tap itself missed {percent(gap)}"
        )
    return tuple(lines)


def _direction(name: str, direction: Direction, span_ns: int) -> list[str]:
    if direction.packets == 0:
        return [f"  {name}: nothing seen at this tap"]
    sent = direction.esp_received_pkts + direction.esp_missing_pkts
    esp = (
        f"ESP {direction.esp_missing_pkts:,} of {sent:,} packets missing "
        f"({percent(direction.esp_missing_pkts / sent)})"
        if sent
        else "no ESP seen"
    )
    holes = f"{direction.holes_total:,} holes, {direction.hole_bytes_total:,} bytes"
    if direction.holes_total and span_ns >= _MINUTE_NS:
        holes += f" ({direction.holes_total * _HOUR_NS / span_ns:.1f} per hour)"
    if direction.esp_missing_pkts and direction.holes_total:
        holes += f", {direction.esp_missing_pkts / direction.holes_total:.1f} packets per hole"
    return [
        f"  {name}: {direction.packets:,} packets, {esp}",
        f"    {holes}; {direction.open_holes:,} open now; {direction.reordered:,} reordered",
    ]
