"""``ctcpmon serve`` as a real process on the demo capture, and a longer one made of it."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ctcpmon

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
WAIT_S = 30.0


def start(*words: str | Path, listen: bool = False, **more: Any) -> subprocess.Popen[str]:
    """Starts ``serve``; stderr is read by the caller."""
    quiet = [] if listen else ["--no-listen"]
    return subprocess.Popen(
        [sys.executable, "-m", "ctcpmon", "serve", *quiet, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        **more,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Waits for the end and returns what was said."""
    out, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, said
    assert out == "", "stdout is not for words"
    assert all(line.isprintable() for line in said.split("\n")), ascii(said)
    return said


def serve(*words: str | Path, code: int = 0, **more: Any) -> str:
    """A whole run."""
    return ended(start(*words, **more), code)


def events(path: Path) -> list[dict[str, Any]]:
    """Every line of a file; each must be JSON."""
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def number(event: dict[str, Any]) -> int:
    return int(event["id"].rpartition(".")[2])


def long_capture(path: Path, rounds: int) -> Path:
    """The demo capture again and again, each time with other clients: ``rounds`` times the sessions."""
    data = DEMO.read_bytes()
    head, at = data[:24], 24
    records: list[tuple[int, int, bytes]] = []
    while at < len(data):
        sec, usec, caplen, _ = struct.unpack_from("<IIII", data, at)
        records.append((sec, usec, data[at + 16 : at + 16 + caplen]))
        at += 16 + caplen
    with path.open("wb") as out:
        out.write(head)
        for turn in range(rounds):
            for sec, usec, frame in records:
                changed = _with_client(frame, turn)
                out.write(struct.pack("<IIII", sec + turn * 60, usec, len(changed), len(changed)) + changed)
    return path


def _with_client(frame: bytes, turn: int) -> bytes:
    """The same frame with the second byte of the client's address changed; checksums are not looked at."""
    start_at = 14
    assert frame[12:14] == b"\x08\x00"
    addresses = bytearray(frame[start_at + 12 : start_at + 20])
    for at in (0, 4):
        if addresses[at] == 10:
            addresses[at + 1] = (addresses[at + 1] + 16 * turn) % 256
            addresses[at + 2] = (addresses[at + 2] + turn // 16) % 256
    return frame[: start_at + 12] + bytes(addresses) + frame[start_at + 20 :]


def wait_for(what: Any, text: str) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until, f"did not happen: {text}"
        time.sleep(0.02)


def stop(process: subprocess.Popen[str], number_of: signal.Signals = signal.SIGTERM, code: int = 0) -> str:
    process.send_signal(number_of)
    return ended(process, code)
