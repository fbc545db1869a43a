"""The screen never says what is not so: filters that hide, pictures that stopped, keys that do nothing, old times."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.looks import Looks, can_show_a_screen
from ctcpmon.tui.fake_source import FakeSource, aftermath, busy, live, quiet
from ctcpmon.tui.marks import Mark, MarkBook
from ctcpmon.tui.painting.brush import Frame, plain
from ctcpmon.tui.painting.reasons import evidence, first_fix
from ctcpmon.tui.painting.wall import wall
from ctcpmon.tui.replay_app import ReplayApp
from ctcpmon.tui.runlog import RunLog
from ctcpmon.tui.screens import history as history_module
from ctcpmon.tui.screens.main import MainScreen
from ctcpmon.tui.view import Port
from textual import events

from tests.serve.process import DEMO
from tests.tui.screen_text import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ctcpmon.tui.view import Query, View

DAY_NS = 86_400 * 10**9
QUICK = ("s", "l", "3", "f", "h", "4", "?", "\r", "\rt1", "spt", "3\t", "?j", "p\t", "f[", "lj", "2\rtp")
NAMES = {"?": "question_mark", "\r": "enter", "\t": "tab", "[": "left_square_bracket"}


def use(
    work: Callable[[Bench], Awaitable[None]],
    view: View | None = None,
    size: tuple[int, int] = (80, 24),
    **looks: Any,
) -> None:
    async def run() -> None:
        async with bench(view or busy(), size, looks=Looks(**looks)) as one:
            await work(one)

    asyncio.run(run())


@pytest.mark.parametrize("size", [(60, 15), (80, 24)])
def test_a_filter_that_hides_incidents_is_always_seen(size: tuple[int, int]) -> None:
    long = "severity=warning,critical,info state=open headend=198.51.100.9,198.51.100.10 sessions>100"

    async def work(one: Bench) -> None:
        await one.press("slash")
        one.app.screen.query_one("FilterBar")._change(0, 0, long)  # type: ignore[attr-defined]
        await one.settle()
        await one.press("enter")
        text = one.text()
        assert "0 of 3 incidents shown, Esc shows all" in text
        assert "no incident fits the filter" in text
        # Nothing of an incident that is not on the screen.
        assert "DO FIRST" not in text.replace("DO FIRST\n", "")
        await one.press("R")
        assert "no incident is selected" in one.text()
        await one.press("escape")
        assert "incident 1 of 3" in one.text()

    use(work, size=size)


def test_how_many_match_a_long_filter_is_not_cut_off() -> None:
    async def work(one: Bench) -> None:
        await one.press("2", "slash")
        text = "client=10.0.0.0/8,10.1.0.0/16,192.168.0.0/16,172.16.0.0/12 state=stalled"
        one.app.screen.query_one("FilterBar")._change(0, 0, text)  # type: ignore[attr-defined]
        await one.settle()
        await one.press("enter")
        (title,) = (line for line in one.lines() if line.startswith("SESSIONS"))
        assert title.rstrip().endswith("15 match")

    use(work, size=(60, 15))


def test_a_row_that_is_cut_beside_a_scroll_bar_has_its_mark() -> None:
    async def work(one: Bench) -> None:
        await one.press("l")
        rows = [line for line in one.lines() if "CRIT !" in line or "WARN *" in line]
        assert len(rows) > 5
        assert all(line[78] == "~" for line in rows)

    use(work)


def test_how_sure_it_is_has_its_line_on_the_smallest_screen() -> None:
    view = aftermath()
    assert view.evidence is not None
    stopped = "not cured: 5 of 5 sessions ended, not seen again, and more words than a line has"
    view = replace(view, evidence=replace(view.evidence, stopped=stopped))

    async def work(one: Bench) -> None:
        assert " sure? " in one.text()
        assert " effect " in one.text()

    use(work, view, size=(60, 15))


@pytest.mark.parametrize("key", ["space", "comma", "semicolon", "full_stop", "n"])
def test_keys_that_do_nothing_at_the_end_say_so_and_are_in_no_footer(key: str) -> None:
    async def work(one: Bench) -> None:
        assert "pause" not in one.lines()[-1]
        assert "speed" not in one.lines()[-1]
        await one.press(key)
        assert "read to its end" in one.text()
        assert [told for told in one.source.told if not told.startswith("ask")] == []

    use(work, quiet(), size=(120, 24))


@pytest.mark.parametrize("key", ["comma", "semicolon"])
def test_a_live_run_has_no_speed(key: str) -> None:
    async def work(one: Bench) -> None:
        await one.press(key)
        assert "the speed of its packets" in one.text()

    use(work, live())


@pytest.mark.parametrize("key", ["comma", "full_stop", "n"])
def test_no_attached_screen_sets_the_pace_of_a_run(key: str) -> None:
    class Elsewhere(FakeSource):
        is_paced = False

    async def run() -> None:
        source = Elsewhere(busy())
        app = ReplayApp(source)
        async with app.run_test(size=(160, 24)) as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            assert "speed" not in one.lines()[-1]
            await one.press(key)
            assert "belongs to serve" in one.text()
            assert not [told for told in source.told if not told.startswith("ask")]

    asyncio.run(run())


def test_other_keys_are_not_shown_where_a_screen_has_its_own() -> None:
    async def work(one: Bench) -> None:
        await one.press("T")
        assert one.screen == "GraphScreen"
        hints = one.lines()[-1]
        assert "t trouble" in hints
        assert "h l cursor" in hints
        await one.press("escape", "p")
        assert "n next remark" in one.lines()[-1]
        await one.press("escape", "question_mark", "G")
        text = one.text()
        for _ in range(6):
            await one.press("pageup")
            text += one.text()
        assert "h l arrows" in text
        assert "  H " not in text.split("in the graph")[-1]

    use(work, size=(160, 40), keys={"graph": "T", "history": "H", "next_incident": "J"})


def test_the_packets_of_a_graph_are_those_of_its_session() -> None:
    async def work(one: Bench) -> None:
        await one.press("2", "G", "t", "p")
        assert one.screen == "PacketsScreen"
        asked = [told for told in one.source.told if told.startswith("packets")]
        assert len(set(asked)) == 1

    use(work)


def test_pages_of_one_session_do_not_pile_up() -> None:
    async def work(one: Bench) -> None:
        await one.press(*("t", "p") * 6)
        assert len(one.app.screen_stack) <= 3
        await one.press("escape", "escape")
        assert one.screen == "MainScreen"

    use(work)


def test_evidence_that_was_not_kept_is_not_that_of_another_incident() -> None:
    async def work(one: Bench) -> None:
        now = 1_000.0
        one.app.desk.clock = lambda: now
        one.app.desk.past.kept.clear()
        for step in range(3):
            now = 1_000.0 + 5 * step
            one.source.put(replace(live(), packets=step))
            await one.settle()
        await one.press("less_than_sign", "j")
        assert "PAST" in one.text()
        assert "another incident was selected then" in one.text()
        assert "incident 1 of 3" not in one.text()
        await one.press("y")
        assert "were not on the screen then" in one.text()
        await one.press("space")
        assert "incident 2 of 3" in one.text()

    use(work, live())


class Behind(FakeSource):
    """Stops answering."""

    is_behind = False

    def ask(self, query: Query) -> None:
        if not self.is_behind:
            super().ask(query)


def test_a_detail_of_another_session_is_not_shown_for_this_one() -> None:
    async def run() -> None:
        source = Behind(busy())
        app = ReplayApp(source)
        async with app.run_test() as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            await one.press("2", "enter")
            assert "session 000000000001/1" in one.text()
            source.is_behind = True
            await one.press("escape", "j", "enter")
            assert one.screen == "DetailScreen"
            assert "asking for this session" in one.text()
            assert "session 000000000001/1" not in one.text()

    asyncio.run(run())


def shown(view: View) -> str:
    return "\n".join(plain(line) for line in wall(view, Frame(120, 40)))


def well(**changes: Any) -> View:
    ports = (Port("eth2", 1_000, 1_000, 0),)
    return replace(live(), incidents=(), evidence=None, fixes=(), tap=quiet().tap, ports=ports, **changes)


def test_a_wall_whose_run_is_gone_is_not_all_well() -> None:
    view = replace(well(), tally=quiet().tally)
    verdict = shown(view)
    stopped = replace(view, progress=replace(view.progress, phase="failed", error="connection to serve lost"))
    assert shown(stopped).splitlines()[:5] != verdict.splitlines()[:5]
    assert "STOPPED: connection to serve lost" in shown(stopped)
    down = replace(view, ports=(Port("eth3", 0, 0, 0, is_down=True),))
    assert shown(down).splitlines()[:5] != verdict.splitlines()[:5]
    assert "INTERFACE DOWN: eth3" in shown(down)
    # What is broken stays the first thing, and the rest is said all the same.
    assert "INTERFACE DOWN: eth3" in shown(live())


def test_a_wall_lets_what_is_muted_be() -> None:
    rows = busy().incidents
    muted = replace(busy(), incidents=(rows[0], replace(rows[1], muted_until_s=2_000_000_000)))
    assert "1 of 1" in shown(muted)
    only = replace(busy(), incidents=(replace(rows[0], muted_until_s=2_000_000_000),))
    small = [plain(line) for line in wall(only, Frame(20, 15))]
    assert "* 1 MUTED" in "\n".join(small)


def test_a_time_of_another_day_shows_the_day() -> None:
    view = busy()
    assert view.last_ns is not None
    later = view.last_ns + 3 * DAY_NS
    rows = tuple(replace(row, is_old=True) for row in view.incidents)
    view = replace(view, incidents=rows, last_ns=later, sessions=tuple(
        replace(row, last_ns=later) for row in view.sessions
    ))  # fmt: skip

    async def work(one: Bench) -> None:
        first = next(line for line in one.lines() if line.startswith("> CRIT"))
        assert first.startswith("> CRIT ! Nov 24 ")
        assert "Nov 24 02:4" in one.text()
        await one.press("2")
        assert "! stalled Nov 24   10.1.4.10:1061" in one.text()
        await one.press("l")
        assert "Nov 24 02:38:51" in one.text()

    use(work, view)
    assert "NOV 24" in "\n".join(plain(line) for line in wall(view, Frame(20, 20))).upper()


def test_a_long_history_is_folded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(history_module, "past_incidents", lambda _path: [f"row {n}" for n in range(2_000)])
    folded: list[str] = []
    prose = history_module.prose

    def counted(text: str, *rest: Any, **more: Any) -> list[str]:
        folded.append(text)
        return prose(text, *rest, **more)

    monkeypatch.setattr(history_module, "prose", counted)

    async def work(one: Bench) -> None:
        await one.press("h")
        await one.app.workers.wait_for_complete()
        await one.settle()
        assert "HISTORY 2,000" in one.text()
        before = len(folded)
        for number in range(5):
            one.source.put(replace(one.source.base, packets=number))
            await one.settle()
        assert len(folded) == before

    use(work, history=str(tmp_path / "h"))


def test_the_log_forgets_incidents_that_the_book_forgot() -> None:
    class One:
        is_open, severity, what, where, since_ns = True, "critical", "w", "w", 1

        def __init__(self, number: int) -> None:
            self.id = f"i-{number}"

    log = RunLog(())
    for number in range(50):
        log.incidents(1, [One(number)])  # type: ignore[list-item]
    assert len(log._incidents) == 1


def test_a_mark_changes_only_what_it_is_about() -> None:
    book = MarkBook()
    book.put(Mark(place="p", incident="i", note="kept", note_at=1), 2.0)
    assert book.change("p", "j", {"acked_at": 2, "acked_by": "me"}, 2.0) == ""
    mark = book.of("p")
    assert mark is not None
    assert (mark.note, mark.acked_by, mark.incident) == ("kept", "me", "j")


def test_text_to_type_that_has_no_room_is_not_taken_for_all_of_it() -> None:
    view = busy()
    fix = replace(view.fixes[0], config="\n".join(f"line {number}" for number in range(40)))
    lines = [plain(line) for line in first_fix(replace(view, fixes=(fix,)), Frame(100, 20))]
    assert len(lines) == 20
    assert "more lines: f shows them" in lines[-1]
    assert "more lines" not in "\n".join(plain(one) for one in first_fix(view, Frame(100, 30)))


def test_facts_that_have_no_room_are_counted() -> None:
    view = busy()
    assert view.evidence is not None
    facts = replace(view.evidence, lines=view.evidence.lines * 4)
    for height in range(4, 30):
        lines = [plain(line) for line in evidence(replace(view, evidence=facts), Frame(120, height))]
        assert any(line.startswith(" sure?") for line in lines[:height]), height
        assert any(line.startswith(" effect") for line in lines[:height]), height
        if height < 20:
            assert "of 20 facts" in lines[0]


@pytest.mark.parametrize("size", [(60, 15), (160, 48)])
def test_screens_that_are_left_at_once_break_nothing(size: tuple[int, int]) -> None:
    """What a screen has in hand when it is left comes later, when its parts are gone."""

    async def run() -> None:
        source = FakeSource(busy())
        app = ReplayApp(source)
        async with app.run_test(size=size) as pilot:
            for number in range(12):
                for keys in QUICK:
                    for key in keys:
                        app.post_message(events.Key(NAMES.get(key, key), key))
                    if number % 3 == 0:
                        await asyncio.sleep(0)
                app.post_message(events.Key("1", "1"))
                if number % 5 == 0:
                    await pilot.pause()
            until = time.monotonic() + 30
            # What Enter opens comes by a message, which the key behind it may overtake: asked for once more.
            while len(app.screen_stack) > 1 or app.message_queue_size or app.screen.message_queue_size:
                assert time.monotonic() < until, app.screen_stack
                await pilot.press("1")
        assert app.return_code in {0, None}

    asyncio.run(run())


def test_keys_behind_the_one_that_quits_open_nothing() -> None:
    async def run() -> None:
        app = ReplayApp(FakeSource(busy()))
        async with app.run_test() as pilot:
            await pilot.pause()
            app.action_leave_or_quit()
            assert not app.check_action("go", ("sessions",))
            assert not app.check_action("packets", ())
        assert app.return_value == "quit"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("term", "is_shown"),
    [("xterm-256color", True), ("vt100", True), ("", True), ("dumb", False), ("Unknown", False)],
)
def test_a_terminal_that_cannot_move_its_cursor_gets_no_screen(term: str, *, is_shown: bool) -> None:
    """Textual and rich guess two sizes for one, and the screen is laid out anew without end, deaf to every key."""
    assert can_show_a_screen({"TERM": term}) is is_shown


@pytest.mark.parametrize(
    ("encoding", "is_ascii"),
    [("utf-8", False), ("ascii", True), ("iso8859-1", True), (None, True), ("x", True)],
)
def test_lines_are_drawn_where_the_encoding_has_them(encoding: str | None, *, is_ascii: bool) -> None:
    assert Looks().fitting(encoding).is_ascii is is_ascii
    assert Looks(is_ascii=True).fitting("utf-8").is_ascii


def test_a_dumb_terminal_gets_a_table_instead() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "ctcpmon", "replay", str(DEMO)]
    environment = {**os.environ, "TERM": "dumb"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = bytearray()
    try:
        with suppress(OSError):
            while part := os.read(ours, 65_536):
                shown += part
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(ours)
    assert b"INCIDENTS 3" in shown
    assert b"\x1b[?1049h" not in shown


@pytest.mark.parametrize("key", ["y", "R"])
@pytest.mark.parametrize("page", [(), ("enter",), ("t",), ("p",)])
def test_a_fix_is_not_copied_beside_a_session_that_it_is_not_for(
    key: str, page: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at one client and pastes the configuration of another makes it worse."""
    monkeypatch.chdir(tmp_path)

    async def work(one: Bench) -> None:
        await one.press("2", "G", *page, key)
        await one.app.workers.wait_for_complete()
        await one.settle()
        assert "are of the incident of 10.1.0.0/24, not of this session" in one.text()

    use(work)
    assert not list(tmp_path.iterdir())


