"""The loop closed: a stall, what ctcpmon says, its printed fix applied word for word, the recovery.

Nothing here knows a fix: the text comes out of ``ctcpmon fixes``, and ``sh -e`` runs it in the
firewall's namespace. Whether it helped is read from the endpoints' logs.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import printed
from .labels import CLIENT_TAP
from .namespaces import ENVIRONMENT
from .running import Result, Stage
from .scenarios import FIX_APPLIED

if TYPE_CHECKING:
    import threading
    from concurrent.futures import Future
    from pathlib import Path

    from .printed import PrintedFix
    from .scenarios import Scenario
    from .tunnel import Tunnel

LOOK_AT_S = 24.0
"""When the operator looks. A stall without a known habit of the receiver is judged after 10 s."""


@dataclass(frozen=True)
class LoopResult:
    """Everything that was seen, in order."""

    run: Result
    events_before: list[dict[str, Any]]
    """Of the capture up to the moment of the fix."""
    looked_epoch: float
    fixes_text: str
    fix: PrintedFix
    """The one that was applied."""
    applied_epoch: float
    shell_exit: int
    shell_output: str
    events_after: list[dict[str, Any]]
    """Of the capture of the whole run."""

    @property
    def is_closed(self) -> bool:
        """The last that was said about an incident is that it cleared; none is left open."""
        last: dict[str, dict[str, Any]] = {}
        for event in printed.of_type(self.events_after, "incident"):
            last[event["data"]["ctcp"]["incident"]] = event["data"]["ctcp"]
        reasons = {state.get("close_reason") for state in last.values()}
        return "cleared" in reasons and reasons <= {"cleared", "moved"}

    def delivered_after(self, since: float) -> list[tuple[int, int]]:
        """Data segments that arrived after ``since``, at the headend and at the client, by session."""
        return [(_arrived(truth.headend, since), _arrived(truth.client, since)) for truth in self.run.truths]


def _arrived(end: Tunnel, since: float) -> int:
    return sum(at > since for at in end.log.arrived.values())


def close_the_loop(scenario: Scenario, folder: Path, stop: threading.Event) -> LoopResult:
    """Plays a loop; raises when a step cannot be done, judges nothing."""
    with Stage(scenario, folder, stop) as stage, ThreadPoolExecutor(1) as world:
        playing = world.submit(stage.play)
        try:
            return _operate(stage, folder, playing)
        except BaseException:
            # The run must end before its sockets are closed.
            stop.set()
            raise


def _operate(stage: Stage, folder: Path, playing: Future[Result]) -> LoopResult:
    stage.sleep(LOOK_AT_S)
    looked = time.time()
    so_far = folder / f"{stage.scenario.name}_so_far.pcap"
    stage.taps[CLIENT_TAP].copy_to(so_far)
    before = printed.events(so_far)
    text, fixes = printed.linux_fixes(so_far)
    fix = next((one for one in fixes if one.id == FIX_APPLIED[stage.scenario.name]), None)
    if fix is None:
        raise RuntimeError(f"ctcpmon did not print {FIX_APPLIED[stage.scenario.name]}:\n{text}")
    done = subprocess.run(
        ("ip", "netns", "exec", stage.spaces.name("firewall"), "sh", "-e", "-x"),
        input=fix.script,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env=ENVIRONMENT,
    )
    applied = time.time()
    run = playing.result()
    after = printed.events(stage.taps[CLIENT_TAP].path)
    output = done.stdout + done.stderr
    return LoopResult(run, before, looked, text, fix, applied, done.returncode, output, after)
