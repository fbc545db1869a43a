"""All scenarios and both loops at once, each in namespaces of its own; then the score of what was recorded."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.score.__main__ import score
from tests.score.labels import load

from .loop import LoopResult, close_the_loop
from .requirements import has_program
from .running import Result, StoppedError, play, write_labels
from .scenarios import LOOPS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tests.score.scoring import Row

    from .scenarios import Scenario


@dataclass(frozen=True)
class Suite:
    """Everything that one run of the lab gave."""

    folder: Path
    results: dict[str, Result]
    loops: dict[str, LoopResult]
    rows: list[Row]
    strays: list[str]
    skipped: dict[str, str]
    """Scenario and the program it lacks."""

    def rows_of(self, name: str) -> list[Row]:
        """Scored rows of one scenario, both taps."""
        files = {entry["file"] for entry in self.results[name].files}
        return [row for row in self.rows if row.capture in files]


def run_suite(folder: Path, only: str = "") -> Suite:
    """Runs the lab into ``folder``; takes about as long as its longest run."""
    wanted = [scenario for scenario in SCENARIOS if only in scenario.name]
    skipped = {s.name: lack for s in wanted if (lack := _lacks(s))}
    stop = threading.Event()
    with ThreadPoolExecutor(len(wanted) + len(LOOPS)) as pool:
        try:
            looping = [pool.submit(close_the_loop, scenario, folder, stop) for scenario in LOOPS]
            playing = [pool.submit(play, s, folder, stop) for s in wanted if s.name not in skipped]
            started: list[Future[Any]] = [*playing, *looping]
            wait(started, return_when=FIRST_EXCEPTION)
        except BaseException:
            # Every run takes its namespaces down before this returns.
            stop.set()
            raise
        stop.set()
    _raise_first(started)
    done = [future.result() for future in playing]
    loops = [future.result() for future in looping]
    done += [loop.run for loop in loops]
    write_labels(folder, done)
    rows, strays = score(load(folder))
    results = {result.scenario.name: result for result in done}
    by_name = {loop.run.scenario.name: loop for loop in loops}
    return Suite(folder, results, by_name, rows, strays, skipped)


def _raise_first(futures: Sequence[Future[Any]]) -> None:
    """Raises the failure that stopped the others."""
    failures = [failure for future in futures if (failure := future.exception())]
    for failure in failures:
        if not isinstance(failure, StoppedError):
            raise failure


def _lacks(scenario: Scenario) -> str:
    return ", ".join(f"{name} (apt-get install {name})" for name in scenario.needs if not has_program(name))


def names() -> list[str]:
    """Every scenario, the loops included."""
    return [scenario.name for scenario in (*SCENARIOS, *LOOPS)]
