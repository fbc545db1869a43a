"""The way in: a plain ``replay`` starts the engine before Python imports what its events need.

Importing an option parser and the event types takes as long as the engine needs for some hundred thousand
packets, and the engine works on threads of its own. So the few options that such a run commonly has are
understood here; any other word, and every mistake, is left to ``cli``, which knows them all. The invariant: a
command line understood here means the same there.

Nothing at the top may import typing or anything of ours: ``sys`` and ``os`` are loaded anyway, ``gc`` is
built in.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from ctcpmon.replaying import FailOn, ReplayRequest

__all__ = ["Plain", "main"]

_DEFAULT_MIB, _MOST_MIB = 256, 1_048_576
"""Those of ``defaults.Limits``, which is not loaded yet, and of ``config.Limits``."""
_COLLECT_EVERY = 100_000
"""Containers made before the collector of cycles looks at them; Python's own 700 is a dozen events."""
_KEPT: list[object] = []
"""What lives until the process ends, which is when the system takes it in one piece."""
_WITH_VALUE = {"-o": "output", "--output": "output", "--fail-on": "fail_on", "--max-flow-mib": "max_flow_mib"}
_FLAGS = {"-v": "is_verbose", "--verbose": "is_verbose", "--show-groups": "show_groups"}


class Plain:
    """A replay of files into JSON Lines, as asked for on the command line."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.output: str | None = None
        self.fail_on: FailOn | None = None
        self.max_flow_mib = _DEFAULT_MIB
        self.is_verbose = False
        self.show_groups = False

    @classmethod
    def of(cls, words: Sequence[str]) -> Plain | None:
        """None for a command line that needs ``cli``."""
        if not words or words[0] != "replay" or "_CTCPMON_COMPLETE" in os.environ:
            return None
        plain = cls()
        rest = iter(words[1:])
        for word in rest:
            if word == "-" or not word.startswith("-"):
                plain.paths.append(word)
            elif word in _FLAGS:
                setattr(plain, _FLAGS[word], True)
            elif not plain._take(word, rest):
                return None
        is_plain = plain.paths and plain.paths.count("-") < 2 and plain._writes_lines()
        return plain if is_plain else None

    def _take(self, word: str, rest: Iterator[str]) -> bool:
        """Takes an option and its value, ``--name VALUE`` or ``--name=VALUE``."""
        name, is_joined, value = word.partition("=")
        if not is_joined:
            value = next(rest, "")
        elif not word.startswith("--"):
            return False
        match _WITH_VALUE.get(name):
            case "output" if value == "jsonl":
                self.output = value
            case "fail_on" if value in {"warn", "crit"}:
                self.fail_on = "warn" if value == "warn" else "crit"
            case "max_flow_mib" if _is_mib(value):
                self.max_flow_mib = int(value)
            case _:
                return False
        return True

    def _writes_lines(self) -> bool:
        """A terminal gets the screen unless lines are asked for."""
        return self.output is not None or not sys.stdout.isatty()

    def request(self) -> ReplayRequest:
        """The same as ``cli`` makes of it."""
        from ctcpmon.defaults import Limits, Settings
        from ctcpmon.replaying import ReplayRequest

        return ReplayRequest(
            paths=tuple(self.paths),
            settings=Settings(Limits(max_flow_mib=self.max_flow_mib), self.show_groups),
            fail_on=self.fail_on,
            is_live=sys.stderr.isatty(),
            is_verbose=self.is_verbose,
        )


def _is_mib(value: str) -> bool:
    """True for a number of MiB that ``cli`` would take; Python refuses to read endless ones."""
    is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(_MOST_MIB))
    return is_number and 1 <= int(value) <= _MOST_MIB


def main() -> NoReturn:
    """Entry point of the ``ctcpmon`` command."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _hold_closed_streams()
    plain = Plain.of(sys.argv[1:])
    if plain is None:
        from ctcpmon.cli import main as full

        full()
    try:
        code = _run(plain)
        sys.stdout.flush()
    # BaseException: a panic of the engine does not derive from Exception.
    except BaseException as error:  # noqa: BLE001
        import _signal  # type: ignore[import-not-found]

        # What follows is short and must not be cut in two by a second Ctrl-C.
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        from ctcpmon.failures import told

        code = int(told(error))
    _leave(code)


def _hold_closed_streams() -> None:
    """Puts the null device where a standard stream is closed, open the wrong way round.

    Otherwise the next file that is opened gets the number, and the words meant for the stream. Writing to a
    closed stdout fails as it should; words for a closed stderr go nowhere.
    """
    streams = ("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)
    for number, (name, mode, flags) in enumerate(streams):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            stream = os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)


def _run(plain: Plain) -> int:
    from time import monotonic

    from ctcpmon import engine

    started = monotonic()
    with engine.open_replay(plain.paths, max_flow_mib=plain.max_flow_mib) as replay:
        # The engine reads from here on; all imports below happen beside it.
        from ctcpmon.interrupts import Interrupts

        with Interrupts() as interrupts:
            gc.disable()
            from ctcpmon.replaying import follow
            from ctcpmon.sinks.jsonl import JsonLinesSink

            # What was imported stays: the collector need not walk it again and again. Events hold no cycles,
            # only what incidents keep can, so it may also come less often.
            gc.freeze()
            gc.set_threshold(_COLLECT_EVERY)
            gc.enable()
            sink = JsonLinesSink(sys.stdout.buffer)
            return follow(plain.request(), replay, sink, interrupts, started=started, kept=_KEPT)


def _leave(code: int) -> NoReturn:
    """Ends the process without taking it down piece by piece: every line is with the system already.

    A debugger or profiler gets the ordinary end, which it waits for.
    """
    if sys.gettrace() is None and sys.getprofile() is None:
        os._exit(code)
    raise SystemExit(code)
