"""Stepping, freezing, going back, the log, the history, the wall, other keys, no mouse."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ctcpmon.config import load_settings
from ctcpmon.errors import SettingsError
from ctcpmon.keys import DEFAULT_KEYS, check_keys, key_name
from ctcpmon.looks import Looks
from ctcpmon.tui.desk import Desk
from ctcpmon.tui.fake_source import SCENES, FakeSource, busy, live, no_tunnel, quiet
from ctcpmon.tui.painting.brush import Frame, plain
from ctcpmon.tui.painting.wall import wall
from ctcpmon.tui.replay_app import ReplayApp
from textual.binding import Binding

from tests.tui.screen_text import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctcpmon.tui.view import View


def use(
    work: Callable[[Bench], Awaitable[None]],
    view: View | None = None,
    size: tuple[int, int] = (80, 24),
    looks: Looks | None = None,
) -> None:
    async def run() -> None:
        async with bench(view or busy(), size, looks=looks) as one:
            await work(one)

    asyncio.run(run())


def at(view: View, seconds: int, packets: int) -> View:
    return replace(view, last_ns=(view.last_ns or 0) + seconds * 10**9, packets=packets)


def test_a_capture_is_stepped_and_read_on_to_the_next_incident() -> None:
    async def work(one: Bench) -> None:
        await one.press("full_stop", "full_stop", "n")
        told = [text for text in one.source.told if not text.startswith("ask")]
        assert told == ["step", "step", "next incident"]
        assert "PAUSED" in one.text()

    use(work)


def test_once_it_is_done_there_is_nothing_to_step() -> None:
    async def work(one: Bench) -> None:
        await one.press("full_stop", "n")
        assert one.source.told == []

    use(work, quiet())


def test_a_live_view_freezes_and_says_its_age_while_the_run_goes_on() -> None:
    async def work(one: Bench) -> None:
        now = 1_000.0
        one.app.desk.clock = lambda: now
        await one.press("space")
        assert "FROZEN" in one.lines()[0] or "FROZEN" in one.text()
        one.source.put(at(one.source.base, 9, 7_777_777))
        now = 1_009.0
        await one.settle()
        assert "7,777,777" not in one.text()
        assert "FROZEN, 0:09 ago" in one.text()
        assert "the engine goes on" in one.text()
        # Questions of the first screen, and no word to the engine.
        assert one.source.told
        assert all(told.startswith("ask ") for told in one.source.told)
        await one.press("space")
        assert "7,777,777" in one.text()
        assert "FROZEN" not in one.text()

    use(work, live())


def test_a_frozen_view_still_answers_what_is_asked() -> None:
    async def work(one: Bench) -> None:
        await one.press("space", "j")
        assert "incident 2 of 3" in one.text()
        assert "FROZEN" in one.text()

    use(work, live())


def test_time_travel_is_marked_bounded_and_leads_back_to_now() -> None:
    async def work(one: Bench) -> None:
        now = 1_000.0
        one.app.desk.clock = lambda: now
        one.app.desk.past.kept.clear()
        for step in range(1, 6):
            now = 1_000.0 + 5 * step
            one.source.put(at(live(), 5 * step, 1_000_000 + step))
            await one.settle()
        now = 1_030.0
        await one.settle()
        await one.press("less_than_sign", "less_than_sign")
        assert "PAST - NOT NOW" in one.text()
        assert "1,000,004" in one.text()
        assert "PAST, 0:10 ago" in one.text()
        await one.press("greater_than_sign")
        assert "1,000,005" in one.text()
        await one.press("greater_than_sign")
        assert "PAST" not in one.text()
        await one.press(*["less_than_sign"] * 9)
        assert "nothing older is kept" in one.text()
        await one.press("space")
        assert "PAST" not in one.text()
        assert "1,000,005" in one.text()

    use(work, live())


def test_a_list_that_was_not_on_the_screen_then_is_not_shown_with_rows_of_now() -> None:
    async def work(one: Bench) -> None:
        now = 1_000.0
        one.app.desk.clock = lambda: now
        one.app.desk.past.kept.clear()
        one.source.put(at(live(), 1, 1))
        await one.settle()
        now = 1_010.0
        await one.press("3")
        one.source.put(at(live(), 9, 9))
        await one.settle()
        assert "1 of 1,840" in one.text()
        now = 1_020.0
        await one.press("less_than_sign", "less_than_sign", "less_than_sign")
        assert "not kept: this list was not on the screen then" in one.text()
        assert not any(line.startswith("> ") for line in one.lines())
        await one.press("space")
        assert "1 of 1,840" in one.text()

    use(work, live())


def test_what_is_kept_of_the_past_is_bounded() -> None:
    source = FakeSource(live())
    desk = Desk(source)
    for second in range(0, 5_000, 2):
        desk.clock = lambda second=second: float(second)  # type: ignore[misc]
        source.put(at(live(), second, second))
        desk.refresh()
    assert len(desk.past.kept) == 300


def test_of_a_capture_there_is_no_past() -> None:
    async def work(one: Bench) -> None:
        await one.press("less_than_sign")
        assert "only a live run" in one.text()

    use(work)


def test_the_log_has_what_happened_newest_first() -> None:
    async def work(one: Bench) -> None:
        assert one.source.view().log == ()
        await one.press("l")
        assert "LOG 40" in one.text()
        chosen = next(line for line in one.lines() if line.startswith("> "))
        assert "10.1.4.40:1061" in chosen
        await one.press("escape")
        assert one.app.desk.query.log == 0

    use(work)


def test_without_a_history_the_screen_says_how_to_get_one() -> None:
    async def work(one: Bench) -> None:
        await one.press("h")
        assert "--history FILE" in one.text()

    use(work)


@pytest.mark.parametrize("content", ["missing", "text", "other"])
def test_a_file_that_is_no_history_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "h.db"
    if content == "text":
        path.write_text("no base")
    elif content == "other":
        sqlite3.connect(path).execute("create table t (a)")

    async def work(one: Bench) -> None:
        await one.press("h")
        await one.app.workers.wait_for_complete()
        await one.settle()
        told = {"missing": "no such file", "text": "not a database", "other": "no history of this"}
        assert told[content] in " ".join(one.text().split())

    use(work, looks=Looks(history=str(path)))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (300, 80)])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_the_wall_answers_five_questions_at_every_size(scene: str, size: tuple[int, int]) -> None:
    view = SCENES[scene]()
    lines = [plain(line) for line in wall(view, Frame(*size))]
    text = "\n".join(lines)
    assert len(lines) == size[1]
    assert all(len(line) <= size[0] for line in lines)
    assert "DO FIRST" in text
    assert view.tap.text in text
    if view.critical:
        first = next(row for row in view.incidents if row.is_open)
        assert first.client in text
        assert "sessions stalled" in text
        assert "since" in text


def test_the_wall_changes_by_itself_and_says_when_nothing_comes() -> None:
    async def work(one: Bench) -> None:
        now = 50.0
        one.app.desk.clock = lambda: now
        assert "10.1.0.0/24" in one.text()
        one.app.screen.next_turn()  # type: ignore[attr-defined]
        await one.settle()
        assert "10.7.0.0/24" in one.text()
        assert "2 of 3" in one.text()
        one.source.put(replace(one.source.base, packets=5))
        await one.settle()
        now = 80.0
        one.app.screen._age()  # type: ignore[attr-defined]
        await one.settle()
        assert "NO NEWS FOR 0:30" in one.text()
        await one.press("q")
        assert one.app.return_value == "quit"

    use(work, looks=Looks(is_wallboard=True))


def test_the_wall_never_says_that_all_is_well_on_a_bad_tap() -> None:
    lines = wall(replace(no_tunnel(), progress=busy().progress), Frame(30, 24))
    assert any("CHECK TAP" in plain(line) for line in lines)


def test_other_keys_work_and_are_shown() -> None:
    looks = Looks(keys={"sessions": "F", "filter": "ctrl+o", "pause": "P", "help": "f1", "down": "x"})

    async def work(one: Bench) -> None:
        assert "F sessions" in one.text()
        await one.press("s")
        assert one.screen == "MainScreen"
        await one.press("x")
        assert "incident 2 of 3" in one.text()
        await one.press("down")
        assert "incident 3 of 3" in one.text()
        await one.press("F", "x", "ctrl+o", *"state=stalled", "enter")
        assert "15 match" in one.text()
        await one.press("P")
        assert one.source.told[-1] == "paused True"
        await one.press("f1")
        assert one.screen == "HelpScreen"
        assert "ctrl+o" in one.text()

    use(work, looks=looks)


@pytest.mark.parametrize(("line", "words"), [
    ('filtr = "x"', "keys.filtr: no such action; did you mean 'filter'?"),
    ('filter = "ctrl+b"', "keys.filter: 'ctrl+b' is the prefix of tmux"),
    ('filter = "ctrl+a"', "keys.filter: 'ctrl+a' is the prefix of screen"),
    ('filter = "escape"', "keys.filter: 'escape' is always"),
    ('filter = "o"', "keys.filter: 'o' is the key of 'order' already"),
    ('filter = "s"', "keys.filter: 's' is the key of 'sessions' already"),
    ('filter = "no"', "keys.filter: 'no' is no key"),
    ('filter = " "', "keys.filter: ' ' is no key"),
])  # fmt: skip
def test_a_wrong_key_in_the_configuration_is_told_with_its_field(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(f"[keys]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert words in str(caught.value)


def test_no_key_by_itself_is_a_prefix_of_tmux_or_screen() -> None:
    check_keys({})
    assert not {"ctrl+a", "ctrl+b"} & set(DEFAULT_KEYS.values())


def test_every_action_that_can_have_another_key_is_bound_by_its_name() -> None:
    from ctcpmon.tui.screens.sessions import SessionsScreen
    from ctcpmon.tui.widgets import LongTable

    bound: dict[str | None, str] = {}
    for kind in (ReplayApp, SessionsScreen, LongTable):
        for parent in kind.__mro__:
            for one in vars(parent).get("BINDINGS", ()):
                if isinstance(one, Binding):
                    bound.setdefault(one.id, one.key.split(",")[0])
    assert {action: key_name(key) for action, key in DEFAULT_KEYS.items()}.items() <= bound.items()


def test_the_page_on_screens_names_every_action() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "screens.md").read_text("utf-8")
    assert [action for action in DEFAULT_KEYS if f"`{action}`" not in text] == []
