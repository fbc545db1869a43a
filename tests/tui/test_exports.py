"""What is written to files: all of a table, of the incident that is selected, and nothing that is to stay hidden."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon.looks import Looks
from ctcpmon.tui import list_jobs
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.exporting import counted
from ctcpmon.tui.fake_source import FakeSource, busy, quiet
from ctcpmon.tui.list_jobs import ListJob, ListJobs
from ctcpmon.tui.marks import Mark, MarkBook
from ctcpmon.tui.redacted import RedactedSource
from ctcpmon.tui.replay_app import ReplayApp
from ctcpmon.tui.view import Listing, Query, Reach, Rows
from ctcpmon.tui.wire import encode_rows, rows_of

from tests.serve.process import DEMO, wait_for
from tests.tui.screen_text import Bench, bench
from tests.tui.test_marks import NOW, done, placed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ctcpmon.tui.list_jobs import Piece
    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.view import View

WRITTEN = "call Bob at hq-core-fw1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def use(work: Callable[[Bench], Awaitable[None]], view: View | None = None) -> None:
    async def run() -> None:
        async with bench(view or busy()) as one:
            await work(one)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["sessions", "flows"])
def test_the_whole_list_is_written_not_the_rows_on_the_screen(name: str, folder: Path) -> None:
    view = replace(busy(), conversations=2_345)
    if name == "sessions":
        rows = tuple(replace(view.sessions[0], key=f"{number:012x}/1") for number in range(2_345))
        view = replace(view, sessions=rows)

    async def work(one: Bench) -> None:
        await one.press("2" if name == "sessions" else "3", "e")
        assert f"EXPORT {name} to a file, 2,345 rows" in one.text()
        await one.press("c")
        await done(one)
        assert "2,345 rows" in one.text()

    use(work, view)
    (file,) = folder.iterdir()
    assert file.name.startswith(f"ctcpmon-{name}-2")
    found = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len({row["key"] for row in found}) == 2_345
    if name == "flows":
        assert found[0]["packets_client"].isdecimal()
        assert "(" not in "".join(found[0].values())


def test_filter_and_order_hold_in_the_file(folder: Path) -> None:
    async def work(one: Bench) -> None:
        await one.press("2", "O", "slash", *"state=stalled", "enter", "e", "j")
        await done(one)
        assert one.source.told[-1] == "rows sessions worst state=stalled"

    use(work)
    (file,) = folder.iterdir()
    keys = [row["key"] for row in json.loads(file.read_text())]
    stalled = [row.key for row in busy().sessions if row.state == "stalled"]
    assert keys == stalled[::-1]


def test_of_the_incidents_those_that_the_filter_leaves(folder: Path) -> None:
    async def work(one: Bench) -> None:
        await one.press("slash", *"severity=warning", "enter", "e", "j")
        await done(one)
        assert "1 row" in one.text()

    use(work)
    (file,) = folder.iterdir()
    assert [row["level"] for row in json.loads(file.read_text())] == ["warning"]


@pytest.mark.parametrize("screen", ["4", "f", "question_mark", "enter"])
def test_where_there_is_no_table_it_says_so(screen: str, folder: Path) -> None:
    async def work(one: Bench) -> None:
        await one.press(screen, "e")
        assert "there is no table here" in one.text()

    use(work)
    assert not list(folder.iterdir())


def test_the_limit_is_said() -> None:
    assert counted(1, 1) == "1 row"
    assert counted(100_000, 1_200_000) == "the first 100,000 rows of 1,200,000; no more fit into one file"


def listed(total: int) -> Callable[[Reach], Piece]:
    rows = busy().sessions[0]

    def read(reach: Reach) -> Piece:
        numbers = range(reach.offset, min(reach.offset + reach.height, total))
        found = tuple(replace(rows, key=f"{number:012x}/1") for number in numbers)
        return Listing(total, total, reach.offset), found, ()

    return read


def test_a_list_is_read_in_pieces_and_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_jobs, "MOST_EXPORTED", 3_000)
    answer: Future[Rows] = Future()
    job = ListJob(Reach(offset=77, anchor="gone"), answer, listed(5_500))
    while not job.is_over:
        job.step()
    got = answer.result(0)
    assert (len(got.sessions), got.matching) == (3_000, 5_500)


def test_a_list_that_is_still_counted_is_waited_for_and_a_new_question_ends_the_old() -> None:
    states = [Listing(progress=0.2), Listing(progress=0.9), Listing(1, 1)]
    asked: list[Reach] = []

    def read(reach: Reach) -> Piece:
        asked.append(reach)
        return (states.pop(0) if len(states) > 1 else states[0]), busy().sessions[:1], ()

    jobs = ListJobs(read)
    first: tuple[Reach, Future[Rows]] = (Reach(), Future())
    jobs.step(first)
    jobs.step(first)
    assert jobs.is_busy
    jobs.step(first)
    assert not jobs.is_busy
    assert first[1].result(0).matching == 1
    jobs.step(first)
    assert len(asked) == 3


def test_an_engine_gives_all_its_rows_and_a_wrong_filter_is_told() -> None:
    source = EngineSource([str(DEMO)])
    source.start()
    try:
        wait_for(lambda: source.view().progress.phase == "done", "the end")
        assert len(source.rows(Reach("sessions", height=1)).result(5).sessions) == 6
        flows = source.rows(Reach("flows", "bytes", height=1)).result(5)
        assert len(flows.flows) == flows.matching == source.view().conversations
        only = source.rows(Reach("sessions", filter="state=stalled")).result(5)
        assert {row.state for row in only.sessions} == {"stalled"}
        with pytest.raises(Exception, match="no field"):
            source.rows(Reach("sessions", filter="nonsense=1")).result(5)
    finally:
        source.close()


def test_rows_from_elsewhere_are_made_safe() -> None:
    nasty = replace(busy().sessions[0], client="\x1b[2Jx\u202e")
    got = rows_of(encode_rows(Rows(1, (nasty,))))
    assert got.sessions[0].client.isprintable()


def noted(folder: Path) -> MarkBook:
    book = MarkBook(folder / "marks.json")
    mark = Mark(place="place 0", incident="i", note=WRITTEN, note_at=int(NOW), note_by="alice")
    book.put(mark, NOW)
    return book


def test_a_redacted_screen_shows_that_there_is_a_note_but_not_which(folder: Path) -> None:
    async def run() -> None:
        source = FakeSource(placed())
        app = ReplayApp(source, marks=noted(folder), looks=Looks().redacted())
        async with app.run_test(size=(120, 40)) as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            seen = one.text()
            await one.press("N")
            seen += one.text()
            assert "no notes on a redacted screen" in seen
            await one.press("a")
            await done(one)
            seen += one.text()
            await one.press("R")
            await done(one)
            await one.press("e", "c")
            await done(one)
            assert "[NOTE]" in seen
            assert "not shown on a redacted screen" in seen
            assert WRITTEN not in seen
            assert "alice" not in seen

    asyncio.run(run())
    written = [file.read_text() for file in folder.iterdir() if file.name != "marks.json"]
    assert len(written) >= 3
    assert not [text for text in written if WRITTEN in text or "alice" in text]
    # The mark itself is whole: it belongs to the screens of those who work with it.
    kept = MarkBook(folder / "marks.json")
    kept.refresh()
    mark = kept.of("place 0")
    assert mark is not None
    assert (mark.note, mark.note_by) == (WRITTEN, "alice")
    assert mark.acked_by


def test_a_filter_on_a_redacted_screen_names_what_it_shows() -> None:
    source = RedactedSource(EngineSource([str(DEMO)]))
    source.start()
    try:
        wait_for(lambda: source.view().progress.phase == "done", "the end")
        shown = source.view().sessions[0].client.rpartition(":")[0]
        query = Query(reach=Reach(filter=f"client={shown}"))
        source.ask(query)
        wait_for(lambda: source.view().query == query, "the answer")
        assert {row.client.rpartition(":")[0] for row in source.view().sessions} == {shown}
        assert source.rows(query.reach).result(5).sessions == source.view().sessions
    finally:
        source.close()


def test_what_a_colleague_wrote_meanwhile_is_not_lost(folder: Path) -> None:
    async def run() -> None:
        source = FakeSource(placed())
        app = ReplayApp(source, marks=MarkBook(folder / "marks.json"))
        async with app.run_test() as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            # Between two looks of this screen at the file.
            app.desk.marks.refresh = lambda: None  # type: ignore[method-assign]
            noted(folder)
            await one.press("a")
            await done(one)

    asyncio.run(run())
    book = MarkBook(folder / "marks.json")
    book.refresh()
    mark = book.of("place 0")
    assert mark is not None
    assert mark.note == WRITTEN
    assert mark.acked_by


class Late(FakeSource):
    """Answers nothing any more once it is told so."""

    is_late = False

    def ask(self, query: Query) -> None:
        if not self.is_late:
            super().ask(query)


@pytest.mark.parametrize(("key", "told"), [("y", "the fixes of this"), ("R", "the evidence of this")])
def test_nothing_is_written_about_another_incident_than_the_selected_one(
    key: str, told: str, folder: Path
) -> None:
    async def run() -> None:
        source = Late(busy())
        app = ReplayApp(source)
        async with app.run_test() as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            source.is_late = True
            await one.press("j", key)
            await done(one)
            assert f"{told} incident are not here yet" in one.text()

    asyncio.run(run())
    assert not list(folder.iterdir())


class Slow(FakeSource):
    """Never has the packets."""

    def packets(self, _session: str) -> Future[Packets]:
        self.last: Future[Packets] = Future()
        return self.last


def test_a_report_whose_packets_were_given_up_is_written_without_them(folder: Path) -> None:
    async def run() -> None:
        source = Slow(busy())
        app = ReplayApp(source)
        async with app.run_test(size=(120, 30)) as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            await one.press("R")
            assert "making the report" in one.text()
            source.last.cancel()
            await done(one)
            assert "wrote ctcpmon-report-" in one.text()
            assert "no graph: given up" in one.text()

    asyncio.run(run())
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(("key", "told"), [("t", "r asks again"), ("p", "Esc, then p, asks again")])
def test_a_page_whose_packets_were_given_up_says_so(key: str, told: str) -> None:
    async def run() -> None:
        source = Slow(busy())
        app = ReplayApp(source)
        async with app.run_test(size=(120, 30)) as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            await one.press(key)
            asked = source.last
            # Another page lies over it by then.
            await one.press("p" if key == "t" else "t")
            asked.cancel()
            await one.settle()
            await one.press("escape")
            await one.settle()
            assert told in one.text()

    asyncio.run(run())


def test_nothing_to_export_is_told_of_a_list_too(folder: Path) -> None:
    async def work(one: Bench) -> None:
        await one.press("2", "e")
        assert "nothing to export: there are no sessions in view" in one.text()

    use(work, replace(quiet(), sessions=()))
    assert not list(folder.iterdir())
