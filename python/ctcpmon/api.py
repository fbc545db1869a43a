"""The Python interface: ``replay`` for a whole result, ``Monitor`` to follow a run.

Imports neither textual nor pyshark, reads no global state and prints nothing.
Same input, same result, whatever the batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Self

from ctcpmon.config import Settings
from ctcpmon.errors import CtcpmonError
from ctcpmon.pipeline import Pipeline, new_book

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Finding, Replay, Session, Stats
    from ctcpmon.events import Event

__all__ = ["Monitor", "Result", "replay"]

Paths = str | PathLike[str]
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished replay found. Order is that of the engine; incidents worst first."""

    incidents: tuple[Incident, ...]
    findings: tuple[Finding, ...]
    sessions: tuple[Session, ...]
    stats: Stats


class Monitor:
    """One run that can be followed. Use as a context manager; made by ``Monitor.replay``.

    Iterate once, over ``events`` or over ``findings``: both consume the run.
    """

    def __init__(
        self,
        paths: tuple[str, ...],
        settings: Settings,
        *,
        batch_frames: int,
        speed: float,
        expression: str | None,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._batch_frames = batch_frames
        self._speed = speed
        self._expression = expression
        self._opened: AbstractContextManager[Replay] | None = None
        self._engine: Replay | None = None
        self._version = ""
        self._is_used = False
        self._book = new_book(settings)
        self._sessions: list[Session] = []

    @classmethod
    def replay(
        cls,
        *paths: Paths,
        settings: Settings | None = None,
        batch_frames: int = 0,
        speed: float = 0.0,
        expression: str | None = None,
    ) -> Monitor:
        """A monitor over capture files, merged in time order; ``"-"`` is standard input.

        ``batch_frames`` is in frames (0: default) and changes nothing but speed; ``speed`` 0.0 is as
        fast as possible, 1.0 the pace of the capture. Only packets that match ``expression``, in
        tcpdump's language, are analysed; it needs libpcap. Entering raises ``InputError``, ``FilterError``,
        ``PartMissingError`` or ``EngineMissingError``.
        """
        if not paths:
            message = "replay needs at least one capture"
            raise CtcpmonError(message)
        return cls(
            tuple(fspath(path) for path in paths),
            settings or Settings(),
            batch_frames=batch_frames,
            speed=speed,
            expression=expression,
        )

    def __enter__(self) -> Self:
        from ctcpmon import engine

        filters = None
        if self._expression is not None:
            from ctcpmon.capture_filter import programs_for

            filters = programs_for(self._expression)
        limits = self._settings.limits
        self._version = engine.__version__
        self._opened = engine.open_replay(
            self._paths,
            max_flow_mib=limits.max_flow_mib,
            max_sessions=limits.max_sessions,
            batch_frames=self._batch_frames,
            max_pending=limits.max_pending,
            speed=self._speed,
            filters=filters,
        )
        self._engine = self._opened.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        opened, self._opened, self._engine = self._opened, None, None
        return opened.__exit__(kind, error, trace) if opened is not None else None

    def events(self) -> Iterator[Event]:
        """The events of the run, the same as ``ctcpmon replay -o jsonl`` writes."""
        pipeline = Pipeline(self._begin(), self._settings, version=self._version)
        self._book = pipeline.book
        for items in pipeline.batches(_POLL_MS):
            for item in items:
                yield item.event

    def findings(self) -> Iterator[Finding]:
        """The findings of the run as they come."""
        running = self._begin()
        is_done = False
        while not is_done:
            batch = running.poll(_POLL_MS)
            self._sessions.extend(batch.sessions)
            for finding in batch.findings:
                self._book.add(finding)
                yield finding
            for session in batch.sessions:
                self._book.end(session)
            is_done = batch.done
        self._book.finish()

    def incidents(self) -> tuple[Incident, ...]:
        """The incidents so far, worst first."""
        return self._book.incidents()

    def ended_sessions(self) -> tuple[Session, ...]:
        """Sessions that ended while ``findings`` was iterated, in order."""
        return tuple(self._sessions)

    def sessions(self, *, limit: int = 500, state: str | None = None) -> tuple[Session, ...]:
        """Sessions alive at this moment, worst first, at most ``limit``."""
        return self._running().snapshot(limit=limit, state=state)

    def stats(self) -> Stats:
        """Counters at this moment."""
        return self._running().stats()

    def _begin(self) -> Replay:
        if self._is_used:
            message = "a monitor can be iterated once"
            raise CtcpmonError(message)
        running = self._running()
        self._is_used = True
        return running

    def _running(self) -> Replay:
        if self._engine is None:
            message = "the monitor is not running; use it in a with statement"
            raise CtcpmonError(message)
        return self._engine


def replay(
    *paths: Paths, settings: Settings | None = None, batch_frames: int = 0, expression: str | None = None
) -> Result:
    """Analyses captures to the end and returns everything found.

    ``expression`` is a filter in tcpdump's language (``Monitor.replay``). Keeps every finding and
    session in memory; for inputs with very many use ``Monitor``.
    Raises ``InputError`` if nothing can be read; an input that is cut off raises nothing and is
    named in ``Result.stats.notes``.
    """
    with Monitor.replay(
        *paths, settings=settings, batch_frames=batch_frames, expression=expression
    ) as monitor:
        findings = tuple(monitor.findings())
        return Result(monitor.incidents(), findings, monitor.ended_sessions(), monitor.stats())
