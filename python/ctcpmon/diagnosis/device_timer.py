"""What sessions that stopped alike say of the device: its timer, its window limit, its queue.

Numbers in, at most one remark out; "consistent with", never proof. Only stops that the tap saw count
as delays: in front of a device that tracks the window the engine dates the stall by that limit itself,
so the delay there says how fast the sender was, not which timer ran.
"""

from __future__ import annotations

from ctcpmon.diagnosis.wording import duration
from ctcpmon.lean import is_finite
from ctcpmon.records import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ctcpmon.engine import Finding

    Kind = Literal["delay", "window", "segments", "at_hole"]

__all__ = ["DeviceTimer", "StopMeter"]

MIN_SESSIONS = 3
"""Guess: two equal delays are chance, three are a habit."""
TOLERANCE = 0.10
TOLERANCE_MS = 300.0
"""Guess: the larger of both is how far a session's delay may lie from the common one."""
MAX_SAMPLES = 256
"""Stops looked at for one incident; the first ones, the rest is counted."""

_LIMIT_LOW, _LIMIT_HIGH = 0.9, 1.25
"""Bytes beyond the ACK against the allowance. Measured on Linux: 0.97 to 1.2 (66.0 to 71.2 kB at
window 65535, 1.9 to 2.4 windows below)."""
_AT_ONCE_MS = 500.0
"""Guess: a stop this close to the loss needs no timer."""

_TIMERS = (
    (4_000.0, "the out-of-order buffer timeout of an ASA (4 s by default)", "an ASA (4 s)"),
    (5_000.0, "the reassembly timeout of IOS (5 s by default)", "IOS (5 s)"),
    (10_000.0, "twice the reassembly timeout of IOS (5 s by default)", "IOS (2 x 5 s)"),
    (15_000.0, "three times the reassembly timeout of IOS (5 s by default)", "IOS (3 x 5 s)"),
)
_QUEUES = ((3, 0, "an ASA"), (16, 1, "IOS"), (64, 1, "Palo Alto"))
"""Segments, how far a count may be off (a guess), whose out-of-order queue holds that many."""


class DeviceTimer(Record, frozen=True):
    """What the stops have in common."""

    kind: Kind
    sessions: int
    """Sessions that agree."""
    of: int
    """Sessions whose stop could be measured this way."""
    text: str
    """One sentence."""
    short: str
    """The same in few cells."""
    delay_ms: int | None = None
    """Time from the loss to the stop, the middle of those that agree."""


