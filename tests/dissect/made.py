"""Slices made by hand, and tsharks that misbehave."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

__all__ = ["HOSTILE", "alive", "block", "fake_tshark", "gone", "option", "packet_block", "pcapng", "segment"]

HOSTILE = "[/][@click=app.exit]\x1b]52;c;aGk=\x07\u202e\x9b31m\n"
WAIT_S = 10.0


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def segment(seq: int, payload: bytes = b"", *, back: bool = False, flags: int = 0x18) -> bytes:
    """Ethernet, IPv4, TCP of 10.0.0.1:1061 and 10.0.0.2:10000."""
    ends = (bytes([10, 0, 0, 1]), 1061), (bytes([10, 0, 0, 2]), 10000)
    source, target = reversed(ends) if back else ends
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], seq, 1, 5 << 4, flags, 2048, 0, 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source[0], target[0])
    return bytes(12) + b"\x08\x00" + head + tcp


def packet_block(data: bytes, time_ns: int, *comments: bytes, interface: int = 0) -> bytes:
    head = struct.pack("<5I", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data))
    options = b"".join(option(1, one) for one in comments) + (bytes(4) if comments else b"")
    return block(6, head + data + bytes(-len(data) % 4) + options)


def pcapng(*packets: bytes, about: bytes = b"about") -> bytes:
    section = block(
        0x0A0D0D0A, b"\x4d\x3c\x2b\x1a\x01\x00\x00\x00" + b"\xff" * 8 + option(1, about) + bytes(4)
    )
    interface = block(1, struct.pack("<HHI", 1, 0, 0) + option(9, b"\x09") + bytes(4))
    return section + interface + b"".join(packets)


def fake_tshark(folder: Path, script: str) -> Path:
    """A ``tshark`` in ``folder`` that notes its process id and then does what ``script`` says."""
    path = folder / "tshark"
    path.write_text(f"#!/bin/sh\necho $$ >> {folder}/pids\n{script}\n")
    path.chmod(0o755)
    return folder


def pids(folder: Path) -> list[int]:
    """Who ran it; waits for the first one."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if (folder / "pids").exists() and (found := (folder / "pids").read_text().split()):
            return [int(one) for one in found]
        time.sleep(0.02)
    message = "the fake tshark was never started"
    raise AssertionError(message)


def alive(pid: int) -> bool:
    """False for a process that is gone or only waits to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(folder: Path) -> bool:
    """True once nobody who ran it is there any more."""
    found = pids(folder)
    until = time.monotonic() + WAIT_S
    while any(map(alive, found)):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def group_of(pid: int) -> list[int]:
    """Processes of the group ``pid``, apart from those that only wait to be collected."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            if name.isdecimal() and os.getpgid(int(name)) == pid and alive(int(name)):
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found
