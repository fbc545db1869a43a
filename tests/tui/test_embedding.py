"""The widgets in an app that is not ours: the example, as it is."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctcpmon
import pytest
from ctcpmon.tui.embedding import Desk, FilterError, FlowTable, IncidentTable, SessionTable
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.fake_source import FakeSource, busy
from textual.app import App
from textual.widgets import Label

if TYPE_CHECKING:
    from types import ModuleType

    from ctcpmon.tui.source import ViewSource
    from textual.app import ComposeResult

ROOT = Path(__file__).parents[2]
DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("host_app", ROOT / "examples" / "host_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(app: App[Any]) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def settle(pilot: Any, app: App[Any]) -> None:
    for _ in range(3):
        await pilot.pause(0.05)
        for kind in (IncidentTable, SessionTable, FlowTable):
            for one in app.query(kind):
                one.look()


def run(source: ViewSource, keys: list[str]) -> list[str]:
    """What the example shows before and after each key."""
    shown: list[str] = []

    async def work() -> None:
        app = example().HostApp(source)
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot, app)
            shown.append(text(app))
            for key in keys:
                await pilot.press(key)
                await settle(pilot, app)
                shown.append(text(app))

    asyncio.run(work())
    return shown


def test_the_example_shows_a_run_and_follows_keys() -> None:
    first, stalled, every, moved, opened = run(FakeSource(busy()), ["s", "a", "j", "enter"])
    assert "CRIT !" in first
    assert "10.1.4.10:1061 -> 198.51.100.9:10000" in first
    assert "Stalled only" in first
    assert "at-risk" in every
    assert "at-risk" not in stalled.split("STATE")[1]
    assert "a proxy froze the ACK" in next(line for line in moved.splitlines() if line.startswith("> "))
    assert "i-0000000002: ASA: TCP state bypass" in opened


def test_the_example_on_a_capture() -> None:
    source = EngineSource([str(DEMO)])
    source.start()
    try:
        while source.view().progress.phase != "done":
            pass
        first, *_ = run(source, [])
    finally:
        source.close()
    assert "10.1.4." in first
    assert "stalled" in first


def test_a_flow_table_sorts_filters_and_refuses_what_is_none() -> None:
    class Host(App[None]):
        def compose(self) -> ComposeResult:
            self.desk = Desk(FakeSource(busy()))
            yield FlowTable(self.desk)
            yield Label("below")

    async def work() -> None:
        app = Host()
        async with app.run_test(size=(80, 12)) as pilot:
            await settle(pilot, app)
            table = app.query_one(FlowTable)
            table.focus()
            await pilot.press("G")
            await settle(pilot, app)
            assert table.position == 1_840
            table.sort("packets", is_reversed=True)
            assert app.desk.query.reach.order == "packets"
            with pytest.raises(FilterError):
                table.choose_rows("state=maybe")
            assert table.terms == ""
            with pytest.raises(ValueError, match="no such order"):
                table.sort("colour")
            assert "below" in text(app)

    asyncio.run(work())


@pytest.mark.parametrize(("words", "told"), [((), "usage:"), (("/nonexistent",), "host_app: cannot open")])
def test_the_example_says_what_is_wrong_in_one_line(words: tuple[str, ...], told: str) -> None:
    command = [sys.executable, str(ROOT / "examples" / "host_app.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
