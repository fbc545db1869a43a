"""Reconnect cycles, and how an incident ends: cured, reconnected, or its sessions merely went away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ctcpmon.config import Limits
from ctcpmon.diagnosis import Incident, IncidentBook

from tests.fake_engine import SECOND, T0, Direction, Evidence, finding, session, stalled

LOST = (Evidence("hole_bytes", 96.0, "bytes"), Evidence("hole_to_stall_ms", 900.0, "ms"))
SILENT = (Evidence("silence_ms", 6_000.0, "ms"),)


def life(number: int, begins_s: float, stalls_s: float, **more: Any) -> Any:
    spi = Direction(esp_spi=0x1000 + number)
    values = {"to_headend": spi, "to_client": replace(spi, esp_spi=0x2000 + number), **more}
    return stalled(
        number,
        first_ns=T0 + int(begins_s * SECOND),
        stalled_at_ns=T0 + int(stalls_s * SECOND),
        last_ns=T0 + int((stalls_s + 4) * SECOND),
        **values,
    )


def stalls(on: Any, evidence: tuple[Evidence, ...] = LOST) -> Any:
    at_s = (on.stalled_at_ns - T0) / SECOND + 4
    return finding(1, on, "ctcp.silent_death", at_s=at_s, evidence=evidence)


def over(on: Any, reason: str = "rst", after_s: float = 20) -> Any:
    return replace(on, end_reason=reason, last_ns=on.stalled_at_ns + int(after_s * SECOND))


def only(book: IncidentBook) -> Incident:
    (incident,) = book.incidents()
    return incident


def cycle(lengths: tuple[float, ...], evidence: tuple[Evidence, ...] = LOST, **more: Any) -> Incident:
    book = IncidentBook()
    begins = 0.0
    for number, length in enumerate(lengths):
        one = life(number, begins, begins + length, **more)
        book.add(stalls(one, evidence))
        book.end(over(one))
        begins += length + 25
    return only(book)


def test_a_client_that_stalls_again_and_again_is_told_with_its_lifetimes() -> None:
    incident = cycle((60, 61, 59, 60))
    assert incident.cycle is not None
    assert (incident.cycle.clients, incident.cycle.reconnects, incident.cycle.is_timer) == (1, 3, False)
    assert incident.cycle.text == "one client reconnected 3 times, each connection lived about 60.0 s"
    assert (incident.sessions_total, incident.sessions_gone, incident.sessions_reconnected) == (4, 4, 3)
    assert incident.is_open
    assert incident.severity == "critical"


def test_lifetimes_that_differ_are_told_as_a_range() -> None:
    text = cycle((12, 200, 45)).remarks[-1].text
    assert text == "one client reconnected 2 times, the connections lived 12.0 s to 3 min 20 s"


def test_equal_lifetimes_without_loss_are_a_timer_not_this_fault() -> None:
    incident = cycle((300, 301, 299), SILENT)
    assert incident.cycle is not None
    assert incident.cycle.is_timer
    assert incident.what == "ends at a regular age, no loss: a timer, not this fault"


def test_two_connections_are_no_cycle() -> None:
    assert cycle((60, 61)).cycle is None


def test_the_same_spi_on_a_new_port_is_nat_rebinding_not_a_reconnect() -> None:
    book = IncidentBook()
    for number in range(4):
        linked = session(number - 1).id if number else None
        one = life(0, 50 * number, 50 * number + 30, linked_session=linked)
        one = replace(one, id=session(number).id, client_port=2_000 + number)
        book.add(stalls(one, SILENT))
    assert only(book).cycle is None
    assert only(book).rebindings == 3
    assert "NAT rebinding" in only(book).remarks[-1].text


def test_users_behind_one_address_are_not_one_client_that_reconnects() -> None:
    book = IncidentBook()
    ones = [life(number, 0, 30 + number) for number in range(2)]
    ones += [life(number, 100 + number, 130 + number) for number in range(2, 6)]
    for one in ones:
        book.add(stalls(one))
    assert only(book).cycle is None


def test_a_client_back_on_a_moving_connection_ends_the_incident_well() -> None:
    book = IncidentBook()
    first, second = life(0, 0, 30), life(1, 0, 31, client_ip="10.1.4.99")
    book.add(stalls(first))
    book.add(stalls(second))
    book.end(over(first))
    assert only(book).severity == "critical"
    book.add(finding(3, second, "ctcp.silent_death", "healthy", at_s=60))
    assert only(book).is_open
    back = session(7, first_ns=T0 + 70 * SECOND, last_ns=T0 + 100 * SECOND, end_reason="end_of_input")
    (closed,) = book.end(back)
    assert (closed.close_reason, closed.severity) == ("reconnected", "info")
    assert closed.what == "cleared: of 2 sessions 1 moving again, 1 reconnected"


def test_a_parallel_connection_of_the_address_is_no_return() -> None:
    book = IncidentBook()
    gone = life(0, 0, 30)
    book.add(stalls(gone))
    book.end(over(gone))
    assert book.end(session(7, first_ns=T0, last_ns=T0 + 90 * SECOND, end_reason="fin")) == ()
    assert only(book).is_open


def test_sessions_that_merely_went_away_are_not_called_cured() -> None:
    book = IncidentBook()
    gone = life(0, 0, 30)
    book.add(stalls(gone))
    book.end(over(gone))
    book.add(finding(9, session(5, client_ip="10.99.0.1"), "ctcp.unfilled_hole", "at_risk", at_s=300))
    (closed,) = (one for one in book.incidents() if not one.is_open)
    assert closed.close_reason == "gone"
    assert closed.what == "not cured: 1 of 1 session ended, not seen again"
    assert closed.worst_severity == "critical"


def test_the_end_of_the_input_ends_no_session() -> None:
    book = IncidentBook()
    cut = life(0, 0, 30)
    book.add(stalls(cut))
    assert book.end(over(cut, "end_of_input", 900)) == ()
    assert (only(book).sessions_stalled, only(book).is_open) == (1, True)


def test_a_session_that_was_only_at_risk_and_logged_out_ends_its_warning() -> None:
    book = IncidentBook()
    book.add(finding(1, session(), "ctcp.unfilled_hole", "at_risk", at_s=10))
    (closed,) = book.end(session(end_reason="fin"))
    assert closed.what == "over: 1 of 1 session ended, no stall"


def test_moving_sessions_stay_counted_although_a_hole_is_left() -> None:
    book = IncidentBook()
    for number in range(3):
        on = stalled(number)
        book.add(finding(number, on, "ctcp.unfilled_hole", "at_risk", at_s=10))
        book.add(finding(number, on, at_s=20))
    for number in range(3):
        last = book.add(finding(number, stalled(number), verdict="healthy", at_s=40 + number))
    (closed,) = last
    assert closed.what == "cleared: 3 of 3 sessions moving again for 6.0 s"


def test_recovered_sessions_that_end_stay_counted() -> None:
    book = IncidentBook()
    for number in range(2):
        book.add(finding(number, stalled(number), at_s=10))
    book.add(finding(3, stalled(0), verdict="healthy", at_s=30))
    book.end(stalled(0, state="healthy", end_reason="fin"))
    assert only(book).counts == "1 stalled, 0 at risk, 1 moving again"
    (closed,) = book.add(finding(4, stalled(1), verdict="healthy", at_s=50))
    assert closed.what == "cleared: 2 of 2 sessions moving again for 6.0 s"


def test_rows_of_clients_are_bounded_and_counted() -> None:
    book = IncidentBook(Limits(max_incident_sessions=5))
    for number in range(9):
        one = life(number, 0, 30, client_ip=f"10.1.4.{number}")
        book.add(stalls(one))
        book.end(over(one))
    assert book.counters["incident_patterns_forgotten"] == 4


def test_a_logout_of_a_session_that_was_only_at_risk_spoils_no_recovery() -> None:
    book = IncidentBook()
    book.add(finding(1, session(1), "ctcp.unfilled_hole", "at_risk", at_s=5))
    book.add(finding(2, stalled(0), at_s=10))
    book.end(session(1, state="at_risk", end_reason="fin"))
    (closed,) = book.add(finding(4, stalled(0), verdict="healthy", at_s=50))
    assert closed.what == "cleared: 1 of 2 sessions moving again for 6.0 s"
    assert closed.counts == "0 stalled, 0 at risk, 1 moving again, 1 ended"
