"""The same packets give the same JSON lines, byte for byte.

Whatever the batch size, the file format, the compression, the way the bytes arrive, the number of files
they are split into, and the process: the flow table hashes with a key of its own in each.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from ctcpmon import Monitor
from ctcpmon.events import encode

from tests.corpus import shapes
from tests.corpus.shared import ROOT, captures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
# One of each kind: stalls at a firewall, a proxy and an inspection engine, many sessions, tap loss, copies of
# a mirror, VLAN tags, cut frames, a session that starts anew.
LAB = (
    "s01_ct_frozenack_T1", "p01_haproxy_sack_T2", "i01_ips_silent_T1", "s13_ct_multi12_T2", "h02_taploss_5",
    "s17_span_both_ports_stalled", "s22_vlan_stalled", "s26_snap96_stalled", "n20_nat_rebind_T1",
)  # fmt: skip
MANY_SHAPES = ("demo", *LAB[:4])
TIMEOUT_S = 60


def path_of(name: str) -> Path:
    if name == "demo":
        return DEMO
    return captures("lab", f"pcaps/{name}.pcap") / "pcaps" / f"{name}.pcap"


def lines(*words: str | Path, stdin: bytes | None = None, **environment: str) -> bytes:
    """What ``ctcpmon replay -o jsonl`` writes in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=TIMEOUT_S,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b'"ctcpmon.stats.v1"' in done.stdout
    return done.stdout


def written(folder: Path, data: bytes, name: str = "capture") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def in_process(path: Path, batch_frames: int) -> bytes:
    with Monitor.replay(path, batch_frames=batch_frames) as monitor:
        return b"".join(encode(event) + b"\n" for event in monitor.events())


@pytest.mark.parametrize("name", ["demo", *LAB[:4]])
def test_one_processor(name: str) -> None:
    """With one processor the engine's thread reads the file itself."""
    everywhere = os.sched_getaffinity(0)
    whole = lines(path_of(name))
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        alone = lines(path_of(name))
    finally:
        os.sched_setaffinity(0, everywhere)
    assert alone == whole


@pytest.mark.parametrize("name", ["demo", *LAB])
def test_batch_size(name: str) -> None:
    path = path_of(name)
    wanted = in_process(path, 0)
    assert wanted.count(b'"ctcpmon.session.v1"') > 1
    for batch_frames in (1, 7, 1_000):
        assert in_process(path, batch_frames) == wanted, batch_frames


@pytest.mark.parametrize("name", MANY_SHAPES)
def test_new_processes_and_the_interface_agree(name: str) -> None:
    path = path_of(name)
    wanted = in_process(path, 0)
    for seed in ("0", "1", "4711"):
        assert lines(path, PYTHONHASHSEED=seed) == wanted


@pytest.mark.parametrize("name", MANY_SHAPES)
def test_formats_and_byte_orders(name: str, tmp_path: Path) -> None:
    exact = shapes.read(path_of(name))
    wanted = lines(path_of(name))
    for order in "<>":
        assert lines(written(tmp_path, shapes.pcap(exact, order))) == wanted, f"pcap {order} ns"
        assert lines(written(tmp_path, shapes.pcapng(exact, order))) == wanted, f"pcapng {order} ns"
    coarse = exact.in_microseconds()
    wanted = lines(written(tmp_path, shapes.pcap(coarse, "<", 1)))
    for order in "<>":
        assert lines(written(tmp_path, shapes.pcap(coarse, order, 1_000))) == wanted, f"pcap {order} us"
        assert lines(written(tmp_path, shapes.pcapng(coarse, order, 1_000))) == wanted, f"pcapng {order} us"


def command(*words: str) -> Callable[[bytes], bytes]:
    """Compresses with a program; the test is skipped where it is not installed."""

    def run(data: bytes) -> bytes:
        if shutil.which(words[0]) is None:
            pytest.skip(f"SKIPPED, NOT PROVEN: no {words[0]} command (apt-get install {words[0]})")
        return subprocess.run(words, input=data, capture_output=True, timeout=TIMEOUT_S, check=True).stdout

    return run


@pytest.mark.parametrize("name", MANY_SHAPES)
@pytest.mark.parametrize(
    "packed",
    [gzip.compress, command("zstd", "-qc"), command("lz4", "-qc")],
    ids=["gzip", "zstd", "lz4"],
)
def test_compression(name: str, packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    wanted = lines(path_of(name))
    # Compression shows in the content; the name says nothing.
    assert lines(written(tmp_path, packed(data), "capture.txt")) == wanted
    halves = packed(data[:10_001]) + packed(data[10_001:])
    assert lines("-", stdin=halves) == wanted, "two members"


@pytest.mark.parametrize("name", MANY_SHAPES)
def test_standard_input_and_fifo(name: str, tmp_path: Path) -> None:
    data = path_of(name).read_bytes()
    wanted = lines(path_of(name))
    assert lines("-", stdin=data) == wanted
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        # In odd pieces, so that records arrive cut.
        with fifo.open("wb", buffering=0) as pipe:
            for at in range(0, len(data), 3_331):
                pipe.write(data[at : at + 3_331])

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    assert lines(fifo) == wanted
    feeder.join(TIMEOUT_S)
    assert not feeder.is_alive()


@pytest.mark.parametrize("name", MANY_SHAPES)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_split_and_merged(name: str, count: int, tmp_path: Path) -> None:
    whole = shapes.read(path_of(name))
    wanted = lines(path_of(name))
    chance = random.Random(f"{name} {count}")
    places = sorted(chance.sample(range(1, len(whole.records)), count - 1))
    pieces = whole.cut_at(places)
    paths = [written(tmp_path, shapes.pcap(piece), f"piece{i}") for i, piece in enumerate(pieces)]
    assert lines(*paths) == wanted, f"cut at {places}"
    chance.shuffle(paths)
    assert lines(*paths) == wanted, f"cut at {places}, in the order {[p.name for p in paths]}"
    sections = b"".join(shapes.pcapng(piece, chance.choice("<>")) for piece in pieces)
    assert lines(written(tmp_path, sections)) == wanted, f"sections cut at {places}"


@pytest.mark.parametrize("name", MANY_SHAPES)
def test_editcap_and_mergecap(name: str, tmp_path: Path) -> None:
    """Files as another program writes them."""
    if shutil.which("editcap") is None or shutil.which("mergecap") is None:
        pytest.skip("SKIPPED, NOT PROVEN: no editcap and mergecap (apt-get install wireshark-common)")
    wanted = lines(path_of(name))
    for kind in ("nsecpcap", "pcapng"):
        out = tmp_path / kind
        subprocess.run(["editcap", "-F", kind, path_of(name), out], check=True, timeout=TIMEOUT_S)
        assert lines(out) == wanted, kind
    subprocess.run(
        ["editcap", "-F", "nsecpcap", "-c", "100", path_of(name), tmp_path / "part.pcap"],
        check=True,
        timeout=TIMEOUT_S,
    )
    parts = sorted(tmp_path.glob("part_*.pcap"))
    assert len(parts) > 1
    assert lines(*parts) == wanted
    merged = tmp_path / "merged"
    subprocess.run(["mergecap", "-w", merged, *parts], check=True, timeout=TIMEOUT_S)
    assert lines(merged) == wanted
