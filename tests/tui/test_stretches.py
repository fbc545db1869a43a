"""A held capture goes on exactly as far as it is told, and lists are answered while it stands."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ctcpmon
import pytest
from ctcpmon import engine
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.view import Query, Reach
from ctcpmon.tui.viewmaking import ViewMaker, _listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.view import View

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
SECOND_NS = 1_000_000_000


def wait_for(source: EngineSource, what: Callable[[View], bool]) -> View:
    until = time.monotonic() + 20
    while not what(source.view()):
        assert time.monotonic() < until, source.view()
        time.sleep(0.01)
    return source.view()


def test_steps_and_the_way_to_the_next_incident() -> None:
    source = EngineSource([str(DEMO)], period_s=0.05)
    source.set_paused(True)
    source.start()
    try:
        wait_for(source, lambda view: view.progress.phase == "paused")
        spans, packets = [], [0]
        for _ in range(3):
            source.step()
            view = wait_for(
                source, lambda view: view.progress.phase == "paused" and view.packets > packets[-1]
            )
            assert view.first_ns is not None
            assert view.last_ns is not None
            spans.append((view.last_ns - view.first_ns) / SECOND_NS)
            packets.append(view.packets)
        assert 0 <= spans[0] < 1
        assert all(0 < later - before <= 2 for before, later in itertools.pairwise(spans))
        source.to_next_incident()
        view = wait_for(source, lambda view: bool(view.incidents) and view.progress.phase == "paused")
        assert len(view.incidents) == 1
        assert view.packets < 1_013
        source.ask(Query(reach=Reach(name="flows", height=10)))
        view = wait_for(source, lambda view: bool(view.flows))
        assert sum(sum(row.packets) for row in view.flows) == view.tcp_packets
        # Who shows no list asks for none.
        source.ask(Query(reach=Reach(height=0)))
        view = wait_for(source, lambda view: view.query.reach.height == 0)
        assert (view.sessions, view.flows) == ((), ())
        assert view.tally.total
        source.set_paused(False)
        assert wait_for(source, lambda view: view.progress.phase == "done").packets == 1_013
        source.step()
        assert source.view().progress.phase == "done"
    finally:
        source.close()


class Late:
    """An opening after which the thread gets no turn for a while, as on a machine that is busy."""

    def __init__(self, opening: Any) -> None:
        self.opening = opening

    def __enter__(self) -> Any:
        replay = self.opening.__enter__()
        time.sleep(0.4)
        return replay

    def __exit__(self, *what: object) -> Any:
        return self.opening.__exit__(*what)


def test_a_run_that_is_held_from_the_start_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = engine.open_replay
    monkeypatch.setattr(engine, "open_replay", lambda *words, **more: Late(before(*words, **more)))
    source = EngineSource([str(DEMO)], period_s=0.05)
    source.set_paused(True)
    source.start()
    try:
        wait_for(source, lambda view: view.progress.phase in {"paused", "done"})
        assert (source.view().progress.phase, source.view().packets) == ("paused", 0)
        source.set_paused(False)
        assert wait_for(source, lambda view: view.progress.phase == "done").packets == 1_013
    finally:
        source.close()


def _listed_packets(view: View) -> int:
    return sum(sum(row.packets) for row in view.flows)


def test_a_list_that_nobody_touches_is_made_anew() -> None:
    source = EngineSource([str(DEMO)], period_s=0.05)
    source.set_paused(True)
    source.ask(Query(reach=Reach(name="flows", order="bytes", height=40)))
    source.start()
    try:
        flows, packets = [], [0]
        for _ in range(3):
            source.step()
            # Every packet is one of a listed flow: those that came since are in the list.
            view = wait_for(
                source,
                lambda view: view.tcp_packets > packets[-1] and _listed_packets(view) == view.tcp_packets,
            )
            flows.append(len(view.flows))
            packets.append(view.tcp_packets)
        assert flows[0] < flows[2], flows
    finally:
        source.close()


class Held:
    """A run that is told to go on and has not begun to."""

    is_paused = True

    def __init__(self) -> None:
        self.steps: list[float] = []

    def set_paused(self, _paused: bool) -> None: ...  # noqa: FBT001

    def step(self, seconds: float) -> None:
        # The thread that looks has its turn here.
        self.source._end_stretch(self, FewIncidents())  # type: ignore[arg-type]
        assert not self.source._is_paused
        self.is_paused = False
        self.steps.append(seconds)

    source: EngineSource


def test_a_step_is_not_over_before_it_has_begun() -> None:
    replay = Held()
    source = replay.source = EngineSource([str(DEMO)])
    source._replay = replay  # type: ignore[assignment]
    source.set_paused(True)
    source.step()
    assert replay.steps == [1.0]
    assert not source._is_paused
    replay.is_paused = True
    source._end_stretch(replay, FewIncidents())  # type: ignore[arg-type]
    assert source._is_paused


class FewIncidents:
    def incidents(self) -> tuple[()]:
        return ()


def test_lists_of_a_run_that_has_ended() -> None:
    with engine.open_replay([str(DEMO)], keeps_flows=True) as replay:
        ended = []
        while not (batch := replay.poll(1_000)).done:
            ended += batch.sessions
        ended += batch.sessions
        sessions = replay.list_sessions(ended, order="worst", height=3)
        assert (sessions.total, sessions.matching, len(sessions.ids)) == (len(ended), len(ended), 3)
        states = [one.state for one in sessions.sessions if one is not None]
        assert states == ["stalled"] * 3
        flows = replay.list_flows(order="packets", height=100)
        assert flows.total == flows.matching == len(flows.ids)
        packets = [sum(pair) for pair in flows.packets]
        assert packets == sorted(packets, reverse=True)
        assert sum(packets) == replay.stats().tcp_packets
        # The tunnel in a flow is found under the id that its session had.
        known = {(one.id, one.generation) for one in ended}
        assert {pair for pair in flows.sessions if pair} <= known
        last = replay.list_flows(order="packets", is_reversed=True, height=1)
        assert last.ids == flows.ids[-1:] or sum(last.packets[0]) == packets[-1]
        anchored = replay.list_flows(order="packets", height=2, anchor=flows.ids[4], line=1)
        assert (anchored.anchor_at, anchored.offset, anchored.ids[1]) == (4, 3, flows.ids[4])
        # Nothing changes any more, so no order grows old.
        assert {flows.age_s, last.age_s, anchored.age_s} == {0.0}


@pytest.mark.parametrize(("age_s", "told"), [(0.0, 0), (4.9, 0), (5.0, 5), (12.7, 12)])
def test_the_age_of_an_order_is_told_by_the_second_and_once_it_is_old(age_s: float, told: int) -> None:
    # A view that says another age ten times a second would be painted as often.
    window = SimpleNamespace(total=3, matching=3, offset=0, anchor_at=None, progress=None, age_s=age_s)
    assert _listing(window).order_age_s == told  # type: ignore[arg-type]


def test_a_list_of_flows_that_nobody_moves_in_is_read_less_often_than_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Reach] = []
    made: list[bool] = []

    class Counting(ViewMaker):
        def make(self, *words: Any, **more: Any) -> View:
            before = len(read)
            view = super().make(*words, **more)
            made.append(len(read) > before)
            return view

        def _listing(self, reach: Reach, *more: int) -> Any:
            read.append(reach)
            return super()._listing(reach, *more)

    monkeypatch.setattr("ctcpmon.tui.engine_source.ViewMaker", Counting)
    monkeypatch.setattr("ctcpmon.tui.engine_source._FLOWS_S", 3_600.0)
    source = EngineSource([str(DEMO)], period_s=0.04, speed=2.0)
    source.start()
    try:
        first, other = Reach(name="flows", height=10), Reach(name="flows", height=10, order="packets")
        source.ask(Query(reach=first))
        wait_for(source, lambda view: bool(view.flows))
        packets = source.view().packets
        del read[:], made[:]
        wait_for(source, lambda view: view.packets > packets and len(made) >= 10)
        assert not any(made)
        # Who moves waits for nothing.
        source.ask(Query(reach=other))
        wait_for(source, lambda view: view.query.reach == other)
        assert other in read
        assert source.view().flows
    finally:
        source.close()


def test_without_leave_nothing_is_kept_of_the_flows() -> None:
    with engine.open_replay([str(DEMO)]) as replay:
        while not replay.poll(1_000).done:
            pass
        assert replay.list_flows().progress is None
        assert replay.list_flows().ids == []
