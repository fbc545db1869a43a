"""What two taps prove, in words: no sentence claims more than was counted."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from ctcpmon.config import Settings
from ctcpmon.diagnosis import REFUSALS, device_words
from ctcpmon.pipeline import Pipeline
from ctcpmon.sinks import TableSink
from ctcpmon.text import width

from tests.fake_engine import (
    STOPPED_DIRECTION,
    DeviceDirection,
    DevicePair,
    Replay,
    Scenario,
    Stats,
    finding,
    stalled,
)

GUILTY = DevicePair(verdict="stopped", stopped_side="client", to_headend=STOPPED_DIRECTION)


def table(scenario: Scenario, pairs: list[DevicePair], cells: int) -> str:
    scenario.items = list(pairs)
    scenario.stats = Stats(matching={"pairs": len(pairs)})
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1", has_two_taps=True)  # type: ignore[arg-type]
    stream = io.BytesIO()
    sink = TableSink(stream, cells=cells)
    for items in pipeline.batches(0):
        sink.write([item.line for item in items])
    sink.close()
    return stream.getvalue().decode()


def words(pair: DevicePair) -> str:
    return device_words(pair)  # type: ignore[arg-type]


def test_the_innocent_are_said_to_be_innocent() -> None:
    expected = "the device forwarded all 200 packets to the headend and all 200 packets to the client"
    assert words(DevicePair()) == f"{expected}; look elsewhere"


def test_one_silent_direction_is_not_called_forwarded() -> None:
    silent = DeviceDirection(0, 0, 0, verdict="undecided")
    assert "to the client" not in words(DevicePair(to_client=silent))
    assert "too little" in words(DevicePair(to_client=silent, to_headend=silent))


def test_packets_that_are_overdue_at_the_end_make_nobody_innocent() -> None:
    waiting = DeviceDirection(200, 160, 160, undecided_pkts=40, overdue_pkts=30, verdict="overdue")
    text = words(DevicePair(to_headend=waiting))
    assert text.startswith("too early to tell: 30 packets to the headend")
    assert "look elsewhere" not in text


def test_a_stop_names_direction_time_and_number() -> None:
    text = words(GUILTY)
    assert (
        text
        == "the device stopped forwarding packets to the headend at 20:29:21.285 UTC: 60 entered since, none left"
    )
    near_the_end = replace(STOPPED_DIRECTION, undecided_pkts=40)
    assert words(replace(GUILTY, to_headend=near_the_end)).endswith("none left (40 more near the end)")


def test_a_stream_that_is_cut_anew_is_not_called_lossy() -> None:
    lossy = DeviceDirection(200, 199, 199, 1, verdict="lossy")
    assert words(DevicePair(to_client=lossy)) == "the device lost 1 of 200 packets to the client"
    recut = words(DevicePair(to_client=replace(lossy, verdict="recut", recut_pkts=3)))
    assert "lost" not in recut
    assert "3 packets left in other segments, 1 of 200 were not recognised" in recut
    held = replace(lossy, delay_spread_ns=5_000_000_000)
    assert words(DevicePair(to_client=held)).endswith("and held others for up to 5.0 s")


def test_taps_in_the_wrong_place_say_nothing_about_the_device() -> None:
    text = words(replace(GUILTY, delay_refused="taps_swapped"))
    assert "stopped" not in text
    assert "swapped" in text


@pytest.mark.parametrize("reason", [*REFUSALS, "something_new"])
def test_a_refused_delay_gives_its_reason(scenario: Scenario, reason: str) -> None:
    no_clock = DevicePair(clock_offset_ns=None, clock_uncertainty_ns=None, delay_refused=reason)
    text = table(scenario, [no_clock], 100)
    assert f"no delay stated: {REFUSALS.get(reason, 'something new')}" in text


@pytest.mark.parametrize("cells", [60, 80, 100])
def test_the_table_keeps_its_width_and_shows_the_last_report_only(scenario: Scenario, cells: int) -> None:
    items = [replace(GUILTY, is_final=False), GUILTY, *(DevicePair() for _ in range(250))]
    text = table(scenario, items, cells)
    assert max(map(width, text.splitlines())) <= cells
    assert text.count("STOPPED ") == 1
    assert "251 sessions seen at both" in text
    assert "and 51 more, none worse" in text


def test_each_tap_has_incidents_of_its_own(scenario: Scenario) -> None:
    at_client = stalled(0, taps=(1,))
    at_headend = replace(at_client, id="b" * 12, taps=(2,))
    scenario.items = [finding(1, at_client), finding(2, at_headend)]
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1", has_two_taps=True)  # type: ignore[arg-type]
    items = [item for items in pipeline.batches(0) for item in items]
    opened = [item for item in items if item.incident is not None and item.incident.sessions_stalled]
    assert [item.incident.sessions_total for item in opened if item.incident] == [1, 1]
    zones = [item.event.data.observer.ingress for item in opened]
    assert [zone.zone if zone else None for zone in zones] == ["client", "headend"]
