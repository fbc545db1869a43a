"""Events of a whole run: form, order, numbering, and independence of how batches fall."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon import events
from ctcpmon.config import Settings, Site
from ctcpmon.pipeline import Pipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_engine import (
    Direction,
    Evidence,
    Replay,
    Scenario,
    Stats,
    finding,
    install,
    session,
    stalled,
    textbook,
)

if TYPE_CHECKING:
    from ctcpmon.events import Event

pytestmark = pytest.mark.usefixtures("scenario")


def run(scenario: Scenario, run_settings: Settings | None = None) -> list[Event]:
    assert scenario is not None
    pipeline = Pipeline(Replay(["x"]), run_settings or Settings(), version="1.2.3")  # type: ignore[arg-type]
    return [item.event for items in pipeline.batches(0) for item in items]


def lines(scenario: Scenario) -> bytes:
    return b"\n".join(map(events.encode, run(scenario)))


def parsed(event: Event) -> dict[str, Any]:
    return dict(json.loads(events.encode(event)))


def test_findings_incidents_and_ended_sessions_come_as_made_and_stats_last(scenario: Scenario) -> None:
    scenario.items = textbook()
    kinds = [type(event).__name__.removesuffix("Event") for event in run(scenario)]
    assert kinds == [
        "Finding",
        "Incident",
        "Finding",
        "Finding",
        "Incident",
        "Finding",
        "Session",
        "Finding",
        "Incident",
        "Session",
        "Session",
        "Stats",
    ]


def test_golden_events(scenario: Scenario) -> None:
    """A change here is a change of the output contract: say so in the changelog."""
    scenario.items = [*textbook(), finding(9, stalled(0), verdict="healthy", at_s=70)]
    path = Path(__file__).with_name("golden_events.jsonl")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(lines(scenario) + b"\n")
    golden = path.read_bytes()
    assert lines(scenario) + b"\n" == golden


def test_ids_count_from_one_without_gaps(scenario: Scenario) -> None:
    scenario.items = textbook()
    assert [event.id for event in run(scenario)] == [f"local.replay.{n}" for n in range(1, 13)]
    named = run(scenario, Settings(site=Site(name="fra1")))
    assert named[0].id == "fra1.replay.1"
    assert named[0].source == "/ctcpmon/fra1"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_batches_change_nothing(scenario: Scenario, size: int) -> None:
    scenario.items = textbook()
    whole = lines(scenario)
    scenario.batch_items = size
    assert lines(scenario) == whole


def test_many_sessions_pass_through_the_spool_in_order(scenario: Scenario) -> None:
    scenario.items = [session(number) for number in range(3_000)]
    found = run(scenario)
    ports = [event.data.source.port for event in found if isinstance(event, events.SessionEvent)]
    assert ports == [1_061 + number for number in range(3_000)]
    assert found[-1].id == "local.replay.3001"


def test_the_session_event_has_the_promised_fields(scenario: Scenario) -> None:
    scenario.items = [replace(stalled(), end_reason="end_of_input")]
    event = parsed(run(scenario)[0])
    data = event["data"]
    assert event["type"] == "ctcpmon.session.v1"
    assert data["source"] == {"ip": "10.1.4.17", "port": 1061, "packets": 100, "bytes": 12_000}
    assert data["destination"] == {"ip": "198.51.100.9", "port": 10_000, "packets": 100, "bytes": 12_000}
    assert data["network"]["protocol"] == "ctcp"
    assert data["network"]["transport"] == "tcp"
    assert data["network"]["community_id"] == event["subject"]
    ctcp = data["ctcp"]
    assert (ctcp["state"], ctcp["worst_state"]) == ("stalled", "stalled")
    assert ctcp["stalled_at"] == "2026-11-23T20:29:21.285056Z"
    assert ctcp["signature"] == "ctcp.stateful_drop"
    assert (ctcp["stopped_side"], ctcp["loss_side"], ctcp["confidence"]) == ("client", "client", 0.94)
    assert ctcp["to_headend"]["esp_loss_ratio"] == 0.022222


def test_unknown_is_absent_and_a_known_zero_is_written(scenario: Scenario) -> None:
    scenario.items = [session(keepalive_ms=None, to_client=Direction(ack_rtt_us=None, dup_acks=0))]
    text = events.encode(run(scenario)[0]).decode()
    assert "null" not in text
    ctcp = json.loads(text)["data"]["ctcp"]
    assert "keepalive_ms" not in ctcp
    assert "stalled_at" not in ctcp
    assert "signature" not in ctcp
    assert "ack_rtt_us" not in ctcp["to_client"]
    assert ctcp["to_client"]["dup_acks"] == 0
    assert ctcp["is_cut"] is False


def test_stats_come_last_with_every_counter_and_no_trace_of_the_container(scenario: Scenario) -> None:
    scenario.stats = Stats(counters={"frames_read": 7, "frames_cut": 0}, bytes_read=123, bytes_total=456)
    data = parsed(run(scenario)[-1])["data"]
    assert (data["packets"], data["tcp_packets"], data["tcp_conversations"]) == (4_120, 4_000, 3)
    assert data["counters"] == {"frames_read": 7, "frames_cut": 0}
    before = lines(scenario)
    scenario.stats = replace(scenario.stats, bytes_read=999, bytes_total=None, flows_current=5)
    assert lines(scenario) == before


def test_an_empty_capture_has_stats_without_times(scenario: Scenario) -> None:
    scenario.stats = Stats(packets=0, first_ns=None, last_ns=None, tap_gap_ratio=None)
    (event,) = run(scenario)
    assert "time" not in parsed(event)


def test_numbers_that_json_cannot_hold_do_not_appear(scenario: Scenario) -> None:
    odd = tuple(
        Evidence("hole_bytes", value, "bytes") for value in (math.nan, math.inf, -math.inf, 1e300, 2.0**60)
    )
    on = session(to_headend=Direction(packets=2**64 - 1, payload_bytes=2**63))
    scenario.items = [finding(1, on, evidence=odd, confidence=math.nan, tap_gap_ratio=math.inf), on]
    scenario.stats = Stats(counters={"x": 2**64 - 1})
    for event in run(scenario):
        text = events.encode(event).decode()
        for word in ("NaN", "Infinity", "null"):
            assert word not in text
        _check_numbers(json.loads(text))


def _check_numbers(node: Any) -> None:
    if isinstance(node, dict):
        for value in node.values():
            _check_numbers(value)
    elif isinstance(node, list):
        for value in node:
            _check_numbers(value)
    elif isinstance(node, int | float):
        assert abs(node) < 2**53


def test_words_outside_the_contract_become_unknown(scenario: Scenario) -> None:
    on = session(state="weird")
    scenario.items = [finding(1, on, verdict="", stopped_side="left", loss_side="\x1b")]
    ctcp = parsed(run(scenario)[0])["data"]["ctcp"]
    assert (ctcp["state"], ctcp["verdict"]) == ("unknown", "unknown")
    assert "stopped_side" not in ctcp
    assert "loss_side" not in ctcp


def test_every_event_reads_back(scenario: Scenario) -> None:
    scenario.items = textbook()
    for event in run(scenario):
        assert events.decode(events.encode(event)) == event


HOSTILE = st.text(st.characters(), max_size=40)


@given(HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=50)
def test_hostile_words_never_reach_a_line_raw(one: str, two: str, three: str) -> None:
    install()
    from tests.fake_engine import scenario as fresh

    on = session(id=one or "x", protocol=two, client_ip=three, product=one, ike_exchange=two)
    fresh.items = [finding(1, on, two or "d", ruled_out=(one,), evidence=(Evidence(three, 1.0, two),)), on]
    fresh.stats = Stats(counters={one: 1})
    for event in run(fresh):
        line = events.encode(event).decode("utf-8")
        assert line.isprintable()
        assert events.decode(line) == event


def test_group_names_leave_only_when_asked(scenario: Scenario) -> None:
    hidden = "gr\x1b[31moup"
    lone = session(3, vpn_group=hidden, vendors=("cisco-unity",))
    texts = []
    for chosen in (Settings(), Settings(show_groups=True)):
        scenario.items = [lone]
        pipeline = Pipeline(Replay(["x"]), chosen, version="1")  # type: ignore[arg-type]
        first = next(item.event for items in pipeline.batches(0) for item in items)
        texts.append(json.loads(events.encode(first))["data"]["ctcp"])
    assert "group" not in texts[0]
    assert texts[0]["vendors"] == ["cisco-unity"]
    assert texts[1]["group"].startswith("gr")
    assert "\x1b" not in texts[1]["group"]
