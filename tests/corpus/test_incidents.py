"""Incidents of labelled lab captures: what a person in front of the table is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ctcpmon import api

from tests.corpus.shared import captures

if TYPE_CHECKING:
    from ctcpmon.diagnosis import Incident


def open_incidents(name: str) -> list[Incident]:
    path = captures("lab", "labels.json") / "pcaps" / f"{name}.pcap"
    if not path.is_file():
        pytest.skip(f"SKIPPED, NOT PROVEN: no {path}")
    return [one for one in api.replay(path).incidents if one.is_open]


@pytest.mark.parametrize("tap", ["T2", "T4"])
def test_sessions_killed_by_connection_tracking_are_told_by_the_window_limit(tap: str) -> None:
    (incident,) = open_incidents(f"s13_ct_multi12_{tap}")
    assert incident.sessions_stalled == 5
    assert incident.timer is not None
    assert incident.timer.kind == "window"
    assert "consistent with connection tracking as in Linux" in incident.remarks[0].text


def test_sessions_held_by_an_inspection_queue_ran_into_no_timer() -> None:
    (incident,) = open_incidents("i07_ips_multi60_T2")
    assert incident.sessions_stalled == 9
    assert incident.timer is not None
    assert incident.timer.kind == "at_hole"


@pytest.mark.parametrize(
    "name", ["d01_fw_state_lost_T1", "d01_fw_state_lost_T4", "d07_idle_then_dead", "n20_nat_rebind_T1"]
)
def test_a_device_that_lost_its_state_is_one_outage(name: str) -> None:
    (incident,) = open_incidents(name)
    assert incident.cause.detector == "ctcp.headend_outage"
    assert incident.sessions_stalled == 3


@pytest.mark.parametrize("name", [
    "d03_headend_crash", "i01_ips_silent_T3", "i07_ips_multi60_T2", "n20_nat_rebind_T4",
    "s01_ct_frozenack_T4", "s04_ct_frozenack_T3", "s13_ct_multi12_T2", "s13_ct_multi12_T4", "s07_ct_rst_T4",
])  # fmt: skip
def test_stalls_of_single_streams_are_no_outage(name: str) -> None:
    found = open_incidents(name)
    assert found
    assert {one.cause.family for one in found} & {"outage"} == set()


def test_nat_rebinding_is_no_reconnect() -> None:
    found = open_incidents("n20_nat_rebind_T4")
    assert sum(one.rebindings for one in found) == 3
    remarks = [remark.text for one in found for remark in one.remarks]
    assert any("look at the NAT in front of the clients" in text for text in remarks)
    assert not any(one.cycle or one.sessions_reconnected for one in found)


def test_a_session_that_moves_after_the_fix_is_counted_as_moving() -> None:
    (incident,) = open_incidents("s27_ct_fixed_midrun_T4")
    assert incident.sessions_recovered == 1
    assert incident.moving_since_ns is not None
