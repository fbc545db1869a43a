"""Runs the engine into the outputs and answers screens, without a screen of its own. No option parsing here.

Order of the start: outputs, sockets and rings are opened while there are rights to open them; entering the
rings gives every right up; only then the first thread of ours starts. Order of the end: the intake stops,
what was received is judged and handed to the outputs, the outputs end.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from ctcpmon.capturing import balance, new_boot, open_rings
from ctcpmon.confining import in_words
from ctcpmon.errors import SettingsError
from ctcpmon.exits import ExitCode
from ctcpmon.interrupts import Interrupts
from ctcpmon.journal_outlet import JournalOutlet
from ctcpmon.metrics import metrics_text
from ctcpmon.narration import INCOMPLETE_NOTES, BugWatch, ClockWatch, Narrator, say
from ctcpmon.notify import notify
from ctcpmon.offloads import remarks
from ctcpmon.outlets import FanOut, Outlet
from ctcpmon.output_settings import address_of
from ctcpmon.pipeline import Pipeline
from ctcpmon.records import Record
from ctcpmon.rights import who
from ctcpmon.sinks.output import wanting
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType
    from typing import Self

    from ctcpmon.capturing import LiveRequest
    from ctcpmon.config import Settings
    from ctcpmon.engine import Replay, Stats
    from ctcpmon.metrics_server import MetricsServer
    from ctcpmon.output_settings import HookSettings, Outputs, SyslogSettings, WebhookSettings
    from ctcpmon.pipeline import Item
    from ctcpmon.replaying import ReplayRequest
    from ctcpmon.rights import Account
    from ctcpmon.sinks.output import Output
    from ctcpmon.tui.screen_server import ScreenServer

__all__ = ["ServeRequest", "run"]

_POLL_MS = 100
_POLL_WITH_SCREENS_MS = 40
_METRICS_EVERY_S = 1.0
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ServeRequest(Record, frozen=True):
    """What the user asked for: ``live`` or ``replay``, never both."""

    settings: Settings
    outputs: Outputs
    live: LiveRequest | None = None
    replay: ReplayRequest | None = None
    socket: str | None = None
    """Where screens attach; None: nowhere."""
    stay: bool = False
    """Go on for screens and scrapers when the capture file is at its end."""
    stats_every_s: float = 10.0

    @property
    def names(self) -> tuple[str, ...]:
        """Interfaces or files."""
        if self.live is not None:
            return self.live.interfaces
        return self.replay.paths if self.replay is not None else ()


class _Hangups:
    """Remembers SIGHUP until somebody asks."""

    def __init__(self) -> None:
        self._is_asked = False
        self._before: object = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGHUP, self._handle)
        return self

    def __exit__(self, *_what: object) -> None:
        signal.signal(signal.SIGHUP, self._before)  # type: ignore[arg-type]

    def take(self) -> bool:
        """True once for each time it was sent, or for several at once."""
        is_asked, self._is_asked = self._is_asked, False
        return is_asked

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_asked = True


def run(request: ServeRequest) -> int:
    """Runs until a signal, or to the end of the capture file. Every event is with its outputs by then.

    Raises ``SettingsError`` for an output that cannot be opened, else as ``capturing`` and ``replaying``.
    """
    account = request.live.account if request.live is not None else None
    # The handlers come first: a signal during the start must not end us between two events.
    with ExitStack() as leaving:
        interrupts = leaving.enter_context(Interrupts(_ENDING_SIGNALS))
        hangups = leaving.enter_context(_Hangups())
        fan = FanOut([*_outlets(request, account)])
        metrics = _metrics(request.outputs)
        if metrics is not None:
            leaving.callback(metrics.close)
        screens = _screens(request, account)
        if screens is not None:
            leaving.callback(screens.close)
        replay = leaving.enter_context(_source(request))
        fan.start()
        # Also when the run ends in an error: what waits is delivered. A second time it does nothing.
        leaving.callback(fan.close)
        if metrics is not None:
            metrics.start()
        if screens is not None:
            screens.start()
        _announce(request, replay, metrics, screens)
        notify("READY=1")
        return _Serving(request, replay, fan, metrics, screens).run(interrupts, hangups)


def _announce(
    request: ServeRequest, replay: Replay, metrics: MetricsServer | None, screens: ScreenServer | None
) -> None:
    parts = [f"serving {', '.join(request.names)} as {who()}{in_words(replay.confined)}"]
    if screens is not None:
        parts.append(f"screens: ctcpmon attach {screens.path}")
    if metrics is not None:
        parts.append(f"metrics: {metrics.address}")
    parts += remarks(replay.stats().ports)
    file = request.outputs.file
    # Said now, not when it has grown for weeks.
    if file is not None and file.max_mib and not _may_rotate(file.path):
        parts.append(f"file: {file.path} cannot be rotated: no right to write to its folder")
    for part in parts:
        say(part)


def _may_rotate(path: str) -> bool:
    return os.access(os.path.dirname(os.path.abspath(path)), os.W_OK | os.X_OK)  # noqa: PTH100, PTH120


class _Serving:
    """The loop: the only user of the pipeline and of the incident book."""

    def __init__(
        self,
        request: ServeRequest,
        replay: Replay,
        fan: FanOut,
        metrics: MetricsServer | None,
        screens: ScreenServer | None,
    ) -> None:
        from ctcpmon import engine

        self._request, self._replay, self._fan = request, replay, fan
        self._metrics, self._screens = metrics, screens
        self._version = engine.__version__
        self._pipeline = Pipeline(
            replay,
            request.settings,
            version=self._version,
            # The run of an interface never comes again; that of a file gives the same events each time.
            boot="replay" if request.live is None else new_boot(),
            outputs=fan.counters,
        )
        self._measured = 0.0
        self._is_done = False
        if screens is not None:
            screens.watch(
                replay,
                self._pipeline.book,
                names=request.names,
                settings=request.settings,
                is_live=request.live is not None,
            )

    def run(self, interrupts: Interrupts, hangups: _Hangups) -> int:
        """To the end."""
        self._fan.watch(lambda: interrupts.is_requested)
        self._drive(interrupts, hangups)
        self._is_done = True
        if self._request.stay:
            while not interrupts.is_requested:
                self._look(hangups)
                time.sleep(_POLL_WITH_SCREENS_MS / 1_000)
        notify("STOPPING=1")
        self._look(hangups)
        self._fan.close()
        stats = self._replay.stats()
        Narrator(is_live=False, is_verbose=False).close(stats)
        for line in (*balance(stats), *self._balance()):
            say(line)
        is_cut = any(note.kind in INCOMPLETE_NOTES for note in stats.notes)
        return ExitCode.INPUT if is_cut and not interrupts.is_requested else ExitCode.OK

    def _drive(self, interrupts: Interrupts, hangups: _Hangups) -> None:
        told, watches = time.monotonic(), (ClockWatch(), BugWatch())
        poll_ms = _POLL_MS if self._screens is None else _POLL_WITH_SCREENS_MS
        is_paced = self._request.live is not None or bool(self._request.replay and self._request.replay.speed)
        for items in self._batches(poll_ms):
            self._take(items)
            now = time.monotonic()
            if interrupts.is_requested:
                # The intake ends; what was received is still judged, then the loop ends by itself.
                self._replay.stop()
            elif is_paced and now - told >= self._request.stats_every_s:
                told = now
                self._fan.write([self._pipeline.stats().line])
                stats = self._replay.stats()
                for watch in watches:
                    watch.look(stats)
            self._look(hangups)

    def _batches(self, poll_ms: int) -> Iterator[tuple[Item, ...]]:
        """Those of the run; where an interface cannot go on, what is still owed, and then the error."""
        from ctcpmon import engine

        try:
            yield from self._pipeline.batches(poll_ms)
        except engine.CaptureError:
            yield from self._pipeline.conclusion()
            raise

    def _take(self, items: tuple[Item, ...]) -> None:
        if not items:
            return
        self._fan.write([item.line for item in items])
        if self._screens is not None:
            self._screens.take(items)

    def _look(self, hangups: _Hangups) -> None:
        """What is due besides events."""
        if hangups.take():
            say("SIGHUP: outputs are reopened")
            self._fan.reopen()
        now = time.monotonic()
        if self._metrics is not None and now - self._measured >= _METRICS_EVERY_S:
            self._measured = now
            self._metrics.show(self._scrape(self._replay.stats()))
        if self._screens is not None:
            self._screens.answer(now, is_done=self._is_done)

    def _scrape(self, stats: Stats) -> bytes:
        return metrics_text(
            stats,
            self._pipeline.book,
            self._fan.counters(),
            version=self._version,
            sensor=self._request.settings.sensor,
            screens=0 if self._screens is None else self._screens.number,
        )

    def _balance(self) -> Iterator[str]:
        """What became of the events, a line for each output."""
        counters = self._fan.counters()
        for key, delivered in counters.items():
            name, _, what = key.rpartition("_")
            if what == "delivered":
                abandoned = counters.get(f"{name}_abandoned", 0)
                gone = f", {abandoned:,} taken away by rotation first" if abandoned else ""
                yield f"{name}: {delivered:,} events delivered, {counters[f'{name}_lost']:,} lost{gone}"


def _source(request: ServeRequest) -> AbstractContextManager[Replay]:
    from ctcpmon import engine

    if request.live is not None:
        return open_rings(request.live)
    assert request.replay is not None  # noqa: S101 one of the two
    limits = request.settings.limits
    return engine.open_replay(
        request.replay.paths,
        max_flow_mib=limits.max_flow_mib,
        max_sessions=limits.max_sessions,
        max_pending=limits.max_pending,
        # At a pace of its own the engine goes step by step, so steps are short.
        batch_frames=16 if request.replay.speed else request.replay.batch_frames,
        speed=request.replay.speed,
        filters=request.replay.filters,
        # Screens look at flows after the end too.
        keeps_flows=request.stay,
    )


def _outlets(request: ServeRequest, account: Account | None) -> Iterator[Outlet | JournalOutlet]:
    """Opens every output. What is on this machine may make a capture file wait; what is elsewhere may not."""
    outputs = request.outputs
    is_file = request.live is None
    events: Outlet | None = None
    if (file := outputs.file) is not None:
        from ctcpmon.sinks.file import FileOutput

        with _told("file", file.path):
            made = FileOutput(file.path, max_bytes=file.max_mib << 20, keep=file.keep, owner=account, say=say)
        events = Outlet(
            "file", made, wanting(file.events), say=say, is_patient=is_file, drain_s=5.0, max_retry_s=1.0
        )
        yield events
    if (history := outputs.history) is not None:
        from ctcpmon.sinks.history import HistoryOutput

        with _told("history", history.path):
            base = HistoryOutput(
                history.path,
                keep_days=history.keep_days,
                max_bytes=history.max_mib << 20,
                now=time.time,
                owner=account,
            )
        wants = wanting(history.events)
        yield Outlet("history", base, wants, say=say, is_patient=is_file, drain_s=5.0, max_retry_s=5.0)
    for name, output, settings in _remote_outputs(outputs, say):
        wants = wanting(settings.events, settings.min_severity)
        if file is None or events is None:
            yield Outlet(name, output, wants, say=say)
        elif missing := sorted(set(settings.events) - set(file.events)):
            say(f"{name}: fed from memory, since the file does not take {', '.join(missing)} events")
            yield Outlet(name, output, wants, say=say)
        else:
            from ctcpmon.journal import Journal

            with _told(name, file.path):
                journal = Journal(file.path, name, owner=account, say=say)
            behind = JournalOutlet(
                name,
                output,
                wants,
                journal,
                accepted=wanting(file.events),
                say=say,
                never_came=partial(getattr, events, "lost"),
            )
            events.tell(behind.poke)
            yield behind


def _remote_outputs(
    outputs: Outputs, say: Callable[[str], None]
) -> Iterator[tuple[str, Output, SyslogSettings | WebhookSettings | HookSettings]]:
    if (syslog := outputs.syslog) is not None:
        from ctcpmon.sinks.syslog import SyslogOutput

        with _told("syslog", syslog.address):
            sender = SyslogOutput(
                address_of(syslog.address), is_tcp=syslog.transport == "tcp", facility=syslog.facility
            )
        yield "syslog", sender, syslog
    if (webhook := outputs.webhook) is not None:
        from ctcpmon import engine
        from ctcpmon.sinks.webhook import WebhookOutput

        poster = WebhookOutput(
            webhook.url,
            headers=webhook.headers,
            timeout_s=webhook.timeout_s,
            agent=f"ctcpmon/{engine.__version__}",
        )
        yield "webhook", poster, webhook
    if (hook := outputs.hook) is not None:
        from ctcpmon.sinks.hook import HookOutput

        starter = HookOutput(
            hook.command, timeout_s=hook.timeout_s, at_once=hook.at_once, say=say, now=time.monotonic
        )
        yield "hook", starter, hook


def _metrics(outputs: Outputs) -> MetricsServer | None:
    if outputs.metrics is None:
        return None
    from ctcpmon.metrics_server import MetricsServer

    with _told("metrics", outputs.metrics.address):
        return MetricsServer(address_of(outputs.metrics.address))


def _screens(request: ServeRequest, account: Account | None) -> ScreenServer | None:
    if request.socket is None:
        return None
    from ctcpmon.tui.screen_server import ScreenServer

    with _told("socket", request.socket):
        history = request.outputs.history
        # Said in the first words to a screen, so it is known before one can come.
        return ScreenServer(request.socket, owner=account, history="" if history is None else history.path)


class _told:  # noqa: N801 reads as a word of the with statement
    """Turns what goes wrong in opening an output into one line about it."""

    def __init__(self, what: str, where: str) -> None:
        self._what, self._where = what, where

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | ValueError | OverflowError):
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            message = f"{self._what}: {clean(self._where, 200)}: {clean(reason, 200)}"
            raise SettingsError(message) from error
