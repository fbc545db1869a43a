"""Standard streams that are closed, full or gone, and names that no terminal should see: real processes."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
COMMANDS = {
    "replay": f"replay {DEMO} -o jsonl",
    "table": "demo -o table",
    "fixes": f"fixes {DEMO}",
    "plot": f"plot i-5f6b1b0260 {DEMO}",
    "packets": f"packets i-5f6b1b0260 {DEMO}",
    "slice": f"slice i-5f6b1b0260 {DEMO} -w -",
    "help": "--help",
    "version": "version",
}


def shell(words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m ctcpmon {words}"],
        capture_output=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **more},
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_closed_stdout_is_an_output_that_cannot_be_written(command: str) -> None:
    done = shell(f"{command} >&-")
    assert (done.returncode, done.stdout) == (74, b"")
    assert done.stderr.splitlines()[-1].startswith(b"ctcpmon: output: Bad file descriptor")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_full_disk_behind_stdout_is_told(command: str) -> None:
    done = shell(f"{command} >/dev/full")
    assert done.returncode == 74
    assert done.stderr.splitlines()[-1].startswith(b"ctcpmon: output: No space left on device")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", [COMMANDS["replay"], COMMANDS["table"], COMMANDS["slice"]])
@pytest.mark.parametrize("way", ["2>&-", "<&- 2>&-", "2>/dev/full"])
def test_what_else_is_closed_changes_no_data(command: str, way: str) -> None:
    plain, without = shell(command), shell(f"{command} {way}")
    assert (without.returncode, without.stdout) == (0, plain.stdout)


@pytest.mark.parametrize("words", ["nosuch", "replay --nosuch", "replay"])
def test_wrong_usage_keeps_its_code_where_nobody_reads(words: str) -> None:
    assert shell(f"{words} 2>/dev/full").returncode == 2


def test_help_into_a_reader_that_has_gone_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ctcpmon", "--help"],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
            env=dict(os.environ),
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_does_not_get_the_words_for_a_closed_stderr(tmp_path: Path) -> None:
    out = tmp_path / "events"
    done = shell(f"serve --replay {DEMO} --file {out} --no-listen 2>&- <&- >&-")
    assert done.returncode == 0
    for line in out.read_text("utf-8").splitlines():
        json.loads(line)


def test_a_name_that_is_not_utf_8_is_a_name_like_others(tmp_path: Path) -> None:
    named = os.fsencode(tmp_path) + b"/odd\xff\x1b[31m.pcap"
    Path(os.fsdecode(named)).write_bytes(DEMO.read_bytes())
    file = shlex.quote(os.fsdecode(named))
    assert shell(f"replay {file}").stdout == shell(f"replay {DEMO}").stdout
    assert shell(f"replay --follow {file} --follow-idle 0.2").stdout.count(b"\n") > 10
    assert shell(f"slice i-5f6b1b0260 {file} -w {file}.pcapng").returncode == 0
    assert Path(os.fsdecode(named + b".pcapng")).stat().st_size > 1_000
    missing = shell(f"replay {file}.none")
    assert missing.returncode == 4
    assert b"odd\\xff\\x1b[31m.pcap.none" in missing.stderr
    assert missing.stderr.isascii()


@pytest.mark.parametrize(
    "words", [["version"], ["completion", "bash"], ["replay", "x", "-c"], ["explain"], []]
)
def test_no_escape_of_a_word_reaches_the_terminal(words: list[str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ctcpmon", *words, "\x1b[31mred\x07\x9b2J"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=dict(os.environ),
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65_536):
            shown += block
    except OSError:  # Linux reports the end of a pty as EIO
        pass
    os.close(ours)
    assert process.wait(60) == 2
    assert b"red" in shown
    assert not set(shown) & (set(range(32)) - set(b"\r\n"))
