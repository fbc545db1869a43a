"""Runs the app headless and reads its screen as text."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ctcpmon.looks import Looks
from ctcpmon.tui.fake_source import FakeSource
from ctcpmon.tui.replay_app import ReplayApp
from textual.pilot import WaitForScreenTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from ctcpmon.tui.view import View
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

    @property
    def screen(self) -> str:
        """Name of the screen on top."""
        return type(self.app.screen).__name__


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
