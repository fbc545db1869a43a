"""The graph screen on packets of the demo capture: looks, keys, what goes wrong."""

from __future__ import annotations

import asyncio
import os
import random
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.graph import Look, Room, Subject, paint
from ctcpmon.graph.painting import values
from ctcpmon.graph.scale import Scale, amount, nice_step, seconds, ticks
from ctcpmon.text import width
from ctcpmon.tui.fake_source import busy, no_tunnel
from ctcpmon.tui.screens.graph import GraphScreen
from textual.filter import Monochrome, NoColor

from tests.graph.cuts import cut
from tests.tui.screen_text import Bench, bench
from tests.tui.test_hostile_strings import NASTY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctcpmon.tui.packets import Packets

SNAPSHOTS = Path(__file__).with_name("snapshots")
SIZES = [(60, 15), (80, 24), (120, 40), (200, 50), (300, 80)]


def use(
    work: Callable[[Bench], Awaitable[None]],
    packets: Packets | str | None = None,
    size: tuple[int, int] = (80, 24),
    *,
    is_ascii: bool = False,
) -> None:
    async def run() -> None:
        async with bench(busy(), size, is_ascii=is_ascii) as one:
            one.source.cut = cut() if packets is None else packets
            await one.press("t")
            await one.app.workers.wait_for_complete()
            await one.settle()
            await work(one)

    asyncio.run(run())


def shot(size: tuple[int, int], *keys: str, is_ascii: bool = False) -> str:
    got: list[str] = []

    async def work(one: Bench) -> None:
        await one.press(*keys)
        got.append(one.text() + "\n")

    use(work, None, size, is_ascii=is_ascii)
    return got[0]


