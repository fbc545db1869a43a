"""Sessions that stop alike name the likely device; sessions that do not, or only seem to, stay silent."""

from __future__ import annotations

from typing import Any

import pytest
from ctcpmon.diagnosis import IncidentBook
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_engine import Evidence, finding, stalled


def told(*evidences: dict[str, float], detector: str = "ctcp.silent_death") -> Any:
    book = IncidentBook()
    for number, values in enumerate(evidences):
        evidence = tuple(Evidence(name, value, "x") for name, value in values.items())
        on = stalled(number, signature=detector)
        book.add(finding(number, on, detector, at_s=24 + 20 * number, evidence=evidence))  # type: ignore[arg-type]
    (incident,) = book.incidents()
    return incident.timer


def after(*delays_ms: float) -> Any:
    return told(*({"hole_to_stall_ms": delay, "silence_ms": 6_000} for delay in delays_ms))


@pytest.mark.parametrize(
    ("delays", "device"),
    [
        ((4_050, 3_900, 4_210), "ASA (4 s by default)"),
        ((5_050, 5_200, 4_900), "reassembly timeout of IOS"),
        ((10_100, 9_900, 10_050), "twice the reassembly timeout of IOS"),
        ((7_200, 7_300, 7_100), "none that is known here"),
        ((20, 150, 300), "no timer ran"),
    ],
)
def test_equal_delays_name_a_timer(delays: tuple[float, ...], device: str) -> None:
    timer = after(*delays)
    assert device in timer.text
    assert "consistent with" in timer.text
    assert (timer.sessions, timer.of) == (3, 3)
    assert len(timer.short) <= 66


@pytest.mark.parametrize(
    "delays", [(4_050, 3_900), (4_000, 9_000, 21_000), (4_000, 4_000, 4_000, 1_000, 8_000, 12_000, 20_000)]
)
def test_few_or_unequal_delays_name_nothing(delays: tuple[float, ...]) -> None:
    assert after(*delays) is None


def at_limit(**more: float) -> dict[str, float]:
    return {"allowance_bytes": 66_000, "unacked_bytes": 69_000, "hole_to_stall_ms": 4_000, **more}


def test_a_stop_at_the_window_limit_is_no_timer() -> None:
    timer = told(at_limit(silence_ms=3_000), at_limit(), at_limit(), detector="ctcp.stateful_drop")
    assert timer.kind == "window"
    assert "consistent with connection tracking" in timer.text


def test_a_limit_nobody_saw_a_stream_stop_at_names_nothing() -> None:
    """In front of the device the detector itself dates the stall by the limit: that proves nothing."""
    assert told(at_limit(), at_limit(), at_limit(), detector="ctcp.stateful_drop") is None


@pytest.mark.parametrize(("segments", "device"), [(3, "an ASA"), (16, "IOS"), (64, "Palo Alto")])
def test_equal_counts_of_segments_name_a_queue(segments: int, device: str) -> None:
    values = {"segments_after_freeze": segments, "silence_ms": 6_000}
    timer = told(values, values, values)
    assert timer.kind == "segments"
    assert device in timer.text


def test_segments_sent_into_a_freeze_are_no_queue() -> None:
    values = {"segments_after_freeze": 16}
    assert told(values, values, values) is None


@given(st.lists(st.dictionaries(
    st.sampled_from(["hole_to_stall_ms", "silence_ms", "unacked_bytes", "allowance_bytes", "segments_after_freeze", "ack_frozen_ms"]),
    st.floats(), max_size=6), min_size=1, max_size=8))  # fmt: skip
def test_no_number_breaks_it(evidences: list[dict[str, float]]) -> None:
    timer = told(*evidences)
    assert timer is None or 3 <= timer.sessions <= timer.of
