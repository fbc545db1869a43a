"""Long lists: any number of rows, a selection that stays on its row, order, filter, columns."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon.tui.fake_source import busy
from ctcpmon.tui.widgets import LongTable

from tests.tui.screen_text import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctcpmon.tui.view import View

MILLION = 1_000_000


def use(
    work: Callable[[Bench], Awaitable[None]], view: View | None = None, size: tuple[int, int] = (80, 24)
) -> None:
    async def run() -> None:
        async with bench(view or replace(busy(), conversations=MILLION), size) as one:
            await work(one)

    asyncio.run(run())


def cursor(one: Bench) -> tuple[int, str]:
    """Line and text of the chosen row."""
    found = next((at, line) for at, line in enumerate(one.lines()) if line.startswith("> "))
    return found[0], found[1].rstrip("█ ")


def table(one: Bench) -> LongTable[object]:
    return one.app.screen.query_one(LongTable)


def test_a_million_rows_are_walked_by_asking_for_windows() -> None:
    async def work(one: Bench) -> None:
        await one.press("3")
        assert "FLOWS 1,000,000  1 of 1,000,000  most bytes first" in one.text()
        await one.press("G")
        assert "1,000,000 of 1,000,000" in one.text()
        assert "10.15.66.63:" in cursor(one)[1]
        await one.press("k", "pageup", "pageup")
        assert "999,965 of 1,000,000" in one.text()
        assert table(one).position == 999_965
        await one.press("home", "pagedown", "j")
        assert "19 of 1,000,000" in one.text()
        assert all("..." not in line for line in one.lines())
        # Never more than three screens of rows across.
        assert len(one.source.view().flows) <= 3 * 18
        await one.press("g")
        assert cursor(one)[0] == 4

    use(work)


def test_the_selection_stays_on_its_row_and_in_its_line_whatever_comes() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "j", "j", "j")
        line, chosen = cursor(one)
        key = table(one).key
        rows = one.source.base.sessions
        new = tuple(replace(rows[0], key=f"{99 + n:012x}/1", client=f"10.9.9.{n}:1") for n in range(200))
        # Two hundred new rows above, then everything the other way round.
        for changed in ((*new, *rows), (*new, *rows)[::-1], (*rows, *new)):
            one.source.put(replace(one.source.base, sessions=changed))
            await one.settle()
            assert table(one).key == key
            assert cursor(one)[1] == chosen
        assert cursor(one)[0] == line

    use(work)


def test_a_row_that_goes_leaves_its_place_to_the_next() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "j", "j")
        rows = one.source.base.sessions
        one.source.put(replace(one.source.base, sessions=(*rows[:2], *rows[3:])))
        await one.settle()
        assert table(one).key == rows[3].key
        one.source.put(replace(one.source.base, sessions=()))
        await one.settle()
        assert table(one).key is None
        await one.press("j", "G", "enter")
        assert one.screen == "SessionsScreen"

    use(work)


def test_until_it_is_moved_the_selection_is_the_first_row() -> None:
    async def work(one: Bench) -> None:
        await one.press("s")
        rows = one.source.base.sessions
        first = replace(rows[0], key="00000000ffff/1", client="10.99.0.1:1")
        one.source.put(replace(one.source.base, sessions=(first, *rows)))
        await one.settle()
        assert table(one).key == first.key

    use(work)


@pytest.mark.parametrize(("screen", "first", "second"), [
    ("s", "worst first", "last heard first"), ("3", "most bytes first", "most packets first"),
])  # fmt: skip
def test_order_and_the_other_way_round(screen: str, first: str, second: str) -> None:
    async def work(one: Bench) -> None:
        await one.press(screen)
        assert first in one.text()
        await one.press("o")
        assert second in one.text()
        assert "▼" in one.text() or screen == "s"
        await one.press("O")
        assert f"{second}, reversed" in one.text()
        await one.press("O")
        assert "reversed" not in one.text()

    use(work)


def test_the_column_of_the_order_is_shown_even_where_there_is_little_room() -> None:
    async def work(one: Bench) -> None:
        await one.press("3", "o", "o", "o", "o", "o")
        assert "MISSED▼" in one.text()

    use(work)


def test_a_filter_is_checked_while_it_is_typed() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "slash", *"state=stal")
        assert "! / state=stal" in one.text()
        assert "stalled suspect at_risk" in one.text()
        assert one.app.desk.filters["sessions"] == "state"
        await one.press(*"led")
        assert "  / state=stalled" in one.text()
        assert "/state=stalled  15 match" in one.text()
        await one.press("enter")
        assert "1 of 15" in one.text()
        # q is a letter while typing, and a key again behind it.
        await one.press("slash", "q", "escape")
        assert one.app.desk.filters["sessions"] == "state=stalled"
        await one.press("escape")
        assert one.app.desk.filters["sessions"] == ""
        assert one.screen == "SessionsScreen"
        await one.press("escape")
        assert one.screen == "MainScreen"

    use(work)


def test_a_wrong_filter_does_not_get_in_with_enter() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "slash", *"colour=", "enter")
        assert "no field 'colour'" in one.text()
        assert one.app.screen.has_class("-typing")
        await one.press("ctrl+u", "enter")
        assert not one.app.screen.has_class("-typing")

    use(work)


def test_the_line_of_a_filter_is_edited() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "slash", *"port=1", "left", "left", "2", "home", "!", "end", "backspace", "3")
        assert "/ !port2=3" in one.text()
        await one.press("ctrl+w", *"10.1", "home", "delete", "right", "x")
        assert "/ 0x.1" in one.text()

    use(work)


def test_incidents_are_filtered_too() -> None:
    async def work(one: Bench) -> None:
        await one.press("slash", *"severity=warn", "enter")
        assert "1 of 3 incidents shown" in one.text()
        assert "WARN" in cursor(one)[1]
        assert "INCIDENTS 3" in one.text()
        await one.press("escape")
        assert "incidents shown" not in one.text()

    use(work)


def test_columns_are_switched_and_stay_so() -> None:
    async def work(one: Bench) -> None:
        await one.press("s", "c", "j", "enter", "G", "enter", "c")
        assert one.screen == "SessionsScreen"
        heading = one.lines()[3]
        assert "STALLED" not in heading
        assert "RETRANS" in heading
        await one.press("1", "s")
        assert "RETRANS" in one.lines()[3]

    use(work)


def test_a_flow_with_a_tunnel_opens_it_and_another_says_what_it_is() -> None:
    async def work(one: Bench) -> None:
        await one.press("3", "enter")
        assert "an ordinary conversation" in one.text()
        await one.press("j", "j", "j", "enter")
        assert one.screen == "DetailScreen"
        await one.press("escape")
        assert "4 of 1,000,000" in one.text()

    use(work)


def test_counting_is_said() -> None:
    async def work(one: Bench) -> None:
        await one.press("3")
        view = one.source.view()
        listing = replace(view.listing, progress=0.25, matching=0)
        one.source._view = replace(view, listing=listing, flows=())
        await one.settle()
        assert "counting 25%" in one.text()

    use(work)


def test_an_order_that_is_old_says_so() -> None:
    async def work(one: Bench) -> None:
        await one.press("3")
        view = one.source.view()
        for age_s, told in ((0, False), (12, True), (0, False)):
            one.source._view = replace(view, listing=replace(view.listing, order_age_s=age_s))
            await one.settle()
            assert ("most bytes first, sorted 12 s ago" in one.text()) == told
            assert ("ago" in one.text()) == told

    use(work)


def test_a_click_on_a_title_sorts_and_a_click_on_a_row_selects() -> None:
    async def work(one: Bench) -> None:
        await one.press("3")
        await one._pilot.click(LongTable, offset=(60, 0))
        await one.settle()
        assert "most packets first" in one.text()
        await one._pilot.click(LongTable, offset=(10, 6))
        await one.settle()
        assert "6 of 1,000,000" in one.text()

    use(work)


def test_resizing_keeps_the_selection_on_the_screen() -> None:
    async def work(one: Bench) -> None:
        await one.press("3", *["j"] * 16)
        await one._pilot.resize_terminal(80, 16)
        await one.settle()
        assert "17 of 1,000,000" in one.text()
        assert cursor(one)[1]

    use(work)


def test_the_first_screen_asks_for_sessions_only_where_it_shows_them() -> None:
    async def low(one: Bench) -> None:
        await one.settle()
        assert one.source.view().query.reach.height == 0
        await one.press("3")
        assert one.source.view().flows
        # A list that lies over it keeps its own question.
        await one.settle()
        assert one.source.view().query.reach.name == "flows"
        await one.press("1")
        assert one.source.view().query.reach.height == 0
        assert "EVIDENCE" in one.text()

    async def high(one: Bench) -> None:
        await one.settle()
        assert one.source.view().query.reach.height > 0
        assert "SESSIONS" in one.text()
        assert one.source.view().sessions[0].client in one.text()

    async def quiet(one: Bench) -> None:
        await one.settle()
        assert one.source.view().query.reach.height > 0
        assert "SESSIONS" in one.text()

    use(low)
    use(high, size=(100, 50))
    use(quiet, replace(busy(), incidents=(), evidence=None, fixes=()))
