"""What only a real process shows: imports, closed pipes, Ctrl-C, a missing engine."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ctcpmon.failures import settled

ROOT = Path(__file__).parents[2]
WITH_FAKE = """
import sys
from tests import fake_engine as fake
fake.install()
fake.scenario.items = {items}
fake.scenario.polls_before_done = {polls}
from ctcpmon.start import main
sys.argv[0] = "ctcpmon"
main()
"""
WITHOUT_ENGINE = """
import sys
sys.modules["ctcpmon._ctcpmon"] = None
from ctcpmon.start import main
main()
"""


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(ROOT)])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # communicate() does not see what readline() read ahead
        env=environment,
        cwd=ROOT,
    )


def fake(items: str, polls: int = 0) -> str:
    return WITH_FAKE.format(items=items, polls=polls)


def test_output_in_a_process_is_the_same_twice() -> None:
    first, second = (start(fake("fake.textbook()"), "replay", "x").communicate() for _ in range(2))
    assert first == second
    assert len(first[0].splitlines()) == 12
    assert first[1] == b""


@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_a_closed_pipe_ends_quietly(form: str) -> None:
    process = start(fake("[fake.session(n) for n in range(20000)]"), "replay", "x", "-o", form)
    assert process.stdout is not None
    assert process.stderr is not None
    if form == "jsonl":
        assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 0
    assert errors == b""


def test_text_commands_survive_a_closed_pipe() -> None:
    process = start(fake("fake.textbook()"), "fixes", "S-b")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 0
    assert errors == b""


@pytest.mark.parametrize("way", ["2>&-", "2>/dev/full"])
def test_without_a_place_for_words_the_code_still_tells(way: str) -> None:
    call = f'"{sys.executable}" -m ctcpmon slice x /nonexistent -w /nonexistent/x {way}'
    done = subprocess.run(["sh", "-c", call], capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (4, b"")


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (OSError(5, "Input/output error"), 130, 130),
        (OSError(5, "Input/output error"), 0, 74),
        (BrokenPipeError(), 0, 0),
    ],
)
def test_a_reader_that_is_gone_at_the_end_leaves_no_code_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, expected: int
) -> None:
    class Gone(io.TextIOWrapper):
        def flush(self) -> None:
            if os.path.realpath(f"/proc/self/fd/{self.fileno()}") != os.devnull:
                raise error

    with (tmp_path / "out").open("wb") as raw:
        gone = Gone(raw)
        monkeypatch.setattr(sys, "stdout", gone)
        try:
            assert settled(code) == expected
            # What Python itself writes at its end has a place.
            gone.flush()
        finally:
            monkeypatch.undo()


def test_ctrl_c_ends_with_130_and_whole_lines() -> None:
    process = start(fake("fake.textbook()", polls=1_000), "replay", "x")
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == b""
    whole = first + rest
    assert whole.endswith(b"\n")
    assert [json.loads(line)["type"] for line in whole.splitlines()][-1] == "ctcpmon.stats.v1"


@pytest.mark.parametrize(
    ("prepare", "expected", "code"),
    [
        ("sys.modules['ctcpmon.tui.app'] = None", b"INCIDENTS 1: 1 open", 0),
        (
            (
                "import types; app = types.ModuleType('app'); sys.modules['ctcpmon.tui.app'] = app\n"
                "sys.modules.setdefault('ctcpmon.tui', types.ModuleType('ctcpmon.tui'))\n"
                "app.run_replay = lambda paths, **options: print('SCREEN', paths, options['speed']) or 7"
            ),
            b"SCREEN ['x'] 0.0",
            7,
        ),
    ],
    ids=["no textual", "textual"],
)
def test_a_terminal_gets_the_screen_or_a_table(prepare: str, expected: bytes, code: int) -> None:
    ours, theirs = pty.openpty()
    source = fake("fake.textbook()").replace("from ctcpmon.start", f"{prepare}\nfrom ctcpmon.start")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), str(ROOT)])}
    process = subprocess.Popen(
        [sys.executable, "-c", source, "replay", "x"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux reports the end of a pty as EIO
        while block := os.read(ours, 65_536):
            shown += block
    os.close(ours)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert expected in shown
    assert errors.count(b"\n") == (0 if code else 1)


def test_without_the_engine_the_line_to_type_is_named() -> None:
    process = start(WITHOUT_ENGINE, "replay", "x")
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 5
    assert out == b""
    assert b"engine is not built" in errors
    assert b"./x build" in errors
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize(
    "command", [["schema"], ["fixes"], ["fixes", "S-b"], ["explain", "S-b"], ["--help"], ["version"]]
)
def test_commands_that_need_no_engine_work_without_it(command: list[str]) -> None:
    process = start(WITHOUT_ENGINE, *command)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")
    assert out


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import ctcpmon", ["click", "msgspec", "textual", "pyshark", "ctcpmon._ctcpmon"]),
        ("import ctcpmon.cli", ["msgspec", "textual", "pyshark", "rich", "ctcpmon._ctcpmon"]),
        ("from ctcpmon import Monitor, replay", ["click", "textual", "pyshark", "rich"]),
        (
            "import ctcpmon.pipeline, ctcpmon.sinks.jsonl",
            ["click", "msgspec", "textual", "pyshark", "ctcpmon._ctcpmon"],
        ),
    ],
)
def test_imports_stay_small(code: str, forbidden: list[str]) -> None:
    check = f"{code}\nimport sys\nprint([name for name in {forbidden!r} if name in sys.modules])"
    out, errors = start(check).communicate(timeout=20)
    assert errors == b""
    assert out.strip() == b"[]"


@pytest.mark.parametrize("delay_s", [0.03, 0.06, 0.1])
def test_ctrl_c_while_modules_are_imported_is_not_lost(delay_s: float) -> None:
    # An import that takes long and swallows everything, as some libraries' attempts at optional parts do.
    slow = (
        "import sys, time, types\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'ctcpmon.replaying':\n"
        "            sys.stderr.write('importing\\n')\n"
        "            try:\n"
        "                for _ in range(30): time.sleep(0.01)\n"
        "            except BaseException: pass\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    process = start(slow + fake("fake.textbook()", polls=1_000), "replay", "x")
    assert process.stderr is not None
    assert process.stderr.readline() == b"importing\n"
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")
    assert json.loads(out.splitlines()[-1])["type"] == "ctcpmon.stats.v1"
