"""Ack, mute, note and export: what they do to the list, what survives a restart, what is never hidden."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from ctcpmon import state_file as state_module
from ctcpmon.looks import Looks
from ctcpmon.state_file import state_file
from ctcpmon.tui import marks as marks_module
from ctcpmon.tui import replay_app
from ctcpmon.tui.exporting import as_csv, as_json
from ctcpmon.tui.fake_source import FakeSource, busy, no_tunnel
from ctcpmon.tui.marking import marked
from ctcpmon.tui.marks import ACK_HOLDS_S, Mark, MarkBook, who
from ctcpmon.tui.replay_app import ReplayApp

from tests.tui.screen_text import Bench
from tests.tui.test_looks import compare

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctcpmon.tui.view import View

NOW = 1_795_670_760.0
HOSTILE = "[/][@click=app.exit]x\x1b[2J\u202e\x9b\n"


def placed(view: View | None = None, suffix: str = "") -> View:
    """Rows with places, as the engine's source gives them."""
    view = view or busy()
    rows = tuple(
        replace(row, key=row.key + suffix, place=f"place {at}") for at, row in enumerate(view.incidents)
    )
    return replace(view, incidents=rows)


def use(
    work: Callable[[Bench], Awaitable[None]],
    path: Path | None = None,
    *,
    view: View | None = None,
    size: tuple[int, int] = (80, 24),
    is_ascii: bool = False,
) -> None:
    async def run() -> None:
        source = FakeSource(view or placed())
        app = ReplayApp(source, marks=MarkBook(path), looks=Looks(is_ascii=is_ascii))
        async with app.run_test(size=size) as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            await work(one)

    asyncio.run(run())


async def done(one: Bench) -> None:
    await asyncio.sleep(0.05)
    await one.app.workers.wait_for_complete()
    await one.settle()


def test_an_ack_is_shown_counted_and_taken_back(tmp_path: Path) -> None:
    async def work(one: Bench) -> None:
        await one.press("a")
        await done(one)
        assert "1 acked" in one.text()
        assert "[ACK] lost segment" in one.text()
        assert f"acked by {who()}" in one.text()
        assert "2 CRIT !" in one.text(), "it counts on"
        await one.press("a")
        await done(one)
        assert "acked by" not in one.text().split("\n", 20)[5]
        assert "[ACK]" not in one.text()

    use(work, tmp_path / "state" / "marks.json")


@pytest.mark.parametrize(("key", "seconds"), [("1", 3_600), ("2", 28_800), ("3", 604_800)])
def test_a_muted_incident_sinks_and_is_still_there(
    key: str, seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_app.time, "time", lambda: NOW)
    path = tmp_path / "marks.json"

    async def work(one: Bench) -> None:
        await one.press("m")
        assert "MUTE 10.1.0.0/24" in one.text()
        assert "0 no longer" not in one.text()
        await one.press(key)
        await done(one)
        text = one.text()
        assert "1 CRIT !  1 WARN *  1 muted" in text
        assert "[MUTED] lost segment never resent" in text
        rows = [line for line in one.lines() if "CRIT !" in line or "WARN *" in line]
        assert "MUTED" in rows[-1]
        assert one.app.desk.marks.of("place 0").muted_until == NOW + seconds  # type: ignore[union-attr]
        await one.press("G", "m", "0")
        await done(one)
        assert "muted" not in one.lines()[2]

    use(work, path)


@pytest.mark.parametrize("key", ["escape", "x", "q", "p"])
def test_any_other_key_mutes_nothing(key: str) -> None:
    async def work(one: Bench) -> None:
        await one.press("m", key)
        await done(one)
        assert one.screen == "MainScreen"
        assert len(one.app.desk.marks) == 0
        assert one.app.return_value is None

    use(work)


def test_a_note_is_typed_cleaned_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"

    async def work(one: Bench) -> None:
        await one.press("N")
        assert "NOTE on 10.1.0.0/24" in one.text()
        await one.press(*"ask q m [/] bob", "enter")
        await done(one)
        assert "[NOTE] lost" in one.text()
        assert f"NOTE by {who()}" in one.text()
        assert ": ask q m [/] bob" in one.text()
        await one.press("N", "escape")
        await done(one)
        assert "ask q m" in one.text()
        await one.press("N", "ctrl+u", "enter")
        await done(one)
        assert "NOTE" not in one.text()

    use(work, path)


