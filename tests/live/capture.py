"""Captures at their own pace, and where they come from."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sender import Sender

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CTCPMON_SHARED", ROOT.parent / "shared"))
_NANOSECONDS = 0xA1B23C4D
_HEADER, _RECORD = struct.Struct("<I16xI"), struct.Struct("<IIII")

Frame = tuple[float, bytes]
"""Seconds since the first frame, and the frame."""


def read(path: Path) -> tuple[float, list[Frame]]:
    """Time of the first frame, and all frames of a pcap of this machine's byte order."""
    data = path.read_bytes()
    magic, _link = _HEADER.unpack_from(data)
    unit = 1e-9 if magic == _NANOSECONDS else 1e-6
    frames: list[Frame] = []
    at = _HEADER.size
    while at < len(data):
        seconds, part, length, _ = _RECORD.unpack_from(data, at)
        frames.append((seconds + part * unit, data[at + _RECORD.size : at + _RECORD.size + length]))
        at += _RECORD.size + length
    first = frames[0][0]
    return first, [(when - first, frame) for when, frame in frames]


def play(sender: Sender, frames: Sequence[Frame]) -> float:
    """Sends each frame at its time; returns when the first one was sent (epoch). A wire that is down loses it."""
    started = time.monotonic()
    epoch = time.time()
    for when, frame in frames:
        time.sleep(max(0.0, started + when - time.monotonic()))
        sender.send(frame)
    return epoch


def make_cases(folder: Path) -> None:
    """Simulated cases of the testkit, one capture each."""
    manifest = ROOT / "Cargo.toml"
    words = ("cargo", "run", "-q", "--locked", "--manifest-path", manifest, "-p", "ctcpmon-testkit")
    more = ("--bin", "make_captures", "--", "--cases", "cases")
    subprocess.run((*words, *more), cwd=folder, check=True, timeout=600)
