"""``ctcpmon live`` as a process in a namespace: its lines with the time at which each came, its ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

from tests.lab.namespaces import ENVIRONMENT

from .wire import MONITORED

_WAIT_S = 30.0
"""For a start or an end on a busy machine."""


class Live:
    """A running ``ctcpmon live``; ended on leaving."""

    def __init__(
        self,
        namespace: str,
        *words: str,
        before: tuple[str, ...] = (),
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        # ``ip netns exec`` becomes the program: the process id is its own.
        program = (python, "-m", "ctcpmon", "live", *(words or (MONITORED,)), "-o", "jsonl")
        self.process = subprocess.Popen(
            ("ip", "netns", "exec", namespace, *before, *program),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **environment},
        )
        self.lines: list[tuple[float, bytes]] = []
        """Epoch at which each line came, and the line."""
        self.said: list[str] = []
        self._listens = threading.Event()
        self._readers = [threading.Thread(target=one) for one in (self._read_lines, self._read_words)]
        for one in self._readers:
            one.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line in self.lines]

    def of_type(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        """Epoch at which each event of a type came, and the event."""
        wanted = f"ctcpmon.{name}.v1"
        every = [(at, json.loads(line)) for at, line in self.lines]
        return [(at, event) for at, event in every if event["type"] == wanted]

    def counters(self) -> dict[str, int]:
        """Those of the newest stats event."""
        return dict(self.of_type("stats")[-1][1]["data"]["counters"])

    def wait_until_it_listens(self) -> Self:
        assert self._listens.wait(_WAIT_S), f"it does not listen: {self.said}"
        assert self.process.poll() is None, f"it ended: {self.said}"
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal, waits for the end and for the last line; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(_WAIT_S)
        for one in self._readers:
            one.join(_WAIT_S)
        return code

    def status(self) -> dict[str, dict[str, str]]:
        """What the system says of each thread."""
        return status_of_threads(self.pid)

    def __enter__(self) -> Self:
        return self.wait_until_it_listens()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read_lines(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append((time.time(), line))

    def _read_words(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line.decode())
            if b"listening on" in line:
                self._listens.set()
        # It will not any more: who waits need not.
        self._listens.set()


def status_of_threads(pid: int) -> dict[str, dict[str, str]]:
    """What the system says of each thread of a process."""
    return {task.name: _status(task / "status") for task in list(Path(f"/proc/{pid}/task").iterdir())}


def _status(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
