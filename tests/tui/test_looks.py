"""What the screens look like: text snapshots in ``snapshots``.

After a wanted change: ``CTCPMON_UPDATE_SNAPSHOTS=1 pytest tests/tui``, then read the difference.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from ctcpmon.looks import Looks
from ctcpmon.tui.fake_source import SCENES, busy
from textual.filter import Monochrome, NoColor

from tests.tui.screen_text import bench

SNAPSHOTS = Path(__file__).with_name("snapshots")
SIZES = [(60, 15), (80, 24), (120, 40), (160, 48), (200, 50)]
ANSI = {"bright_blue", "yellow"}
"""The only colours: of the 16 that every terminal has."""


def shot(scene: str, size: tuple[int, int], keys: tuple[str, ...] = (), *, is_ascii: bool = False) -> str:
    async def run() -> str:
        async with bench(SCENES[scene](), size, is_ascii=is_ascii) as one:
            await one.press(*keys)
            return one.text() + "\n"

    return asyncio.run(run())


def compare(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("CTCPMON_UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.is_file(), f"{path} is missing; see the top of this file"
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_first_screen(scene: str, size: tuple[int, int]) -> None:
    compare(f"{scene}-{size[0]}x{size[1]}", shot(scene, size))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (160, 48), (200, 50)])
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("sessions", ("s",)),
        ("flows", ("3",)),
        ("columns", ("3", "c")),
        ("typing", ("s", "slash", *"state=stal")),
        ("log", ("l",)),
        ("history", ("h",)),
        ("detail", ("enter",)),
        ("fixes", ("f",)),
        ("tap", ("4",)),
        ("help", ("question_mark",)),
    ],
)
def test_other_screens(name: str, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    compare(f"{name}-{size[0]}x{size[1]}", shot("busy", size, keys))


@pytest.mark.parametrize("scene", sorted(SCENES))
@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("s",),
        ("f",),
        ("4",),
        ("question_mark",),
        ("enter",),
        ("3",),
        ("3", "G"),
        ("l",),
        ("h",),
        ("s", "c"),
    ],
)
def test_ascii_shows_ascii_only(scene: str, keys: tuple[str, ...]) -> None:
    assert shot(scene, (80, 24), keys, is_ascii=True).isascii()


def test_ascii_first_screen() -> None:
    compare("busy-ascii-80x24", shot("busy", (80, 24), is_ascii=True))


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (20, 5)])
def test_too_small_says_so_and_still_counts(size: tuple[int, int]) -> None:
    text = " ".join(shot("busy", size).split())
    assert "2 critical incidents" in text
    assert "15 of 212 sessions stalled" in text


def test_no_colour_has_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def run() -> None:
        async with bench(busy()) as one:
            assert one.text() + "\n" == (SNAPSHOTS / "busy-80x24.txt").read_text("utf-8")
            assert any(isinstance(each, (NoColor, Monochrome)) for each in one.app._filters)

    asyncio.run(run())


@pytest.mark.parametrize("scene", ["busy", "held", "live", "no-tunnel", "quiet"])
@pytest.mark.parametrize("variant", ["16-colours", "no-colour"])
def test_looks(scene: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if variant == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")

    async def run() -> str:
        async with bench(SCENES[scene]()) as one:
            return one.looks()

    looks = asyncio.run(run())
    compare(f"{scene}-{variant}", looks)
    colours = {word for line in looks.splitlines() for word in line[8:32].split()} - {
        "bold",
        "dim",
        "reverse",
    }
    assert colours <= (ANSI if variant == "16-colours" else set())


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50)])
@pytest.mark.parametrize("scene", ["busy", "held", "quiet", "no-tunnel"])
def test_wallboard(scene: str, size: tuple[int, int]) -> None:
    async def run() -> str:
        async with bench(SCENES[scene](), size, looks=Looks(is_wallboard=True)) as one:
            return one.text() + "\n"

    compare(f"wall-{scene}-{size[0]}x{size[1]}", asyncio.run(run()))


def test_severity_is_a_word_and_a_sign() -> None:
    text = shot("busy", (80, 24))
    assert "CRIT !" in text
    assert "WARN *" in text


def test_bad_tap_comes_first() -> None:
    assert shot("no-tunnel", (80, 24)).startswith("TAP GAPS 3.10 % - verdicts limited")
