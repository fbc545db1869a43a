"""Starts a program for each event, which it reads on standard input.

No shell takes part, and no argument and no variable holds anything of the event.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["HookOutput"]

_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TZ", "USER")
"""What a hook gets of our environment."""
_SAID_FAILURES = 10
_SLICE_S = 0.2


class HookOutput:
    """Runs at most ``at_once`` programs at a time, each for at most ``timeout_s``."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        at_once: int,
        say: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._command, self._timeout_s, self._at_once = [*command], timeout_s, at_once
        self._say, self._now = say, now
        self._running: list[tuple[subprocess.Popen[bytes], float]] = []
        self._failures = 0

    def deliver(self, lines: Sequence[bytes]) -> int:
        """See ``Output``. Delivered means: the program was started with the event."""
        while len(self._running) >= self._at_once:
            self._reap(_SLICE_S)
        self._start(lines[0])
        self._reap(0)
        return 1

    def reopen(self) -> None:
        """See ``Output``: nothing is held."""

    def close(self) -> None:
        """See ``Output``. Waits for what runs, within its time."""
        while self._running:
            self._reap(_SLICE_S)

    def _start(self, line: bytes) -> None:
        # A file in memory: a program that never reads cannot hold us up, as a pipe could.
        held = os.memfd_create("event", os.MFD_CLOEXEC)
        try:
            os.write(held, line + b"\n")
            os.lseek(held, 0, os.SEEK_SET)
            process = subprocess.Popen(  # noqa: S603 the words of the configuration, an absolute path
                self._command,
                stdin=held,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,
            )
        finally:
            os.close(held)
        self._running.append((process, self._now() + self._timeout_s))

    def _reap(self, wait_s: float) -> None:
        """Takes leave of programs that ended or took too long; may wait for the oldest."""
        if wait_s and self._running:
            with suppress(subprocess.TimeoutExpired):
                self._running[0][0].wait(wait_s)
        still = []
        for process, until in self._running:
            code = process.poll()
            if code is None and self._now() < until:
                still.append((process, until))
            elif code is None:
                self._end(process)
                self._failed(f"took longer than {self._timeout_s:g} s and was ended")
            elif code:
                self._failed(f"ended with {code}")
        self._running = still

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """Ends the program and what it started: the session that was made for it."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _failed(self, what: str) -> None:
        self._failures += 1
        if self._failures <= _SAID_FAILURES:
            self._say(f"hook: {self._command[0]} {what}")