def compare(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("CTCPMON_UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.is_file(), f"{path} is missing: CTCPMON_UPDATE_SNAPSHOTS=1 pytest tests/graph"
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("size", SIZES)
def test_the_stall(size: tuple[int, int]) -> None:
    text = shot(size)
    compare(f"graph-{size[0]}x{size[1]}", text)
    for words in ("STALLED", "hole", "DATA OF THE CLIENT", "frame"):
        assert words in text


@pytest.mark.parametrize("size", SIZES[:4])
def test_the_stall_in_ascii(size: tuple[int, int]) -> None:
    text = shot(size, is_ascii=True)
    assert text.isascii()
    compare(f"graph-ascii-{size[0]}x{size[1]}", text)


def test_the_stall_in_blocks_and_both_directions() -> None:
    compare("graph-blocks-120x40", shot((120, 40), "b", "0"))
    text = shot((120, 40), "tab", "tab")
    assert text.count("DATA OF THE") == 2
    compare("graph-both-120x40", text)


@pytest.mark.parametrize("size", SIZES[:4])
def test_no_colour_has_the_same_words(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def work(one: Bench) -> None:
        assert one.text() + "\n" == (SNAPSHOTS / f"graph-{size[0]}x{size[1]}.txt").read_text("utf-8")
        assert any(isinstance(each, (NoColor, Monochrome)) for each in one.app._filters)

    use(work, None, size)


@pytest.mark.parametrize("opening", [("t",), ("s", "t"), ("enter", "t")])
def test_the_key_opens_it_from_every_page_with_a_session(opening: tuple[str, ...]) -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            one.source.cut = cut()
            await one.press(*opening)
            assert one.screen == "GraphScreen"
            assert one.source.told[-1] == "packets 000000000001/1"
            below = type(one.app.screen_stack[-2]).__name__
            await one.press("escape")
            assert one.screen == below

    asyncio.run(run())


def test_without_a_session_it_says_so() -> None:
    async def run() -> None:
        async with bench(no_tunnel()) as one:
            await one.press("t")
            assert one.screen == "MainScreen"
            assert "no graph: there is no session here" in one.text()

    asyncio.run(run())


def graph(one: Bench) -> GraphScreen:
    assert isinstance(one.app.screen, GraphScreen)
    return one.app.screen


def test_every_key_moves_what_it_says() -> None:
    async def work(one: Bench) -> None:
        screen = graph(one)
        subject = screen.subject
        assert subject is not None

        def look() -> Look:
            assert screen.look is not None
            return screen.look

        def wide() -> int:
            return look().until_ns - look().from_ns

        first = look()
        await one.press("plus")
        assert wide() == pytest.approx((first.until_ns - first.from_ns) / 2, rel=0.01)
        await one.press("minus")
        assert wide() == pytest.approx(first.until_ns - first.from_ns, rel=0.01)
        await one.press("tab")
        assert look().side == "headend"
        assert "DATA OF THE HEADEND" in one.text()
        await one.press("tab", "tab")
        assert look().side == "client"
        place = look().place
        await one.press("less_than_sign")
        assert look().place == place - 1
        await one.press("greater_than_sign", "greater_than_sign")
        assert look().place == place + 1
        await one.press("h")
        assert look().place < place
        await one.press("l", "right")
        assert look().place > place
        await one.press("left", "left", "left")
        assert look().place < place
        await one.press("0")
        assert (look().from_ns, look().until_ns) == (subject.first_ns, subject.last_ns)
        await one.press("home")
        assert look().place == 0
        await one.press("end")
        assert look().place == subject.series.count - 1
        await one.press("t", "plus", "plus")
        before = look()
        assert before.from_ns < (subject.cut.judged_ns or 0) < before.until_ns
        await one.press("pagedown")
        assert look().from_ns > before.from_ns
        await one.press("pageup", "pageup")
        assert look().from_ns < before.from_ns
        await one.press("b")
        assert one.app.desk.dots == "block"
        told = len(one.source.told)
        await one.press("r")
        assert one.source.told[told:] == ["packets 000000000001/1"]
        await one.press("q")
        assert one.screen == "MainScreen"

    use(work)


def test_every_key_in_the_footer_is_bound() -> None:
    names = {"[": "left_square_bracket", "]": "right_square_bracket", "Tab": "tab", "+": "plus", "-": "minus", "<": "less_than_sign", ">": "greater_than_sign",
             "PgUp": "pageup", "PgDn": "pagedown", "Esc": "escape"}  # fmt: skip

    async def work(one: Bench) -> None:
        bound = set(one.app.screen.active_bindings)
        wanted = [key for keys, _ in GraphScreen.HINTS for key in keys.split()]
        assert [key for key in wanted if names.get(key, key) not in bound] == []

    use(work)


def test_the_next_incident_is_drawn() -> None:
    async def work(one: Bench) -> None:
        for key, session in (("right", 2), ("right", 3), ("right", 3), ("left", 2)):
            await one.press(f"{key}_square_bracket")
            await one.app.workers.wait_for_complete()
            await one.settle()
            assert graph(one).session == f"{session:012x}/1"
        assert [told for told in one.source.told if "packets" in told][1:] == [
            f"packets {number:012x}/1" for number in (2, 3, 2)
        ]
        assert "STALLED" in one.text()
        await one.press("escape")
        assert "incident 2 of 3" in one.text()

    use(work)


def test_what_goes_wrong_is_a_sentence() -> None:
    async def refused(one: Bench) -> None:
        assert "a pipe is read only once" in one.text()
        await one.press("plus", "tab", "h", "0", "b")

    use(refused, "a pipe is read only once, so its packets cannot be shown")

    async def broken(one: Bench) -> None:
        assert "no graph: " in one.text()

    use(broken, replace(cut(), pcapng=b"nonsense"))

    async def others(one: Bench) -> None:
        assert "none of these packets belongs to the session" in one.text()

    use(others, replace(cut(), client=("192.0.2.1", 1)))


def test_a_reload_that_fails_keeps_the_graph_and_says_why() -> None:
    async def work(one: Bench) -> None:
        one.source.cut = "the connection to serve was lost"
        await one.press("r")
        await one.app.workers.wait_for_complete()
        await one.settle()
        assert "GRAPH  the connection to serve was lost" in one.text()
        assert "STALLED" in one.text()
        one.source.cut = cut()
        await one.press("r")
        await one.app.workers.wait_for_complete()
        await one.settle()
        assert "connection" not in one.text()

    use(work)


def test_leaving_gives_up_the_cutting() -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            waiting: Future[Packets] = Future()
            one.source.packets = lambda _key: waiting  # type: ignore[method-assign]
            await one.press("t")
            assert "asking for the packets" in one.text()
            assert not waiting.cancelled()
            await one.press("escape")
            assert waiting.cancelled()
            await one.press("q")
            assert one.app.return_value == "quit"

    asyncio.run(run())


def test_a_request_for_others_is_told() -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            waiting: Future[Packets] = Future()
            one.source.packets = lambda _key: waiting  # type: ignore[method-assign]
            await one.press("t")
            waiting.cancel()
            await one.settle()
            assert "given up, since something else was asked for; r asks again" in one.text()

    asyncio.run(run())


def test_what_is_left_out_is_said() -> None:
    async def work(one: Bench) -> None:
        assert "left out: 900 before and 12 after these" in one.text()

    use(work, replace(cut(), before=900, behind=12))


@pytest.mark.parametrize("size", [(60, 15), (160, 48)])
def test_hostile_strings_break_nothing(size: tuple[int, int]) -> None:
    async def work(one: Bench) -> None:
        screen = graph(one)
        subject = screen.subject
        assert subject is not None
        for text in NASTY:
            marks = tuple((at, text) for at, _ in subject.cut.marks)
            packets = replace(cut(), story=f"{text}: {text}, x", marks=marks, stopped_side=text)
            screen.subject = replace(subject, cut=packets)
            await one.look()
            screen.show_body(one.app.desk.view)
            await one.look()
            for strip in one.app.screen._compositor.render_strips():
                assert strip.text.isprintable()
                assert width(strip.text) == size[0]

    use(work, None, size)


def test_any_look_paints_into_its_room() -> None:
    subject = Subject.of(cut())
    rng = random.Random(11)
    for _ in range(300):
        look = Look.first(subject)
        for _ in range(rng.randrange(8)):
            look = rng.choice(
                (
                    look.turned(),
                    look.zoomed(subject, rng.choice((0.1, 0.5, 2.0, 100.0))),
                    look.panned(subject, rng.uniform(-5, 5)),
                    look.moved(subject, rng.randrange(-400, 400), rng.randrange(1, 300)),
                    look.stepped(subject, rng.randrange(-2_000, 2_000)),
                    look.whole(subject),
                    look.trouble(subject),
                    look.kept(subject),
                )
            )
        assert subject.first_ns <= look.from_ns < look.until_ns
        assert 0 <= look.place < subject.series.count
        style = rng.choice(("braille", "block", "ascii"))
        room = Room(rng.randrange(20, 300), rng.randrange(4, 80), style)  # type: ignore[arg-type]
        lines = paint(subject, look, room)
        assert len(lines) == room.lines
        for line in lines[1:]:
            text = "".join(part for part, _ in line)
            # A title may be longer; it is cut where it is shown.
            assert width(text) <= room.cells or text.startswith("DATA OF")
            assert style != "ascii" or text.isascii()
        assert len(values(subject, look, room.cells)) == 2


def test_axes_have_round_steps() -> None:
    assert [nice_step(span, 5) for span in (1, 5, 6, 30, 999, 10**9)] == [1, 1, 2, 10, 200, 200_000_000]
    assert ticks(7, 31, 5) == [10, 15, 20, 25, 30]
    assert (amount(999_999), amount(12_345_678), amount(2 * 10**9)) == ("999,999", "12.346 M", "2.000 G")
    assert (seconds(1_500_000_000, 500_000_000), seconds(2 * 10**9, 10**9)) == ("1.5 s", "2 s")
    scale = Scale(10, 20, 5)
    assert [scale.place(value) for value in (-5, 10, 15, 20, 99)] == [0, 0, 2, 4, 4]