def test_the_list_has_the_keys_when_the_first_incident_comes() -> None:
    """A list that is not shown cannot have them, and a run begins without an incident."""

    async def work(one: Bench) -> None:
        assert "INCIDENTS 0" in one.text()
        one.source.put(busy())
        await one.settle()
        await one.press("j")
        assert "incident 2 of 3" in one.text()
        await one.press("enter")
        assert one.screen == "DetailScreen"

    use(work, replace(quiet(), progress=busy().progress))


@pytest.mark.parametrize("page", ["1", "2", "3", "f", "l"])
def test_a_terminal_that_was_too_small_for_a_while_has_its_keys_again(page: str) -> None:
    async def work(one: Bench) -> None:
        await one.press(page)
        for size in ((40, 8), (80, 24)):
            await one._pilot.resize_terminal(*size)
            await one.settle()
        await one.press("j")
        chosen = [at for at, line in enumerate(one.lines()) if line.startswith("> ")]
        await one.press("k")
        assert chosen != [at for at, line in enumerate(one.lines()) if line.startswith("> ")]

    use(work)


def test_a_filter_that_is_typed_goes_on_after_the_terminal_was_too_small() -> None:
    async def work(one: Bench) -> None:
        await one.press("2", "slash", *"state=s")
        for size in ((40, 8), (80, 24)):
            await one._pilot.resize_terminal(*size)
            await one.settle()
        await one.press(*"talled", "enter")
        assert "/state=stalled" in one.text()

    use(work)


class LeftScreen(MainScreen):
    """A screen that lets the clock strike when its parts are gone: the app closes them before the screen."""

    parts_left = -1

    def on_unmount(self) -> None:
        assert isinstance(self.app, ReplayApp)
        LeftScreen.parts_left = len(self.query("#header"))
        self.app.tick()
        self.show(self.desk.view)


class LeftApp(ReplayApp):
    """An app whose first screen is the one above, on a source that always has news."""

    def get_default_screen(self) -> LeftScreen:
        return LeftScreen(self.desk)


class NewsSource(FakeSource):
    """A source with a new view at each look."""

    def view(self) -> View:
        return replace(super().view())


def test_the_clock_may_strike_while_the_app_takes_its_screens_apart() -> None:
    async def run() -> None:
        LeftScreen.parts_left = -1
        async with LeftApp(NewsSource(busy()), period_s=60.0).run_test() as pilot:
            await pilot.pause()
        assert LeftScreen.parts_left == 0

    asyncio.run(run())
