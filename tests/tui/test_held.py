"""What is held right now on the screens: there while it lasts, a question and no verdict, gone after."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon.diagnosis.held import held_words
from ctcpmon.text import width
from ctcpmon.tui import presenting
from ctcpmon.tui.assurance import situation
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.fake_source import SCENES, quiet
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.brush import Frame
from ctcpmon.tui.painting.held import held as held_line
from ctcpmon.tui.painting.wall import wall
from ctcpmon.tui.redacted import RedactedSource
from ctcpmon.tui.view import Query, Tally
from ctcpmon.tui.wire import Answer, answer_of, encode_answer

from tests.corpus.shared import captures
from tests.fake_engine import Held, Session, Stats
from tests.tui.screen_text import bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.view import View

SECOND_NS = 1_000_000_000


def test_the_sentence_says_what_stands_and_when_it_is_called() -> None:
    assert held_words(Held()) == (
        "the ACK of the headend has stood at 1233158770 for 3.2 s while the client sent 14 segments; "
        "no stall yet: called one at 6 s, because an inspection queue may let go by itself until 5.3 s"
    )
    silent = Held(
        kind="fell_silent", sender="headend", ack=None, usual_gap_ms=400, patience_ms=6_400, segments=1
    )
    assert held_words(silent).startswith(
        "nothing has come from the client for 3.2 s (never longer than 0.4 s before) while the headend sent 1 "
        "segment; no stall yet: called one at 6.4 s"
    )
    assert "14 segments are in it" in held_words(Held(kind="copies_stopped"))
    assert held_words(Held(age_ms=6_100)).endswith("about to be called a stall")


@pytest.mark.parametrize("seconds", [0, 2, 9, 10, 42, 3_600])
def test_the_word_fits_the_cells_of_a_state(seconds: int) -> None:
    text, role = words.held(seconds)
    assert "held" in text
    assert text.startswith("?")
    assert width(text) <= 9
    assert role == "warning"


def test_a_stall_is_never_told_as_held() -> None:
    row = replace(SCENES["held"]().sessions[0], state="stalled")
    assert row.held_s is not None
    assert words.state_of(row) == words.state("stalled")


def test_rows_take_what_is_held_by_session_and_generation() -> None:
    one = Session(state="at_risk")
    key = presenting.session_key(one)
    held = replace_held(key)
    assert presenting.session_row(one, {key: held}).held_s == 3
    assert presenting.session_row(one, {key.replace("/1", "/2"): held}).held_s is None
    ended = replace(one, end_reason="fin")
    assert presenting.session_row(ended, {key: held}).held_s is None


def replace_held(key: str) -> Held:
    session, _, generation = key.partition("/")
    return Held(id=session, generation=int(generation))


def test_nobody_says_all_is_well_while_something_is_held() -> None:
    now = situation(Stats(held=(Held(),)), Tally(3, 0, 0, 3, 0), "reading", 8)
    assert now.level == "warning"
    assert now.headline == "NO INCIDENTS so far, but 1 session is held right now"
    assert now.facts[0].startswith("3 tunnel sessions, 2 moving, 1 held")
    calm = situation(Stats(), Tally(3, 0, 0, 3, 0), "reading", 8)
    assert (calm.level, calm.headline) == ("ok", "NO INCIDENTS so far")


@pytest.mark.parametrize("cells", [60, 80, 119, 120, 200])
def test_the_line_fits_and_always_says_how_many(cells: int) -> None:
    view = replace(SCENES["held"](), held_total=1_024, held_is_full=True)
    far = replace(view.held[0], client="[2001:db8:1111:2222:3333:4444:5555:6666]:51004")
    for each in (view, replace(view, held=(far, *view.held[1:]))):
        (line,) = held_line(each, Frame(cells, 24))
        text = "".join(part for part, _ in line)
        assert text.startswith("? 1,024+ HELD NOW  ")
        assert width(text) <= cells
    assert held_line(quiet(), Frame(cells, 24)) == []


def test_it_comes_and_goes_without_a_trace() -> None:
    async def run() -> None:
        held = SCENES["held"]()
        calm = replace(
            held,
            held=(),
            held_total=0,
            sessions=tuple(replace(row, held_s=None) for row in held.sessions),
            incidents=tuple(replace(row, held=0, held_s=0) for row in held.incidents),
        )
        async with bench(calm) as one:
            before = one.text()
            assert "held" not in before.lower()
            one.source.put(held)
            await one.settle()
            assert "? 2 HELD NOW" in one.text()
            assert "[? HELD 3s]" in one.text()
            await one.press("s")
            assert "? held 3s" in one.text()
            assert "?held 12s" in one.text()
            one.source.put(calm)
            await one.settle()
            assert "held" not in one.text().lower()
            await one.press("escape")
            assert one.text() == before

    asyncio.run(run())


def test_the_wall_asks_and_a_stall_goes_before() -> None:
    def told(view: View) -> str:
        return "\n".join("".join(part for part, _ in line) for line in wall(view, Frame(240, 20)))

    held = SCENES["held"]()
    assert "no stall yet: called one at 24 s" in told(held)
    worse = replace(held, incidents=(*SCENES["busy"]().incidents,), evidence=None)
    assert "no stall yet" not in told(worse)
    alone = replace(quiet(), held=held.held, held_total=2)
    assert "no stall yet" in told(alone)
    assert "no stall yet" not in told(quiet())


def test_it_goes_over_the_wire_and_its_ends_are_redacted() -> None:
    view = SCENES["held"]()
    assert answer_of(encode_answer(Answer(1, view))[4:]).view == view
    source = RedactedSource(_Fixed(view))
    assert "10.1.4" not in repr(source.view().held)
    assert source.view().held[0].key == view.held[0].key


class _Fixed:
    """A source that has one view."""

    def __init__(self, view: View) -> None:
        self._view = view

    def view(self) -> View:
        """See ``ViewSource``."""
        return self._view


def _watch(source: EngineSource, until: Callable[[View], bool]) -> list[View]:
    seen: list[View] = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        view = source.view()
        if not seen or view != seen[-1]:
            seen.append(view)
            if until(view):
                return seen
        time.sleep(0.01)
    message = "it did not come"
    raise AssertionError(message)


def test_a_replay_shows_a_stall_as_held_before_it_is_called() -> None:
    path = captures("lab", "pcaps/i01_ips_silent_T1.pcap") / "pcaps" / "i01_ips_silent_T1.pcap"
    source = EngineSource([str(path)], speed=8.0, period_s=0.05)
    try:
        source.start()
        source.ask(Query())
        seen = _watch(source, lambda view: view.tally.stalled > 0)
        shown = next(view for view in seen if view.held)
        assert shown.tally.stalled == 0
        assert [row.client for row in shown.held] == ["10.20.1.11:51016"]
        assert [row.held_s is not None for row in shown.sessions if row.client.endswith("51016")] == [True]
        assert all(row.held_s is None for row in shown.sessions if not row.client.endswith("51016"))
        incident = next(row for view in seen for row in view.incidents if row.held)
        assert (incident.level, incident.held) == ("warning", 1)
        # From the sign to the call nearly five seconds of packet time; eight times as fast, and a busy machine.
        called = seen[-1]
        assert (called.last_ns or 0) - (shown.last_ns or 0) > 2 * SECOND_NS
        assert not any(row.client.endswith("51016") for row in called.held)
        source.ask(Query(session=shown.held[0].key))
        source.set_speed(0)
        seen = _watch(source, lambda view: view.progress.phase == "done")
        assert seen[-1].held == ()
        assert all(row.held_s is None for row in seen[-1].sessions)
    finally:
        source.close()
