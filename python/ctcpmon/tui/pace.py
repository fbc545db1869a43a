"""Bytes and packets per second, and time left. Reads no clock: the caller brings the time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ctcpmon.tui.view import Progress

if TYPE_CHECKING:
    from ctcpmon.engine import Stats
    from ctcpmon.tui.view import Phase

__all__ = ["Pace"]

_WINDOW_S = 3.0
_MIN_SPAN_S = 0.2


class Pace:
    """Rates over the last seconds of wall-clock time, given as seconds of any steady clock."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, int]] = deque()
        self._began: float | None = None
        self._ended: float | None = None

    def progress(self, stats: Stats, now: float, *, is_done: bool, is_paused: bool, speed: float) -> Progress:
        """How far the run is at ``now``."""
        if self._began is None:
            self._began = now
        if is_done and self._ended is None:
            self._ended = now
        taken = (self._ended if self._ended is not None else now) - self._began
        packets_rate, bytes_rate = self._rates(now, stats)
        if is_done:
            packets_rate = stats.packets / max(taken, 1e-3)
        left = None
        if stats.bytes_total is not None and bytes_rate > 0 and not is_done and not is_paused:
            left = max(stats.bytes_total - stats.bytes_read, 0) / bytes_rate
        phase: Phase = "done" if is_done else "paused" if is_paused else "reading"
        return Progress(
            phase=phase,
            bytes_read=stats.bytes_read,
            bytes_total=stats.bytes_total,
            packets_per_s=packets_rate,
            seconds_left=left,
            seconds_taken=taken,
            speed=speed,
        )

    def _rates(self, now: float, stats: Stats) -> tuple[float, float]:
        self._points.append((now, stats.packets, stats.bytes_read))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW_S:
            self._points.popleft()
        then, packets, read = self._points[0]
        if now - then < _MIN_SPAN_S:
            return 0.0, 0.0
        return (stats.packets - packets) / (now - then), (stats.bytes_read - read) / (now - then)
