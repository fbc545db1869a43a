"""The screen on a capture that grows, in a real tmux."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.tui.test_real_program import Pane

from .test_growing import record_ends
from .writer import DEMO

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("way", ["q", "C-c"])
def test_the_screen_shows_what_comes(tmp_path: Path, way: str) -> None:
    if shutil.which("tmux") is None or importlib.util.find_spec("textual") is None:
        pytest.skip("SCREEN OF --follow NOT TESTED: no tmux (apt-get install tmux) or no textual")
    data = DEMO.read_bytes()
    half = record_ends(data)[500]
    path = tmp_path / "growing.pcap"
    path.write_bytes(data[: half + 11])
    pane = Pane((80, 24))
    try:
        pane.type(f"clear; {sys.executable} -m ctcpmon replay --follow {path}; echo code=$?")
        pane.wait("500")
        with path.open("ab") as file:
            file.write(data[half + 11 :])
        pane.wait("4 stalled")
        pane.wait("1,013")
        pane.key(way)
        shown = pane.wait("code=")
        assert "code=0" in shown
        assert "1,013 packets of growing.pcap" in shown
    finally:
        pane.close()
