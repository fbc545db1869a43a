"""The report of an incident: what it says, that it stands alone, that no string breaks out of it."""

from __future__ import annotations

import asyncio
import random
import re
import stat
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.report import Document, Parts, document, html, markdown
from ctcpmon.report.contents import Code, Facts, Heading, Items, Prose
from ctcpmon.text import clean
from ctcpmon.tui.fake_source import aftermath, busy, no_tunnel
from ctcpmon.tui.reporting import reportable

from tests.graph.cuts import DEMO, cut
from tests.tui.screen_text import Bench, bench
from tests.tui.test_hostile_strings import NASTY, poisoned

if TYPE_CHECKING:
    from pathlib import Path

    from ctcpmon.tui.view import View

INCIDENT = "i-5f6b1b0260"
TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td", "ul", "li",
    "pre", "figure", "svg", "path", "text",
}  # fmt: skip
VOID = {"meta"}


class Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def run(*words: str | Path, code: int = 0) -> str:
    call = [sys.executable, "-m", "ctcpmon", "report", *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def parts_of(view: View, **more: object) -> Parts:
    chosen = reportable(view)
    assert chosen is not None
    return replace(Parts(*chosen, view, cut(), "", "1.0", "a test"), **more)  # type: ignore[arg-type]


def test_the_command_writes_both_forms_the_same_each_time(tmp_path: Path) -> None:
    page, text = tmp_path / "a.html", tmp_path / "a.md"
    run(INCIDENT, DEMO, "-w", page, "-w", text)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    shown = Reader(page.read_text("utf-8"))
    assert shown.open == []
    assert shown.tags <= TAGS
    for words in (
        "CRITICAL: lost segment never resent, a device holds the stream",
        "2026-11-23T02:58:08.949",
        "10.1.4.0/24 -> 198.51.100.9:10000",
        "hole of 124 bytes that nobody filled (frame 204)",
        "the ACK of the other side has stood still for 21.8 s",
        "loss on the client side of the tap",
        "good (0.80)",
        "asa-tcp-state-bypass",
        "access-list",
        "tap not measured",
        "of the capture; ctcpmon slice writes them",
        "what the headend (198.51.100.9:10000) acknowledged",
        f"ctcpmon report {INCIDENT}",
        INCIDENT,
    ):
        assert words in shown.text, words
        assert words.startswith(("what the headend", "10.1.4")) or words in text.read_text("utf-8"), words
    assert "STALLED" in text.read_text("utf-8")
    before = page.read_bytes(), text.read_bytes()
    run(INCIDENT, DEMO, "-w", page, "-w", text, "--force")
    assert (page.read_bytes(), text.read_bytes()) == before


def test_a_session_or_finding_stands_for_its_incident(tmp_path: Path) -> None:
    out = tmp_path / "a.md"
    run("7f453919bbd5", DEMO, "-w", out)
    assert INCIDENT in out.read_text("utf-8")


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    run(INCIDENT, DEMO, "-w", out)
    page = out.read_text("utf-8")
    shown = Reader(page)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in shown.attributes
    assert "url(" not in page
    assert "@import" not in page
    names = {name for name, _ in shown.attributes}
    assert not names & {"src", "href", "xlink:href", "action", "srcset", "style"}
    assert not [name for name in names if name.startswith("on")]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    out.write_text("mine")
    assert "is there already; --force replaces it" in run(INCIDENT, DEMO, "-w", out, code=2)
    assert out.read_text() == "mine"
    assert "must end in .html or .md" in run(INCIDENT, DEMO, "-w", tmp_path / "a.pdf", code=2)
    assert "nothing in the capture is called" in run("i-nothing", DEMO, "-w", tmp_path / "b.md", code=2)
    assert "not a pipe" in run(INCIDENT, "-", "-w", tmp_path / "b.md", code=2)
    healthy = _healthy()
    assert "no incident was opened" in run(healthy, DEMO, "-w", tmp_path / "b.md", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html"]


def _healthy() -> str:
    from tests.slices.test_slices import events

    found = events(DEMO)
    judged = {one["data"]["ctcp"]["session"] for one in found if "finding" in one["type"]}
    ended = [one["data"]["ctcp"]["session"] for one in found if "session.v1" in one["type"]]
    return next(one for one in ended if one not in judged)


@pytest.mark.parametrize(
    "nasty", [*NASTY, "<script>alert(1)</script>", '"><img src=x onerror=y>', "]]><!--", "```\n~~~"]
)
def test_no_string_breaks_out(nasty: str) -> None:
    view = poisoned(busy(), nasty)
    packets = replace(cut(), story=nasty, marks=tuple((at, nasty) for at, _ in cut().marks), before=1)
    page = document(parts_of(view, packets=packets, version=nasty, command=nasty))
    shown = Reader(html(page))
    assert shown.open == []
    assert shown.tags <= TAGS
    assert html(page).replace("\n", "").isprintable()
    text = markdown(page)
    assert text.replace("\n", "").isprintable()
    fence = ""
    for line in text.splitlines():
        run_of = re.match("`*", line)[0]  # type: ignore[index]
        if not fence and len(run_of) >= 3:
            fence = run_of
        elif fence and len(run_of) >= len(fence) and line == run_of:
            fence = ""
    assert not fence, "what opens is closed"
    for line in text.splitlines():
        if line.startswith("| ") and line != "| | |":
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_ten_thousand_strings_stay_text() -> None:
    rng = random.Random(3)
    pieces = [
        "<",
        ">",
        "&",
        '"',
        "'",
        "</td>",
        "<script>",
        "`",
        "|",
        "\\",
        "\n",
        "\x1b[31m",
        "\u202e",
        "]](",
        "#",
        "é",
    ]
    for _ in range(100):
        texts = [
            "".join(
                rng.choice((rng.choice(pieces), chr(rng.randrange(0x110000))))
                for _ in range(rng.randrange(12))
            )
            for _ in range(100)
        ]
        blocks = (
            Facts(tuple(zip(texts[::2], texts[1::2], strict=True))),
            Items(tuple(texts)),
            Code(tuple(texts)),
        )
        page = Document(texts[0], (*blocks, Heading(texts[1]), Prose(texts[2])))
        shown = Reader(html(page))
        assert shown.open == []
        assert shown.tags <= TAGS
        assert html(page).replace("\n", "").isprintable()
        assert markdown(page).replace("\n", "").isprintable()
        wanted = [clean(text, 4_000) for text in texts]
        assert [text for text in wanted if text.strip() and text not in shown.text] == []


def test_without_packets_it_says_why() -> None:
    page = document(parts_of(busy(), packets=None, no_graph="a pipe is read only once"))
    assert "No graph: a pipe is read only once" in html(page)
    assert "<svg" not in html(page)


def test_a_cleared_incident_and_an_outage_are_told_as_such() -> None:
    view = aftermath()
    assert "headend silent, clients still ask" in html(document(parts_of(view)))
    row = replace(view.incidents[1])
    page = document(replace(parts_of(view), row=row))
    assert page.title.startswith("CLEARED: cleared: 12 of 12")


def test_the_key_writes_both_files_and_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def press(one: Bench) -> str:
        await one.press("R")
        await one.app.workers.wait_for_complete()
        await one.settle()
        return one.text()

    async def work() -> None:
        async with bench(busy()) as one:
            one.source.cut = cut()
            assert "wrote ctcpmon-report-i-0000000001.html and .md" in await press(one)
            assert one.app.saved == ["ctcpmon-report-i-0000000001.html", "ctcpmon-report-i-0000000001.md"]
            one.source.cut = "not kept any more"
            assert "no graph: not kept any more" in " ".join((await press(one)).split())
        async with bench(no_tunnel()) as one:
            assert "no report: there is no incident" in await press(one)

    asyncio.run(work())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"ctcpmon-report-i-0000000001{end}" for end in ("-2.html", "-2.md", ".html", ".md")]
    assert "<svg" in (tmp_path / "ctcpmon-report-i-0000000001.html").read_text("utf-8")


def test_the_graph_in_the_report_is_that_of_the_session() -> None:
    page = html(document(parts_of(busy())))
    assert "10.1.4.17:1077" in page
    assert page.count("STALLED") >= 1
    assert 'class="h"' in page, "the hole"
    assert 'class="a"' in page, "the ACK line"


def test_plot_and_report_need_no_screen(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['textual'] = sys.modules['rich'] = None; sys.argv = ['ctcpmon', *sys.argv[1:]]; "
        "from ctcpmon.start import main; main()"
    )
    for words in (
        ("plot", INCIDENT, str(DEMO)),
        ("report", INCIDENT, str(DEMO), "-w", str(tmp_path / "a.html")),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.html").exists()
