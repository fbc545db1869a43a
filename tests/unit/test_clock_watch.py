"""A clock that was set is said once for each time, by the words of the engine's note."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ctcpmon.narration import ClockWatch

if TYPE_CHECKING:
    import pytest


def stats(steps: int, text: str = "") -> Any:
    note = SimpleNamespace(kind="clock", input="this machine", offset=None, text=text)
    return SimpleNamespace(counters={"clock_steps": steps}, notes=(note,) if steps else ())


def test_each_step_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    watch = ClockWatch()
    for now in (stats(0), stats(1, "set once"), stats(1, "set once"), stats(2, "set twice")):
        watch.look(now)
    assert capsys.readouterr().err.splitlines() == [
        "ctcpmon: this machine: clock: set once",
        "ctcpmon: this machine: clock: set twice",
    ]


def test_a_capture_has_no_such_clock(capsys: pytest.CaptureFixture[str]) -> None:
    ClockWatch().look(SimpleNamespace(counters={}, notes=()))  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
