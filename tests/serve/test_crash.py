"""SIGTERM, SIGKILL, SIGHUP, full disks: what was accepted is there, and the file is whole lines."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.serve.process import DEMO, ended, events, long_capture, number, serve, start, stop, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 400


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_capture(tmp_path_factory.mktemp("capture") / "long.pcap", ROUNDS)


@pytest.fixture(scope="module")
def undisturbed(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("whole") / "all.jsonl"
    serve("--replay", capture, "--file", path)
    lines = path.read_bytes().splitlines()
    assert len(lines) > 10 * ROUNDS
    return lines


def test_the_file_holds_what_replay_writes(tmp_path: Path) -> None:
    said = serve("--replay", DEMO, "--file", tmp_path / "a")
    here = events(tmp_path / "a")
    assert [number(one) for one in here] == list(range(1, len(here) + 1))
    assert here[-1]["type"] == "ctcpmon.stats.v1"
    assert here[-1]["data"]["outputs"]["file_lost"] == 0
    assert f"file: {len(here)} events delivered, 0 lost" in said


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_time_no_accepted_event_is_lost(
    capture: Path, undisturbed: list[bytes], tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "a.jsonl"
    process = start("--replay", capture, "--file", path)
    wait_for(lambda: (path.exists() and path.stat().st_size > 0) or process.poll() is not None, "first event")
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1].splitlines()
    # What is there is exactly the beginning of an undisturbed run; the counters alone differ.
    ours = [line for line in whole if b"ctcpmon.stats.v1" not in line]
    assert ours == undisturbed[: len(ours)]
    assert undisturbed[len(ours)].startswith(data[data.rfind(b"\n") + 1 :]) or not data.endswith(b"\n")
    # A second run repairs the end and goes on behind it.
    serve("--replay", DEMO, "--file", path)
    after = events(path)
    assert [json.dumps(one) for one in after[: len(whole)]] == [json.dumps(json.loads(one)) for one in whole]
    assert number(after[len(whole)]) == 1


@pytest.mark.parametrize("seed", range(8))
def test_sigterm_ends_in_order(capture: Path, undisturbed: list[bytes], tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.jsonl"
    process = start("--replay", capture, "--speed", "20000", "--file", path)
    wait_for(lambda: path.exists() and path.stat().st_size > 0, "first event")
    time.sleep(random.Random(seed).uniform(0, 0.5))
    began = time.monotonic()
    stop(process, signal.SIGTERM if seed % 2 else signal.SIGINT)
    assert time.monotonic() - began < 5
    here = events(path)
    assert [number(one) for one in here] == list(range(1, len(here) + 1))
    last = here[-1]
    assert last["type"] == "ctcpmon.stats.v1"
    assert 0 < len(here) < len(undisturbed)
    # The counters name every event that was made, and each of them is there.
    assert sum(last["data"]["events"].values()) == len(here) - 1


def test_a_partial_line_is_taken_off_and_a_strange_one_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"a":1}\n{"type":"ctcpmon.finding.v1","specv')
    assert "they were taken off" in serve("--replay", DEMO, "--file", path)
    assert events(path)[0] == {"a": 1}
    assert number(events(path)[1]) == 1
    other = tmp_path / "b"
    other.write_bytes(b"somebody's last line")
    serve("--replay", DEMO, "--file", other)
    assert other.read_bytes().startswith(b"somebody's last line\n{")


def test_rotation_keeps_every_event_up_to_its_number_of_files(tmp_path: Path, capture: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[outputs.file]\npath = "{tmp_path}/a.jsonl"\nmax_mib = 1\nkeep = 100\n')
    serve("--replay", capture, "-c", config)
    parts = [tmp_path / "a.jsonl", *sorted(tmp_path.glob("a.jsonl.*"), key=lambda p: int(p.suffix[1:]))]
    assert len(parts) > 5
    assert all(one.stat().st_size <= 1 << 20 for one in parts)
    everything = [number(one) for part in reversed(parts) for one in events(part)]
    assert everything == list(range(1, len(everything) + 1))
    config.write_text(config.read_text().replace("keep = 100", "keep = 2"))
    few = tmp_path / "few"
    few.mkdir()
    config.write_text(config.read_text().replace(f"{tmp_path}/a", f"{few}/a"))
    serve("--replay", capture, "-c", config)
    assert sorted(one.name for one in few.iterdir()) == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]


def test_hup_reopens_what_was_renamed(tmp_path: Path) -> None:
    path, old = tmp_path / "a", tmp_path / "old"
    process = start("--replay", DEMO, "--speed", "10", "--stats-every", "0.1", "--file", path)
    wait_for(lambda: path.exists() and path.stat().st_size > 0, "first event")
    path.rename(old)
    process.send_signal(signal.SIGHUP)
    wait_for(path.exists, "the new file")
    ended(process)
    numbers = [number(one) for one in (*events(old), *events(path))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert events(path)


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    process = start("--replay", DEMO, "--stay", "--file", tmp_path / "a")
    wait_for((tmp_path / "a").exists, "the file")
    try:
        assert "another ctcpmon writes this file" in serve("--replay", DEMO, "--file", tmp_path / "a", code=2)
    finally:
        stop(process)


@pytest.mark.parametrize("where", ["/dev/null", "/nowhere/at/all"])
def test_what_is_no_file_is_one_clear_line(where: str) -> None:
    said = serve("--replay", DEMO, "--file", where, code=2)
    assert said.startswith(f"ctcpmon: file: {where}: ")
    assert len(said.splitlines()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("FULL DISK NOT TESTED: needs root for a small tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"FULL DISK NOT TESTED: cannot mount a tmpfs ({done.stderr.decode()[:80]})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_delays_events_and_loses_none_that_fit_in_memory(small_disk: Path) -> None:
    filler, path = small_disk / "filler", small_disk / "a"
    filler.write_bytes(b"x" * (1_000 << 10))
    process = start("--replay", DEMO, "--stay", "--file", path)
    time.sleep(2.5)
    kept = path.read_bytes()
    assert kept == b"" or kept.endswith(b"\n"), "whole lines even on a full disk"
    assert kept.count(b"\n") < 27
    filler.unlink()
    wait_for(lambda: path.read_bytes().count(b"\n") == 27, "the rest")
    said = stop(process)
    assert [number(one) for one in events(path)] == list(range(1, 28))
    assert "No space left on device; trying again" in said
    assert "goes on, 0 events lost" in said


def test_a_disk_that_stays_full_ends_with_numbers(small_disk: Path, capture: Path) -> None:
    path = small_disk / "a"
    said = serve("--replay", DEMO, "--file", path)
    assert "0 lost" in said
    process = start("--replay", capture, "--file", path)
    wait_for(lambda: path.stat().st_size > 900_000, "a full disk")
    time.sleep(1)
    said = stop(process)
    here = events(path)[27:]
    delivered, lost = _balance(said)
    assert delivered == len(here)
    assert lost > 0
    # The beginning is there without a gap; what is missing is counted.
    assert [number(one) for one in here] == list(range(1, len(here) + 1))


def _balance(said: str) -> tuple[int, int]:
    line = next(one for one in said.splitlines() if "events delivered" in one)
    words = line.replace(",", "").split()
    return int(words[2]), int(words[5])
