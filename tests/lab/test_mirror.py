"""A mirror port at a real firewall: what stalls there is called by a live run while it happens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import Namespaces, command
from tests.lab.requirements import missing
from tests.lab.running import Stage
from tests.lab.scenarios import SCENARIOS
from tests.live.program import Live

if TYPE_CHECKING:
    from pathlib import Path

STALLED_S = 9.0
"""From the first packet that never arrives. A silence or freeze of 6 s comes first, because an inspection queue
may release after 5.3 s (measured); the rest is a round of judgement and a busy machine."""
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


def test_a_stall_behind_a_mirror_port_is_called_while_it_happens(tmp_path: Path) -> None:
    if lacks := missing():
        pytest.skip(f"THE LAB CANNOT RUN: this machine lacks {'; '.join(lacks)}")
    scenario = next(one for one in SCENARIOS if one.name == "ct_drop")
    with Stage(scenario, tmp_path, threading.Event()) as stage:
        port = _mirror(stage.spaces)
        with Live(stage.spaces.name("firewall"), port) as live:
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
