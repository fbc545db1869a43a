"""``replay --follow`` as a process, and a writer that writes as slowly as a test wants."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import ctcpmon

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
WAIT_S = 30.0


def replayed(*paths: Path | str, code: int = 0) -> bytes:
    """The lines of an ordinary replay."""
    words = (sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", *map(str, paths))
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


class Following:
    """A running ``replay --follow``; ended on leaving."""

    def __init__(self, path: Path | str, *words: str, **more: Any) -> None:
        program = (sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "--follow", str(path), *words)
        self.process = subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
        )
        self.lines: list[tuple[float, bytes]] = []
        """When each came (monotonic), and the line."""
        self.said: list[str] = []
        self._readers = [threading.Thread(target=one) for one in (self._take_lines, self._take_words)]
        for one in self._readers:
            one.start()

    @property
    def out(self) -> bytes:
        return b"".join(line for _, line in self.lines)

    def wait(self, code: int = 0) -> bytes:
        """To its end; every line."""
        got = self.process.wait(WAIT_S)
        for one in self._readers:
            one.join(WAIT_S)
        assert got == code, self.said
        return self.out

    def finish(self) -> bytes:
        """Ends it before silence counts; what was written is read all the same."""
        time.sleep(1.0)
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait_for_words(self, text: str) -> None:
        until = time.monotonic() + WAIT_S
        while not any(text in one for one in self.said):
            assert time.monotonic() < until, f"{text!r} was not said: {self.said}"
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def wait_for_line(self, text: bytes) -> float:
        """When the first line with ``text`` came."""
        until = time.monotonic() + WAIT_S
        while True:
            found = next((at for at, line in self.lines if text in line), None)
            if found is not None:
                return found
            assert time.monotonic() < until, f"no line with {text!r}: {self.said}"
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        for one in self._readers:
            one.join(WAIT_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _take_lines(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append((time.monotonic(), line))

    def _take_words(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line.decode())
