"""The real program in a real tmux: engine, streams, signals, and the state of the terminal after."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(os.environ.get("CTCPMON_SHARED", Path(__file__).parents[2].parent / "shared"))
LAB = SHARED / "captures" / "lab" / "pcaps"
STALLED = LAB / "s13_ct_multi12_T2.pcap"
WAIT_S = 15.0


def _missing() -> str:
    if shutil.which("tmux") is None:
        return "tmux is not installed (apt-get install tmux)"
    if importlib.util.find_spec("ctcpmon._ctcpmon") is None:
        return "the engine ctcpmon._ctcpmon is not built (./x build)"
    if not STALLED.is_file():
        return f"no lab capture {STALLED} (set CTCPMON_SHARED)"
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=f"REAL SCREEN NOT TESTED: {_missing()}")


class Pane:
    """A shell in a tmux server of its own."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._socket = f"ctcpmon-test-{uuid4().hex[:8]}"
        env = {name: value for name, value in os.environ.items() if name != "TMUX"}
        env["PS1"] = "$ "
        self._env = env
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "sh")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words], env=self._env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, text: str) -> None:
        self.tmux("send-keys", text, "Enter")

    def key(self, name: str) -> None:
        self.tmux("send-keys", name)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-J")

    def wait(self, text: str) -> str:
        until = time.monotonic() + WAIT_S
        while text not in (shown := self.screen()):
            assert time.monotonic() < until, f"{text!r} did not appear:\n{shown}"
            time.sleep(0.05)
        return shown

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture(params=[(80, 24), (160, 48)])
def pane(request: pytest.FixtureRequest) -> Iterator[Pane]:
    one = Pane(request.param)
    try:
        yield one
    finally:
        one.close()


def program(tmp_path: Path, *words: str, before: str = "", after: str = "") -> str:
    """A shell line: terminal state, the program with its process id noted, code, terminal state."""
    call = " ".join((sys.executable, "-m", "ctcpmon", "replay", *words))
    return (
        f"clear; stty -g >{tmp_path}/before; {before} sh -c 'echo $$ >{tmp_path}/pid; exec {call}' {after}; "
        f"echo code=$?; stty -g >{tmp_path}/after; cmp {tmp_path}/before {tmp_path}/after && echo terminal=same"
    )


def left_cleanly(pane: Pane, code: int) -> str:
    shown = pane.wait("terminal=same")
    assert f"code={code}" in shown
    assert "alternate=0" in pane.tmux("display", "-p", "alternate=#{alternate_on} mouse=#{mouse_any_flag}")
    assert "mouse=0" in pane.tmux("display", "-p", "alternate=#{alternate_on} mouse=#{mouse_any_flag}")
    return shown


def test_a_stalled_capture_is_told_on_the_first_screen(pane: Pane, tmp_path: Path) -> None:
    pane.type(program(tmp_path, str(STALLED)))
    pane.wait("DONE")
    # One frame reaches the terminal in several writes: each text is waited for.
    for text in ("> CRIT !", "203.0.113.10:10000", "EVIDENCE", "DO FIRST", "5 stalled"):
        pane.wait(text)
    pane.key("Enter")
    pane.wait("Time line (UTC)")
    pane.key("Escape")
    pane.wait("DO FIRST")
    pane.key("s")
    pane.wait("o O order")
    pane.wait("1 of 12")
    pane.key("3")
    pane.wait("FLOWS 12")
    pane.wait("614.6 kB")
    pane.key("Escape")
    # Escape and a letter in one read would be Alt and the letter.
    pane.wait("DO FIRST")
    pane.key("q")
    assert "sessions stalled" in left_cleanly(pane, 0)


def test_standard_input_leaves_the_keyboard_to_the_terminal(pane: Pane, tmp_path: Path) -> None:
    pane.type(program(tmp_path, "-", before=f"cat {STALLED} |"))
    pane.wait("DONE")
    pane.key("f")
    pane.wait("FIXES")
    pane.key("q")
    pane.key("q")
    left_cleanly(pane, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(number: signal.Signals, pane: Pane, tmp_path: Path) -> None:
    pane.type(program(tmp_path, str(STALLED)))
    pane.wait("DONE")
    os.kill(int((tmp_path / "pid").read_text()), number)
    left_cleanly(pane, 130)


def test_a_cut_off_capture_is_told_and_coded(pane: Pane, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(STALLED.read_bytes()[:300_001])
    pane.type(program(tmp_path, str(cut)))
    shown = pane.wait("DONE")
    assert "cut-off inputs 1" in shown
    pane.key("q")
    left_cleanly(pane, 4)


def test_without_a_terminal_for_the_keyboard_it_says_so(pane: Pane) -> None:
    pane.type(f"cat {STALLED} | setsid -w {sys.executable} -m ctcpmon replay -; echo code=$?")
    assert "no controlling terminal" in " ".join(pane.wait("code=2").split())
