"""``ctcpmon plot``: what it prints, with which signs, and what it says when it cannot."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.text import width

from tests.graph.cuts import DEMO, STALLED
from tests.graph.test_screen import compare

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str | Path, code: int = 0, **env: str) -> tuple[str, str]:
    call = [sys.executable, "-m", "ctcpmon", "plot", *map(str, words)]
    done = subprocess.run(call, capture_output=True, check=False, env={**os.environ, **env})
    assert done.returncode == code, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_the_plot_of_an_incident() -> None:
    out, said = run("i-5f6b1b0260", DEMO)
    compare("plot-100x30", out)
    assert "session 7f453919bbd5, the first of 3; name another one to see that" in said
    assert run(STALLED, DEMO)[0].splitlines()[:-2] == out.splitlines()[:-2]
    assert run(STALLED, DEMO) == run(STALLED, DEMO)


@pytest.mark.parametrize("cells", [40, 60, 80, 137, 400])
@pytest.mark.parametrize("lines", [10, 24, 70])
def test_it_has_the_size_that_is_asked_for(cells: int, lines: int) -> None:
    shown = run(STALLED, DEMO, "--width", str(cells), "--height", str(lines), "--side", "both")[
        0
    ].splitlines()
    assert len(shown) == lines
    assert max(map(width, shown)) <= cells


def test_signs_follow_the_options_and_the_output() -> None:
    assert run(STALLED, DEMO, "--ascii")[0].isascii()
    assert run(STALLED, DEMO, PYTHONIOENCODING="ascii")[0].isascii()
    assert re.search("[\u2801-\u28ff]", run(STALLED, DEMO, PYTHONIOENCODING="utf-8")[0])
    assert "▌" in run(STALLED, DEMO, "--dots", "block", PYTHONIOENCODING="utf-8")[0]
    assert "DATA OF THE HEADEND" in run(STALLED, DEMO, "--side", "headend")[0]


def test_colours_are_for_terminals_that_want_them() -> None:
    assert "\x1b" not in run(STALLED, DEMO)[0]
    for env, has_colour in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        ours, theirs = pty.openpty()
        call = [sys.executable, "-m", "ctcpmon", "plot", STALLED, str(DEMO)]
        clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        with subprocess.Popen(call, stdout=theirs, env={**clean, "TERM": "xterm", **env}) as process:
            os.close(theirs)
            data = b""
            try:
                while chunk := os.read(ours, 65_536):
                    data += chunk
            except OSError:
                pass  # the other end is closed
            assert process.wait(30) == 0
        os.close(ours)
        assert (b"\x1b[" in data) is has_colour, env
        # Nothing but looks: no cursor is moved, no screen is cleared.
        assert set(re.findall(rb"\x1b\[[0-9;]*(.)", data)) <= {b"m"}


def test_what_it_cannot_draw_is_a_sentence(tmp_path: Path) -> None:
    assert "nothing in the capture is called 'nope'" in run("nope", DEMO, code=2)[1]
    assert "not a pipe" in run(STALLED, "-", code=2)[1]
    assert "No such file" in run(STALLED, tmp_path / "none.pcap", code=4)[1]
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(DEMO.read_bytes()[:-7])
    out, said = run(STALLED, cut, code=4)
    assert "STALLED" in out
    assert "part of the input could not be read" in said