class StopMeter(Record):
    """Collects how the sessions of one incident stopped. Bounded: ``MAX_SAMPLES`` of each kind."""

    left_out: int = 0
    _delays: list[float] = field(default_factory=list)
    _segments: list[int] = field(default_factory=list)
    _at_limit: int = 0
    _limit_seen: int = 0
    _limit_known: int = 0
    _told: DeviceTimer | None = None
    _is_told: bool = False

    def add(self, finding: Finding) -> None:
        """Takes in the finding that called a session stalled."""
        self._is_told = False
        values = {name: value for name, value in finding.measured.items() if is_finite(value)}
        is_seen = "silence_ms" in values or "copies_stopped_segments" in values
        allowance, unacked = values.get("allowance_bytes"), values.get("unacked_bytes")
        if allowance and unacked is not None and (is_seen or finding.detector == "ctcp.stateful_drop"):
            self._limit_known += 1
            if _LIMIT_LOW * allowance <= unacked <= _LIMIT_HIGH * allowance:
                self._at_limit += 1
                self._limit_seen += is_seen
                return
        if len(self._delays) >= MAX_SAMPLES or len(self._segments) >= MAX_SAMPLES:
            self.left_out += 1
            return
        delay = values.get("hole_to_stall_ms")
        if delay is None and is_seen and "ack_frozen_ms" in values:
            delay = values["ack_frozen_ms"] - values.get("silence_ms", values["ack_frozen_ms"])
        elif delay is None and finding.detector == "ctcp.inspection_queue_freeze":
            holes = (one.ts_ns for one in finding.evidence if one.name == "hole_bytes")
            lost_ns = next(holes, None)
            delay = (finding.since_ns - lost_ns) / 1e6 if lost_ns is not None else None
        if delay is not None and 0 <= delay < 1e9:
            self._delays.append(delay)
        if is_seen and "segments_after_freeze" in values:
            self._segments.append(int(values["segments_after_freeze"]))

    def absorb(self, other: StopMeter) -> None:
        """Adds what another incident collected."""
        self._is_told = False
        room = MAX_SAMPLES - max(len(self._delays), len(self._segments))
        self.left_out += other.left_out + max(len(other._delays) - room, 0)
        self._delays += other._delays[:room]
        self._segments += other._segments[:room]
        self._at_limit += other._at_limit
        self._limit_seen += other._limit_seen
        self._limit_known += other._limit_known

    def read(self) -> DeviceTimer | None:
        """The remark, or None when too few sessions agree."""
        if not self._is_told:
            self._told = self._tell()
            self._is_told = True
        return self._told

    def _tell(self) -> DeviceTimer | None:
        # Most incidents are small: fewer stops than must agree say nothing.
        if max(self._at_limit, len(self._segments), len(self._delays)) < MIN_SESSIONS:
            return None
        return self._window() or self._queue() or self._delay()

    def _window(self) -> DeviceTimer | None:
        count, known = self._at_limit, self._limit_known
        if count < MIN_SESSIONS or 2 * count < known or not self._limit_seen:
            return None
        text = (
            f"{count} of {known} sessions stopped at the window limit, not after a time: consistent with "
            "connection tracking as in Linux, which passes min(2 x window, about 66 kB) beyond the ACK"
        )
        short = f"{count} of {known} stopped at the window limit: fits Linux conntrack"
        return DeviceTimer("window", count, known, text, short)

    def _queue(self) -> DeviceTimer | None:
        known = len(self._segments)
        for size, off, device in _QUEUES:
            count = sum(abs(one - size) <= off for one in self._segments)
            if count >= MIN_SESSIONS and 2 * count >= known:
                text = (
                    f"{count} of {known} sessions stopped {size} segments after the loss: consistent with "
                    f"the out-of-order queue of {device} ({size} segments)"
                )
                short = f"{count} of {known} stopped {size} segments after the loss: fits {device}"
                return DeviceTimer("segments", count, known, text, short)
        return None

    def _delay(self) -> DeviceTimer | None:
        known = len(self._delays)
        alike = _largest_group(sorted(self._delays))
        count = len(alike)
        if count < MIN_SESSIONS or 2 * count < known:
            return None
        middle = alike[count // 2]
        start, after = f"{count} of {known}", duration(middle)
        if middle < _AT_ONCE_MS:
            text = (
                f"{start} sessions stood still from the loss on, no timer ran: consistent with a device that "
                "holds everything behind a hole (inspection, IPS, proxy)"
            )
            short = f"{start} stood still from the loss on: fits inspection or a proxy"
            return DeviceTimer("at_hole", count, known, text, short, round(middle))
        nearest, name, label = min(_TIMERS, key=lambda timer: abs(timer[0] - middle))
        if abs(nearest - middle) > max(TOLERANCE_MS, TOLERANCE * nearest):
            name, label = "one timer, but none that is known here", "no known timer"
        text = f"{start} sessions stopped about {after} after the loss: consistent with {name}"
        short = f"{start} stopped {after} after the loss: fits {label}"
        return DeviceTimer("delay", count, known, text, short, round(middle))


def _largest_group(ordered: list[float]) -> list[float]:
    """The longest run that fits around one middle value; of equal ones the first."""
    best = (0, 0)
    start = 0
    for end in range(len(ordered)):
        while ordered[end] - ordered[start] > 2 * max(TOLERANCE_MS, TOLERANCE * ordered[start]):
            start += 1
        if end + 1 - start > best[1] - best[0]:
            best = (start, end + 1)
    return ordered[best[0] : best[1]]
