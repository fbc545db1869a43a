"""Rates, kept sessions, speed steps, files of copies: the parts without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ctcpmon.tui.clipboard import save_text
from ctcpmon.tui.ended import EndedSessions, FindingLog
from ctcpmon.tui.pace import Pace
from ctcpmon.tui.painting.fold import fold, prose
from ctcpmon.tui.presenting import session_key
from ctcpmon.tui.source import SPEEDS, next_speed

from tests.fake_engine import Stats, finding, session, stalled

if TYPE_CHECKING:
    from pathlib import Path


def test_time_left_comes_from_the_last_seconds() -> None:
    pace = Pace()
    for second in range(5):
        stats = Stats(packets=second * 1_000, bytes_read=second * 100, bytes_total=1_000)
        now = pace.progress(stats, float(second), is_done=False, is_paused=False, speed=0.0)  # type: ignore[arg-type]
    assert now.packets_per_s == pytest.approx(1_000)
    assert now.seconds_left == pytest.approx(6.0)


def test_a_pipe_has_no_time_left() -> None:
    pace = Pace()
    for second in range(3):
        stats = Stats(packets=second, bytes_read=second * 100, bytes_total=None)
        now = pace.progress(stats, float(second), is_done=False, is_paused=False, speed=0.0)  # type: ignore[arg-type]
    assert now.seconds_left is None


def test_the_worst_ended_sessions_are_kept_and_all_are_counted() -> None:
    ended = EndedSessions(most=3)
    for number in range(10):
        ended.add(session(number))  # type: ignore[arg-type]
    ended.add(stalled(99))  # type: ignore[arg-type]
    assert ended.by_state == {"healthy": 10, "stalled": 1}
    kept = [one.state for one in ended.sessions()]
    assert sorted(kept) == ["healthy", "healthy", "stalled"]


def test_findings_are_bounded_together() -> None:
    log = FindingLog(sessions=50, per_session=4, findings=10)
    made = [finding(number, stalled(number)) for number in range(8)]
    for one in made:
        for _ in range(6):
            log.add(one)  # type: ignore[arg-type]
    # Four of each; the sessions that spoke last stay.
    kept = [len(log.of(session_key(one.session))) for one in made]  # type: ignore[arg-type]
    assert kept == [0, 0, 0, 0, 0, 0, 4, 4]
    for _ in range(100):
        log.add(made[7])  # type: ignore[arg-type]
    assert len(log.of(session_key(made[6].session))) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(("speed", "step", "expected"), [
    (0.0, 1, 0.0), (0.0, -1, 1000.0), (0.1, -1, 0.1), (3.0, 1, 5.0), (3.0, -1, 2.0), (1.0, 1, 2.0),
])  # fmt: skip
def test_speed_steps(speed: float, step: int, expected: float) -> None:
    assert next_speed(speed, step) == expected
    assert next_speed(speed, step) in SPEEDS


def test_a_copy_never_touches_an_existing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fix.txt").symlink_to(tmp_path / "target")
    path = save_text("../fix/../fix", "text")
    assert path.parent == tmp_path
    assert save_text("fix", "text").name == "fix-2.txt"
    assert not (tmp_path / "target").exists()


def test_folding() -> None:
    assert fold("  " + "word " * 10, 20)[0].endswith(" \\")
    assert prose("one two three four", 11, most=1) == ["one two ~"]
    assert all(len(line) <= 20 for line in fold("x" * 100, 20))
