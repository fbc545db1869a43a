"""GRO of the captured interface: said, left alone, and with --offload-off put back however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import ENVIRONMENT, command
from tests.lab.requirements import has_program

from .program import Live, status_of_threads
from .test_interface import wait_for
from .wire import MONITORED

if TYPE_CHECKING:
    from .wire import Wire

ADMIN = f"{1 << 12:016x}"
OFF = (MONITORED, "--offload-off")


@pytest.fixture(autouse=True)
def _tool() -> None:
    if not has_program("ethtool"):
        pytest.skip("OFFLOADS NOT TESTED: the program ethtool is missing (apt-get install ethtool)")


def gro(wire: Wire, wanted: str | None = None) -> bool:
    """Whether it is on, after setting it."""
    inside = ("ip", "netns", "exec", wire.monitor, "ethtool")
    if wanted is not None:
        command(*inside, "-K", MONITORED, "gro", wanted)
    return "generic-receive-offload: on" in command(*inside, "-k", MONITORED)


def helpers(live: Live) -> list[int]:
    """Processes of that name whose parent is the run."""
    found = []
    for one in Path("/proc").glob("[0-9]*/status"):
        try:
            text = one.read_text("utf-8", "replace")
        except OSError:
            continue
        if text.startswith("Name:\tctcpmon-offload\n") and f"\nPPid:\t{live.pid}\n" in text:
            found.append(int(one.parent.name))
    return found


def test_it_is_said_once_and_left_alone(wire: Wire) -> None:
    assert gro(wire, "on")
    with Live(wire.monitor) as live:
        assert gro(wire)
        assert live.end() == 0
    (said,) = (line for line in live.said if "merged before" in line)
    assert "m0: segments are merged before they are seen (GRO)" in said
    assert said.endswith("for good: ethtool -K m0 gro off\n")
    assert gro(wire)


def test_nothing_is_said_where_it_is_off(wire: Wire) -> None:
    assert not gro(wire, "off")
    with Live(wire.monitor, *OFF) as live:
        # Nothing to put back: nobody waits.
        assert helpers(live) == []
        assert live.end() == 0
    assert not any("merged before" in line for line in live.said)
    time.sleep(0.3)
    assert not gro(wire)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_it_is_put_back_however_the_run_ends(wire: Wire, number: signal.Signals) -> None:
    assert gro(wire, "on")
    with Live(wire.monitor, *OFF) as live:
        assert not gro(wire)
        assert not any("merged before" in line for line in live.said)
        # The run itself has no right left; the child has the one it needs, and no descriptor of the run.
        for status in live.status().values():
            assert status["CapEff"] == "0" * 16
        # It may not have run yet; a signal does not find it before it ignores them.
        wait_for(lambda: len(helpers(live)) == 1)
        (helper,) = helpers(live)
        wait_for(lambda: len(list(Path(f"/proc/{helper}/fd").iterdir())) == 2)
        wait_for(lambda: status_of_threads(helper)[str(helper)]["NoNewPrivs"] == "1")
        for status in status_of_threads(helper).values():
            assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == (ADMIN, ADMIN, "1")
        # A terminal's Ctrl-C and a service manager's SIGTERM reach it too, and too early.
        os.kill(helper, signal.SIGINT)
        os.kill(helper, signal.SIGTERM)
        time.sleep(0.2)
        assert not gro(wire)
        assert live.end(number) == (-number if number == signal.SIGKILL else 0)
        wait_for(lambda: gro(wire))
        wait_for(lambda: not Path(f"/proc/{helper}/exe").is_symlink())


def test_an_interface_made_anew_is_left_as_it_is(wire: Wire) -> None:
    assert gro(wire, "on")
    with Live(wire.monitor, *OFF) as live:
        wire.cut()
        wire.lay()
        assert not gro(wire, "off")
        wait_for(lambda: len(helpers(live)) == 1)
        (helper,) = helpers(live)
        assert live.end() == 0
        wait_for(lambda: not Path(f"/proc/{helper}/exe").is_symlink())
    assert not gro(wire)


def test_without_the_right_it_says_so_and_changes_nothing(wire: Wire) -> None:
    assert gro(wire, "on")
    live = Live(wire.monitor, *OFF, before=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))
    try:
        assert live.wait() == 3
    finally:
        live.__exit__()
    assert "no right to switch offloads of m0 off: CAP_NET_ADMIN is needed" in live.said[0]
    assert gro(wire)


def test_ifaces_and_doctor_name_it(wire: Wire) -> None:
    assert gro(wire, "on")
    words = ("ip", "netns", "exec", wire.monitor, sys.executable, "-m", "ctcpmon")
    shown = subprocess.run((*words, "ifaces"), capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert "GRO on" in next(line for line in shown.stdout.split("\n") if line.startswith("m0 "))
    shown = subprocess.run((*words, "doctor"), capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert "merged segments   m0: GRO on; to switch it off:\n" in shown.stdout
    assert "ethtool -K m0 gro off  (or --offload-off)\n" in shown.stdout
