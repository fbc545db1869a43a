"""What the interface itself dropped while capturing is counted and said (pcapng section 4.6)."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.corpus import shapes
from tests.corpus.shared import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"


def interface_statistics(received: int, dropped: int, dropped_by_system: int) -> bytes:
    """An interface statistics block: ``isb_ifrecv`` 4, ``isb_ifdrop`` 5, ``isb_osdrop`` 7."""
    counts = ((4, received), (5, dropped), (7, dropped_by_system))
    options = b"".join(struct.pack("<HHQ", code, 8, value) for code, value in counts)
    body = struct.pack("<III", 0, 0, 0) + options + bytes(4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", 5) + length + body + length


def replayed(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    stats = json.loads(done.stdout.splitlines()[-1])
    assert stats["type"] == "ctcpmon.stats.v1"
    return stats["data"]["counters"]["interface_dropped_packets"], done.stderr


def test_drops_of_the_interface_and_of_the_system_are_said_with_their_share(tmp_path: Path) -> None:
    capture = shapes.pcapng(shapes.read(DEMO))
    lossy, clean = tmp_path / "lossy.pcapng", tmp_path / "clean.pcapng"
    lossy.write_bytes(capture + interface_statistics(2_000, 20, 5))
    clean.write_bytes(capture + interface_statistics(2_000, 0, 0))
    dropped, said = replayed(lossy)
    assert dropped == 25
    assert "interface 0 dropped 25 of 2000 packets while capturing (1.25 %)" in said
    dropped, said = replayed(clean)
    assert dropped == 0
    assert "dropped" not in said
