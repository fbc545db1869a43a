"""Every way a screen can end leaves a sane terminal and no process. On a pseudo-terminal, reading every byte.

A death that the program survives to tell is left with ``q``. SIGKILL cannot be caught: there ``last_hand`` does it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

import ctcpmon

from tests.dissect.made import alive, fake_tshark, gone, pids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
WAIT_S = 20.0
REPLAY = (sys.executable, "-m", "ctcpmon", "replay", str(DEMO))
PANIC = """
import sys
from tests import fake_engine as fake
fake.install()
class PanicException(BaseException):
    "What a panic of Rust is in Python: no Exception."
polls = 0
def poll(self, *_words):
    global polls
    polls += 1
    if polls > 0:
        raise PanicException("index out of bounds: \\x1b[31mthe len is 0")
    return before(self, *_words)
before = fake.Replay.poll
fake.Replay.poll = poll
fake.scenario.polls_before_done = 1000
from ctcpmon.tui.app import run_replay
sys.exit(run_replay(["x.pcap"]))
"""
BROKEN = """
import sys
from ctcpmon.tui import app
from ctcpmon.tui.screens.sessions import SessionsScreen
def show_body(self, view):
    raise ZeroDivisionError("\\x1b[31m[/]")
SessionsScreen.show_body = show_body
sys.exit(app.run_replay([sys.argv[1]]))
"""


FULL = """
import sys, tempfile
tempfile.tempdir = sys.argv.pop(1)
from ctcpmon.start import main
sys.argv[0] = "ctcpmon"
main()
"""


class Terminal:
    """A program in a session of its own on a pseudo-terminal of 80x24."""

    def __init__(self, words: tuple[str, ...], cwd: Path, env: dict[str, str]) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")
        self.before = termios.tcgetattr(self.slave)
        self.written = bytearray()

        def control() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            words,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=cwd,
            env=env,
            preexec_fn=control,  # noqa: PLW1509 before any thread
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while data := os.read(self.master, 1 << 16):
                self.written += data

    def wait_for(self, text: str, since: int = 0) -> None:
        """Waits until the words were written; the screen is written in pieces, so blanks may be missing."""
        wanted = text.encode()
        until = time.monotonic() + WAIT_S
        while wanted not in self.written[since:]:
            assert time.monotonic() < until, f"{text!r} did not appear: {bytes(self.written[-3000:])!r}"
            assert self.process.poll() is None, f"it ended: {bytes(self.written[-3000:])!r}"
            time.sleep(0.02)

    def key(self, data: bytes) -> None:
        os.write(self.master, data)
        time.sleep(0.3)

    def ended(self) -> int:
        code = self.process.wait(WAIT_S)
        until = time.monotonic() + WAIT_S
        while self.others() and time.monotonic() < until:
            time.sleep(0.02)
        assert self.others() == [], "processes of its session are left"
        time.sleep(0.1)
        return code

    def others(self) -> list[str]:
        """Processes of its session."""
        found = []
        for name in os.listdir("/proc"):  # noqa: PTH208
            with suppress(OSError):
                if name.isdecimal() and os.getsid(int(name)) == self.process.pid and alive(int(name)):
                    found.append(Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def is_sane(self) -> None:
        assert termios.tcgetattr(self.slave) == self.before
        modes = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", bytes(self.written)))
        assert modes.pop(b"25", b"h") == b"h", "the cursor is hidden"
        assert modes.get(b"1049") == b"l", "it was on the other screen, and is back"
        assert {mode for mode, state in modes.items() if state == b"h"} <= {b"7"}, modes
        pushed, popped = (
            len(re.findall(one, bytes(self.written))) for one in (rb"\x1b\[>\d+u", rb"\x1b\[<\d*u")
        )
        assert popped >= pushed

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self.master, self.slave):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    open_ones: list[Terminal] = []

    def begin(words: tuple[str, ...] = REPLAY, *, until: str | None = "DONE", **env: str) -> Terminal:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        base = {
            name: value
            for name, value in os.environ.items()
            if name not in {"TMUX", "SSH_CONNECTION", "NO_COLOR"}
        }
        one = Terminal(
            words, tmp_path, {**base, "TERM": "xterm-256color", "HOME": str(home), "PYTHONPATH": path, **env}
        )
        open_ones.append(one)
        if until is not None:
            one.wait_for(until)
        return one

    yield begin
    for one in open_ones:
        one.close()


def test_leaving_with_q_leaves_all_as_it_was(start: Any) -> None:
    one = start()
    one.key(b"q")
    assert one.ended() == 0
    one.is_sane()


@pytest.mark.parametrize("keys", [b"", b"m", b"N", b"p"])
def test_ctrl_c(keys: bytes, start: Any) -> None:
    one = start()
    if keys:
        one.key(keys)
    one.key(b"\x03")
    assert one.ended() in {0, 130}
    one.is_sane()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal(number: signal.Signals, start: Any) -> None:
    one = start()
    one.process.send_signal(number)
    assert one.ended() == 130
    one.is_sane()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_death_that_cannot_be_caught(number: signal.Signals, start: Any) -> None:
    one = start()
    one.process.send_signal(number)
    assert one.ended() == -number
    one.is_sane()


def test_sigkill_while_tshark_works(start: Any, tmp_path: Path) -> None:
    one, folder = hanging(start, tmp_path)
    one.process.send_signal(signal.SIGKILL)
    assert one.ended() == -signal.SIGKILL
    one.is_sane()
    assert gone(folder)


def test_a_panic_in_the_engine(start: Any) -> None:
    one = start((sys.executable, "-c", PANIC), until="STOPPED EARLY")
    one.key(b"q")
    assert one.ended() == 70
    one.is_sane()
    # Where it was is told behind the screen, for who reports it.
    assert b"the len is 0" in one.written
    assert b"\x1b[31mthe len" not in one.written


def test_an_exception_in_python(start: Any) -> None:
    one = start((sys.executable, "-c", BROKEN, str(DEMO)))
    one.key(b"s")
    assert one.ended() == 70
    one.is_sane()
    assert b"ZeroDivisionError" in one.written
    assert b"ctcpmon: " in one.written


def test_the_other_end_of_the_terminal_goes_away(start: Any) -> None:
    one = start()
    os.close(one.slave)
    os.close(one.master)
    # Whichever comes first: the signal, or what can no longer be written (documented codes, not Python's 120).
    assert one.ended() in {130, 74, 70, 0, -signal.SIGHUP}


def test_the_terminal_goes_away_while_tshark_works(start: Any, tmp_path: Path) -> None:
    one, folder = hanging(start, tmp_path)
    os.close(one.slave)
    os.close(one.master)
    one.ended()
    assert gone(folder)


def _has_mounts() -> bool:
    """A container, or a root folder that is no mount, may not."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    not _has_mounts(), reason="FULL DISK NOT TRIED: it needs root and mounts of its own (unshare -m)"
)
def test_a_full_disk_while_saving(start: Any, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    script = (
        f"mount -t tmpfs -o size=64k none {tmp_path}/disk && cd {tmp_path}/disk && "
        'dd if=/dev/zero of=full bs=1k count=64 2>/dev/null; exec "$0" "$@"'
    )
    disk = str(tmp_path / "disk")
    python = (sys.executable, "-c", FULL, disk, "replay", str(DEMO))
    one = start(("unshare", "-m", "sh", "-c", script, *python), XDG_STATE_HOME=disk)
    for keys, told in (
        (b"y", "not saved: No space left"),
        (b"a", "not saved"),
        (b"e", "EXPORT"),
        (b"c", "No space left"),
    ):
        since = len(one.written)
        one.key(keys)
        one.wait_for(told, since)
    one.key(b"q")
    assert one.ended() == 0
    one.is_sane()


def hanging(start: Any, tmp_path: Path) -> tuple[Terminal, Path]:
    """The packets are on the screen, and a tshark that never answers works on them."""
    if find_spec("pyshark") is None:
        pytest.skip("pyshark is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_tshark(folder, "exec sleep 100")
    one = start(PATH=f"{folder}:{os.environ['PATH']}")
    one.key(b"p")
    one.wait_for("asking tshark")
    pids(folder)
    return one, folder


def test_tshark_is_killed(start: Any, tmp_path: Path) -> None:
    one, folder = hanging(start, tmp_path)
    since = len(one.written)
    os.kill(pids(folder)[0], signal.SIGKILL)
    one.wait_for("tshark ended early", since)
    one.key(b"q")
    one.key(b"q")
    assert one.ended() == 0
    one.is_sane()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaving_while_tshark_works(number: signal.Signals, start: Any, tmp_path: Path) -> None:
    one, folder = hanging(start, tmp_path)
    began = time.monotonic()
    one.process.send_signal(number)
    assert one.ended() == 130
    assert time.monotonic() - began < 5
    one.is_sane()
    assert gone(folder)
