"""Text from a capture or a file name cannot style, move or break the screen."""

from __future__ import annotations

import asyncio
import random
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon.dissect.book import PacketRow
from ctcpmon.dissect.dissection import Dissection
from ctcpmon.dissect.lines import TreeRow
from ctcpmon.dissect.slices import read_slice
from ctcpmon.dissect.tree import Dissected, Node, cleaned
from ctcpmon.looks import Looks
from ctcpmon.text import width
from ctcpmon.tui.fake_source import FakeSource, busy
from ctcpmon.tui.marks import Mark, MarkBook
from ctcpmon.tui.painting import bars, incidents, sessions
from ctcpmon.tui.painting import packets as painting
from ctcpmon.tui.painting.brush import Brush, Frame
from ctcpmon.tui.screens import packets as packets_screen
from ctcpmon.tui.view import Port, Query, Reach
from ctcpmon.tui.widgets import FilterBar
from textual.events import Paste

from tests.dissect.made import packet_block, pcapng
from tests.tui.packet_scene import packets, tree
from tests.tui.screen_text import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ctcpmon.dissect.slices import SliceFile
    from ctcpmon.tui.packets import Packets
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


MEBIBYTE = "[bold]\x1b[31m\u202e" * (1 << 16)
ALPHABET = (
    *(one for one in NASTY if len(one) < 1_000), "\x1bc", "\x1b]0;x\x07", "\x9b2J", "\x90q\x9c", "\x1b[?1049l", "\x1b[6n", "\x1bP+q\x1b\\", "[@click=app.quit]", "[/bold]", "\\[x",
    "%s{}$(id)`id`", "\u2066\u2069", "\ufff9\ufffb", "\U000e0041", "\udcff", "\u0336" * 5, "\u115f\u3164", "\t\v\f\x08", "A", " ", "=1+1",
)  # fmt: skip


def ten_thousand() -> list[str]:
    """Strings of up to eight pieces, the same ones in every run."""
    rng = random.Random(23)
    return ["".join(rng.choices(ALPHABET, k=rng.randrange(1, 9)))[:1_000] for _ in range(10_000)]


def hostile_packets(strings: list[str]) -> tuple[Packets, Callable[..., Dissection]]:
    """A session whose remarks, and a tshark whose every field, are hostile."""
    made = packets(60)
    blocks = [
        packet_block(
            one.data,
            one.time_ns,
            *(text.encode("utf-8", "surrogatepass")[:60_000] for text in strings[at::60][:3]),
        )
        for at, one in enumerate(read_slice(made.pcapng).frames)
    ]
    hostile = replace(made, pcapng=pcapng(*blocks))

    def dissect(_cut: SliceFile, numbers: Iterable[int], **_more: object) -> Dissection:
        return Dissection({number: hostile_tree(number, strings) for number in numbers})

    return hostile, dissect


def hostile_tree(number: int, strings: list[str]) -> Dissected:
    """As ``dissection`` hands it over: cleaned, whatever tshark said."""

    def poison(node: Node, depth: int = 0) -> Node:
        text = strings[(number * 37 + depth * 11 + node.at) % len(strings)]
        return Node(
            node.name,
            text,
            node.value or text,
            node.at,
            node.size,
            tuple(poison(one, depth + 1) for one in node.children),
        )

    return Dissected(number, tuple(cleaned(poison(one)) for one in tree(number).layers))


def marked_rows(view: View, texts: list[str]) -> View:
    """What people said, as it could stand in a file of theirs."""
    rows = tuple(
        replace(row, place=f"p{at}", acked_by=text, note=text)
        for at, (row, text) in enumerate(zip(view.incidents, texts, strict=False))
    )
    return replace(view, incidents=rows)


async def is_safe(one: Bench, size: tuple[int, int]) -> None:
    for strip in one.app.screen._compositor.render_strips():
        assert strip.text.isprintable(), ascii(strip.text)
        assert width(strip.text) == size[0], ascii(strip.text)


