"""What befalls a run without an end is said while it runs, by the words of the engine's note, not again and again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ctcpmon
from ctcpmon import engine
from ctcpmon.capturing import balance
from ctcpmon.narration import BugWatch, ClockWatch
from ctcpmon.tui.viewmaking import refused

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


def failed(number: int) -> Any:
    note = SimpleNamespace(kind="bug", input="this program", offset=None, text=f"\x1b[31m{number} lost")
    port = SimpleNamespace(name="m0", received=9, taken=9, dropped=0, driver_dropped=0, downs=0)
    counters = {"frames_decoder_failed": number}
    return SimpleNamespace(counters=counters, notes=(note,) if number else (), ports=(port,))


def test_packets_lost_to_a_bug_are_said_at_the_first_and_at_ten_times_as_many(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch = BugWatch()
    for number in (0, 3, 3, 29, 30, 299, 31_000):
        watch.look(failed(number))
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition("m")[2] for line in said] == ["3 lost", "30 lost", "31000 lost"]
    assert all(line.startswith("ctcpmon: this program: bug: ") and line.isprintable() for line in said)


def test_packets_lost_to_a_bug_are_in_the_balance_and_on_the_screen() -> None:
    assert len(balance(failed(0))) == 1
    assert "3 could not be decoded" in balance(failed(3))[-1]
    assert refused(failed(0), {}).total == 0
    assert refused(failed(3), {}).total == 3


def test_the_engine_counts_them_under_that_name() -> None:
    demo = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
    with engine.open_replay([str(demo)]) as replay:
        while not replay.poll(1_000).done:
            pass
        assert replay.stats().counters["frames_decoder_failed"] == 0
