"""What a filter lets pass is what tcpdump writes, and what is said of it is what is said of that file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon import Monitor
from ctcpmon.capture_filter import program_for
from ctcpmon.errors import PartMissingError
from ctcpmon.events import encode

from tests.corpus import shapes
from tests.corpus.shared import ROOT, captures

if TYPE_CHECKING:
    from pathlib import Path

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
TIMEOUT_S = 60
# One of each kind: many sessions, VLAN tags, cut frames, half a header, other ports, other traffic beside it.
LAB = (
    "s01_ct_frozenack_T1", "s13_ct_multi12_T2", "s22_vlan_stalled", "s26_snap96_stalled", "s26_snap64_stalled",
    "k04_tls_10000", "k11_iketcp_4500_T1", "k15_synscan_halfopen", "i07_ips_multi60_T2",
)  # fmt: skip
EXPRESSIONS = (
    "", "port 10000", "tcp port 10000 and not port 4500", "src port 10000", "portrange 1-20000",
    "host 10.0.0.1 or net 10.1.0.0/16 or 192.168.0.0/16", "not ip", "ip6", "arp or icmp", "vlan", "vlan and port 10000",
    "vlan 22", "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0", "tcp[tcpflags] == tcp-ack and len <= 66",
    "greater 200 and less 1000", "len > 1000", "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) = 0",
    "tcp[13] % 3 = 1 or ip[1] * 4 > 7", "ether[6] ^ ether[7] > 0x7f", "udp or (tcp and tcp[4:4] > 0x80000000)",
    "ether[tcp[12]] & 1 = 1", "icmp or 1000000 / tcp[3] > 30000", "len & 1 << (ip[5] & 7) != 0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _tools() -> None:
    try:
        program_for("")
    except PartMissingError as error:
        pytest.skip(f"SKIPPED, NOT PROVEN: {error}")
    if shutil.which("tcpdump") is None:
        pytest.skip("SKIPPED, NOT PROVEN: no tcpdump (apt-get install tcpdump)")


def path_of(name: str) -> Path:
    if name == "demo":
        return DEMO
    return captures("lab", f"pcaps/{name}.pcap") / "pcaps" / f"{name}.pcap"


def tcpdump(path: Path, expression: str, out: Path) -> int:
    """Writes what tcpdump lets pass; gives the number of packets."""
    words = ["tcpdump", "-r", str(path), "-w", "-", "--", expression]
    done = subprocess.run(words, capture_output=True, check=True, timeout=TIMEOUT_S)
    out.write_bytes(done.stdout)
    return len(shapes.read(out).records)


def run(path: Path, expression: str | None = None, batch_frames: int = 0) -> tuple[bytes, dict[str, Any]]:
    """The events but the last, and what the last counts."""
    with Monitor.replay(path, expression=expression, batch_frames=batch_frames) as monitor:
        lines = [encode(event) for event in monitor.events()]
    stats = json.loads(lines[-1])["data"]
    return b"\n".join(lines[:-1]), stats


@pytest.mark.parametrize("name", ["demo", *LAB])
def test_the_same_packets_and_the_same_events_as_of_what_tcpdump_writes(name: str, tmp_path: Path) -> None:
    path = path_of(name)
    _, whole = run(path)
    assert "filter_rejected_packets" not in whole["counters"]
    numbers = set()
    for expression in EXPRESSIONS:
        wanted = tcpdump(path, expression, tmp_path / "part.pcap")
        events, stats = run(path, expression)
        rejected = stats["counters"].pop("filter_rejected_packets")
        assert stats["packets"] == wanted, expression
        assert stats["packets"] + rejected == whole["packets"], expression
        assert (events, stats) == run(tmp_path / "part.pcap"), expression
        numbers.add(wanted)
    assert len(numbers) > 3, "the expressions do not tell packets apart"


@pytest.mark.parametrize("name", ["demo", "s13_ct_multi12_T2"])
def test_batches_and_processors_change_nothing(name: str) -> None:
    expression = "tcp port 10000 and len < 300"
    wanted = run(path_of(name), expression)
    assert wanted[1]["counters"]["filter_rejected_packets"] > 0
    for batch_frames in (1, 7, 1_000):
        assert run(path_of(name), expression, batch_frames) == wanted, batch_frames
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "-f", expression, str(path_of(name))]
    everywhere = os.sched_getaffinity(0)
    ahead = subprocess.run(words, capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        alone = subprocess.run(words, capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    finally:
        os.sched_setaffinity(0, everywhere)
    assert alone == ahead
    assert ahead.splitlines()[:-1] == wanted[0].splitlines()


def test_each_link_type_has_its_program(tmp_path: Path) -> None:
    """The same packets with and without their Ethernet header; a type that libpcap does not know beside them."""
    exact = shapes.read(DEMO)
    total = len(exact.records)
    bare = tuple(shapes.Record(r.ts_ns, r.original - 14, r.data[14:]) for r in exact.records)
    mixed = tmp_path / "mixed.pcapng"
    mixed.write_bytes(
        shapes.pcapng(exact, "<")
        + shapes.pcapng(shapes.Capture(101, bare), "<")
        + shapes.pcapng(shapes.Capture(147, bare[:5]), "<")
    )
    expression = "src port 10000"
    wanted = tcpdump(DEMO, expression, tmp_path / "part.pcap")
    assert 0 < wanted < total
    with Monitor.replay(mixed, expression=expression) as monitor:
        assert sum(1 for _ in monitor.events()) > 1
        stats = monitor.stats()
    assert stats.packets == 2 * wanted
    assert stats.packets + stats.counters["filter_rejected_packets"] == 2 * total + 5
    notes = [(note.input, note.kind, note.text) for note in stats.notes]
    words = "it does not fit link type 147; 5 packets of such link types were left out"
    assert ("filter", "unsupported", words) in notes


def test_an_extension_of_the_kernel_is_refused() -> None:
    from ctcpmon import engine

    tag = ((0x30, 0, 0, 0xFFFFF030), (6, 0, 0, 1))
    with (
        pytest.raises(ValueError, match="asks the kernel for what is not in the frame"),
        engine.open_replay([str(DEMO)], filters={1: tag}),
    ):
        pytest.fail("opened")


def test_nothing_passed_is_said_once(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "-f", "port 1", str(DEMO)]
    done = subprocess.run(words, capture_output=True, check=True, timeout=TIMEOUT_S, cwd=tmp_path)
    assert done.stderr.startswith(b"ctcpmon: no packet passed the filter")
    assert done.stderr.count(b"\n") == 1
