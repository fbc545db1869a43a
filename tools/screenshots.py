"""Draws ``docs/screen.svg`` and ``docs/graph.svg``: the screens on the capture that ships with ctcpmon.

The real app on the real engine, run headless; only what depends on the clock of the machine (packets per
second, seconds taken, how packets fell between two looks) is fixed, so that the same code draws the same
file. Run it after a change of the screen: ``.venv/bin/python tools/screenshots.py``, then look at the
pictures.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.view import Query, Reach, Rows, View

ROOT = Path(__file__).resolve().parent.parent
PICTURES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "screen": ((120, 40), ()),
    "graph": ((110, 32), ("t", "b")),
}
"""Size and keys to press, by name in ``docs``."""
DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
WAIT_S = 20.0
SECONDS = 0.001
"""Stands for the time of the reading, which no two machines share."""
_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


class Steady:
    """A view source whose rates are the same on every machine; all else is passed on."""

    def __init__(self, source: EngineSource) -> None:
        self._source = source

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        self._source.ask(query)

    def view(self) -> View:
        """See ``ViewSource``."""
        view = self._source.view()
        rate = view.packets / SECONDS
        progress = replace(view.progress, packets_per_s=rate, seconds_taken=SECONDS)
        steps = len(view.trend.packets)
        steady = (view.packets // max(steps * view.trend.step_s, 1),) * steps
        return replace(view, progress=progress, trend=replace(view.trend, packets=steady))

    def packets(self, session: str) -> Future[Packets]:
        """See ``ViewSource``."""
        return self._source.packets(session)

    def rows(self, reach: Reach) -> Future[Rows]:
        """See ``ViewSource``."""
        return self._source.rows(reach)

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """See ``ViewSource``."""

    def set_speed(self, speed: float) -> None:
        """See ``ViewSource``."""

    def step(self) -> None:
        """See ``ViewSource``."""

    def to_next_incident(self) -> None:
        """See ``ViewSource``."""


async def draw(name: str = "screen", capture: Path = DEMO) -> str:
    """The finished screen as SVG."""
    size, keys = PICTURES[name]
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.replay_app import ReplayApp

    with closing(EngineSource([str(capture)], names={str(capture): capture.name})) as source:
        source.start()
        app = ReplayApp(Steady(source))
        async with app.run_test(size=size) as pilot:
            until = time.monotonic() + WAIT_S
            while source.view().progress.phase not in {"done", "failed"}:
                if time.monotonic() > until:
                    message = f"{capture} was not read within {WAIT_S} s"
                    raise TimeoutError(message)
                await pilot.pause(0.05)
            for key in ("", *keys, ""):
                if key:
                    await pilot.press(key)
                    await app.workers.wait_for_complete()
                for _ in range(3):
                    app.tick()
                    await pilot.pause()
            drawn = app.export_screenshot(title=f"ctcpmon replay {capture.name}")
    # A picture in a document may fetch nothing; librsvg drops leading blanks unless told to keep them.
    return _FONT_FACE.sub("", drawn).replace("<svg ", '<svg xml:space="preserve" ', 1)


def main() -> int:
    """Writes the pictures."""
    for name in ("NO_COLOR", "SSH_CONNECTION", "TMUX"):
        os.environ.pop(name, None)
    os.environ.update(TEXTUAL_ANIMATIONS="none", TEXTUAL_THEME="ansi-dark", COLORTERM="truecolor")
    for name in PICTURES:
        target = ROOT / "docs" / f"{name}.svg"
        target.write_text(asyncio.run(draw(name)), "utf-8")
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
