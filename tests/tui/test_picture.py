"""The picture in the README is the real screen: it shows the demo capture as the program shows it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "screen.svg"
STALE = "docs/screen.svg shows another screen than the program; type: .venv/bin/python tools/screenshots.py"


def lines(svg: str) -> list[str]:
    """The text of the picture by line, from the top."""
    rows: dict[float, dict[float, str]] = {}
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314  our own file
        row = rows.setdefault(float(element.get("y", "0")), {})
        row[float(element.get("x", "0"))] = element.text or ""
    joined = (" ".join(text for _, text in sorted(row.items())) for _, row in sorted(rows.items()))
    return [" ".join(line.split()) for line in joined]


@pytest.fixture(scope="module")
def shown() -> list[str]:
    return lines(PICTURE.read_text("utf-8"))


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screenshots", ROOT / "tools" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_the_demo(shown: list[str]) -> None:
    text = "\n".join(shown)
    for words in (
        "ctcpmon replay demo.pcap DONE",
        "CRIT !",
        "stalled",
        "DO FIRST",
        "10.1.4.0/24 -> 198.51.100.9:10000",
    ):
        assert words in text
    assert "failed" not in text


async def test_the_picture_is_what_the_program_shows(shown: list[str]) -> None:
    drawn = lines(await tool().draw())
    told = [line for line in drawn if "->" in line or line.startswith(("INCIDENTS", "SESSIONS"))]
    assert len(told) > 10
    assert [line for line in told if line not in shown] == [], STALE


async def test_the_picture_of_the_graph_is_what_the_program_shows() -> None:
    shown = lines((ROOT / "docs" / "graph.svg").read_text("utf-8"))
    drawn = lines(await tool().draw("graph"))
    told = [line for line in drawn if "│" in line or "GRAPH" in line or "frame" in line]
    assert len(told) > 20
    assert "STALLED" in "".join(told)
    assert [line for line in told if line not in shown] == [], STALE


@pytest.mark.parametrize("name", ["screen", "graph"])
def test_the_picture_fetches_nothing(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.svg").read_text("utf-8")
    assert "@font-face" not in text
    assert "url(http" not in text
    assert "href" not in text