def test_marks_survive_a_restart_at_the_same_place(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "marks.json"

    async def first(one: Bench) -> None:
        await one.press("a", "N", "x", "enter")
        await done(one)
        await one.press("j", "m", "2")
        await done(one)

    async def second(one: Bench) -> None:
        assert "1 acked, 1 muted" in one.text()
        assert "[ACK NOTE]" in one.text()

    use(first, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    use(second, path)
    use(second, path, view=placed(suffix="-after-a-restart"))


def test_two_screens_see_each_other(tmp_path: Path) -> None:
    one, two = MarkBook(tmp_path / "m.json"), MarkBook(tmp_path / "m.json")
    assert one.put(Mark(place="a", incident="i", note="x"), NOW) == ""
    assert two.put(Mark(place="b", incident="i", note="y"), NOW) == ""
    one.refresh()
    assert one.of("b") is not None
    assert one.of("a") is not None


def row_of(**changes: Any) -> Any:
    return replace(placed().incidents[0], **changes)


def test_nothing_holds_for_something_worse() -> None:
    mark = Mark(
        place="place 0",
        incident="i",
        acked_at=int(NOW),
        acked_level="warning",
        muted_until=int(NOW) + 60,
        muted_level="warning",
    )
    assert mark.acks(row_of(level="warning"), NOW)
    assert mark.mutes(row_of(level="warning"), NOW)
    assert not mark.acks(row_of(level="critical"), NOW)
    assert not mark.mutes(row_of(level="critical"), NOW)


def test_an_ack_does_not_hide_next_week() -> None:
    mark = Mark(place="place 0", incident="i-1", acked_at=int(NOW), acked_level="critical")
    assert mark.acks(row_of(key="i-2"), NOW + ACK_HOLDS_S - 1)
    assert not mark.acks(row_of(key="i-2"), NOW + ACK_HOLDS_S)
    assert mark.acks(row_of(key="i-1"), NOW + 10 * ACK_HOLDS_S)


def test_a_mute_ends_by_itself() -> None:
    book = MarkBook()
    book.put(Mark(place="place 0", incident="i", muted_until=int(NOW) + 60, muted_level="critical"), NOW)
    assert marked(placed(), book, NOW + 59).critical == 1
    assert marked(placed(), book, NOW + 60).critical == 2


def test_a_view_without_marks_is_the_same_view() -> None:
    view = placed()
    assert marked(view, MarkBook(), NOW) is view


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version":2,"marks":[]}', '{"version":1,"marks":[{"place":1}]}', "x" * (1 << 20) + "x"],
)
def test_a_damaged_file_is_put_aside(text: str, tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_text(text)
    book = MarkBook(path)
    book.refresh()
    assert len(book) == 0
    assert book.put(Mark(place="a", incident="i", note="x"), NOW) == ""
    assert path.with_suffix(".damaged").read_text() == text
    assert len(json.loads(path.read_text())["marks"]) == 1


def test_what_the_file_says_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    mark = Mark(place="place 0", incident="i", note=HOSTILE, note_by=HOSTILE)
    path.write_bytes(msgspec.json.encode({"version": 1, "marks": [mark]}))
    book = MarkBook(path)
    book.refresh()
    found = book.of("place 0")
    assert found is not None
    assert found.note.isprintable()
    assert found.note_by.isprintable()


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks_module, "_MOST", 3)
    book = MarkBook(tmp_path / "m.json")
    for number in range(6):
        book.put(Mark(place=str(number), incident="i", note="x", note_at=number + 1), NOW)
    assert len(book) == 3
    assert book.of("0") is None
    assert book.of("5") is not None


def test_a_mark_that_is_over_leaves_the_file(tmp_path: Path) -> None:
    book = MarkBook(tmp_path / "m.json")
    book.put(Mark(place="old", incident="i", muted_until=int(NOW) - 1, acked_at=int(NOW) - ACK_HOLDS_S), NOW)
    assert len(book) == 0


def test_a_folder_that_cannot_be_written_is_told_and_the_mark_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "marks.json"

    async def work(one: Bench) -> None:
        await one.press("a")
        await done(one)
        assert "only on this screen, not saved" in one.text()
        assert "1 acked" in one.text()

    use(work, path)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    text = '{"version":1,"marks":[]}'
    (tmp_path / "target").write_text(text)
    (tmp_path / "marks.json").symlink_to(tmp_path / "target")
    problem = MarkBook(tmp_path / "marks.json").put(Mark(place="a", incident="i", note="x"), NOW)
    assert "not saved" in problem
    assert (tmp_path / "target").read_text() == text


def test_where_marks_are_kept() -> None:
    assert state_file({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/ctcpmon/marks.json")
    assert state_file({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path(
        "/h/.local/state/ctcpmon/marks.json"
    )
    assert state_file({}) is None
    assert who({"SUDO_USER": "bob\x1b[2J"}).isprintable()


@pytest.mark.parametrize(
    ("keys", "name", "count"), [(("e", "c"), "incidents", 3), (("s", "e", "c"), "sessions", 40)]
)
def test_the_table_in_view_goes_to_a_file(
    keys: tuple[str, ...], name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def work(one: Bench) -> None:
        for _ in range(2):
            await one.press(*keys)
            await done(one)
        assert "saved ctcpmon-" in one.text()
        assert f"{count} rows" in one.text()

    use(work)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    rows = list(csv.DictReader(io.StringIO(files[0].read_text())))
    assert len(rows) == count
    assert rows[0]["headend"] == "198.51.100.9:10000"
    assert files[0].name.startswith(f"ctcpmon-{name}-2")


def test_json_is_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def work(one: Bench) -> None:
        await one.press("e", "j")
        await done(one)

    use(work)
    (file,) = tmp_path.iterdir()
    assert [row["key"] for row in json.loads(file.read_text())] == [row.key for row in busy().incidents]


def test_nothing_to_export_is_told() -> None:
    async def work(one: Bench) -> None:
        await one.press("e")
        assert "nothing to export" in one.text()
        await one.press("a", "m", "N")
        assert "no incident is selected here" in one.text()
        assert one.screen == "MainScreen"

    use(work, view=no_tunnel())


@pytest.mark.parametrize("screen", ["s", "4", "question_mark", "enter", "p"])
def test_nothing_is_marked_that_is_not_in_view(screen: str) -> None:
    async def work(one: Bench) -> None:
        await one.press(screen, "a", "m", "N")
        await done(one)
        assert len(one.app.desk.marks) == 0
        assert "no incident is selected here" in one.text()

    use(work)


def test_the_incident_of_the_fixes_can_be_marked() -> None:
    async def work(one: Bench) -> None:
        await one.press("f", "a")
        await done(one)
        assert one.app.desk.marks.of("place 0") is not None

    use(work)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 50)])
def test_looks(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_app.time, "time", lambda: NOW)
    monkeypatch.setattr(replay_app, "who", lambda: "ann")

    async def work(one: Bench) -> None:
        await one.press("a", "N", *"asked carrier", "enter")
        await done(one)
        await one.press("j", "m", "2")
        await done(one)
        await one.press("g")
        one.app.desk.notice = ""
        await one.settle()
        await one.press("m")
        compare(f"marks-{size[0]}x{size[1]}", one.text() + "\n")
        await one.press("escape", "N")
        compare(f"note-{size[0]}x{size[1]}", one.text() + "\n")

    use(work, size=size)


def test_no_cell_is_a_formula() -> None:
    rows = [row_of(note=text) for text in ("=1+1", "+x", "-x", "@x", "\tx", "\rx", 'a"b', HOSTILE)]
    read = list(csv.DictReader(io.StringIO(as_csv(rows).decode())))
    assert [row["note"][:1] for row in read][:6] == ["'"] * 6
    assert len(read) == len(json.loads(as_json(rows))) == len(rows)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50)])
