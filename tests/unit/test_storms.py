"""A storm of one cause at one headend is one line, in linear time; separate faults stay separate."""

from __future__ import annotations

import io
import time
from typing import Any

from ctcpmon.config import Settings
from ctcpmon.diagnosis import IncidentBook
from ctcpmon.pipeline import Pipeline
from ctcpmon.sinks.table import TableSink

from tests.fake_engine import Replay, Scenario, finding, stalled


def storm(sessions: int) -> list[Any]:
    ones = [stalled(n, client_ip=f"10.{n // 250}.{n % 250}.7", client_port=4_000) for n in range(sessions)]
    return [finding(n, one, at_s=24 + n / 200) for n, one in enumerate(ones)]


def test_many_networks_at_once_become_one_incident() -> None:
    book = IncidentBook()
    for one in storm(30):
        book.add(one)
    (incident,) = book.incidents(include_closed=False)
    assert (incident.sessions_stalled, incident.client_nets) == (30, 30)
    assert incident.path == "10.0.0.0/24 and 29 more networks to 198.51.100.9:10000"
    assert "30 client networks at once" in incident.remarks[-1].text
    assert {one.close_reason for one in book.incidents() if not one.is_open} == {"moved"}


def test_few_networks_or_many_over_a_long_time_stay_apart() -> None:
    book = IncidentBook()
    for one in storm(7):
        book.add(one)
    assert len(book.incidents()) == 7
    book = IncidentBook()
    for number in range(20):
        book.add(finding(number, stalled(number, client_ip=f"10.{number}.0.7"), at_s=30 + 60 * number))
    assert len(book.incidents()) == 20


def test_warnings_do_not_swallow_the_one_network_that_stalls() -> None:
    book = IncidentBook()
    for number in range(20):
        on = stalled(number, client_ip=f"10.{number}.0.7")
        book.add(finding(number, on, "ctcp.unfilled_hole", "at_risk", at_s=10 + number / 10))
    (warning,) = book.incidents(include_closed=False)
    assert (warning.severity, warning.sessions_at_risk) == ("warning", 20)
    book.add(finding(50, stalled(3, client_ip="10.3.0.7"), at_s=40))
    first, second = book.incidents(include_closed=False)
    assert (first.severity, first.client_net, first.sessions_total) == ("critical", "10.3.0.0/24", 1)
    assert (second.severity, second.sessions_total) == ("warning", 19)


def test_a_storm_closes_like_any_incident() -> None:
    book = IncidentBook()
    found = storm(12)
    for one in found:
        book.add(one)
    for one in found:
        last = book.add(finding(99, one.session, verdict="healthy", at_s=60))
    (closed,) = last
    assert closed.what == "cleared: 12 of 12 sessions moving again for 6.0 s"


def taken(sessions: int) -> float:
    book = IncidentBook()
    found = storm(sessions)
    began = time.perf_counter()
    for one in found:
        book.add(one)
    for one in found:
        book.end(stalled(0, id=one.session.id, client_ip=one.session.client_ip, end_reason="rst"))
    return time.perf_counter() - began


def test_five_thousand_sessions_are_a_page_and_take_linear_time(scenario: Scenario) -> None:
    scenario.items = storm(5_000)
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1")  # type: ignore[arg-type]
    stream = io.BytesIO()
    table = TableSink(stream)
    for items in pipeline.batches(0):
        table.write([item.line for item in items])
    table.close()
    text = stream.getvalue().decode()
    assert "INCIDENTS 1: 1 open, 1 critical" in text
    assert "5000     5000" in text
    assert len(text.splitlines()) < 40
    # Quadratic would be 16 times; the rest is room for a busy machine.
    small, large = min(taken(1_250) for _ in range(3)), min(taken(5_000) for _ in range(3))
    assert large < 10 * small


def test_unlike_incidents_are_cut_with_their_sum_told(scenario: Scenario) -> None:
    scenario.items = [finding(n, stalled(n, headend_ip=f"10.50.{n}.1")) for n in range(100)]
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1")  # type: ignore[arg-type]
    stream = io.BytesIO()
    table = TableSink(stream)
    for items in pipeline.batches(0):
        table.write([item.line for item in items])
    table.close()
    assert "and 60 more, none worse: 60 sessions, 60 stalled" in stream.getvalue().decode()
