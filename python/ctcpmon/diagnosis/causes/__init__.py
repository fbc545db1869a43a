"""The causes ctcpmon can name: one per file, one list. Words only; judging is the engine's."""

from __future__ import annotations

from ctcpmon.diagnosis.causes import (
    headend_outage,
    ike_unanswered,
    inspection_queue_freeze,
    proxy_ack_freeze,
    reset_after_loss,
    silent_death,
    stateful_drop,
    unfilled_hole,
    window_overrun,
)
from ctcpmon.diagnosis.causes.cause import Cause
from ctcpmon.text import clean

__all__ = ["CAUSES", "Cause", "cause_of"]

CAUSES: tuple[Cause, ...] = (
    unfilled_hole.CAUSE,
    window_overrun.CAUSE,
    stateful_drop.CAUSE,
    inspection_queue_freeze.CAUSE,
    proxy_ack_freeze.CAUSE,
    reset_after_loss.CAUSE,
    silent_death.CAUSE,
    ike_unanswered.CAUSE,
    headend_outage.CAUSE,
)
_BY_DETECTOR = {cause.detector: cause for cause in CAUSES}


def cause_of(detector: str) -> Cause:
    """The cause for a detector id; an id without words of its own gets honest generic ones."""
    known = _BY_DETECTOR.get(detector)
    if known is not None:
        return known
    name = clean(detector, 40)
    return Cause(
        detector=name,
        signature="",
        family=name,
        title=name,
        what=f"detector {name} raised",
        story=f"The detector {name} raised; this version has no words for it.",
        why="",
        otherwise=(),
    )