def test_questions_fit_and_are_ascii_when_asked(size: tuple[int, int]) -> None:
    async def work(one: Bench) -> None:
        await one.press("m")
        assert "1 1 h   2 8 h   3 7 d" in one.text()
        assert one.text().isascii()
        await one.press("escape", "N")
        assert "Enter keep" in one.text()
        assert one.text().isascii()

    use(work, size=size, is_ascii=True)


def test_a_paste_of_anything_is_safe_to_show() -> None:
    from textual import events
    from textual.widgets import Input

    async def work(one: Bench) -> None:
        await one.press("N")
        line = one.app.screen.query_one(Input)
        line.post_message(events.Paste(HOSTILE))
        await one.settle()
        assert line.value.startswith("[/][@click=app.exit]x\\x1b[2J")
        assert line.value.isprintable()
        for strip in one.app.screen._compositor.render_strips():
            assert strip.text.isprintable()
        await one.press("enter")
        await done(one)
        assert "[NOTE]" in one.text()

    use(work)


def test_a_run_that_goes_on_as_another_keeps_marks_where_that_one_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's folder is closed to nobody, and ``sudo`` hands over the environment of root."""
    shared = tmp_path / "shared"
    monkeypatch.setattr(state_module, "_SHARED", shared)
    monkeypatch.setattr(state_module, "_home", lambda user: tmp_path if user == 1_000 else None)
    root = {"HOME": "/root"}
    assert state_file(root, (1_000, 1_000)) == tmp_path / ".local/state/ctcpmon/marks.json"
    assert state_file(root, (65_534, 65_534)) == shared / "marks.json"
    given: list[tuple[Any, ...]] = []
    monkeypatch.setattr(state_module.os, "chown", lambda *words: given.append(words))
    state_module.prepare((1_000, 1_000))
    assert not shared.exists()
    for _ in range(2):
        state_module.prepare((65_534, 65_533))
    assert given == [(shared, 65_534, 65_533)]
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700


def test_a_link_in_place_of_the_shared_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "shared").symlink_to(elsewhere)
    monkeypatch.setattr(state_module, "_SHARED", tmp_path / "shared")
    monkeypatch.setattr(state_module, "_home", lambda _user: None)
    monkeypatch.setattr(state_module.os, "chown", lambda *_words: pytest.fail("given away"))
    state_module.prepare((65_534, 65_534))


def test_the_name_of_who_marks_is_that_of_the_start(tmp_path: Path) -> None:
    async def run() -> None:
        source = FakeSource(placed())
        app = ReplayApp(source, marks=MarkBook(tmp_path / "m"), person="carol")
        async with app.run_test() as pilot:
            one = Bench(app, source, pilot)
            await one.settle()
            await one.press("a")
            await done(one)
            assert "acked by carol" in one.text()

    asyncio.run(run())
