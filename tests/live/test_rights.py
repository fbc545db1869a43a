"""What a running capture may do (nothing), what it leaves on the wire (nothing), what it says without the right."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import ctcpmon
import pytest

from .program import Live
from .wire import MONITORED

if TYPE_CHECKING:
    from .wire import Wire

UNIT = Path(__file__).parents[2] / "packaging" / "ctcpmon@.service"
NOBODY = pwd.getpwnam("nobody")


def may_do_nothing(live: Live) -> bool:
    threads = live.status()
    assert len(threads) >= 3, "main, engine and ring"
    for status in threads.values():
        assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
    limits = Path(f"/proc/{live.pid}/limits").read_text("ascii")
    return re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE) is not None


def test_no_thread_has_a_right_left(wire: Wire) -> None:
    with Live(wire.monitor) as live:
        assert may_do_nothing(live)
        assert live.end() == 0


def is_nobody(live: Live) -> None:
    for status in live.status().values():
        assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
        assert status["Groups"] == ""
    assert "as nobody, no rights, no way to more" in live.said[0]


def test_root_without_sudo_goes_on_as_nobody(wire: Wire) -> None:
    # Also where nobody cannot read the program: what it needs is read before.
    with Live(wire.monitor, SUDO_UID="", SUDO_GID="") as live:
        assert may_do_nothing(live)
        is_nobody(live)
        assert live.end() == 0


def test_a_run_does_not_go_on_as_root_by_name(wire: Wire) -> None:
    live = Live(wire.monitor, MONITORED, "--user", "root")
    try:
        assert live.wait() == 2
    finally:
        live.__exit__()
    assert "--user: a run does not go on as root" in live.said[0]


def test_a_user_that_is_named_is_who_it_goes_on_as(wire: Wire) -> None:
    daemon = pwd.getpwnam("daemon")
    with Live(wire.monitor, MONITORED, "--user", "daemon") as live:
        assert may_do_nothing(live)
        assert {status["Uid"].split()[0] for status in live.status().values()} == {str(daemon.pw_uid)}
        assert live.end() == 0


def test_who_called_sudo_is_who_it_goes_on_as(wire: Wire) -> None:
    numbers = {"SUDO_UID": str(NOBODY.pw_uid), "SUDO_GID": str(NOBODY.pw_gid)}
    with Live(wire.monitor, **numbers) as live:
        assert may_do_nothing(live)
        is_nobody(live)
        assert live.end() == 0


def test_an_ambient_right_is_enough_and_is_given_up(wire: Wire) -> None:
    libraries = Path(ctcpmon.__file__).parents[1]
    python = next(filter(None, map(_open_python, (sys.executable, "/usr/bin/python3"))), None)
    if python is None or not _is_open_to(Path(ctcpmon.__file__)):
        pytest.skip("AMBIENT RIGHT NOT TESTED: nobody may not read this checkout or its Python")
    who = (f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")
    right = ("--inh-caps=+net_raw", "--ambient-caps=+net_raw")
    start = ("setpriv", *who, *right)
    with Live(wire.monitor, before=start, python=python, PYTHONPATH=str(libraries)) as live:
        assert may_do_nothing(live)
        is_nobody(live)
        assert live.end() == 0


def _open_python(path: str) -> str | None:
    """The path of a Python of our version that everybody may run."""
    if not Path(path).exists() or not _is_open_to(Path(path)):
        return None
    version = "import sys; print(sys.version_info[:2])"
    said = subprocess.run((path, "-c", version), capture_output=True, text=True, check=False).stdout
    return path if said == f"{sys.version_info[:2]}\n" else None


def _is_open_to(path: Path) -> bool:
    """Everybody may read the file, and enter every folder above it."""
    real = path.resolve()
    return bool(real.stat().st_mode & 4) and all(
        one.stat().st_mode & 1 for one in (*path.parents, *real.parents)
    )


def test_without_the_right_it_says_what_to_type(wire: Wire) -> None:
    live = Live(wire.monitor, before=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"))
    try:
        assert live.wait() == 3
    finally:
        live.__exit__()
    assert live.lines == []
    (said,) = live.said
    assert "no right to capture on m0: CAP_NET_RAW is needed" in said
    assert re.search(
        r"type: sudo \S+ live m0; or: sudo setpriv .*--ambient-caps=\+net_raw \S+ live m0$", said
    )


def test_it_sends_nothing_and_listens_to_others_only_while_it_runs(wire: Wire) -> None:
    assert wire.shown()["promiscuity"] == 0
    with Live(wire.monitor) as live:
        until = time.monotonic() + 10.0
        while time.monotonic() < until:
            assert wire.shown()["promiscuity"] == 1
            time.sleep(0.5)
        os.kill(live.pid, signal.SIGKILL)
        assert live.wait() == -signal.SIGKILL
        shown = wire.shown()
    assert shown["promiscuity"] == 0
    assert (shown["stats64"]["tx"]["packets"], shown["stats64"]["tx"]["bytes"]) == (0, 0)


def test_it_can_leave_the_frames_of_others_alone(wire: Wire) -> None:
    with Live(wire.monitor, MONITORED, "--no-promiscuous") as live:
        assert wire.shown()["promiscuity"] == 0
        assert live.end() == 0


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("UNIT NOT TESTED: systemd-analyze is not installed (apt-get install systemd)")
    path = tmp_path / f"ctcpmon@{MONITORED}.service"
    # The program of this checkout: that of the unit need not be installed.
    text = UNIT.read_text("utf-8")
    assert "\nExecStart=/usr/bin/ctcpmon live %I" in text
    path.write_text(text.replace("=/usr/bin/ctcpmon ", f"={Path(sys.executable).with_name('ctcpmon')} "))
    return path


def test_the_unit_is_understood(unit: Path) -> None:
    done = subprocess.run(("systemd-analyze", "verify", unit), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_exposes_little(unit: Path) -> None:
    words = ("systemd-analyze", "security", "--offline=yes", "--threshold=15", unit)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
