"""Labelled lab captures: the verdicts stay at or above ``tests/score/floor.toml``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.corpus.shared import captures
from tests.score.__main__ import main, score
from tests.score.floor import Floor, shortfalls
from tests.score.labels import load
from tests.score.scoring import Row

Scored = tuple[list[Row], list[str]]


@pytest.fixture(scope="module")
def scored() -> Scored:
    """Every labelled flow with what was said about it."""
    return score(load(captures("lab", "labels.json")))


def test_verdicts_are_not_below_the_floor(scored: Scored) -> None:
    assert shortfalls(*scored, Floor.load()) == []


def test_no_stall_is_reported_for_a_flow_without_label(scored: Scored) -> None:
    assert scored[1] == []


def test_a_missed_stall_and_a_false_one_are_below_the_floor(scored: Scored) -> None:
    rows, stray = scored
    stalled = next(r for r in rows if r.flow.is_judgeable and r.session)
    healthy = next(r for r in rows if r.expected and "stalled" not in r.flow.acceptable)
    missed = [replace(r, session=None) if r is stalled else r for r in rows]
    false = [replace(r, session=stalled.session) if r is healthy else r for r in rows]
    floor = Floor.load()
    assert any("missed stalls: 1" in line for line in shortfalls(missed, stray, floor))
    assert any("false stalls: 1" in line for line in shortfalls(false, stray, floor))
    assert any("false stalls: 1" in line for line in shortfalls(rows, ["stray"], floor, is_whole=False))
    assert any("flows" in line for line in shortfalls(rows[:9], stray, floor))


def test_the_command_says_what_is_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = captures("lab", "labels.json")
    few = ["--only", "h02_healthy", str(folder)]
    assert main(few) == 0
    strict = replace(Floor.load(), false_stalls_most=-1)
    monkeypatch.setattr(Floor, "load", lambda: strict)
    assert main(few) == 1
    assert "BELOW THE FLOOR false stalls: 0, at most -1 allowed" in capsys.readouterr().out
