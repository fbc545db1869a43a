"""Starts and ends the screen of a run; the entry of the command line. No layout, no keys.

Nothing here imports textual at the top: what textual reads from the environment at its import is
set first. Importing this module without textual raises ``ImportError``.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec

from ctcpmon.config import Settings
from ctcpmon.exits import ExitCode
from ctcpmon.looks import DUMB, PLAIN, Looks, can_show_a_screen
from ctcpmon.narration import say
from ctcpmon.state_file import state_file

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ctcpmon.capture_filter import Program
    from ctcpmon.capturing import LiveRequest
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.source import RunSource
    from ctcpmon.tui.view import View

if find_spec("textual") is None:
    _MESSAGE = "textual is not installed"
    raise ImportError(_MESSAGE)

__all__ = ["TEXTUAL_DEFAULTS", "look_period_s", "run_live", "run_remote", "run_replay"]

TEXTUAL_DEFAULTS = {
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
    "TEXTUAL_FPS": "30",
    # Known from the start, so that NO_COLOR removes colours instead of turning them grey.
    "TEXTUAL_THEME": "ansi-dark",
}
"""What textual reads at its import; set where the user has said nothing else."""
_TABLE_OR_LINES = "add -o table or -o jsonl"
_WITHOUT_A_SCREEN = (
    "over SSH type 'ssh -t HOST ctcpmon attach'; without a terminal read the events instead: "
    "ctcpmon history, or the file of serve (--file)"
)
"""``attach`` has no other output than the screen."""


def run_replay(
    paths: Sequence[str],
    *,
    speed: float = 0.0,
    looks: Looks = PLAIN,
    settings: Settings | Mapping[str, Any] | None = None,
    filters: Mapping[int, Program] | None = None,
    is_followed: bool = False,
    idle_s: float | None = None,
    redact: bool = False,
) -> int:
    """Shows a replay until the user leaves; returns the exit code and says one line on stderr.

    Raises ``InputError`` before the screen opens if nothing can be read and ``EngineMissingError``
    without the engine; a screen that no key could reach is wrong usage. The terminal is as before
    on every way out.
    """
    if settings is not None and not isinstance(settings, Settings):
        settings = msgspec.convert(dict(settings), Settings)

    def source_of(opened: Sequence[str], names: Mapping[str, str]) -> EngineSource:
        from ctcpmon.tui.engine_source import EngineSource

        return EngineSource(
            opened,
            names=names,
            settings=settings,
            speed=speed,
            filters=filters,
            period_s=look_period_s(),
            is_followed=is_followed,
            idle_s=idle_s,
        )

    looks = looks.with_keys(settings.keys if settings else {})
    code = _run(paths, source_of, looks=looks, redact=redact)
    return int(ExitCode.OK) if is_followed and code == ExitCode.INTERRUPTED else code


def run_live(request: LiveRequest, *, settings: Settings, looks: Looks = PLAIN, redact: bool = False) -> int:
    """Shows a live capture until the user leaves; returns the exit code and says what became of every frame.

    Raises ``CaptureRefusedError`` before the screen opens.
    """
    from collections import deque

    from ctcpmon.capturing import balance, open_rings
    from ctcpmon.saving import SliceSaver

    # Written while the screen is open, so it is shown on it, and said once more behind it.
    fresh: deque[str] = deque()
    told: list[str] = []

    def tell(text: str) -> None:
        fresh.append(text)
        told.append(text)

    # While it is known who that is: nobody has called what goes on as nobody.
    from ctcpmon.tui.marks import who

    person = who()
    with open_rings(request) as replay:
        saver = None if request.save_dir is None else SliceSaver(request.save_dir, replay, tell)

        def source_of(opened: Sequence[str], names: Mapping[str, str]) -> EngineSource:
            from ctcpmon.tui.engine_source import EngineSource

            return EngineSource(
                opened,
                names=names,
                settings=settings,
                live=replay,
                period_s=look_period_s(),
                saver=saver,
            )

        looks = looks.with_keys(settings.keys)
        code = _run(
            request.interfaces,
            source_of,
            looks=looks,
            redact=redact,
            news=fresh,
            marks=state_file(account=request.account),
            person=person,
        )
        for line in (*told, *balance(replay.stats())):
            say(line)
    return int(ExitCode.OK) if code == ExitCode.INTERRUPTED else code


def run_remote(path: str, *, looks: Looks = PLAIN, redact: bool = False) -> int:
    """Shows the run that serves at the socket ``path`` until the user leaves; the run goes on.

    Raises ``AttachError`` before the screen opens.
    """

    def source_of(_opened: Sequence[str], _names: Mapping[str, str]) -> RunSource:
        from ctcpmon.tui.remote_source import RemoteSource

        return RemoteSource(path, period_s=look_period_s())

    code = _run((), source_of, looks=looks, redact=redact, instead=_WITHOUT_A_SCREEN)
    return int(ExitCode.OK) if code == ExitCode.INTERRUPTED else code


def look_period_s() -> float:
    """Time between two pictures: over SSH and inside tmux every repaint costs the user's line."""
    is_far = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("TMUX"))
    return 0.5 if is_far else 0.2


