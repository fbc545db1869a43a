"""Plays one scenario in namespaces of its own and writes captures and their labels."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .clockwork import Clockwork
from .endpoints import Clients, Headend
from .labels import CLIENT_TAP, HEADEND_TAP, file_label
from .losses import counted, install
from .namespaces import CLIENTS, Namespaces
from .ports import Recorder
from .scenarios import FIRST_PORT, Scenario
from .truth import SessionTruth, pair, session_truth

if TYPE_CHECKING:
    import threading
    from pathlib import Path

_DIAL_EVERY_S = 0.3
_WARM_UP_S = 0.2


class StoppedError(Exception):
    """The run was told to stop before its end; why is told elsewhere."""


@dataclass(frozen=True)
class Result:
    """A finished run."""

    scenario: Scenario
    files: list[dict[str, Any]]
    truths: list[SessionTruth]
    started: float
    dropped_by_rules: list[int]
    tap_drops: int
    oversized_frames: int


class Stage:
    """Everything of one run, set up and ready; a context manager that takes it all down."""

    def __init__(self, scenario: Scenario, folder: Path, stop: threading.Event) -> None:
        self.scenario = scenario
        self._folder = folder
        self._stop = stop
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.spaces = stack.enter_context(Namespaces())
            self.clock = Clockwork(self._stop)
            stack.callback(self.clock.close)
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _set_up(self, stack: ExitStack) -> None:
        scenario, spaces, clock = self.scenario, self.spaces, self.clock
        install(spaces, scenario.losses)
        self.box = scenario.box(clock, spaces, self._folder)
        stack.callback(self.box.close)
        firewall = spaces.name("firewall")
        self.taps = {
            tap: Recorder(clock, firewall, interface, self._folder / f"{scenario.name}_{tap}.pcap")
            for tap, interface in ((CLIENT_TAP, "f0"), (HEADEND_TAP, "f1"))
        }
        for recorder in self.taps.values():
            stack.callback(recorder.close)
        client, headend = scenario.habits()
        answers = {FIRST_PORT + n: flows[1] for n, flows in enumerate(scenario.flows)}
        self.clients = Clients(clock, spaces, scenario.name)
        stack.callback(self.clients.close)
        self.headend = Headend(clock, spaces, scenario.name, headend, answers)
        stack.callback(self.headend.close)
        for number, flows in enumerate(scenario.flows):
            dial = _Dial(self.clients, CLIENTS[number], FIRST_PORT + number, client, flows[0])
            clock.after(_WARM_UP_S + _DIAL_EVERY_S * number, dial)

    def sleep(self, seconds: float) -> None:
        """Waits in another thread while the run goes on."""
        if self._stop.wait(seconds):
            raise StoppedError(self.scenario.name)

    def play(self) -> Result:
        """Runs to the end and judges it by the logs."""
        started = time.time()
        self.clock.run(self.scenario.duration_s)
        if self._stop.is_set():
            raise StoppedError(self.scenario.name)
        ended = time.time()
        facts = self.box.facts()
        dropped = counted(self.spaces, self.scenario.losses)
        tap_drops = sum(recorder.close() for recorder in self.taps.values())
        ends = pair(list(self.clients.tunnels.values()), list(self.headend.tunnels.values()))
        truths = [session_truth(*both, self.scenario.losses, started, ended) for both in ends]
        files = [
            file_label(self.scenario, tap, recorder, box=facts, truths=truths, run=(started, ended))
            for tap, recorder in self.taps.items()
        ]
        oversized = sum(recorder.oversized for recorder in self.taps.values())
        return Result(self.scenario, files, truths, started, dropped, tap_drops, oversized)


@dataclass(frozen=True)
class _Dial:
    clients: Clients
    address: str
    port: int
    habit: Any
    flow: Any

    def __call__(self) -> None:
        self.clients.dial(self.address, self.port, self.habit, self.flow)


def play(scenario: Scenario, folder: Path, stop: threading.Event) -> Result:
    """Sets up, plays and takes down one scenario."""
    with Stage(scenario, folder, stop) as stage:
        return stage.play()


def write_labels(folder: Path, results: list[Result]) -> None:
    """``labels.json`` of a folder."""
    files = [entry for result in results for entry in result.files]
    note = "recorded by tests.lab; the truth comes from the endpoints' logs and the loss rules' counters"
    text = json.dumps({"format": 1, "note": note, "files": files}, indent=1)
    (folder / "labels.json").write_text(text + "\n", "utf-8")
