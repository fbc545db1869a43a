"""Sparklines: bounded, by packet time, honest about what a cell stands for."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ctcpmon
import pytest
from ctcpmon import engine
from ctcpmon.text import width
from ctcpmon.tui.fake_source import busy, listening
from ctcpmon.tui.painting.brush import Frame, plain
from ctcpmon.tui.painting.trend import sparkline, trend
from ctcpmon.tui.trend import TrendLog
from ctcpmon.tui.view import Trend

SECOND = 1_000_000_000
DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
T0 = 1_795_487_891_402_000_000


@dataclass
class Found:
    ts_ns: int
    verdict: str = "stalled"


@dataclass
class Port:
    dropped: int = 0
    driver_dropped: int = 0


@dataclass
class Stats:
    packets: int = 0
    last_ns: int | None = None
    first_ns: int | None = T0
    counters: dict[str, int] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    rhythm: tuple[tuple[int, int, int], ...] = ()


def log_of(*looks: tuple[int, int], stalls: tuple[int, ...] = ()) -> TrendLog:
    log: Any = TrendLog()
    for seconds in stalls:
        log.add(Found(T0 + seconds * SECOND))
    for seconds, packets in looks:
        log.look(Stats(packets, T0 + seconds * SECOND))
    return log


def test_a_steady_rate_is_level_and_stalls_are_where_they_were() -> None:
    got = log_of(*((second, 100 * second) for second in range(1, 31)), stalls=(0, 10, 10)).trend()
    assert got.step_s == 1
    assert set(got.packets[1:-1]) <= {99, 100, 101}
    assert sum(got.stalls) == 3
    assert got.stalls[10] == 2


def test_one_look_at_a_capture_that_was_read_at_once_shows_when_its_packets_came() -> None:
    # 600 s: 10 packets a second, a minute of silence in the middle, 100 a second behind it.
    sums = [10 * s if s <= 270 else 2_700 if s <= 330 else 2_700 + 100 * (s - 330) for s in range(601)]
    rhythm = tuple((T0 + s * SECOND, sums[s], s // 10) for s in range(0, 600, 8))
    log: Any = TrendLog()
    counters = {"tap_missed_segments": 60}
    log.look(Stats(sums[600], T0 + 600 * SECOND, counters=counters, ports=(Port(9),), rhythm=rhythm))
    got = log.trend()
    assert got.step_s == 16
    assert 8 <= min(got.packets[1:16]) <= max(got.packets[1:16]) <= 12
    assert got.packets[18:20] == (0, 0)
    assert 90 <= min(got.packets[22:-1]) <= max(got.packets[22:-1]) <= 110
    # A second look adds nothing twice.
    before = got
    log.look(Stats(sums[600], T0 + 600 * SECOND, counters=counters, ports=(Port(9),), rhythm=rhythm))
    assert log.trend() == before


def test_the_engine_says_when_the_packets_of_a_capture_came() -> None:
    with engine.open_replay([str(DEMO)]) as replay:
        while not replay.poll(1_000).done:
            pass
        stats = replay.stats()
    times, packets, _ = zip(*stats.rhythm, strict=True)
    assert stats.first_ns is not None
    assert stats.last_ns is not None
    assert 40 <= len(times) <= 49, "one a second"
    assert list(times) == sorted(set(times))
    assert list(packets) == sorted(packets)
    log = TrendLog()
    log.look(stats)
    assert len(set(log.trend().packets)) > 5


@pytest.mark.parametrize("seconds", [59, 61, 119, 500, 3_600, 40_000])
def test_it_stays_small_and_keeps_the_rate(seconds: int) -> None:
    log = log_of(*((second, 50 * second) for second in range(1, seconds)), stalls=(seconds - 2,))
    got = log.trend()
    assert len(got.packets) == len(got.stalls) == len(got.lost) <= 60
    assert got.step_s in {1, 2, 4, 8, 16, 32, 64}
    assert all(packets == pytest.approx(50, rel=0.2) for packets in got.packets[1:-1])
    assert sum(got.stalls[-2:]) == 1
    # One that slides has the last hour; one that was just widened has half of its steps.
    assert len(got.packets) * got.step_s >= min(seconds, 1_800) - 2 * got.step_s


def test_what_came_between_two_looks_is_spread() -> None:
    got = log_of((40, 4_000)).trend()
    assert len(got.packets) == 41
    assert set(got.packets[1:-1]) == {100}
    assert sum(got.packets) == pytest.approx(4_000, rel=0.05)
    assert max(got.packets) <= 200


def test_losses_of_tap_and_kernel_count() -> None:
    log: Any = TrendLog()
    log.look(Stats(10, T0 + SECOND, counters={"tap_missed_segments": 3}, ports=(Port(5, 2),)))
    assert sum(log.trend().lost) == pytest.approx(10, abs=2)


def test_strange_times_break_nothing() -> None:
    rng = random.Random(5)
    log: Any = TrendLog()
    for _ in range(3_000):
        at = rng.choice((T0, 0, 2**62, T0 + rng.randrange(10**13), -5))
        log.add(Found(at, rng.choice(("stalled", "healthy"))))
        log.look(Stats(rng.randrange(10**9), rng.choice((None, at)), rng.choice((None, T0))))
        got = log.trend()
        assert len(got.packets) <= 60


def test_a_sparkline_has_its_width_and_shows_the_least_thing() -> None:
    assert sparkline((), 5) == "     "
    assert sparkline((0, 0, 1, 1000), 4) == "  ▁█"
    assert sparkline((0, 0, 1, 1000), 4, is_ascii=True) == "  .@"
    assert sparkline((1, 9, 1, 1), 2) == "█▁"
    for cells in range(1, 70):
        text = sparkline(tuple(range(61)), cells)
        assert width(text) == cells
        assert text[-1] == "█"


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("cells", [60, 119, 120, 150, 200, 300])
def test_the_line_fills_its_frame_or_is_empty(cells: int, *, is_ascii: bool) -> None:
    (line,) = trend(busy(), Frame(cells, 1, is_ascii=is_ascii))
    text = plain(line)
    assert width(text) == (cells if cells >= 120 else 0)
    if text:
        for words in (
            "packets/s",
            "max 4,200",
            "stalls",
            "max 7",
            "lost/s",
            "max 0",
            "last 14:56, 16 s a step",
        ):
            assert words in text
        assert text.isascii() or not is_ascii
    assert trend(listening(), Frame(cells, 1)) == [()]


def test_numbers_of_any_size_fit() -> None:
    view = replace(busy(), trend=Trend(64, (10**12,) * 60, (10**9,) * 60, (10**12,) * 60))
    (line,) = trend(view, Frame(120, 1))
    assert width(plain(line)) >= 100
