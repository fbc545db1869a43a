"""The screen of the packets: what it looks like, every key, and every way there are none."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.dissect.dissection import Dissection
from ctcpmon.looks import Looks
from ctcpmon.tui.fake_source import busy
from ctcpmon.tui.screens import packets as packets_screen
from ctcpmon.tui.widgets import IndexList

from tests.tui.packet_scene import PROOF, fake_dissect, packets
from tests.tui.screen_text import Bench, bench
from tests.tui.test_looks import compare

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable

    from ctcpmon.tui.packets import Packets

SIZES = [(60, 15), (80, 24), (120, 40), (200, 50), (300, 80)]


@pytest.fixture(autouse=True)
def without_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets_screen, "dissect", fake_dissect)
    monkeypatch.setattr(packets_screen, "missing", lambda: "")
    monkeypatch.setattr(packets_screen, "_REST_S", 0.0)


def use(
    work: Callable[[Bench], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    *,
    cut: Packets | str | None = None,
    is_ascii: bool = False,
) -> None:
    async def run() -> None:
        async with bench(busy(), size, is_ascii=is_ascii) as one:
            one.source.cut = packets() if cut is None else cut
            await one.press("p")
            await there(one)
            await work(one)

    asyncio.run(run())


async def there(one: Bench) -> None:
    """Waits until what was asked for on threads is there."""
    for _ in range(3):
        await asyncio.sleep(0.05)
        await one.app.workers.wait_for_complete()
        await one.settle()


def test_other_keys_work_in_its_lists_too() -> None:
    async def run() -> None:
        async with bench(busy(), looks=Looks(keys={"down": "x", "first": "z"})) as one:
            one.source.cut = packets()
            await one.press("p")
            await there(one)
            await one.press("z")
            first = one.text()
            await one.press("x")
            assert one.text() != first
            await one.press("z")
            assert one.text() == first

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_looks(size: tuple[int, int]) -> None:
    async def work(one: Bench) -> None:
        compare(f"packets-{size[0]}x{size[1]}", one.text() + "\n")

    use(work, size)


def test_looks_in_ascii() -> None:
    async def work(one: Bench) -> None:
        assert one.text().isascii()
        await one.press("x")
        assert one.text().isascii()

    use(work, is_ascii=True)


@pytest.mark.parametrize("size", SIZES)
def test_the_packet_that_proves_it_comes_first(size: tuple[int, int]) -> None:
    async def work(one: Bench) -> None:
        assert one.source.told[-1] == "packets 000000000001/1"
        assert chosen(one).split()[2] == str(PROOF)
        text = one.text()
        assert f"packet {PROOF}, frame 18,087" in text
        assert "! first segment behind the hole" in text
        assert text.index("! first segment behind") < text.index("Frame 30:")

    use(work, size)


def chosen(one: Bench) -> str:
    """The row of the packet in hand."""
    return next(line for line in one.lines() if line.startswith("> ") and "PSH ACK" in line)


def test_the_fields_follow_the_list_and_fold() -> None:
    async def work(one: Bench) -> None:
        await one.press("j")
        assert "packet 31, frame" in one.text()
        await one.press("g")
        assert "packet 1, frame" in one.text()
        await one.press("G")
        assert "packet 60, frame" in one.text()
        await one.press("n")
        assert f"packet {PROOF}, frame" in one.text(), "from the last one to the first"
        await one.press("n")
        assert "packet 37, frame" in one.text()
        await one.press("k", "pageup", "pagedown")
        assert one.screen == "PacketsScreen"

    use(work)


def test_enter_and_arrows_fold() -> None:
    async def work(one: Bench) -> None:
        await one.press("enter")
        fields = one.app.screen.query_one("#fields", IndexList)
        assert fields.has_focus
        await one.press("j")
        assert any(line.startswith("> + Frame 30") for line in one.lines())
        await one.press("enter")
        assert any(line.startswith("> - Frame 30") for line in one.lines())
        assert "Frame Number: 30" in one.text()
        await one.press("left")
        assert "Frame Number: 30" not in one.text()
        await one.press("right")
        assert "Frame Number: 30" in one.text()
        await one.press("tab", "tab", "j", "n")
        assert "Frame Number: 37" in one.text(), "what is open stays open in other packets"

    use(work, (120, 40))


def test_the_bytes_of_a_field_are_marked() -> None:
    async def work(one: Bench) -> None:
        await one.press("tab", *["j"] * 5)
        assert any("Source Port: 1061" in line and line.startswith("> ") for line in one.lines())
        strips = one.app.screen._compositor.render_strips()
        reversed_text = [
            "".join(part.text for part in strip if part.style and part.style.reverse) for strip in strips
        ]
        assert any(text.startswith("04 25") for text in reversed_text)

    use(work)


def test_x_shows_bytes_on_a_small_screen() -> None:
    async def work(one: Bench) -> None:
        assert "0000  " not in one.text()
        await one.press("x")
        assert "BYTES" in one.text()
        assert "0000  00 00" in one.text()
        await one.press("tab", "pagedown")
        assert "0000  00 00" not in one.text()
        await one.press("x")
        assert "FIELDS" in one.text()

    use(work, (60, 15))


@pytest.mark.parametrize(
    ("before", "screen"), [((), "MainScreen"), (("s",), "SessionsScreen"), (("enter",), "DetailScreen")]
)
def test_p_opens_it_from_every_list_and_escape_leads_back(before: tuple[str, ...], screen: str) -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            one.source.cut = packets()
            await one.press(*before, "p")
            await there(one)
            assert one.screen == "PacketsScreen"
            await one.press("p")
            assert len(one.app.screen_stack) == (3 if before else 2)
            await one.press("escape")
            assert one.screen == screen
            assert "asking for this session" not in one.text()

    asyncio.run(run())


def test_p_takes_the_session_in_hand() -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            one.source.cut = packets()
            await one.press("s", "j", "j", "p")
            assert one.source.told[-1] == "packets 000000000003/1"
            await one.press("1", "j", "p")
            assert one.source.told[-1] == "packets 000000000002/1"

    asyncio.run(run())


def test_why_there_are_none_is_one_sentence() -> None:
    async def work(one: Bench) -> None:
        assert "the packets of this session are not kept any more" in one.text()
        await one.press("j", "n", "x", "tab", "enter", "left", "right", "G")
        assert one.screen == "PacketsScreen"

    use(work, cut="the packets of this session are not kept any more (--keep-mib says how much is)")


def test_without_tshark_all_else_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "fields are shown by tshark, which is not installed; type: apt-get install tshark"
    monkeypatch.setattr(packets_screen, "missing", lambda: told)
    monkeypatch.setattr(packets_screen, "dissect", lambda _cut, _numbers, **_more: Dissection({}, told))

    async def work(one: Bench) -> None:
        assert told in " ".join(one.text().split())
        assert "! first segment behind the hole" in one.text()
        assert "0000  00 00" in one.text()
        await one.press("j")
        assert "packet 31" in one.text()

    use(work, (80, 24))


def test_leaving_gives_up_what_is_asked_for() -> None:
    answer: Future[Packets] = Future()

    async def run() -> None:
        async with bench(busy()) as one:
            one.source.packets = lambda _session: answer  # type: ignore[method-assign]
            await one.press("p", "escape")
            await one.settle()
            assert answer.cancelled()

    asyncio.run(run())


def test_leaving_ends_the_dissection(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[threading.Event] = []

    def hang(_cut: Any, _numbers: Any, *, is_cancelled: threading.Event) -> Dissection:
        running.append(is_cancelled)
        is_cancelled.wait(30)
        return Dissection({}, "cancelled")

    monkeypatch.setattr(packets_screen, "dissect", hang)

    async def run() -> None:
        async with bench(busy()) as one:
            one.source.cut = packets(400)
            await one.press("p")
            for _ in range(20):
                await asyncio.sleep(0.02)
                await one.settle()
            assert len(running) == 1
            await one.press("G")
            await asyncio.sleep(0.1)
            await one.settle()
            assert running[0].is_set(), "another block is looked at"
            await one.press("escape")
            await one.settle()
            assert all(one.is_set() for one in running)

    asyncio.run(run())
