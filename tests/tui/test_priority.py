"""Whose turn it is on a busy machine, read from the threads of the real program."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.tui.priority import behind_packets

from tests.tui.test_deaths import DEMO, WAIT_S, Terminal, start  # noqa: F401  the fixture

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="PRIORITY OF THREADS NOT TESTED: only Linux has one for each"
)


def nices(pid: int) -> tuple[set[int], set[int]]:
    """Nice values of the threads that handle packets, and of all others (proc_pid_stat(5), field 19)."""
    found: tuple[set[int], set[int]] = (set(), set())
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        found[not name.startswith("ctcpmon-re")].add(int(rest.split()[16]))
    return found


def test_the_threads_of_the_packets_go_before_the_screen(start: Callable[..., Terminal]) -> None:  # noqa: F811
    # At a pace, so that the threads are there to be looked at.
    one = start((sys.executable, "-m", "ctcpmon", "replay", "--speed", "0.1", str(DEMO)), until="speed")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    behind = min(own + 10, 19)
    until = time.monotonic() + WAIT_S
    while (seen := nices(one.process.pid)) != ({own}, {behind}):
        assert time.monotonic() < until, seen
        time.sleep(0.02)
    one.key(b"q")
    assert one.ended() in {0, 130}


def test_a_program_that_was_started_last_stays_last() -> None:
    child = os.fork()
    if not child:
        os.nice(19)
        behind_packets()
        os._exit(os.getpriority(os.PRIO_PROCESS, 0))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 19
