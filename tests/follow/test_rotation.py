"""Files of a rotation, by the writers that people use: each read once, in their order, to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.serve.process import long_capture

from .test_growing import record_ends
from .writer import DEMO, Following, replayed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_capture(tmp_path_factory.mktemp("long") / "long.pcap", 60)


def need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"ROTATION OF {program} NOT TESTED: it is not installed (apt-get install {package})")


def numbered(path: Path) -> int:
    return int("".join(one for one in path.name.removesuffix(".pcapng") if one.isdecimal()) or 0)


def test_two_hundred_rotations_of_dumpcap(tmp_path: Path, long: Path) -> None:
    need("dumpcap", "wireshark-common")
    # It reads a capture from a pipe as it would an interface; as root it may only write where root may.
    words = ("dumpcap", "-q", "-i", "-", "-b", "packets:300", "-w", str(tmp_path / "ring.pcapng"))
    with Following(tmp_path / "ring_*.pcapng") as following:
        with long.open("rb") as frames:
            subprocess.run(words, stdin=frames, stderr=subprocess.DEVNULL, check=True, timeout=60)
        files = sorted(tmp_path.glob("ring_*.pcapng"))
        assert len(files) > 200
        out = following.finish()
    assert following.said == []
    assert out == replayed(*files)
    assert out.splitlines()[:-1] == replayed(long).splitlines()[:-1]


def test_a_ring_of_three_files_whose_oldest_are_deleted(tmp_path: Path, long: Path) -> None:
    need("dumpcap", "wireshark-common")
    words = ("dumpcap", "-q", "-i", "-", "-b", "packets:300", "-b", "files:3", "-w", str(tmp_path / "ring.pcapng"))  # fmt: skip
    data = long.read_bytes()
    ends = record_ends(data)[:6_001]
    with Following(tmp_path) as following:
        with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
            assert writer.stdin is not None
            writer.stdin.write(data[:24])
            for start in range(0, 6_000, 150):
                writer.stdin.write(data[ends[start] : ends[start + 150]])
                writer.stdin.flush()
                time.sleep(0.15)
            writer.stdin.close()
            assert writer.wait(30) == 0
        out = following.finish()
    assert len([*tmp_path.iterdir()]) == 3
    assert b'"packets":6000,' in out.splitlines()[-1]
    assert following.said == []


def test_rotation_of_tcpdump_by_size(tmp_path: Path, long: Path) -> None:
    need("tcpdump", "tcpdump")
    folder = tmp_path / "captures"
    folder.mkdir()
    # Nobody but root has to be able to write there.
    words = ("tcpdump", "-Z", "root", "-r", str(long), "-C", "1", "-w", str(folder / "set.pcap"))
    with Following(folder / "set.pcap*") as following:
        subprocess.run(words, stderr=subprocess.DEVNULL, check=True, timeout=60)
        files = sorted(folder.iterdir(), key=numbered)
        assert [one.name for one in files[:3]] == ["set.pcap", "set.pcap1", "set.pcap2"]
        assert len(files) > 10
        out = following.finish()
    assert out == replayed(*files)
    assert out.splitlines()[:-1] == replayed(long).splitlines()[:-1]


def test_names_that_are_used_again_in_turn(tmp_path: Path) -> None:
    """As ``tcpdump -C ... -W 3``: the oldest of three is truncated and written anew."""
    data = DEMO.read_bytes()
    ends = record_ends(data)
    with Following(tmp_path) as following:
        for number in range(9):
            start, end = ends[number * 100], ends[number * 100 + 100]
            with (tmp_path / f"set{number % 3}").open("wb", buffering=0) as file:
                file.write(data[:24])
                # Half a record at first.
                file.write(data[start : end - 30])
                time.sleep(0.3)
                file.write(data[end - 30 : end])
                time.sleep(0.05)
        out = following.finish()
    assert b'"packets":900,' in out.splitlines()[-1]
    assert following.said == []
    whole = tmp_path / "whole"
    whole.write_bytes(data[: ends[900]])
    assert out == replayed(whole)


def test_a_folder_that_is_empty_at_first_and_holds_other_things(tmp_path: Path) -> None:
    with Following(tmp_path) as following:
        time.sleep(0.5)
        (tmp_path / ".hidden").write_bytes(b"x" * 100)
        (tmp_path / "packed.gz").write_bytes(b"x" * 100)
        (tmp_path / "link.pcap").symlink_to(DEMO)
        (tmp_path / "folder").mkdir()
        (tmp_path / "readme.txt").write_bytes(b"What is captured here is captured for a reason.\n")
        following.wait_for_words("readme.txt")
        shutil.copy(DEMO, tmp_path / "one.pcap")
        following.wait_for_line(b"ctcpmon.finding.v1")
        # Whatever becomes of what is no capture.
        (tmp_path / "readme.txt").write_bytes(b"It was written again.\n")
        out = following.finish()
    assert out == replayed(DEMO)
    (said,) = following.said
    assert "left aside: it is no capture that can be read" in said


def test_a_file_that_grows_when_its_turn_is_over_is_said(tmp_path: Path) -> None:
    data = DEMO.read_bytes()
    ends = record_ends(data)
    names = [tmp_path / name for name in "abc"]
    with Following(tmp_path, "--follow-idle", "3") as following:
        for number, path in enumerate(names):
            path.write_bytes(data[:24] + data[ends[number * 100] : ends[number * 100 + 100]])
            time.sleep(0.6)
            if number == 1:
                with names[0].open("ab") as file:
                    file.write(data[ends[900] : ends[901]])
        out = following.wait(code=4)
    assert b'"packets":300,' in out.splitlines()[-1]
    assert any("that part is not read" in text for text in following.said)


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b]52;c;x\x07\u202e.txt").write_bytes(b"no capture at all")
    (tmp_path / os.fsdecode(b"b\xff\xfe\n.pcap")).write_bytes(DEMO.read_bytes())
    with Following(tmp_path) as following:
        assert following.finish() == replayed(DEMO)
    assert len(following.said) == 1
    assert all(one.isprintable() for one in following.said[0].removesuffix("\n"))


def test_a_folder_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    shutil.copy(DEMO, folder / "a.pcap")
    with Following(folder) as following:
        following.wait_for_line(b"ctcpmon.finding.v1")
        shutil.rmtree(folder)
        time.sleep(0.6)
        assert following.finish() == replayed(DEMO)
