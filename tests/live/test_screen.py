"""The screen of a live run in a real tmux: the interface is named, and the terminal is as before after it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.slices.test_slices import DEMO, packets
from tests.tui.test_real_program import Pane, left_cleanly

from . import capture
from .sender import Sender
from .test_balance import frame
from .wire import MONITORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .wire import Wire


@pytest.fixture
def pane() -> Iterator[Pane]:
    if shutil.which("tmux") is None or importlib.util.find_spec("textual") is None:
        pytest.skip("LIVE SCREEN NOT TESTED: this machine lacks tmux (apt-get install tmux) or textual")
    one = Pane((110, 30))
    try:
        yield one
    finally:
        one.close()


def test_the_screen_saves_slices_too(wire: Wire, pane: Pane) -> None:
    # Not below the folder of pytest: whoever the program goes on as has to get there.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # noqa: PTH101, S103
        call = (
            f"ip netns exec {wire.monitor} {sys.executable} -m ctcpmon live {MONITORED} --save-dir {folder}"
        )
        pane.type(f"clear; {call}; echo code=$?")
        pane.wait("Waiting for the first packet")
        _, frames = capture.read(DEMO)
        with Sender(wire.sender) as sender:
            playing = threading.Thread(target=capture.play, args=(sender, [f for f in frames if f[0] < 45]))
            playing.start()
            until = time.monotonic() + 45
            while not [*Path(folder).glob("*.pcapng")]:
                assert time.monotonic() < until, "no slice was saved"
                time.sleep(0.1)
            pane.wait(f"saved {folder}/i-")
            playing.join()
        pane.key("q")
        shown = pane.wait("code=0")
        (first, *_) = saved = sorted(Path(folder).glob("*.pcapng"))
        # Said once more behind the screen.
        assert shown.count(f"ctcpmon: saved {folder}/i-") == len(saved)
        out = subprocess.run(
            [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", first], capture_output=True, check=True
        ).stdout
    assert b'"verdict":"stalled"' in out


def test_graph_and_packets_of_a_session_that_is_watched(wire: Wire, pane: Pane) -> None:
    if not DEMO.is_file():
        pytest.skip("LIVE GRAPH NOT TESTED: no demo capture")
    frames = [data for _, data in packets(DEMO) if b"\x0a\x01\x04\x11" in data[26:34]]
    pane.type(f"ip netns exec {wire.monitor} {sys.executable} -m ctcpmon live {MONITORED}; echo code=$?")
    pane.wait("Waiting for the first packet")
    with Sender(wire.sender) as sender:
        for data in frames:
            assert sender.send(data)
    pane.key("s")
    pane.wait("10.1.4.17:1077")
    pane.key("t")
    shown = pane.wait("DATA OF THE")
    assert "10.1.4.17:1077 -> 198.51.100.9:10000" in shown
    pane.key("Escape")
    pane.wait("Enter detail")
    # The run is confined by now, and whoever dissects with it.
    pane.key("p")
    pane.wait("PACKETS")
    if shutil.which("tshark") and importlib.util.find_spec("pyshark"):
        until = time.monotonic() + 15
        # The second where nobody, as whom the run goes on, cannot get to this Python.
        while not re.search("Transmission Control Protocol|account may not start", pane.screen()):
            assert time.monotonic() < until, pane.screen()
            time.sleep(0.1)
    pane.key("Escape")
    pane.wait("Enter detail")
    pane.key("C-c")
    pane.wait("code=0")


@pytest.mark.parametrize("way", ["q", "C-c", signal.SIGTERM, signal.SIGHUP])
def test_the_screen_of_an_interface(
    wire: Wire, pane: Pane, tmp_path: Path, way: str | signal.Signals
) -> None:
    call = f"ip netns exec {wire.monitor} {sys.executable} -m ctcpmon live {MONITORED}"
    pane.type(
        f"clear; stty -g >{tmp_path}/before; sh -c 'echo $$ >{tmp_path}/pid; exec {call}'; echo code=$?; "
        f"stty -g >{tmp_path}/after; cmp {tmp_path}/before {tmp_path}/after && echo terminal=same"
    )
    assert MONITORED in pane.wait("Waiting for the first packet")
    with Sender(wire.sender) as sender:
        for number in range(1_234):
            assert sender.send(frame(number))
    pane.wait("1,234")
    if isinstance(way, str):
        pane.key(way)
    else:
        os.kill(int((tmp_path / "pid").read_text()), way)
    shown = left_cleanly(pane, 0)
    assert f"{MONITORED}: 1,234 received, 1,234 measured, none dropped by the kernel" in shown
