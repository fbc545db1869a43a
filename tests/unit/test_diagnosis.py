"""Findings become incidents: one cause on one path, one session in at most one of them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

from ctcpmon.config import Limits
from ctcpmon.diagnosis import Incident, IncidentBook
from ctcpmon.diagnosis.open_incident import Key
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_engine import SECOND, T0, finding, session, stalled


def feed(book: IncidentBook, *findings: Any) -> list[Incident]:
    return [incident for one in findings for incident in book.add(one)]


def test_a_hole_opens_a_warning_and_the_stall_makes_it_critical() -> None:
    book = IncidentBook()
    (opened,) = book.add(finding(1, session(), "ctcp.unfilled_hole", "at_risk", at_s=10))
    assert (opened.change, opened.severity, opened.seq) == ("opened", "warning", 1)
    (grown,) = book.add(finding(2, stalled(), at_s=24))
    assert (grown.id, grown.change, grown.severity, grown.seq) == (opened.id, "changed", "critical", 2)
    assert (grown.sessions_total, grown.sessions_stalled, grown.sessions_at_risk) == (1, 1, 0)
    assert grown.cause.detector == "ctcp.stateful_drop"
    assert grown.path == "10.1.4.0/24 to 198.51.100.9:10000"
    assert grown.since_ns == opened.since_ns


def test_sessions_of_one_path_are_one_incident_and_other_paths_are_not() -> None:
    book = IncidentBook()
    feed(book, finding(1, stalled(0)), finding(2, stalled(1)), finding(3, stalled(2, client_ip="10.1.5.1")))
    incidents = book.incidents()
    assert [one.sessions_stalled for one in incidents] == [2, 1]
    assert [one.client_net for one in incidents] == ["10.1.4.0/24", "10.1.5.0/24"]


def test_later_symptoms_stay_with_the_cause_of_the_first_stall() -> None:
    book = IncidentBook()
    frozen = stalled(signature="ctcp.proxy_ack_freeze")
    feed(
        book,
        finding(1, frozen, "ctcp.proxy_ack_freeze"),
        finding(2, frozen, "ctcp.silent_death", at_s=40),
        finding(3, frozen, "ctcp.ike_unanswered", "suspect", at_s=50),
    )
    (incident,) = book.incidents()
    assert incident.cause.detector == "ctcp.proxy_ack_freeze"
    assert incident.sessions_total == 1


def test_a_worse_cause_takes_the_session_along() -> None:
    book = IncidentBook()
    feed(book, finding(1, session(), "ctcp.unfilled_hole", "at_risk", at_s=10))
    frozen = stalled(signature="ctcp.proxy_ack_freeze")
    closed, opened = feed(book, finding(2, frozen, "ctcp.proxy_ack_freeze", at_s=20))
    assert (closed.change, closed.close_reason) == ("closed", "moved")
    assert (opened.change, opened.sessions_total) == ("opened", 1)


def test_an_incident_closes_when_all_sessions_cleared_and_says_so() -> None:
    book = IncidentBook()
    feed(book, finding(1, stalled(0), at_s=10), finding(2, stalled(1), at_s=11))
    assert not [
        one for one in feed(book, finding(3, stalled(0), verdict="healthy", at_s=12)) if not one.is_open
    ]
    *_, closed = feed(book, finding(4, stalled(1), verdict="healthy", at_s=13))
    assert (closed.change, closed.close_reason, closed.severity) == ("closed", "cleared", "info")
    assert (closed.worst_severity, closed.sessions_recovered) == ("critical", 2)
    assert closed.what == "cleared: 2 of 2 sessions moving again for 6.0 s"
    assert book.incident_of(stalled(0)) is None  # type: ignore[arg-type]
    (again,) = feed(book, finding(5, stalled(0), at_s=60))
    assert again.change == "opened"
    assert again.id != closed.id


def test_sessions_that_were_only_at_risk_are_not_said_to_move_again() -> None:
    book = IncidentBook()
    book.add(finding(1, session(), "ctcp.unfilled_hole", "at_risk", at_s=10))
    (closed,) = book.add(finding(2, session(), "ctcp.unfilled_hole", "healthy", at_s=30))
    assert closed.what == "cleared: 1 of 1 session in order for 6.0 s"


def test_a_session_that_moves_again_is_not_held_back_by_the_memory_of_its_loss() -> None:
    book = IncidentBook()
    feed(
        book, finding(1, session(), "ctcp.unfilled_hole", "at_risk", at_s=10), finding(2, stalled(), at_s=20)
    )
    feed(book, finding(3, stalled(), "ctcp.ike_unanswered", "suspect", at_s=25))
    feed(book, finding(4, stalled(), verdict="healthy", at_s=40))
    assert book.incidents()[0].is_open, "a suspicion is left"
    (closed,) = feed(book, finding(5, stalled(), "ctcp.ike_unanswered", "healthy", at_s=41))
    assert (closed.change, closed.close_reason, closed.sessions_recovered) == ("closed", "cleared", 1)


def test_a_session_at_risk_that_never_stalled_keeps_the_incident_open() -> None:
    book = IncidentBook()
    feed(
        book, finding(1, session(1), "ctcp.unfilled_hole", "at_risk", at_s=10), finding(2, stalled(), at_s=20)
    )
    (changed,) = feed(book, finding(3, stalled(), verdict="healthy", at_s=40))
    assert (changed.is_open, changed.severity) == (True, "warning")
    assert (changed.sessions_stalled, changed.sessions_at_risk, changed.sessions_recovered) == (0, 1, 1)


def test_two_detectors_must_both_clear() -> None:
    book = IncidentBook()
    feed(book, finding(1, stalled(), at_s=10), finding(2, stalled(), "ctcp.silent_death", at_s=20))
    feed(book, finding(3, stalled(), "ctcp.silent_death", "healthy", at_s=30))
    (incident,) = book.incidents()
    assert incident.is_open
    assert incident.sessions_stalled == 1


def test_a_verdict_of_healthy_alone_opens_nothing() -> None:
    book = IncidentBook()
    assert book.add(finding(1, session(), verdict="healthy")) == ()
    assert book.add(finding(2, session(), verdict="unknown")) == ()
    assert book.incidents() == ()


def test_changes_of_counts_are_held_back_and_flushed() -> None:
    book = IncidentBook(Limits(incident_update_s=10))
    announced = feed(book, *(finding(n, stalled(n), at_s=20 + n / 100) for n in range(100)))
    assert [one.change for one in announced] == ["opened"]
    (late,) = feed(book, finding(200, stalled(0), "ctcp.silent_death", at_s=31))
    assert (late.change, late.sessions_stalled) == ("changed", 100)
    feed(book, finding(201, stalled(300), at_s=32))
    (last,) = book.finish()
    assert last.sessions_stalled == 101
    assert book.finish() == ()


def test_limits_are_counted_not_silent() -> None:
    book = IncidentBook(Limits(max_incidents=2, max_incident_sessions=3))
    for number in range(10):
        feed(book, finding(number, stalled(number, client_ip=f"10.{number}.0.1")))
    assert len(book.incidents()) == 2
    assert book.counters["incidents_refused"] == 8
    book = IncidentBook(Limits(max_incident_sessions=3))
    for number in range(10):
        feed(book, finding(number, stalled(number)))
    assert book.incidents()[0].sessions_total == 3
    assert book.counters["incident_sessions_refused"] == 7


def test_ids_depend_on_the_input_only() -> None:
    first = IncidentBook().add(finding(1, stalled()))[0]
    second = IncidentBook().add(finding(7, stalled()))[0]
    other = IncidentBook().add(finding(1, stalled(), loss_side="headend"))[0]
    assert first.id == second.id != other.id


def test_a_book_can_be_copied_and_sent() -> None:
    key = Key("198.51.100.9", 10_000, "loss", "10.1.4.0/24", "client", 3)
    for twin in (copy.copy(key), copy.deepcopy(key), pickle.loads(pickle.dumps(key))):  # noqa: S301 our own bytes
        assert (type(twin), twin, twin.rank, hash(twin)) == (Key, key, 3, hash(key))
    assert repr(key).startswith("Key('198.51.100.9', 10000,")


VERDICTS = st.sampled_from(["healthy", "at_risk", "suspect", "stalled", "unknown"])
DETECTORS = st.sampled_from(["ctcp.unfilled_hole", "ctcp.stateful_drop", "ctcp.proxy_ack_freeze", "x.other"])


SILENCES = st.sampled_from(["ctcp.silent_death", "ctcp.ike_unanswered"])
ENDS = st.sampled_from(["fin", "rst", "idle", "end_of_input"])
STEPS = st.tuples(
    st.integers(0, 11),
    DETECTORS | SILENCES,
    VERDICTS,
    st.sampled_from(["client", "headend", None]),
    st.none() | ENDS,
    st.sampled_from([0.0, 1.0, 40.0, 200.0]),
)


@given(st.lists(STEPS, max_size=60), st.integers(1, 12), st.integers(1, 12))
def test_counts_always_add_up(
    steps: list[tuple[int, str, str, str | None, str | None, float]], nets: int, limit: int
) -> None:
    """Whatever happens, a session is stalled, at risk, recovered or gone, and in one open incident."""
    book = IncidentBook(Limits(incident_update_s=5, max_incident_sessions=limit))
    seqs: dict[str, int] = {}
    now_s, lives = 10.0, [0] * 12

    def check(changes: tuple[Incident, ...]) -> None:
        for change in changes:
            assert change.seq == seqs.get(change.id, 0) + 1
            seqs[change.id] = change.seq
            add_up(change)

    for at, (number, detector, verdict, side, end, pause) in enumerate(steps):
        now_s += pause
        on = replace(
            session(number + 100 * lives[number]),
            client_ip=f"10.{number % nets}.4.{number}",
            signature=detector if verdict == "stalled" else None,
            last_ns=T0 + int(now_s * SECOND),
        )
        check(book.add(finding(at, on, detector, verdict, at_s=now_s, loss_side=side, evidence=())))
        if end is not None:
            check(book.end(replace(on, end_reason=end, worst_state=verdict)))
            lives[number] += 1
        shown: list[str] = []
        for incident in book.incidents(include_closed=False):
            add_up(incident)
            shown += incident.session_ids
            assert incident.sessions_total > 0
        assert len(shown) == len(set(shown))
    check(book.finish())
    opened, closed = book.counters["incidents_opened"], book.counters["incidents_closed"]
    assert opened - closed == len(book.incidents(include_closed=False))


def add_up(incident: Incident) -> None:
    parts = incident.sessions_stalled + incident.sessions_at_risk + incident.sessions_recovered
    assert parts + incident.sessions_gone == incident.sessions_total
    assert 0 <= incident.sessions_reconnected <= incident.sessions_gone
    assert min(incident.sessions_stalled, incident.sessions_at_risk, incident.sessions_recovered) >= 0
    assert len(incident.what) <= 60
    if incident.close_reason == "cleared":
        assert (incident.sessions_stalled, incident.sessions_at_risk, incident.sessions_missing) == (0, 0, 0)
