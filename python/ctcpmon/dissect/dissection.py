"""Starts ``worker`` for some packets of a slice, within limits, and takes in what it says.

Blocking: use a thread.

The worker gets a process group of its own (and stays in our session). Whatever way this ends, the group is
killed before it is waited for, so nothing of it is left; and when we die, the pipe that only we hold open is
closed, and the worker kills its group itself.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from ctcpmon.dissect.tree import Dissected, Node, cleaned
from ctcpmon.text import clean

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from ctcpmon.dissect.slices import SliceFile

__all__ = ["MAX_PACKETS", "Dissection", "Limits", "dissect", "missing"]

MAX_PACKETS = 200
"""Of one start of tshark: one packet took 1.0 s and 150 took 1.6 s (measured on a busy machine, 4.0)."""
_STEP_S = 0.05
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one dissection may take."""

    seconds: float = 20.0
    """Guess: tshark starts in half a second, on a busy machine in five."""
    bytes: int = 64 << 20
    """Of what the worker says: 200 packets with all their fields have 5 MB."""


@dataclass(slots=True)
class Dissection:
    """What came back."""

    packets: dict[int, Dissected] = field(default_factory=dict)
    """By their number in the slice; clean."""
    problem: str = ""
    """Why some of them are missing: one sentence."""


class _Line(msgspec.Struct, frozen=True):
    """A line of the worker: a packet, or the end."""

    number: int = 0
    layers: tuple[Node, ...] = ()
    is_cut: bool = False
    problem: str = ""
    done: bool = False


def missing() -> str:
    """What to install, in one sentence; empty when all is there."""
    if find_spec("pyshark") is None:
        return "fields are shown by pyshark, which is not installed; type: pip install 'ctcpmon[dissect]'"
    if _tshark() is None:
        return "fields are shown by tshark, which is not installed; type: apt-get install tshark"
    return ""


def dissect(
    cut: SliceFile,
    numbers: Iterable[int],
    *,
    is_cancelled: threading.Event | None = None,
    limits: Limits | None = None,
) -> Dissection:
    """Dissects the packets ``numbers`` of a slice, at most ``MAX_PACKETS`` of them. Raises nothing."""
    wanted = [number for number in numbers if 1 <= number <= len(cut.frames)][:MAX_PACKETS]
    found = Dissection(problem=missing())
    if found.problem or not wanted:
        return found
    try:
        found.problem = _run(cut.window(wanted), wanted, found.packets, is_cancelled, limits or Limits())
    except PermissionError:
        # Of a live run: root goes on as nobody, who may not get to a Python in root's home.
        found.problem = f"no fields: this account may not start {clean(sys.executable, 60)}"
    except OSError as error:
        found.problem = f"tshark could not be started: {clean(error.strerror or str(error), 100)}"
    return found


def _tshark() -> str | None:
    found = shutil.which("tshark")
    return None if found is None else os.path.abspath(found)  # noqa: PTH100 a link is to stay one


def _run(
    capture: bytes,
    wanted: list[int],
    packets: dict[int, Dissected],
    is_cancelled: threading.Event | None,
    limits: Limits,
) -> str:
    """Fills ``packets``; returns what went wrong."""
    with open(os.memfd_create("ctcpmon-packets"), "w+b") as memory:  # noqa: PTH123
        memory.write(capture)
        memory.flush()
        memory.seek(0)
        watched, watch = os.pipe()
        try:
            worker = _started(memory.fileno(), watched)
        except BaseException:
            os.close(watch)
            raise
        finally:
            os.close(watched)
    try:
        return _listen(worker, wanted, packets, is_cancelled, limits)
    finally:
        # Not yet waited for, so the number of the group is still theirs alone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)
        os.close(watch)
        assert worker.stdout is not None  # noqa: S101 asked for
        worker.stdout.close()
        worker.wait()


def _started(capture: int, watched: int) -> subprocess.Popen[bytes]:
    nowhere = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return subprocess.Popen(  # noqa: S603 our own worker
        # -P: nothing is imported from the folder that happens to be the present one.
        [sys.executable, "-P", "-m", "ctcpmon.dissect.worker", str(watched), _tshark() or ""],
        stdin=capture,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        pass_fds=(watched,),
        process_group=0,
        # pyshark reads a config.ini in the present folder, tshark scripts and settings in the home folder.
        cwd="/",
        env={**os.environ, **nowhere},
    )


def _listen(
    worker: subprocess.Popen[bytes],
    wanted: list[int],
    packets: dict[int, Dissected],
    is_cancelled: threading.Event | None,
    limits: Limits,
) -> str:
    until = time.monotonic() + limits.seconds
    held, taken = bytearray(), 0
    assert worker.stdout is not None  # noqa: S101 asked for
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while True:
            if is_cancelled is not None and is_cancelled.is_set():
                return "cancelled"
            if time.monotonic() > until:
                return f"tshark did not answer within {limits.seconds:.0f} s and was ended"
            if not selector.select(_STEP_S):
                continue
            data = os.read(worker.stdout.fileno(), _CHUNK)
            if not data:
                return _shortfall(wanted, packets)
            taken += len(data)
            if taken > limits.bytes:
                return f"tshark said more than {limits.bytes >> 20} MiB and was ended"
            held += data
            *lines, rest = held.split(b"\n")
            held = bytearray(rest)
            for line in lines:
                said = _taken(bytes(line), wanted, packets)
                if said is not None:
                    return said or _shortfall(wanted, packets)


def _taken(line: bytes, wanted: list[int], packets: dict[int, Dissected]) -> str | None:
    """Takes a packet; at the end says what went wrong, which may be nothing."""
    try:
        said = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, RecursionError):
        return "the answer of tshark could not be read"
    if said.problem:
        return f"tshark failed: {clean(said.problem, 160)}"
    if said.done:
        return ""
    if 1 <= said.number <= len(wanted):
        number = wanted[said.number - 1]
        packets[number] = Dissected(number, tuple(map(cleaned, said.layers)), said.is_cut)
    return None


def _shortfall(wanted: list[int], packets: dict[int, Dissected]) -> str:
    if len(packets) == len(wanted):
        return ""
    return f"tshark ended early: fields of {len(packets)} of {len(wanted)} packets"
