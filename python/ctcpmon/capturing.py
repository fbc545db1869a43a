"""Runs a live capture from the engine into a sink and gives the exit code. No option parsing here.

The counterpart of ``replaying``: it ends when it is told to, and in between it says how it fares.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from ctcpmon.confining import in_words
from ctcpmon.diagnosis import SEVERITY_RANK
from ctcpmon.exits import ExitCode
from ctcpmon.interrupts import Interrupts
from ctcpmon.narration import BugWatch, ClockWatch, Narrator, say
from ctcpmon.offloads import remarks
from ctcpmon.pipeline import Pipeline
from ctcpmon.records import Record
from ctcpmon.replaying import FAIL_RANKS
from ctcpmon.rights import who
from ctcpmon.saving import SliceSaver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from ctcpmon.capture_filter import Program
    from ctcpmon.confining import Needs
    from ctcpmon.defaults import AnySettings
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Replay, Stats
    from ctcpmon.pipeline import Item
    from ctcpmon.replaying import FailOn
    from ctcpmon.rights import Account
    from ctcpmon.sinks import Sink

__all__ = ["LiveRequest", "balance", "new_boot", "open_rings", "run"]

_POLL_MS = 100
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LiveRequest(Record, frozen=True):
    """What the user asked for."""

    interfaces: tuple[str, ...]
    settings: AnySettings
    ring_mib: int = 64
    rings: int = 1
    is_promiscuous: bool = True
    filters: Mapping[int, Program] | None = None
    """By link type; None: everything."""
    has_screen: bool = False
    account: Account | None = None
    """Who to go on as."""
    keep_mib: int = 32
    """Memory for recent packets of tunnel sessions, of which slices are made; 0: none."""
    save_dir: str | None = None
    """Where a slice of every new critical incident goes; None: nowhere."""
    duration_s: float | None = None
    stats_every_s: float = 10.0
    fail_on: FailOn | None = None
    is_live: bool = False
    """A line of progress may be drawn."""
    is_verbose: bool = False
    is_offload_off: bool = False
    """Switch off what merges segments, until the process ends."""
    needs: Needs | None = None
    """What it is confined to; None: it is not."""


def new_boot() -> str:
    """Names this start in the ids of its events: what an interface showed never comes again."""
    return f"{int(time.time()):x}{os.getpid() % 4096:03x}"


def open_rings(request: LiveRequest) -> AbstractContextManager[Replay]:
    """Opens the rings; every right is given up before this returns from entering."""
    from ctcpmon import engine
    from ctcpmon.preloading import can_read, preload

    if request.account is not None and not can_read(request.account):
        preload(has_screen=request.has_screen)
    limits = request.settings.limits
    return engine.open_live(
        request.interfaces,
        ring_mib=request.ring_mib,
        rings=request.rings,
        is_promiscuous=request.is_promiscuous,
        filters=request.filters,
        account=request.account,
        max_flow_mib=limits.max_flow_mib,
        max_sessions=limits.max_sessions,
        max_pending=limits.max_pending,
        keep_mib=request.keep_mib,
        needs=request.needs,
        is_offload_off=request.is_offload_off,
    )


def run(request: LiveRequest, sink: Sink) -> int:
    """Captures until a signal, the end of the time asked for, or an interface that cannot go on.

    Whatever was received is judged and written before this returns. Raises ``CaptureRefusedError``,
    ``EngineMissingError``, ``OutputClosedError`` and ``OSError`` of the sink.
    """
    from ctcpmon import engine

    with open_rings(request) as replay, Interrupts(_ENDING_SIGNALS) as interrupts:
        is_now = f"{who()}{in_words(replay.confined)}"
        say(f"listening on {', '.join(request.interfaces)} as {is_now}; Ctrl-C ends it")
        for line in remarks(replay.stats().ports):
            say(line)
        narrator = Narrator(is_live=request.is_live, is_verbose=request.is_verbose)
        pipeline = Pipeline(replay, request.settings, version=engine.__version__, boot=new_boot())
        try:
            code = _drive(request, replay, pipeline, sink, narrator=narrator, interrupts=interrupts)
        except engine.CaptureError:
            # An interface that cannot go on: the account of what was captured is owed all the same.
            sink.write([item.line for items in pipeline.conclusion() for item in items])
            _conclude(replay, sink, narrator)
            raise
        finally:
            narrator.clear()
        _conclude(replay, sink, narrator)
        return code


def _conclude(replay: Replay, sink: Sink, narrator: Narrator) -> None:
    narrator.clear()
    sink.close()
    stats = replay.stats()
    narrator.close(stats)
    for line in balance(stats):
        say(line)


def _drive(
    request: LiveRequest,
    replay: Replay,
    pipeline: Pipeline,
    sink: Sink,
    *,
    narrator: Narrator,
    interrupts: Interrupts,
) -> int:
    saver = None if request.save_dir is None else SliceSaver(request.save_dir, replay)
    worst = SEVERITY_RANK["info"]
    watches = (ClockWatch(), BugWatch())
    started = told = time.monotonic()
    for items in pipeline.batches(_POLL_MS):
        worst = max([worst, *(SEVERITY_RANK[one.worst_severity] for one in _incidents(items))])
        if items:
            narrator.clear()
            sink.write([item.line for item in items])
        if saver is not None:
            saver.look(items)
        now = time.monotonic()
        is_over = request.duration_s is not None and now - started >= request.duration_s
        if interrupts.is_requested or is_over:
            # The intake ends; what the rings hold is still judged, then the loop ends by itself.
            replay.stop()
        elif now - told >= request.stats_every_s:
            told = now
            sink.write([pipeline.stats().line])
            stats = replay.stats()
            for watch in watches:
                watch.look(stats)
        if narrator.wants_progress:
            narrator.progress(replay.stats())
    is_failed = request.fail_on is not None and worst >= FAIL_RANKS[request.fail_on]
    return ExitCode.FAIL_ON if is_failed else ExitCode.OK


def _incidents(items: Iterable[Item]) -> Iterator[Incident]:
    return (item.incident for item in items if item.incident is not None)


def balance(stats: Stats) -> tuple[str, ...]:
    """What became of every frame, one line for each interface."""
    lines = []
    failed = stats.counters.get("frames_decoder_failed", 0)
    for port in stats.ports:
        lost = f"{port.dropped:,} dropped by the kernel" if port.dropped else "none dropped by the kernel"
        driver = f", {port.driver_dropped:,} by the driver" if port.driver_dropped else ""
        downs = f"; down {port.downs} time{'' if port.downs == 1 else 's'}" if port.downs else ""
        lines.append(
            f"{port.name}: {port.received:,} received, {port.taken:,} measured, {lost}{driver}{downs}"
        )
    if failed:
        lines.append(f"of those {failed:,} could not be decoded, a bug of ctcpmon, and were left out")
    return tuple(lines)
