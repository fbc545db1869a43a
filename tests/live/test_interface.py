"""An interface that goes down, comes up, is deleted and made anew; tags; filters."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import ENVIRONMENT

from .capture import ROOT
from .program import Live
from .sender import Frames, Sender
from .test_balance import frame
from .wire import MONITORED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .wire import Wire

RESUMES_WITHIN_S = 2.0
STATS = ("--stats-every", "0.2")


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


def measured(live: Live) -> int:
    return live.counters().get("frames", 0) if live.of_type("stats") else 0


def test_an_interface_made_anew_is_captured_again(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, *STATS) as live:
        for number in range(3):
            with Sender(wire.sender) as sender:
                for one in range(100):
                    assert sender.send(frame(one))
                wait_for(lambda: measured(live) == 100 * (number + 1))  # noqa: B023
            wire.cut()
            wait_for(lambda: live.counters()["interface_downs"] == number + 1)  # noqa: B023
            wire.lay()
            # Nothing tells that it listens again but the mode of the interface.
            assert wait_for(lambda: wire.shown()["promiscuity"] == 1) < RESUMES_WITHIN_S
        assert live.end() == 0
    assert measured(live) == 300
    assert live.counters()["kernel_received_packets"] == 300
    assert "down 3 times" in live.said[-1]


def test_downs_that_follow_each_other_quickly_are_all_counted(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, *STATS) as live:
        for _ in range(10):
            wire.set("down")
            time.sleep(0.06)
            wire.set("up")
            time.sleep(0.02)
        wait_for(lambda: bool(live.of_type("stats")) and live.counters()["interface_downs"] == 10)
        assert live.end() == 0
    assert "down 10 times" in live.said[-1]


def test_several_rings_say_that_they_cannot_follow(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, "--rings", "2") as live, Sender(wire.sender) as sender:
        assert sender.send(frame(1))
        wire.cut()
        # Long enough that every ring has heard of it.
        time.sleep(0.5)
        wire.lay()
        assert live.wait() == 4
    assert any("made anew" in words and "start again" in words for words in live.said)
    # What came before is judged and written all the same.
    assert live.counters()["frames"] == 1


def test_a_second_of_silence_is_no_gap(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, *STATS) as live, Sender(wire.sender) as sender:
        assert sender.send(frame(1))
        time.sleep(1.0)
        assert sender.send(frame(2))
        wait_for(lambda: measured(live) == 2)
        assert live.end() == 0
    assert (live.counters()["interface_downs"], live.counters()["capture_gaps"]) == (0, 0)


def test_an_interface_that_is_not_there_is_named(wire: Wire) -> None:
    live = Live(wire.monitor, "nowhere0")
    try:
        assert live.wait() == 3
    finally:
        live.__exit__()
    assert live.lines == []
    assert "no interface nowhere0" in live.said[0]


def test_a_filter_works_in_the_kernel(wire: Wire) -> None:
    with (
        Live(wire.monitor, MONITORED, "-f", "tcp port 1030 or tcp port 1031") as live,
        Sender(wire.sender) as sender,
    ):
        for one in range(1_000):
            assert sender.send(frame(one))
        assert live.end() == 0
    counters = live.counters()
    # What it refuses never reaches the ring.
    assert (counters["kernel_received_packets"], counters["frames"]) == (2, 2)


@pytest.mark.parametrize("tag", [b"\x81\x00\x20\x64", b"\x88\xa8\x00\x05\x81\x00\x20\x64"])
def test_a_tag_that_the_kernel_keeps_aside_is_back(wire: Wire, tag: bytes) -> None:
    words = ("cargo", "run", "-q", "--locked", "-p", "ctcpmon-live", "--example", "count", "--")
    # Built first: what runs in the namespace is the program alone.
    subprocess.run((*words[:1], "build", *words[2:-1]), cwd=ROOT, check=True, timeout=600)
    inside = ("ip", "netns", "exec", wire.monitor, *words, MONITORED, "2")
    tagged = [frame(one)[:12] + tag + frame(one)[12:] for one in range(50)]
    plain = [frame(one) for one in range(30)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(inside, cwd=ROOT, **pipes) as count, Live(wire.monitor) as live:
        assert count.stderr is not None
        assert b"listening" in count.stderr.readline()
        with Sender(wire.sender) as sender:
            frames = Frames.of(tagged + plain)
            assert sender.send_all(frames, packets=80) == 80
        out, _ = count.communicate(timeout=30)
        assert live.end() == 0
    # The length on the wire, tags included, though the kernel counts the outer one aside.
    every = sum(map(len, tagged + plain))
    assert json.loads(out) == {"received": 80, "taken": 80, "dropped": 0, "bytes": every, "tagged": 50}
    assert live.counters()["frames_tcp"] == 80


def test_two_starts_share_no_event_id(wire: Wire) -> None:
    ids: list[set[str]] = []
    for _ in range(2):
        with Live(wire.monitor, MONITORED, *STATS) as live, Sender(wire.sender) as sender:
            assert sender.send(frame(1))
            time.sleep(0.5)
            assert live.end() == 0
        ids.append({event["id"] for event in live.events})
        # Within a start they count from one without a gap, so that a consumer sees what it lost.
        numbers = [int(event["id"].rpartition(".")[2]) for event in live.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 1
    # A consumer that drops repeats would lose the events of the second.
    assert not ids[0] & ids[1]


def test_serve_writes_what_it_owes_when_an_interface_cannot_go_on(wire: Wire, folder: Path) -> None:
    out = folder / "events"
    words = (
        sys.executable,
        "-m",
        "ctcpmon",
        "serve",
        MONITORED,
        "--rings",
        "2",
        "--no-listen",
        "--file",
        out,
    )
    serving = subprocess.Popen(
        ("ip", "netns", "exec", wire.monitor, *words), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        assert serving.stderr is not None
        assert "serving" in serving.stderr.readline()
        with Sender(wire.sender) as sender:
            assert sender.send(frame(1))
            wire.cut()
            time.sleep(0.5)
            wire.lay()
        said = serving.communicate(timeout=30)[1]
    finally:
        serving.kill()
        serving.wait()
    assert serving.returncode == 4, said
    assert "made anew" in said
    (last,) = (json.loads(line) for line in out.read_bytes().splitlines())
    assert (last["type"], last["data"]["counters"]["frames"]) == ("ctcpmon.stats.v1", 1)
