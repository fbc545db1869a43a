"""A real systemd as process 1 of namespaces of its own, as a container has it, for a unit of this checkout.

Its whole file system is this machine's, read-only, with empty memory where something must be written: systemd
clears ``/tmp`` and runs every unit it finds, so nothing of the machine may be in its reach. Of the units that
are installed it sees the journal alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.lab.namespaces import ENVIRONMENT

_PROGRAM = Path("/usr/lib/systemd/systemd")
_UNITS = Path("/usr/lib/systemd/system")
_JOURNAL = ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
_TARGETS = ("sysinit", "basic", "shutdown", "umount", "final")
_START_S, _CALL_S = 20.0, 60.0

_INSIDE = r"""
set -e
root=/run/root
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir $root
mount --bind / $root
mount -o remount,bind,ro $root
if touch $root/tmp/ctcpmon-test 2>/dev/null; then
    echo "its root is not read-only" >&2
    exit 1
fi
for one in run tmp var etc/systemd/system usr/lib/systemd/system; do
    mount -t tmpfs -o mode=755 tmpfs $root/$one
done
chmod 1777 $root/tmp
mkdir -p $root/var/tmp $root/var/lib $root/var/log $root/run/lock $root/run/old
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $root/dev
for one in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 $root/dev/${one%:*} c 1 ${one#*:}
done
mkdir $root/dev/shm $root/dev/pts $root/dev/mqueue
mount -t devpts -o newinstance devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
cp -r "$UNITS"/lib/. $root/usr/lib/systemd/system/
cp -r "$UNITS"/etc/. $root/etc/systemd/system/
cd $root
pivot_root . run/old
umount -l /run/old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$PROGRAM" --system --unit=test.target \
    --log-target=journal --show-status=no
"""


def missing() -> str:
    """Why it cannot be started here; empty when there is nothing that speaks against it."""
    if not _PROGRAM.exists():
        return "systemd (apt-get install systemd)"
    lacks = [name for name in ("unshare", "nsenter", "pivot_root", "systemctl") if shutil.which(name) is None]
    if lacks:
        return f"the program {lacks[0]}"
    return "" if _groups() is not None else "a hierarchy of cgroup2"


def _groups() -> Path | None:
    """Where the groups of version 2 are."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, where, kind, options, *_ = line.split(" ")
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(where)
    return None


class Systemd:
    """Runs in the network namespace ``network``; ended, with all that it started, on leaving."""

    def __init__(self, network: str, folder: Path, units: dict[str, str]) -> None:
        """``units``: file below ``/etc/systemd/system`` and its text. ``folder`` is for their way there."""
        self._network, self._folder = network, folder
        etc, lib = folder / "etc", folder / "lib"
        units = {**units, "test.target": f"[Unit]\nDefaultDependencies=no\nWants={_JOURNAL[1]}\n"}
        for name, text in units.items():
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).write_text(text, "utf-8")
        lib.mkdir()
        for name in _TARGETS:
            (lib / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n", "utf-8")
        for name in _JOURNAL:
            shutil.copy(_UNITS / name, lib)
        groups = _groups()
        assert groups is not None
        self._group = groups / f"ctcpmon-{os.getpid()}-{secrets.token_hex(3)}"
        self._leader = 0

    def __enter__(self) -> Self:
        self._group.mkdir()
        # Its group first: inside of the network namespace there is another ``/sys``.
        own = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        first = ("sh", "-c", own, self._group, "ip", "netns", "exec", self._network)
        apart = ("--pid", "--fork", "--mount", "--mount-proc", "--cgroup", "--uts", "--ipc", "--kill-child")
        self._process = subprocess.Popen(
            (*first, "unshare", *apart, "sh", "-c", _INSIDE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, "UNITS": str(self._folder), "PROGRAM": str(_PROGRAM)},
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _START_S
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while time.monotonic() < until:
            if self._process.poll() is not None:
                said = self._process.stderr.read() if self._process.stderr is not None else b""
                raise RuntimeError(f"systemd did not start: {said.decode('utf-8', 'replace').strip()}")
            found = children.read_text("ascii").split()
            if found:
                self._leader = int(found[0])
                with suppress(RuntimeError):
                    self.call("systemctl", "show", "--property=Version")
                    return
            time.sleep(0.1)
        raise RuntimeError("systemd does not answer")

    def call(self, *words: str) -> str:
        """Runs a program beside it and returns what it prints; raises with its complaint."""
        enter = ("nsenter", f"--target={self._leader}", "-m", "-p", "-n", "-C", "--root", "--wd")
        done = subprocess.run((*enter, *words), capture_output=True, text=True, check=False, timeout=_CALL_S)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.call("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def threads(self, unit: str) -> dict[str, dict[str, str]]:
        """What the system says of each thread of a service."""
        number = self.shown(unit, "MainPID")
        text = self.call(
            "sh", "-c", f"cd /proc/{number}/task && for one in *; do cat $one/status; echo; done"
        )
        found = {}
        for part in text.strip().split("\n\n"):
            lines = (line.partition(":") for line in part.splitlines())
            status = {name: value.strip() for name, _, value in lines}
            found[status["Pid"]] = status
        return found

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        until = time.monotonic() + _START_S
        while self._group.exists() and time.monotonic() < until:
            # Its groups are empty once all that it started has ended.
            for path in sorted(self._group.rglob("*"), reverse=True):
                if path.is_dir():
                    with suppress(OSError):
                        path.rmdir()
            with suppress(OSError):
                self._group.rmdir()
            time.sleep(0.05)