def _run(
    paths: Sequence[str],
    source_of: Callable[[Sequence[str], Mapping[str, str]], RunSource],
    *,
    looks: Looks,
    redact: bool,
    news: deque[str] | None = None,
    marks: Path | None = None,
    person: str | None = None,
    instead: str = _TABLE_OR_LINES,
) -> int:
    if not can_show_a_screen():
        say(f"{DUMB}; {instead}")
        return int(ExitCode.USAGE)
    looks = looks.fitting(getattr(sys.stderr, "encoding", None))
    for name, value in TEXTUAL_DEFAULTS.items():
        os.environ.setdefault(name, value)
    from ctcpmon.tui.marks import MarkBook
    from ctcpmon.tui.priority import behind_packets
    from ctcpmon.tui.replay_app import ReplayApp
    from ctcpmon.tui.terminal import NoKeyboardError, terminal

    with ExitStack() as leaving:
        try:
            opened, names = leaving.enter_context(terminal(paths, instead=instead))
        except NoKeyboardError as error:
            say(str(error))
            return int(ExitCode.USAGE)
        source = source_of(opened, names)
        if redact:
            from ctcpmon.tui.redacted import RedactedSource

            source = RedactedSource(source)
            looks = looks.redacted()
        leaving.enter_context(closing(source))
        source.start()
        app = ReplayApp(source, looks=looks, marks=MarkBook(marks or state_file()), news=news, person=person)
        behind_packets()
        reason = app.run(mouse=looks.has_mouse)
        view = source.view()
        code = _code(reason, view, source)
        failed = app.return_code not in {0, None}
    say(_farewell(view, app.saved))
    if code == ExitCode.BUG and source.failure is not None:
        # Where it was, for who reports it: the screen had no room for that.
        from ctcpmon.failures import told

        told(source.failure)
    return int(ExitCode.BUG if failed else code)


def _code(reason: str | None, view: View, source: RunSource) -> int:
    from ctcpmon.errors import CtcpmonError

    if source.failure is not None and not isinstance(source.failure, CtcpmonError):
        return ExitCode.BUG
    is_over = view.progress.phase in {"done", "failed"}
    if reason == "signal" or (reason != "quit" and not is_over):
        return ExitCode.INTERRUPTED
    return ExitCode.INPUT if source.is_incomplete else ExitCode.OK


def _farewell(view: View, saved: Sequence[str]) -> str:
    still_open = sum(row.is_open for row in view.incidents)
    how_far = "" if view.progress.phase == "done" else " (left before the end)"
    if view.notes_incomplete:
        how_far += " (part of the input could not be read)"
    if view.progress.error:
        how_far = f" (ended early: {view.progress.error})"
    tally = view.tally
    kept = f"; saved {', '.join(saved)}" if saved else ""
    return (
        f"{still_open} incident{'' if still_open == 1 else 's'} ({view.critical} critical), "
        f"{tally.stalled:,} of {tally.total:,} sessions stalled, {view.packets:,} packets of "
        f"{view.name}{how_far}{kept}"
    )
