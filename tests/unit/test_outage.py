"""Several clients of one headend that fall silent together are one outage, not many stalled streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ctcpmon.config import Settings
from ctcpmon.diagnosis import Incident, IncidentBook
from ctcpmon.pipeline import new_book

from tests.fake_engine import SECOND, T0, Evidence, finding, session, stalled


def silent(number: int, at_s: float, *, client: str = "", side: str = "headend", **more: Any) -> Any:
    on = stalled(
        number,
        client_ip=client or f"10.{number}.0.7",
        signature="ctcp.silent_death",
        stopped_side=side,
        stalled_at_ns=T0 + int((at_s - 6) * SECOND),
    )
    evidence = (Evidence("silence_ms", 6_000.0, "ms", T0 + int((at_s - 6) * SECOND)),)
    values = {"loss_side": side, "stopped_side": side, "evidence": evidence, **more}
    return finding(number, on, "ctcp.silent_death", at_s=at_s, **values)


def feed(book: IncidentBook, *findings: Any) -> list[Incident]:
    return [incident for one in findings for incident in book.add(one)]


def open_ones(book: IncidentBook) -> tuple[Incident, ...]:
    return book.incidents(include_closed=False)


@pytest.mark.parametrize("side", ["headend", "client"])
def test_three_clients_at_once_are_an_outage_over_all_networks(side: str) -> None:
    book = new_book(Settings())
    feed(book, *(silent(number, 30 + number / 3, side=side) for number in range(3)))
    (incident,) = open_ones(book)
    assert incident.cause.detector == "ctcp.headend_outage"
    assert incident.what == "headend or the device in front of it went away"
    assert (incident.sessions_stalled, incident.client_nets, incident.silent_side) == (3, 3, side)
    assert incident.loss_side is None
    assert incident.fixes[0] == "check-the-headend"
    assert not [fix for fix in incident.fixes if "bypass" in fix or "notrack" in fix]
    feed(book, silent(9, 31, side=side))
    assert [one.sessions_total for one in open_ones(book)] == [4]


def test_unanswered_ike_counts_and_the_stall_after_it_stays() -> None:
    book = IncidentBook()
    asks = [session(number, client_ip=f"10.{number}.0.7") for number in range(3)]
    evidence = (Evidence("ike_requests", 3.0, "count", T0),)
    for number, on in enumerate(asks):
        feed(book, finding(number, on, "ctcp.ike_unanswered", "suspect", at_s=30 + number, stopped_side="client",
                           evidence=evidence, loss_side=None))  # fmt: skip
    (incident,) = open_ones(book)
    assert (incident.cause.family, incident.severity) == ("outage", "warning")
    feed(book, silent(0, 36))
    (incident,) = open_ones(book)
    assert (incident.severity, incident.sessions_total) == ("critical", 3)


def unheard(number: int, heard_s: float, asked_s: float) -> Any:
    """A client that asks, last heard its headend then, and waits since its first question."""
    on = session(number, client_ip=f"10.{number}.0.7")
    on = replace(on, to_client=replace(on.to_client, last_ns=T0 + int(heard_s * SECOND)))
    asked_ns = T0 + int(asked_s * SECOND)
    evidence = (Evidence("ike_requests", 3.0, "count", asked_ns),)
    one = finding(number, on, "ctcp.ike_unanswered", "suspect", at_s=asked_s + 25, stopped_side="client",
                  evidence=evidence, loss_side=None)  # fmt: skip
    return replace(one, since_ns=asked_ns)


def test_unanswered_ike_is_dated_by_the_last_word_of_the_silent_side() -> None:
    # Their questions come at the beat of each: 12 s apart. The headend was last heard within one.
    together = [unheard(n, 10 + n / 4, 15 + 6 * n) for n in range(3)]
    assert names(*together) == {"ctcp.headend_outage"}
    # The same questions after silences that began one by one.
    apart = [unheard(n, 3 + 7 * n, 15 + 6 * n) for n in range(3)]
    assert "ctcp.headend_outage" not in names(*apart)


def names(*findings: Any) -> set[str]:
    book = IncidentBook()
    feed(book, *findings)
    return {one.cause.detector for one in open_ones(book)}


def test_sessions_of_one_network_that_stall_after_losses_of_their_own_are_no_outage() -> None:
    lost = (Evidence("hole_to_stall_ms", 900.0, "ms"), Evidence("silence_ms", 6_000.0, "ms", T0))
    alike = [silent(n, 30 + n / 3, client=f"10.1.4.{n + 1}", evidence=lost) for n in range(3)]
    assert names(*alike) == {"ctcp.silent_death"}


def test_two_clients_or_three_ports_of_one_address_are_no_outage() -> None:
    assert names(silent(0, 30), silent(1, 30)) == {"ctcp.silent_death"}
    assert names(*(silent(n, 30, client="198.51.100.7") for n in range(3))) == {"ctcp.silent_death"}


def test_clients_that_leave_one_by_one_are_no_outage() -> None:
    assert names(*(silent(n, 30 + 20 * n) for n in range(6))) == {"ctcp.silent_death"}
    assert names(*(silent(n, 30 + 3 * n, side="client") for n in range(6))) == {"ctcp.silent_death"}


def test_a_few_of_many_troubled_clients_are_no_outage() -> None:
    holes = [
        finding(n, session(n, client_ip=f"10.9.{n}.1"), "ctcp.unfilled_hole", "at_risk", at_s=5)
        for n in range(20)
    ]
    assert "ctcp.headend_outage" not in names(*holes, *(silent(n, 30) for n in range(3)))


def test_a_silence_that_was_taken_back_does_not_count() -> None:
    first = silent(0, 30)
    back = finding(7, first.session, "ctcp.silent_death", "healthy", at_s=32)
    assert "ctcp.headend_outage" not in names(first, back, silent(1, 33), silent(2, 33))


def test_the_name_is_taken_back_when_more_clients_went_on() -> None:
    book = new_book(Settings())
    feed(book, *(silent(number, 30) for number in range(3)))
    for number in range(10, 15):
        book.end(session(number, client_ip=f"10.{number}.0.7", end_reason="end_of_input"))
    (incident,) = open_ones(book)
    assert incident.cause.detector == "ctcp.silent_death"
    assert "went on unharmed" in incident.remarks[0].text
    assert incident.fixes != ("check-the-headend",)


def test_a_headend_that_is_back_closes_its_outage_and_the_next_one_is_found() -> None:
    book = IncidentBook()
    down = [silent(number, 30) for number in range(3)]
    feed(book, *down)
    *_, closed = feed(
        book, *(finding(9, one.session, "ctcp.silent_death", "healthy", at_s=60) for one in down)
    )
    assert closed.what == "cleared: 3 of 3 sessions moving again for 6.0 s"
    feed(book, *(silent(number, 90) for number in range(3)))
    assert [one.cause.detector for one in open_ones(book)] == ["ctcp.headend_outage"]
