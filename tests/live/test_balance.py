"""What was sent is what was measured and what the kernel dropped, to the frame."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from .program import Live
from .sender import Frames, Sender
from .wire import MONITORED

if TYPE_CHECKING:
    from .wire import Wire

MANY = 60_000
"""Over twice what a ring of 2 MiB holds of these frames: a reader that stands still must lose some."""


def frame(number: int, length: int = 120) -> bytes:
    """A TCP segment that is part of one of a thousand flows."""
    port = (1_024 + number % 1_000).to_bytes(2, "big")
    ip = bytes((0x45, 0, 0, length - 14, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 1, 1, 1, 10, 2, 2, 2))
    tcp = port + (443).to_bytes(2, "big") + number.to_bytes(4, "big") + bytes((0, 0, 0, 1, 0x50, 0x10, 8, 0))
    return (b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02" + b"\x08\0" + ip + tcp).ljust(length, b"\0")


@pytest.fixture(scope="module")
def frames() -> Frames:
    return Frames.of(frame(number) for number in range(1_000))


def balance(live: Live) -> tuple[int, int, int]:
    """Received, measured and dropped, of the last stats event."""
    counters = live.counters()
    assert counters["kernel_ring_freezes"] > 0 or counters["kernel_dropped_packets"] == 0
    return counters["kernel_received_packets"], counters["frames"], counters["kernel_dropped_packets"]


@pytest.mark.parametrize("_run", range(3))
def test_nothing_is_missing_when_the_kernel_drops(wire: Wire, frames: Frames, _run: int) -> None:
    with Live(wire.monitor, MONITORED, "--ring-mib", "2") as live, Sender(wire.sender) as sender:
        os.kill(live.pid, signal.SIGSTOP)
        try:
            sent = sender.send_all(frames, packets=MANY)
        finally:
            os.kill(live.pid, signal.SIGCONT)
        # As fast as it goes, with the engine awake and the ring full at first.
        sent += sender.send_all(frames, packets=MANY)
        assert live.end() == 0
    received, measured, dropped = balance(live)
    assert dropped > 0
    assert (sent, received) == (measured + dropped, measured + dropped)


def test_nothing_is_dropped_at_a_moderate_rate(wire: Wire, frames: Frames) -> None:
    with Live(wire.monitor) as live, Sender(wire.sender) as sender:
        sent = sender.send_all(frames, packets=MANY, per_second=30_000)
        assert live.end() == 0
    assert balance(live) == (sent, sent, 0)
    assert f"{sent:,} received, {sent:,} measured, none dropped" in live.said[-1]


def test_seconds_of_standing_still_cost_no_frame(wire: Wire, frames: Frames) -> None:
    with Live(wire.monitor) as live, Sender(wire.sender) as sender:
        stop = threading.Timer(0.5, os.kill, (live.pid, signal.SIGSTOP))
        go_on = threading.Timer(4.5, os.kill, (live.pid, signal.SIGCONT))
        stop.start()
        go_on.start()
        sent = sender.send_all(frames, packets=50_000, per_second=10_000)
        go_on.join()
        assert live.end() == 0
    assert balance(live) == (sent, sent, 0)


@pytest.mark.parametrize("rings", ["2", "3"])
def test_several_rings_share_the_frames(wire: Wire, frames: Frames, rings: str) -> None:
    with Live(wire.monitor, MONITORED, "--rings", rings) as live, Sender(wire.sender) as sender:
        sent = sender.send_all(frames, packets=20_000, per_second=20_000)
        assert live.end() == 0
    assert balance(live) == (sent, sent, 0)
    # A flow in two rings would be two in the table.
    assert live.of_type("stats")[-1][1]["data"]["tcp_conversations"] == 1_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_loses_nothing_that_came_before(wire: Wire, frames: Frames, number: signal.Signals) -> None:
    with Live(wire.monitor) as live, Sender(wire.sender) as sender:
        sent = sender.send_all(frames, packets=5_003)
        began = time.monotonic()
        assert live.end(number) == 0
        took = time.monotonic() - began
    assert balance(live) == (sent, sent, 0)
    assert all(line.endswith(b"\n") for _, line in live.lines)
    assert live.events[-1]["type"] == "ctcpmon.stats.v1"
    assert took < 5.0, "a service manager waits longer, a person does not"
