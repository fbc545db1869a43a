"""Runs one replay from the engine into a sink and gives the exit code. No option parsing here."""

from __future__ import annotations

from ctcpmon.diagnosis import SEVERITY_RANK
from ctcpmon.exits import ExitCode
from ctcpmon.interrupts import Interrupts
from ctcpmon.narration import INCOMPLETE_NOTES, Narrator, say
from ctcpmon.pipeline import Pipeline
from ctcpmon.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from ctcpmon.capture_filter import Program
    from ctcpmon.defaults import AnySettings
    from ctcpmon.engine import Replay, Stats
    from ctcpmon.events import TapSide
    from ctcpmon.sinks import Sink

    FailOn = Literal["warn", "crit"]

__all__ = ["FAIL_RANKS", "ReplayRequest", "follow", "run", "why_not_followed"]

FAIL_RANKS: dict[FailOn, int] = {
    "warn": SEVERITY_RANK["warning"],
    "crit": SEVERITY_RANK["critical"],
}
_POLL_MS = 100
_NOTHING_IN_COMMON = (
    "no session in common: no ESP packet (SPI and sequence number) was seen at both taps; "
    "is it the same traffic and the same time?"
)


class ReplayRequest(Record, frozen=True):
    """What the user asked for."""

    paths: tuple[str, ...]
    settings: AnySettings
    speed: float = 0.0
    batch_frames: int = 0
    fail_on: FailOn | None = None
    taps: tuple[TapSide, ...] | None = None
    """The side of the device on which each path was captured; None: one tap."""
    filters: Mapping[int, Program] | None = None
    """Programs by link type that a packet must pass; None: every packet does."""
    is_followed: bool = False
    """The one path is being written; see ``engine.open_replay``."""
    idle_s: float | None = None
    is_live: bool = False
    is_verbose: bool = False


def why_not_followed(what: Sequence[object], speed: float, *, is_followed: bool) -> str:
    """Why ``--follow`` or ``--follow-idle`` do not go with the rest of a command line; empty: they do."""
    if not is_followed:
        return "--follow-idle is for --follow"
    if len(what) != 1:
        return "--follow takes one FILE, folder or quoted pattern"
    if what[0] == "-":
        return "a pipe is followed as it is; leave out --follow"
    return "--follow goes at the pace of the writer; leave out --speed" if speed else ""


def run(request: ReplayRequest, sink: Sink) -> int:
    """Replays to the end, or to Ctrl-C: then what was found so far is written in whole lines.

    What is followed has no end of its own: Ctrl-C and SIGTERM are the ordinary one.

    Raises ``InputError``, ``EngineMissingError``, ``OutputClosedError`` and ``OSError`` of the sink.
    """
    from ctcpmon import engine

    limits = request.settings.limits
    opened = engine.open_replay(
        request.paths,
        max_flow_mib=limits.max_flow_mib,
        max_sessions=limits.max_sessions,
        batch_frames=request.batch_frames,
        max_pending=limits.max_pending,
        speed=request.speed,
        taps=request.taps,
        filters=request.filters,
        is_followed=request.is_followed,
        idle_s=request.idle_s,
    )
    with opened as replay, _interrupts(request) as interrupts:
        return follow(request, replay, sink, interrupts)


def _interrupts(request: ReplayRequest) -> Interrupts:
    """What is followed ends in order whoever ends it."""
    if not request.is_followed:
        return Interrupts()
    from signal import SIGHUP, SIGINT, SIGTERM

    return Interrupts((SIGINT, SIGTERM, SIGHUP))


def follow(
    request: ReplayRequest,
    replay: Replay,
    sink: Sink,
    interrupts: Interrupts,
    *,
    started: float | None = None,
    kept: list[object] | None = None,
) -> int:
    """The same for a replay that runs already, since ``started`` (``time.monotonic()``).

    ``interrupts`` is entered. ``kept`` gets what need not be taken apart at the end of a process: incidents,
    and the findings and sessions that they hold.
    """
    narrator = Narrator(is_live=request.is_live, is_verbose=request.is_verbose, started=started)
    from ctcpmon import engine

    pipeline = Pipeline(
        replay, request.settings, version=engine.__version__, has_two_taps=request.taps is not None
    )
    if kept is not None:
        kept.append(pipeline)
    try:
        return _drive(request, replay, pipeline, sink, narrator=narrator, interrupts=interrupts)
    finally:
        narrator.clear()


def _drive(
    request: ReplayRequest,
    replay: Replay,
    pipeline: Pipeline,
    sink: Sink,
    *,
    narrator: Narrator,
    interrupts: Interrupts,
) -> int:
    worst = SEVERITY_RANK["info"]
    for items in pipeline.batches(_POLL_MS):
        for item in items:
            if item.incident is not None:
                worst = max(worst, SEVERITY_RANK[item.incident.worst_severity])
        if items:
            narrator.clear()
            sink.write([item.line for item in items])
        if interrupts.is_requested:
            # The engine then hands over what it has; the loop ends by itself.
            replay.stop()
        if request.is_followed:
            narrator.hear(replay.stats())
            _need_reader()
        if narrator.wants_progress:
            narrator.progress(replay.stats())
    narrator.clear()
    sink.close()
    stats = replay.stats()
    narrator.close(stats)
    if stats.matching is not None and stats.matching["pairs"] == 0:
        say(_NOTHING_IN_COMMON)
    return _code(request, stats, worst, is_interrupted=interrupts.is_requested)


def _need_reader() -> None:
    """Between two lines of what is followed hours may lie; who reads them may have left (``| head``)."""
    import select

    from ctcpmon.errors import OutputClosedError

    watch = select.poll()
    watch.register(1, 0)
    if any(found & select.POLLERR for _, found in watch.poll(0)):
        raise OutputClosedError


def _code(request: ReplayRequest, stats: Stats, worst: int, *, is_interrupted: bool) -> int:
    if is_interrupted and not request.is_followed:
        return ExitCode.INTERRUPTED
    if request.fail_on is not None and worst >= FAIL_RANKS[request.fail_on]:
        return ExitCode.FAIL_ON
    # Half a record at the end of what is still written is no fault of it.
    is_cut = any(note.kind in INCOMPLETE_NOTES for note in stats.notes)
    if is_cut and not is_interrupted:
        return ExitCode.INPUT
    return ExitCode.OK
