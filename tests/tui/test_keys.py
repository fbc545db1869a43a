"""Every key does what the footer and the help say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from ctcpmon.tui import replay_app
from ctcpmon.tui.fake_source import busy, no_tunnel, quiet
from ctcpmon.tui.screens.detail import DetailScreen
from ctcpmon.tui.screens.fixes import FixesScreen
from ctcpmon.tui.screens.help import HelpScreen
from ctcpmon.tui.screens.main import MainScreen
from ctcpmon.tui.screens.sessions import SessionsScreen
from ctcpmon.tui.screens.tap import TapScreen
from ctcpmon.tui.widgets import RowList

from tests.tui.screen_text import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ctcpmon.tui.view import View

SIZES = [(60, 15), (80, 24), (160, 48)]


def use(
    work: Callable[[Bench], Awaitable[None]], view: View | None = None, size: tuple[int, int] = (80, 24)
) -> None:
    async def run() -> None:
        async with bench(view or busy(), size) as one:
            await work(one)

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("key", "screen"),
    [("2", "SessionsScreen"), ("s", "SessionsScreen"), ("4", "TapScreen"), ("f", "FixesScreen"),
     ("question_mark", "HelpScreen"), ("enter", "DetailScreen"), ("1", "MainScreen")],
)  # fmt: skip
def test_a_key_opens_its_screen_and_escape_leads_back(key: str, screen: str, size: tuple[int, int]) -> None:
    async def work(one: Bench) -> None:
        await one.press(key)
        assert one.screen == screen
        await one.press("escape")
        assert one.screen == "MainScreen"
        await one.press(key, "q")
        assert one.screen == "MainScreen" or key == "1"

    use(work, size=size)


def test_a_filter_that_is_being_typed_keeps_the_keys() -> None:
    async def work(one: Bench) -> None:
        await one.press("slash", "c")
        one.source.put(busy())
        await one.settle()
        await one.press("j")
        assert "cj" in one.text()

    use(work, view=quiet())


def test_the_selection_moves_and_evidence_follows() -> None:
    async def work(one: Bench) -> None:
        assert "incident 1 of 3" in one.text()
        await one.press("j")
        assert "incident 2 of 3" in one.text()
        await one.press("G")
        assert "incident 3 of 3" in one.text()
        await one.press("left_square_bracket")
        assert "incident 2 of 3" in one.text()
        await one.press("g", "f", "right_square_bracket")
        assert one.screen == "FixesScreen"
        assert "10.7.0.0/24" in one.text()

    use(work)


def test_new_rows_do_not_move_the_cursor() -> None:
    async def work(one: Bench) -> None:
        await one.press("j")
        listed = one.app.screen.query_one("#incidents", RowList)
        key = listed.key
        view = one.source.base
        from dataclasses import replace

        rows = (replace(view.incidents[0], key="i-new", client="10.99.0.0/24"), *view.incidents)
        one.source.put(replace(view, incidents=rows))
        await one.settle()
        assert listed.key == key
        chosen = next(line for line in one.lines() if line.startswith("> "))
        assert "a proxy froze" in chosen

    use(work)


def test_pause_and_speed_reach_the_source() -> None:
    async def work(one: Bench) -> None:
        await one.press("space")
        assert "PAUSED" in one.text()
        await one.press("space", "comma", "comma", "semicolon")
        assert [told for told in one.source.told if not told.startswith("ask")] == [
            "paused True", "paused False", "speed 1000", "speed 100", "speed 1000",
        ]  # fmt: skip
        assert "speed 1000x" in one.text()

    use(work)


def test_pause_does_nothing_once_done() -> None:
    async def work(one: Bench) -> None:
        await one.press("space", "comma")
        assert one.source.told == []
        assert "DONE" in one.text()

    use(work, quiet())


def test_sessions_open_and_change_order() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "o")
        assert "last heard first" in one.text()
        await one.press("j", "enter")
        assert one.screen == "DetailScreen"
        assert "session 000000000002/1" in one.text()
        await one.press("G")
        assert "line 59" in one.text()

    use(work)


@pytest.mark.parametrize("in_tmux", [False, True])
def test_copy_always_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_tmux: bool) -> None:
    monkeypatch.chdir(tmp_path)
    given: list[str] = []

    def load(text: str) -> bool:
        given.append(text)
        return in_tmux

    monkeypatch.setattr(replay_app, "load_tmux_buffer", load)

    async def work(one: Bench) -> None:
        for _ in range(2):
            await one.press("y")
            await one.app.workers.wait_for_complete()
            await one.settle()
        assert "saved ctcpmon-asa-tcp-state-bypass-000000-2.txt" in one.text()
        assert ("tmux buffer" in one.text()) is in_tmux

    use(work)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["ctcpmon-asa-tcp-state-bypass-000000-2.txt", "ctcpmon-asa-tcp-state-bypass-000000.txt"]
    assert given[0].startswith("access-list")


def test_copy_without_a_fix_says_so() -> None:
    async def work(one: Bench) -> None:
        await one.press("y")
        assert "nothing to copy" in one.text()

    use(work, no_tunnel())


def test_q_quits_from_the_first_screen_only() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "q")
        assert one.app.return_value is None
        await one.press("q")
        assert one.app.return_value == "quit"

    use(work)


_KEY_NAMES = {"Enter": "enter", "Esc": "escape", "Space": "space", ",": "comma", ";": "semicolon", "?": "question_mark",
              "/": "slash", "[": "left_square_bracket", "]": "right_square_bracket", "PgDn": "pagedown", "PgUp": "pageup"}  # fmt: skip


@pytest.mark.parametrize(
    "screen", [MainScreen, SessionsScreen, FixesScreen, TapScreen, HelpScreen, DetailScreen]
)
def test_every_key_in_a_footer_is_bound(screen: type[MainScreen]) -> None:
    async def work(one: Bench) -> None:
        shown = screen(one.app.desk)
        await one.app.push_screen(shown)
        await one.settle()
        bound = set(one.app.screen.active_bindings)
        wanted = [key for keys, _ in screen.HINTS for key in keys.split()]
        assert [key for key in wanted if _KEY_NAMES.get(key, key) not in bound] == []

    use(work)
