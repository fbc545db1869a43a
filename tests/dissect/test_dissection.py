"""The process that dissects: what the real tshark says through pyshark, and every way a bad one can end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from ctcpmon.dissect import dissection
from ctcpmon.dissect.dissection import Limits, dissect, missing
from ctcpmon.dissect.slices import read_slice
from ctcpmon.dissect.summary import Summaries
from ctcpmon.dissect.tree import Dissected, Node, find, walk

from tests.dissect.made import (
    HOSTILE,
    alive,
    fake_tshark,
    gone,
    group_of,
    packet_block,
    pcapng,
    pids,
    segment,
)

T0_NS = 1_795_402_680_069_000_000
ROOT = Path(__file__).parents[2]
TRAILER = bytes.fromhex("0000000000000000 21456c69 10320100".replace(" ", ""))
"""Of cTCP, for ESP."""
ESP = bytes.fromhex("20043500 0000001f".replace(" ", "")) + bytes(64)
CUT = read_slice(
    pcapng(
        packet_block(segment(100, flags=0x02), T0_NS),
        packet_block(segment(101, ESP + TRAILER), T0_NS + 10, b"the proof"),
        packet_block(segment(500, ESP + TRAILER), T0_NS + 20),
        packet_block(segment(101, ESP + TRAILER), T0_NS + 30),
    )
)
pytestmark = pytest.mark.skipif(find_spec("pyshark") is None, reason="pyshark is not installed")
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
PDML = '<?xml version="1.0"?><pdml>'
ONE = (
    '<packet><proto name="geninfo"><field name="num" show="{}"/></proto>'
    '<proto name="tcp" showname="{}"><field name="tcp.srcport" show="1061" pos="34" size="2"/></proto></packet>'
)


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched first."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@needs_tshark
def test_the_tree_is_that_of_wireshark() -> None:
    found = dissect(CUT, range(1, 5))
    assert found.problem == ""
    assert sorted(found.packets) == [1, 2, 3, 4]
    layers = found.packets[2].layers
    assert [one.name for one in layers] == ["frame", "eth", "ip", "tcp", "tcpencap", "esp"]
    assert find(layers, "esp.spi") == "0x20043500"
    assert find(layers, "esp.sequence") == "31"
    port = next(one for one in walk(layers) if one.name == "tcp.srcport")
    assert (port.label, port.at, port.size) == ("Source Port: 1061", 34, 2)
    flags = next(one for one in walk(layers) if one.name == "tcp.flags")
    assert any(one.name == "tcp.flags.push" for one in flags.children)


@needs_tshark
def test_tshark_does_not_judge_a_stream_that_never_retransmits() -> None:
    found = dissect(CUT, range(1, 5))
    words = " ".join(one.label.lower() for packet in found.packets.values() for one in walk(packet.layers))
    for wrong in (
        "retransmission",
        "previous segment",
        "unseen segment",
        "out-of-order",
    ):
        assert wrong not in words


@needs_tshark
def test_a_row_says_what_matters() -> None:
    summaries = Summaries()
    rows = [summaries.of(one) for _, one in sorted(dissect(CUT, range(1, 5)).packets.items())]
    assert (rows[0].source, rows[0].target) == ("10.0.0.1:1061", "10.0.0.2:10000")
    assert rows[0].text.split() == ["SYN", "seq", "0", "win", "2048"]
    assert rows[1].text == "PSH ACK seq 1+88 ack 1  ESP 0x20043500 #31  win 2048"
    assert rows[2].text.startswith("PSH ACK seq 400+88")


@needs_tshark
async def test_a_running_loop_does_not_matter() -> None:
    ticks = 0

    async def clock() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    beside = asyncio.create_task(clock())
    found = await asyncio.to_thread(dissect, CUT, range(1, 5))
    beside.cancel()
    assert found.problem == ""
    assert ticks > 5


@needs_tshark
def test_numbers_are_those_of_the_slice() -> None:
    found = dissect(CUT, (4, 2, 99, 0))
    assert sorted(found.packets) == [2, 4]
    assert find(found.packets[4].layers, "tcp.seq") == "101"


def test_many_packets_are_refused_behind_the_limit(monkeypatch: pytest.MonkeyPatch, bad: Path) -> None:
    fake_tshark(bad, f"printf '%s' '{PDML}{ONE.format(1, 'T')}{ONE.format(2, 'T')}</pdml>'")
    monkeypatch.setattr(dissection, "MAX_PACKETS", 2)
    found = dissect(CUT, range(1, 5))
    assert sorted(found.packets) == [1, 2]
    assert found.problem == ""


def test_without_tshark_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing() == "fields are shown by tshark, which is not installed; type: apt-get install tshark"
    assert dissect(CUT, (1,)).problem == missing()


def test_without_pyshark_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection, "find_spec", lambda _name: None)
    assert "pip install 'ctcpmon[dissect]'" in dissect(CUT, (1,)).problem


def test_a_tshark_that_hangs_is_ended(bad: Path) -> None:
    fake_tshark(bad, "sleep 100")
    began = time.monotonic()
    found = dissect(CUT, (1,), limits=Limits(seconds=1.5))
    assert found.problem == "tshark did not answer within 2 s and was ended"
    assert time.monotonic() - began < 5
    assert gone(bad)


def test_cancelling_ends_it_at_once(bad: Path) -> None:
    fake_tshark(bad, "sleep 100")
    stop = threading.Event()
    answers: list[str] = []
    work = threading.Thread(
        target=lambda: answers.append(dissect(CUT, (1,), is_cancelled=stop, limits=Limits(60)).problem)
    )
    work.start()
    pids(bad)
    began = time.monotonic()
    stop.set()
    work.join(5)
    assert answers == ["cancelled"]
    assert time.monotonic() - began < 2
    assert gone(bad)


def test_a_tshark_that_dies_leaves_what_it_said(bad: Path) -> None:
    fake_tshark(bad, f"printf '%s' '{PDML}{ONE.format(1, 'TCP')}'; kill -9 $$")
    found = dissect(CUT, range(1, 4))
    assert found.problem == "tshark ended early: fields of 1 of 3 packets"
    assert [one.label for one in found.packets[1].layers] == ["TCP"]


def test_a_tshark_that_fails_is_told(bad: Path) -> None:
    fake_tshark(bad, "echo 'cannot \033[31m load' >&2; exit 2")
    found = dissect(CUT, (1,))
    assert found.problem.startswith("tshark failed: ")
    assert found.problem.isprintable()


@pytest.mark.parametrize(
    "what", ["yes", f"printf '%s' '{PDML}'; while :; do printf '{ONE.format(1, 'A')}'; done"]
)
def test_a_tshark_that_floods_is_ended(what: str, bad: Path) -> None:
    fake_tshark(bad, what)
    found = dissect(CUT, (1,), limits=Limits(seconds=4.0, bytes=1 << 20))
    assert "was ended" in found.problem or "failed" in found.problem
    assert gone(bad)


def test_a_flood_of_fields_is_cut(bad: Path) -> None:
    field = '<field name="a" show="b"/>'
    deep = '<field name="d">' * 300 + "</field>" * 300
    packet = ONE.format(1, "T").replace("</proto></packet>", field * 5_000 + deep + "</proto></packet>")
    (bad / "out").write_text(f"{PDML}{packet}</pdml>")
    fake_tshark(bad, f"cat {bad}/out")
    found = dissect(CUT, (1,))
    assert found.problem == ""
    assert found.packets[1].is_cut
    assert sum(1 for _ in walk(found.packets[1].layers)) <= 2_001


def test_what_it_says_is_clean(bad: Path) -> None:
    evil = "[/][@click=app.exit]&#27;]52;c;aGk=\u202e\u0085" + "x" * 100_000
    (bad / "out").write_text(f"{PDML}{ONE.format(1, evil)}</pdml>", "utf-8")
    fake_tshark(bad, f"cat {bad}/out")
    found = dissect(CUT, (1,))
    assert found.packets, found.problem
    for one in walk(found.packets[1].layers):
        for text in (one.name, one.label, one.value):
            assert text.isprintable()
            assert len(text) <= 300


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"\xff\xfe", b'{"number":"x"}', b"[" * 100_000, HOSTILE.encode()]
)
def test_a_worker_that_lies_is_survived(line: bytes) -> None:
    packets: dict[int, Dissected] = {}
    dissection._taken(line, [1], packets)
    assert packets == {}


PARENT = """
import signal, sys
# A suite that runs in the background of a script has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from ctcpmon.dissect.dissection import Limits, dissect
from ctcpmon.dissect.slices import read_slice
raw = open(sys.argv[1], "rb").read()
print("ready", flush=True)
dissect(read_slice(raw), (1,), limits=Limits(60))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_us(number: signal.Signals, bad: Path) -> None:
    fake_tshark(bad, "sleep 100")
    (bad / "slice").write_bytes(CUT.raw)
    with subprocess.Popen([sys.executable, "-c", PARENT, bad / "slice"], stderr=subprocess.DEVNULL) as parent:
        (tshark,) = pids(bad)
        worker = os.getpgid(tshark)
        assert os.getsid(tshark) == os.getsid(0), "whoever ends our session ends it too"
        parent.send_signal(number)
        parent.wait(10)
    assert gone(bad)
    until = time.monotonic() + 5
    while group_of(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert group_of(worker) == []


def test_tshark_does_not_outlive_the_worker(bad: Path) -> None:
    fake_tshark(bad, "exec sleep 100")
    answers: list[str] = []
    work = threading.Thread(target=lambda: answers.append(dissect(CUT, (1,), limits=Limits(60)).problem))
    work.start()
    (tshark,) = pids(bad)
    os.kill(os.getpgid(tshark), signal.SIGKILL)
    work.join(10)
    assert answers == ["tshark ended early: fields of 0 of 1 packets"]
    assert gone(bad)


def test_a_config_in_the_present_folder_starts_nothing(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyshark takes the path of tshark from there."""
    other = bad / "other"
    other.mkdir()
    fake_tshark(other, "exit 1")
    fake_tshark(bad, f"printf '%s' '{PDML}{ONE.format(1, 'T')}</pdml>'")
    (bad / "config.ini").write_text(f"[tshark]\ntshark_path = {other}/tshark\n")
    monkeypatch.chdir(bad)
    assert dissect(CUT, (1,)).problem == ""
    assert not (other / "pids").exists()


def test_no_file_is_left_behind(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(bad))
    fake_tshark(bad, f"printf '%s' '{PDML}{ONE.format(1, 'T')}</pdml>'")
    dissect(CUT, (1,))
    assert sorted(one.name for one in bad.iterdir()) == ["pids", "tshark"]
    assert not any(alive(pid) for pid in pids(bad))


def test_words_of_what_is_no_cTCP() -> None:  # noqa: N802 the protocol is written so
    layers = (
        Node("ip", "IP", children=(Node("ip.src", "", "1.1.1.1"), Node("ip.dst", "", "2.2.2.2"))),
        Node("icmp", ""),
    )
    row = Summaries().of(Dissected(1, layers))
    assert (row.source, row.target, row.text) == ("1.1.1.1", "2.2.2.2", "ICMP")
