"""Text from a capture or a file name cannot style, move or break the screen."""

from __future__ import annotations

import asyncio
import random
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon.looks import Looks
from ctcpmon.text import width
from ctcpmon.tui.fake_source import FakeSource, busy
from ctcpmon.tui.painting.brush import Brush
from ctcpmon.tui.view import Port, Query, Reach
from ctcpmon.tui.widgets import FilterBar
from textual.events import Paste

from tests.tui.screen_text import bench

if TYPE_CHECKING:
    from ctcpmon.tui.view import View

NASTY = (
    "[/]", "[bold red]x[/bold red]", "[@click=app.exit]x[/]", "]]", "[link=file:///etc/passwd]x",
    "\x1b[2J\x1b[31m", "\x1b]52;c;aGk=\a", "\x1b]8;;http://x\x1b\\y", "a\nb\rc\td", "\x00\x7f\x85\x9b31m",
    "\u202eabc\u2066", "\u200b\ufeff", "\ud800", "日本語" * 40, "é" * 300, "\U0001f1e9\U0001f1ea\U0001f469\u200d\U0001f4bb",
    "x" * 5_000, "\ue000\u2028\u2029", "a" + "\u0301" * 50,
)  # fmt: skip


def poisoned(view: View, text: str) -> View:
    """Every string of the lists and panels replaced."""

    def poison(part: object, keep: set[str]) -> object:
        names = [
            f.name for f in fields(part) if isinstance(getattr(part, f.name), str) and f.name not in keep
        ]  # type: ignore[arg-type]
        return replace(part, **dict.fromkeys(names, text))  # type: ignore[type-var]

    kept = {"key", "level", "worst", "phase", "trust", "id"}
    evidence = view.evidence
    assert evidence is not None
    lines = tuple(poison(one, kept) for one in evidence.lines)
    return replace(
        view,
        name=text,
        inputs=(text,),
        notes=(text,),
        tap=poison(view.tap, kept),  # type: ignore[arg-type]
        situation=poison(view.situation, kept),  # type: ignore[arg-type]
        incidents=tuple(poison(row, kept) for row in view.incidents),  # type: ignore[misc]
        sessions=tuple(poison(row, kept) for row in view.sessions),  # type: ignore[misc]
        flows=tuple(poison(row, kept) for row in view.flows),  # type: ignore[misc]
        listing=replace(view.listing, fault=text, matching=3),
        log=tuple(poison(line, kept) for line in view.log),  # type: ignore[misc]
        ports=(Port(text, 1, 1, 0),),
        evidence=replace(poison(evidence, {*kept, "incident"}), lines=lines),  # type: ignore[arg-type, type-var]
        fixes=tuple(
            replace(poison(fix, kept), text=(text, f"  {text}", f"    {text}")) for fix in view.fixes
        ),  # type: ignore[misc, arg-type, type-var]
        counters=tuple(poison(one, kept) for one in view.counters),  # type: ignore[misc]
    )


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (160, 48)])
def test_no_screen_is_broken(size: tuple[int, int]) -> None:
    source = FakeSource(busy())
    source.ask(Query(reach=Reach(name="flows", height=3)))
    whole = replace(source.view(), sessions=busy().sessions[:3], log=busy().log)
    views = [poisoned(whole, text) for text in NASTY]

    async def run(*keys: str, looks: Looks | None = None) -> None:
        async with bench(busy(), size, looks=looks) as one:
            # The fake fills these in by itself on a query; the poison must stay.
            one.source.ask = lambda _query: None  # type: ignore[method-assign]
            for key in keys:
                await one.press("1", key)
                for view in views:
                    # It answers whatever is asked, or it would not be shown.
                    one.source._view = replace(view, query=one.app.desk.query)
                    await one.look()
                    for strip in one.app.screen._compositor.render_strips():
                        assert strip.text.isprintable()
                        assert width(strip.text) == size[0]

    asyncio.run(run("1", "s", "3", "f", "4", "l", "enter"))
    asyncio.run(run("1", looks=Looks(is_wallboard=True)))


def test_what_is_pasted_into_a_filter_is_harmless() -> None:
    async def run() -> None:
        async with bench(busy()) as one:
            await one.press("s", "slash")
            for text in NASTY:
                one.app.screen.query_one(FilterBar).post_message(Paste(text))
                await one.settle()
                assert all(strip.text.isprintable() for strip in one.app.screen._compositor.render_strips())
                await one.press("ctrl+u")

    asyncio.run(run())


def test_the_last_gate_holds_for_any_text() -> None:
    rng = random.Random(7)
    for is_ascii in (False, True):
        brush = Brush(is_ascii=is_ascii)
        for _ in range(2_000):
            text = "".join(
                chr(rng.choice((rng.randrange(0x300), rng.randrange(0x110000)))) for _ in range(30)
            )
            strip = brush.strip(((text, ""), (text, "critical")), 40)
            assert width(strip.text) == 40
            assert strip.text.isprintable()
            assert strip.text.isascii() or not is_ascii
