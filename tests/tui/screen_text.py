"""Runs the app headless and reads its screen as text."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ctcpmon.looks import Looks
from ctcpmon.tui.fake_source import FakeSource
from ctcpmon.tui.replay_app import ReplayApp
from rich.color import ColorType
from textual.color import Color
from textual.pilot import WaitForScreenTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from ctcpmon.tui.view import View
    from rich.style import Style
    from textual.pilot import Pilot

__all__ = ["Bench", "bench"]


class Bench:
    """An app on a fake source, with keys to press."""

    def __init__(self, app: ReplayApp, source: FakeSource, pilot: Pilot[str]) -> None:
        self.app = app
        self.source = source
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Presses keys and waits until the screen has followed."""
        for key in keys:
            await _delivered(self._pilot.press(key))
            await self.settle()

    async def settle(self) -> None:
        """Waits for messages and for the next look at the source."""
        for _ in range(2):
            await self.look()

    async def look(self) -> None:
        """Lets the app take the newest view and paint it."""
        await _delivered(self._pilot.pause())
        self.app.tick()
        await _delivered(self._pilot.pause())

    def lines(self) -> list[str]:
        """The screen, each line without trailing space."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines())

    def looks(self) -> str:
        """Every run of cells that looks like anything, a line each: place, text, look, as the terminal gets it."""
        runs: list[str] = []
        for y, strip in enumerate(self.app.screen._compositor.render_strips()):
            for each in (one for one in self.app._filters if one.enabled):
                strip = strip.apply_filter(each, Color(0, 0, 0))  # noqa: PLW2901
            x = 0
            for segment in strip:
                look = _look(segment.style)
                if look and segment.text.strip():
                    runs.append(f"{y:>3} {x:>3} {look:<24} {segment.text.strip()}")
                x += segment.cell_length
        return "\n".join(runs) + "\n"

    @property
    def screen(self) -> str:
        """Name of the screen on top."""
        return type(self.app.screen).__name__


def _look(style: Style | None) -> str:
    if style is None:
        return ""
    names = [name for name in ("bold", "dim", "reverse") if getattr(style, name)]
    if style.color is not None and style.color.type is not ColorType.DEFAULT:
        names.append(style.color.name)
    return " ".join(names)


async def _delivered(action: Awaitable[None]) -> None:
    """Waits for a pilot's action, but not for a widget that went away meanwhile.

    The pilot counts the widgets of the screen, asks each to answer, and gives up after 30 s when one that was
    counted has been removed since (seen once in some thousand key presses, on a busy machine). What it did
    is done by then, and what follows still waits for the screen.
    """
    with suppress(WaitForScreenTimeout):
        await action


@asynccontextmanager
async def bench(
    view: View,
    size: tuple[int, int] = (80, 24),
    *,
    is_ascii: bool = False,
    looks: Looks | None = None,
) -> AsyncIterator[Bench]:
    """A running app."""
    source = FakeSource(view)
    app = ReplayApp(source, looks=looks or Looks(is_ascii=is_ascii))
    async with app.run_test(size=size) as pilot:
        one = Bench(app, source, pilot)
        await one.settle()
        yield one
