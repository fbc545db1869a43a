"""One file that another program is still writing: waited for, in whole records, until nothing more comes."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.corpus import shapes

from .writer import DEMO, Following, replayed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

IDLE = ("--follow-idle", "1.5")


def record_ends(data: bytes) -> list[int]:
    """Offsets behind the header and behind each record of a pcap of this machine's byte order."""
    ends = [24]
    while ends[-1] < len(data):
        (length,) = struct.unpack_from("<I", data, ends[-1] + 8)
        ends.append(ends[-1] + 16 + length)
    return ends


def write_in_parts(path: Path, data: bytes, cuts: Sequence[int], pause_s: float) -> None:
    """Appends what lies between the cuts, with a pause before each but the first."""
    with path.open("ab", buffering=0) as file:
        for number, (start, end) in enumerate(itertools.pairwise([0, *cuts, len(data)])):
            time.sleep(pause_s if number else 0.0)
            file.write(data[start:end])


def as_pcapng() -> bytes:
    return shapes.pcapng(shapes.read(DEMO), "<")


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("seed", range(3))
def test_half_a_record_is_waited_for(tmp_path: Path, form: str, seed: int) -> None:
    data = DEMO.read_bytes() if form == "pcap" else as_pcapng()
    path = tmp_path / "growing"
    chance = random.Random(seed)
    # One cut within the magic number, one within the file header; the others fall anywhere.
    cuts = sorted({3, 17, *(chance.randrange(30, len(data)) for _ in range(6))})
    path.touch()
    with Following(path, *IDLE) as following:
        time.sleep(0.3)
        write_in_parts(path, data, cuts, 0.3)
        out = following.wait()
    assert following.said == []
    assert out == replayed(path)
    assert out.count(b"\n") == 27


def test_what_was_there_before_is_read_too_and_a_pause_changes_nothing(tmp_path: Path) -> None:
    data = DEMO.read_bytes()
    ends = record_ends(data)
    path = tmp_path / "growing"
    path.write_bytes(data[: ends[500] + 7])
    with Following(path, "--follow-idle", "1.9") as following:
        time.sleep(1.6)
        write_in_parts(path, data[ends[500] + 7 :], [], 0.0)
        assert following.wait() == replayed(path)


def test_half_a_record_at_the_end_is_said(tmp_path: Path) -> None:
    data = DEMO.read_bytes()
    cut = record_ends(data)[700] + 9
    path = tmp_path / "cut"
    path.write_bytes(data[:cut])
    wanted = replayed(path, code=4)
    with Following(path, *IDLE) as following:
        assert following.wait(code=4) == wanted
    assert any("ends inside a record" in text for text in following.said)
    # Who ends it himself knows that the file was still being written.
    with Following(path) as following:
        time.sleep(1.0)
        following.process.send_signal(signal.SIGTERM)
        assert following.wait(code=0) == wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_everything_that_was_written(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "growing"
    shutil.copy(DEMO, path)
    with Following(path) as following:
        following.wait_for_line(b"ctcpmon.finding.v1")
        following.process.send_signal(number)
        began = time.monotonic()
        assert following.wait() == replayed(path)
    assert time.monotonic() - began < 3.0


def test_an_empty_file_that_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with Following(path, *IDLE) as following:
        following.wait(code=4)
    assert "no data before the end" in following.said[-1]
    with Following(path) as following:
        time.sleep(1.0)
        following.process.send_signal(signal.SIGINT)
        (line,) = following.wait(code=0).splitlines()
    assert b'"packets":0' in line


def test_a_file_that_was_truncated_is_read_again_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    shutil.copy(DEMO, path)
    with Following(path, "--follow-idle", "1.9") as following:
        following.wait_for_line(b"ctcpmon.finding.v1")
        time.sleep(0.5)
        os.truncate(path, 0)
        following.wait_for_words("was truncated; it is read again from its beginning")
        path.write_bytes(DEMO.read_bytes()[: record_ends(DEMO.read_bytes())[10]])
        out = following.wait()
    assert b'"packets":1023,' in out.splitlines()[-1]


def test_a_file_that_took_the_name_is_read_behind_the_old_one(tmp_path: Path) -> None:
    path, old = tmp_path / "growing", tmp_path / "old"
    data = DEMO.read_bytes()
    ends = record_ends(data)
    path.write_bytes(data[: ends[400]])
    with Following(path, "--follow-idle", "2") as following:
        time.sleep(0.8)
        path.rename(old)
        # The writer has it open still.
        with old.open("ab", buffering=0) as file:
            file.write(data[ends[400] : ends[600]])
        time.sleep(0.4)
        path.write_bytes(data[:24] + data[ends[600] :])
        out = following.wait()
    assert sum("another file has taken its name" in text for text in following.said) == 1
    assert out == replayed(old, path)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cargo") is None:
        pytest.skip("SILENCE NOT TESTED: the simulated cases need a Rust toolchain")
    from tests.live.capture import make_cases

    folder = tmp_path_factory.mktemp("follow")
    make_cases(folder)
    return folder / "cases"


def test_a_stall_is_called_while_the_file_does_not_grow(cases: Path, tmp_path: Path) -> None:
    """As in tests/live: at risk when it falls silent at 18.75 s, a stall by the silence alone at 24.75."""
    data = (cases / "trickle_at_the_limit.pcap").read_bytes()
    ends = record_ends(data)
    first = struct.unpack_from("<II", data, 24)
    unit = 1e-9 if data[:4] == b"\x4d\x3c\xb2\xa1" else 1e-6
    cut = next(
        at for at in ends[:-1]
        if _time(data, at, unit) - (first[0] + first[1] * unit) >= 18.75
    )  # fmt: skip
    path = tmp_path / "growing"
    path.write_bytes(data[:cut])
    # All that the file itself says is that it is at risk.
    assert b'"verdict":"stalled"' not in replayed(path)
    began = time.monotonic()
    with Following(path) as following:
        at = following.wait_for_line(b'"verdict":"stalled"') - began
        following.process.send_signal(signal.SIGTERM)
        following.wait()
    # Six seconds of silence, behind the two by which a writer may be late, and the start of the program.
    assert 7.0 < at < 13.0
    print(f"called {at:.1f} s after the start")


def _time(data: bytes, at: int, unit: float) -> float:
    seconds, part = struct.unpack_from("<II", data, at)
    return float(seconds + part * unit)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--follow", "a", "b"], "takes one FILE"),
        (["--follow"], "takes one FILE"),
        (["--follow", "-"], "a pipe is followed as it is"),
        (["--follow", "--speed", "2", "a"], "pace of the writer"),
        (["--follow-idle", "2", "a"], "is for --follow"),
        (["--follow", "--tap", "client=a", "--tap", "headend=b"], "takes one FILE"),
    ],
)
def test_what_cannot_be_followed(words: list[str], text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "replay", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert text in done.stderr


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with Following(tmp_path / "nowhere.pcap") as following:
        following.wait(code=4)
    assert len(following.said) == 1
    assert "cannot open" in following.said[0]
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with Following(fifo) as following:
        following.wait(code=4)
    assert "neither a file nor a folder" in following.said[0]


def test_who_reads_may_leave_while_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    shutil.copy(DEMO, path)
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "--follow", path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


def test_a_table_of_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    shutil.copy(DEMO, path)
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "table"]
    whole = subprocess.run([*words, path], capture_output=True, check=True).stdout
    done = subprocess.run([*words, "--follow", *IDLE, path], capture_output=True, check=True)
    assert done.stdout == whole
