"""A mirror port at a real firewall: what stalls there is called by a live run while it happens."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from tests.lab.namespaces import Namespaces, command
from tests.lab.requirements import missing
from tests.lab.running import Stage
from tests.lab.scenarios import SCENARIOS
from tests.live.program import Live
from tests.tui.test_real_program import Pane

if TYPE_CHECKING:
    from pathlib import Path

STALLED_S = 9.0
"""From the first packet that never arrives. A silence or freeze of 6 s comes first, because an inspection queue
may release after 5.3 s (measured); the rest is a round of judgement and a busy machine."""
SHOWN_S = 5.0
"""From the same packet until the screen of the sensor shows it, held or stalled: goal of the product."""
_HELD = re.compile(r"^\? \d+ HELD NOW  [0-9.]+:(\d+) -> ", re.MULTILINE)
_MIRROR = """
table netdev mirror {
    chain in {
        type filter hook ingress device "f0" priority 0;
        dup to "m0";
    }
    chain out {
        type filter hook egress device "f0" priority 0;
        dup to "m0";
    }
}
"""


def _mirror(spaces: Namespaces) -> str:
    """Both directions of the firewall's inner interface on an interface of its own; its name."""
    firewall = spaces.name("firewall")
    command("ip", "-n", firewall, "link", "add", "m0", "type", "veth", "peer", "name", "m1")
    for name in ("m0", "m1"):
        command("ip", "-n", firewall, "link", "set", name, "arp", "off", "up")
    try:
        spaces.nft("firewall", _MIRROR)
    except RuntimeError as error:
        pytest.skip(f"NO MIRROR PORT: this kernel does not copy packets with nftables ({error})")
    return "m1"


class _Screen:
    """``ctcpmon live`` in a tmux of its own, and what it showed when."""

    def __init__(self, namespace: str, port: str) -> None:
        self._pane = Pane((80, 24))
        self._pane.type(f"exec ip netns exec {namespace} {sys.executable} -m ctcpmon live {port}")
        self.seen: list[tuple[float, str]] = []
        self._is_over = threading.Event()
        self._looks = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._pane.wait("LISTENING")
        self._looks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._looks.join()
        self._pane.close()

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            text = self._pane.screen()
            self.seen.append((time.time(), text))

    def held(self) -> dict[float, int]:
        """When it showed something as held, and the port of that client."""
        found = ((at, _HELD.search(text)) for at, text in self.seen)
        return {at: int(line[1]) for at, line in found if line is not None}


def test_a_stall_behind_a_mirror_port_is_called_while_it_happens(tmp_path: Path) -> None:
    if lacks := missing():
        pytest.skip(f"THE LAB CANNOT RUN: this machine lacks {'; '.join(lacks)}")
    scenario = next(one for one in SCENARIOS if one.name == "ct_drop")
    with Stage(scenario, tmp_path, threading.Event()) as stage:
        port = _mirror(stage.spaces)
        with (
            Live(stage.spaces.name("firewall"), port) as live,
            _Screen(stage.spaces.name("firewall"), port) as screen,
        ):
            result = stage.play()
            live.end()
    onset = min(way.onset.epoch for truth in result.truths for way in truth.directions.values() if way.onset)
    verdicts = [(at - onset, event["data"]["ctcp"]["verdict"]) for at, event in live.of_type("finding")]
    at_risk, stalled = (
        min(after for after, verdict in verdicts if verdict == wanted) for wanted in ("at_risk", "stalled")
    )
    assert at_risk < stalled
    # One before the first packet that was held back would be false.
    assert 0 < stalled < STALLED_S
    dead = {truth.client.local[1] for truth in result.truths if truth.dead}
    called = {
        event["data"]["source"]["port"]
        for _, event in live.of_type("finding")
        if event["data"]["ctcp"]["verdict"] == "stalled"
    }
    assert called == dead
    held = screen.held()
    # Seen by whoever looks at the screen, seconds before the word may be said.
    assert min(held) - onset < min(SHOWN_S, stalled)
    assert set(held.values()) <= dead
    _, last = screen.seen[-1]
    assert "CRIT !" in last
    assert "HELD NOW" not in last


def test_nothing_is_shown_as_held_where_a_loss_harms_nobody(tmp_path: Path) -> None:
    if lacks := missing():
        pytest.skip(f"THE LAB CANNOT RUN: this machine lacks {'; '.join(lacks)}")
    scenario = next(one for one in SCENARIOS if one.name == "ct_drop_twin")
    with Stage(scenario, tmp_path, threading.Event()) as stage:
        port = _mirror(stage.spaces)
        with _Screen(stage.spaces.name("firewall"), port) as screen:
            result = stage.play()
    assert not any(truth.dead for truth in result.truths)
    assert len(screen.seen) > 100
    _, last = screen.seen[-1]
    assert "WARN *" in last
    assert "0 stalled" in last
    assert screen.held() == {}
