"""The unit that is shipped, started and stopped by a real systemd."""

from __future__ import annotations

import json
import os
import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import ctcpmon
import pytest

from .sender import Sender
from .systemd import Systemd, missing
from .test_balance import frame
from .test_interface import wait_for
from .test_rights import UNIT, _is_open_to, _open_python
from .wire import MONITORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .wire import Wire

SERVICE = f"ctcpmon@{MONITORED}.service"
NOTHING = "0" * 16
BURST = 100_000
HIDDEN = tuple(Path("/", one) for one in ("tmp", "run", "var", "home", "root"))
"""Empty for the systemd of ``systemd.py``, or for the unit."""


@pytest.fixture
def systemd(wire: Wire, tmp_path: Path) -> Iterator[Systemd]:
    if lacks := missing():
        pytest.skip(f"UNIT NOT STARTED: this machine lacks {lacks}")
    python = next(filter(None, map(_open_python, ("/usr/bin/python3",))), None)
    if python is None or not _is_open_to(Path(ctcpmon.__file__)):
        pytest.skip("UNIT NOT STARTED: a service may not read this checkout, or /usr/bin/python3 is another")
    folders = (str(Path(ctcpmon.__file__).resolve().parents[1]), sysconfig.get_path("purelib"))
    if hidden := [one for one in folders for top in HIDDEN if Path(one).is_relative_to(top)]:
        pytest.skip(f"UNIT NOT STARTED: a service does not see {hidden[0]}")
    paths = os.pathsep.join(folders)
    # The program of this checkout; everything else is as shipped.
    here = (
        "[Service]\nExecStart=\n"
        f"ExecStart={python} -m ctcpmon live %I -o jsonl\n"
        f"Environment=PYTHONPATH={paths} PYTHONDONTWRITEBYTECODE=1\n"
    )
    text = UNIT.read_text("utf-8")
    units = {
        "ctcpmon@.service": text,
        "ctcpmon@.service.d/here.conf": here,
        # Another program that writes as fast as it can, under what the unit says of the journal.
        "burst.service": "\n".join(
            ("[Service]", f"ExecStart=sh -c 'seq {BURST}; sleep 2'", *re.findall("(?m)^Log.*", text), "")
        ),
    }
    try:
        with Systemd(wire.monitor, tmp_path, units) as one:
            yield one
    except RuntimeError as error:
        if not str(error).startswith("systemd did not start"):
            raise
        pytest.skip(f"UNIT NOT STARTED: this machine lets no systemd run in namespaces: {error}")


def said(systemd: Systemd) -> list[str]:
    return systemd.call("journalctl", "--output=cat", "--unit", SERVICE).splitlines()


def test_the_unit_as_shipped_captures_without_a_right_and_stops_in_order(
    wire: Wire, systemd: Systemd
) -> None:
    systemd.call("systemctl", "start", SERVICE)
    wait_for(lambda: any("listening on" in line for line in said(systemd)), 30.0)
    listening = next(line for line in said(systemd) if "listening on" in line)
    assert "no rights, no way to more" in listening

    threads = systemd.threads(SERVICE)
    assert len(threads) >= 3, "main, engine and ring"
    for status in threads.values():
        assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {NOTHING}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        users = {*status["Uid"].split(), *status["Gid"].split()}
        assert len(users) == 1
        assert "0" not in users

    assert wire.shown()["promiscuity"] == 1
    with Sender(wire.sender) as sender:
        assert all(sender.send(frame(one)) for one in range(100))
    systemd.call("systemctl", "stop", SERVICE)

    assert systemd.shown(SERVICE, "Result") == "success"
    assert systemd.shown(SERVICE, "ExecMainStatus") == "0"
    # What was sent is written by the journal on its own time.
    wait_for(lambda: any("Stopped" in line for line in said(systemd)))
    lines = said(systemd)
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert events[-1]["type"] == "ctcpmon.stats.v1"
    assert events[-1]["data"]["counters"]["frames"] == 100
    assert any(re.search(rf"{MONITORED}: 100 received, 100 measured", line) for line in lines)
    shown = wire.shown()
    assert shown["promiscuity"] == 0
    assert shown["stats64"]["tx"]["packets"] == 0


def test_the_journal_takes_every_event_of_a_burst(systemd: Systemd) -> None:
    # By itself it drops what comes after some 10,000 to 50,000 lines in 30 s, and the run is not told.
    systemd.call("systemctl", "start", "burst.service")
    wait_for(lambda: systemd.shown("burst.service", "ActiveState") == "inactive", 60.0)

    def there() -> int:
        lines = systemd.call("journalctl", "--output=cat", "--unit=burst").splitlines()
        return sum(line.isdecimal() for line in lines)

    # The journal reads on its own time.
    wait_for(lambda: there() == BURST, 30.0)
