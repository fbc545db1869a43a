"""The line in which a filter is typed holds characters that are two cells wide, and accents that are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from ctcpmon.text import width
from ctcpmon.tui.fake_source import SCENES
from ctcpmon.tui.widgets import FilterBar
from ctcpmon.tui.widgets.filter_bar import _window

from .screen_text import bench

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = ["", "state:stalled", "日本語" * 20, "a日" * 30, "x" * 150, "e\u0301" * 60, "日\u0301本" * 30]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("room", [2, 3, 10, 39, 80])
def test_the_cursor_is_always_in_sight_and_no_cell_is_taken_that_is_not_there(text: str, room: int) -> None:
    shown = text + " "
    for cursor in range(len(shown)):
        start, end = _window(shown, cursor, room)
        assert start <= cursor < end
        assert width(shown[start:end]) <= room
        fits = width(shown) <= room
        assert (start, end) == (0, len(shown)) or not fits


def after(keys: tuple[str, ...], look: Callable[[FilterBar, str], object], text: str = "日本語" * 25) -> None:
    async def run() -> None:
        async with bench(SCENES["busy"]()) as one:
            await one.press("s", "slash")
            bar = one.app.screen.query_one(FilterBar)
            bar._change(0, 0, text)
            bar.paint()
            await one.press(*keys)
            look(bar, next(line for line in one.text().splitlines() if line.startswith(("  / ", "! / "))))

    asyncio.run(run())


def test_a_wide_text_shows_its_end_while_it_is_typed_and_its_beginning_when_gone_to() -> None:
    def at_the_end(_bar: FilterBar, line: str) -> None:
        assert line.split("  ", maxsplit=1)[0].endswith("日本語") or "日本語x" in line
        assert "~" not in line.split()[1]
        assert width(line) <= 80

    after(("x",), at_the_end)

    def at_the_beginning(_bar: FilterBar, line: str) -> None:
        assert line[4:].startswith("日本語日本語")
        assert width(line) <= 80

    after(("home",), at_the_beginning)


def test_an_accent_of_its_own_goes_with_its_letter() -> None:
    def at_the_letter(bar: FilterBar, _line: str) -> None:
        assert (bar._text, bar._cursor) == ("ae\u0301z", 1)

    after(("left", "left"), at_the_letter, "ae\u0301z")

    def without_it(bar: FilterBar, _line: str) -> None:
        assert (bar._text, bar._cursor) == ("az", 1)

    after(("left", "backspace"), without_it, "ae\u0301z")
    after(("home", "right", "delete"), without_it, "ae\u0301z")
