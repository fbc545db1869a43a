"""What goes to stderr: progress, remarks about the input, a closing line. Never data.

The only module of the command line that reads a clock (for packets per second); nothing of
it reaches an event.
"""

from __future__ import annotations

import sys
import time

from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.engine import Note, Stats

__all__ = ["INCOMPLETE_NOTES", "BugWatch", "ClockWatch", "Narrator", "say"]

INCOMPLETE_NOTES = frozenset({"truncated", "corrupt"})
"""Kinds of notes that mean: not all of the input could be read (exit code 4)."""

_NOTHING_PASSED = (
    "no packet passed the filter; it does not look behind a VLAN tag or into a tunnel by itself: "
    "for tagged packets write 'vlan and ...'"
)
_PROGRESS_S = 0.5
_MAX_NOTES = 20
_MAX_CELLS = 400


def say(text: str) -> None:
    """One line to stderr. ``text`` may hold foreign text: it is made safe here."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"ctcpmon: {clean(text, _MAX_CELLS)}\n")
        sys.stderr.flush()
    except OSError:
        # Nobody reads stderr; the data must go on.
        return


class ClockWatch:
    """Says when the clock of the machine was set during a live run."""

    def __init__(self) -> None:
        self._steps = 0

    def look(self, stats: Stats) -> None:
        """Call it now and then."""
        steps = stats.counters.get("clock_steps", 0)
        if steps != self._steps:
            self._steps = steps
            for note in stats.notes:
                if note.kind == "clock":
                    say(_note(note))


class BugWatch:
    """Says during a live run that the decoder failed on packets: at the first, then at ten times as many."""

    def __init__(self) -> None:
        self._next = 1

    def look(self, stats: Stats) -> None:
        """Call it now and then."""
        failed = stats.counters.get("frames_decoder_failed", 0)
        if failed >= self._next:
            self._next = failed * 10
            for note in stats.notes:
                if note.kind == "bug":
                    say(_note(note))


class Narrator:
    """Tells about one run. ``is_live`` says whether a progress line may be drawn."""

    def __init__(self, *, is_live: bool, is_verbose: bool, started: float | None = None) -> None:
        """``started``: ``time.monotonic()`` at the start of the engine; now by default."""
        self._is_live = is_live
        self._is_verbose = is_verbose
        self._started = time.monotonic() if started is None else started
        self._last = self._started
        self._last_packets = 0
        self._line_is_drawn = False
        self._heard = 0

    def hear(self, stats: Stats) -> None:
        """Says the notes that are new since the last time: a run that has no end tells them as they come."""
        new = stats.notes[self._heard : _MAX_NOTES]
        if new:
            self.clear()
        for note in new:
            say(_note(note))
        self._heard += len(new)

    def progress(self, stats: Stats) -> None:
        """Redraws the progress line if it is time."""
        now = time.monotonic()
        if not self._is_live or now - self._last < _PROGRESS_S:
            return
        rate = (stats.packets - self._last_packets) / (now - self._last)
        self._last, self._last_packets = now, stats.packets
        done = ""
        if stats.bytes_total and stats.bytes_read:
            ratio = min(stats.bytes_read / stats.bytes_total, 1.0)
            left = (now - self._started) * (1 - ratio) / ratio
            done = f"  {ratio:4.0%}  {left:.0f} s left"
        self._draw(f"{stats.packets:,} packets  {rate:,.0f}/s{done}")

    @property
    def wants_progress(self) -> bool:
        """False spares the caller from asking for counters."""
        return self._is_live and time.monotonic() - self._last >= _PROGRESS_S

    def clear(self) -> None:
        """Removes the progress line, so that other text stands alone."""
        if self._line_is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._line_is_drawn = False

    def close(self, stats: Stats) -> None:
        """Notes about the input; with ``is_verbose`` the counters too."""
        self.clear()
        self.hear(stats)
        if len(stats.notes) > _MAX_NOTES:
            say(f"{len(stats.notes) - _MAX_NOTES} more notes about the input")
        # A note says it when the filter does not fit the link type.
        if not stats.packets and not stats.notes and stats.counters.get("filter_rejected_packets"):
            say(_NOTHING_PASSED)
        if not (self._is_live or self._is_verbose):
            return
        taken = max(time.monotonic() - self._started, 1e-9)
        say(f"{stats.packets:,} packets in {taken:.1f} s ({stats.packets / taken:,.0f}/s)")
        if self._is_verbose:
            for name, value in stats.counters.items():
                if value:
                    say(f"  {name} {value:,}")

    def _draw(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{clean(text, 78)}")
        sys.stderr.flush()
        self._line_is_drawn = True


def _note(note: Note) -> str:
    at = f" at byte {note.offset}" if note.offset is not None else ""
    kept = "; what was read before is analysed" if note.kind in INCOMPLETE_NOTES else ""
    return f"{clean(note.input)}: {clean(note.kind, 32)}{at}: {clean(note.text, 200)}{kept}"