@pytest.mark.parametrize("size", [(60, 15), (160, 48)])
def test_ten_thousand_strings_through_every_field_of_every_screen(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every string passes every field of the views, by turns; every screen is looked at with many of them."""
    strings = ten_thousand()
    hostile, dissect = hostile_packets([*strings, MEBIBYTE])
    monkeypatch.setattr(packets_screen, "dissect", dissect)
    monkeypatch.setattr(packets_screen, "missing", lambda: "")

    async def run() -> None:
        async with bench(busy(), size) as one:
            one.source.ask = lambda _query: None  # type: ignore[method-assign]
            one.source.cut = hostile
            for key in ("1", "s", "f", "4", "enter", "p"):
                await one.press("1", key)
                await asyncio.sleep(0.2)
                await one.settle()
                for text in [*strings[::1_000], MEBIBYTE[:600]]:
                    one.source._view = marked_rows(poisoned(busy(), text), [text] * 3)
                    await one.look()
                    await is_safe(one, size)
                for _ in range(12 if key == "p" else 0):
                    await one.press("j")
                    await is_safe(one, size)
            for key in ("m", "N"):
                await one.press("1", key)
                await is_safe(one, size)
                await one.press("escape")

    asyncio.run(run())


def test_every_string_is_safe_in_every_painter() -> None:
    """All ten thousand, one after the other, through what paints each field; no app in between."""
    frame = Frame(80, 24)
    one, brush = busy(), Brush(is_ascii=False)
    for text in [*ten_thousand(), MEBIBYTE[:600]]:
        fields_of_row = dict.fromkeys(
            ("title", "what", "client", "headend", "loss", "fix", "acked_by", "note"), text
        )
        row = replace(one.incidents[0], **fields_of_row)
        session = replace(
            one.sessions[0],
            **dict.fromkeys(("state", "worst_state", "client", "headend", "protocol", "ended"), text),
        )
        view = replace(one, name=text, incidents=(row,), progress=replace(one.progress, error=text))
        lines = [
            *incidents.row(row, 80, is_chosen=True), *incidents.summary(view, frame), *sessions.row(session, 160, is_chosen=False),
            *bars.header(view, frame), *bars.progress(view, frame), *painting.hexadecimal(text.encode("utf-8", "replace")[:200], range(3, 9), frame),
            painting.remark(text, is_chosen=True, has_keys=True),
            painting.field(TreeRow("0", 1, text, 0, 1, has_children=True, is_open=False), is_chosen=False, has_keys=False),
            painting.row(PacketRow(1, 0, 0, 60, (text,), None, text), 120, is_chosen=False, has_keys=False),
        ]  # fmt: skip
        for line in lines:
            strip = brush.strip(line, 80)
            assert strip.text.isprintable(), ascii(text)
            assert width(strip.text) == 80, ascii(text)


def test_every_string_is_safe_at_its_door(tmp_path: Path) -> None:
    """What comes from a slice, from tshark, from a person or from a file of marks is clean once it is inside."""
    strings = [*ten_thousand(), MEBIBYTE]
    for text in strings:
        node = cleaned(Node(text, text, text, -1, -1, (Node(text, text),)))
        assert all(one.isprintable() for one in (node.name, node.label, node.value, node.children[0].label))
    raw = pcapng(
        *(packet_block(b"x" * 14, 1, text.encode("utf-8", "surrogatepass")[:60_000]) for text in strings),
        about=b"\x1b[2J",
    )
    cut = read_slice(raw)
    assert len(cut.frames) == len(strings)
    assert all(remark.isprintable() for one in cut.frames for remark in one.remarks)
    book = MarkBook(tmp_path / "marks.json")
    for text in strings[::100]:
        mark = Mark(
            place=text[:200].encode("utf-8", "replace").decode(),
            incident="i",
            note=text[:200].encode("utf-8", "replace").decode(),
        )
        assert book.put(mark, 0.0) == ""
    other = MarkBook(tmp_path / "marks.json")
    other.refresh()
    assert len(other) > 50
    assert all(one.note.isprintable() and one.place.isprintable() for one in other._marks.values())


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
