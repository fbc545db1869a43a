"""Several ``serve`` and one path for their socket: exactly one has it, and nothing that is left behind bars the next."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.tui import screen_server
from ctcpmon.tui.screen_server import ScreenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAKER = """
import sys
from ctcpmon.tui.screen_server import ScreenServer
print("ready", flush=True)
server = None
for line in sys.stdin:
    word, _, path = line.strip().partition(" ")
    if word == "leave":
        server.close()
        print("left", flush=True)
        continue
    try:
        server = ScreenServer(path)
    except OSError as error:
        print(error.strerror, flush=True)
    else:
        print("has it", flush=True)
"""
ROUNDS = 150


class Taker:
    """A process that takes a socket and leaves it as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.answer() == "ready"

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def pair() -> Iterator[tuple[Taker, Taker]]:
    with ExitStack() as leaving:
        takers = []
        for _ in range(2):
            takers.append(Taker())
            leaving.callback(takers[-1].end)
        yield (takers[0], takers[1])


def leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()


def owner(path: Path) -> int:
    """Process that listens at ``path``."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        pid: int = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return pid


def test_of_two_that_start_at_once_on_a_stale_socket_one_has_it(
    pair: tuple[Taker, Taker], tmp_path: Path
) -> None:
    path = tmp_path / "s"
    for _ in range(ROUNDS):
        leave_stale(path)
        for one in pair:
            one.tell(f"take {path}")
        answers = [one.answer() for one in pair]
        assert sorted(answers) == ["another ctcpmon serves there", "has it"]
        winner = pair[answers.index("has it")]
        assert owner(path) == winner.process.pid
        winner.tell("leave")
        assert winner.answer() == "left"
        assert list(tmp_path.iterdir()) == []


def test_one_that_ends_does_not_take_away_the_socket_of_one_that_starts(
    pair: tuple[Taker, Taker], tmp_path: Path
) -> None:
    path = tmp_path / "s"
    before, after = pair
    before.tell(f"take {path}")
    assert before.answer() == "has it"
    for _ in range(ROUNDS):
        before.tell("leave")
        after.tell(f"take {path}")
        assert before.answer() == "left"
        if after.answer() != "has it":
            assert not path.exists()
            after.tell(f"take {path}")
            assert after.answer() == "has it"
        assert owner(path) == after.process.pid
        before, after = after, before


def test_one_that_is_killed_in_its_turn_bars_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = "import fcntl, os, sys, time\nfcntl.flock(os.open(sys.argv[1], 0), 2)\nprint(flush=True)\ntime.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(screen_server, "_TURN_S", 0.2)
        with pytest.raises(OSError, match="another program holds the lock"):
            ScreenServer(str(tmp_path / "s"))
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    ScreenServer(str(tmp_path / "s")).close()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_held_for_a_moment_only(tmp_path: Path) -> None:
    server = ScreenServer(str(tmp_path / "s"))
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(folder)
        server.close()
