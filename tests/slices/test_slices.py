"""Slices of the shipped demo capture, judged by our own reader and by tshark."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

import ctcpmon
from ctcpmon.exits import ExitCode

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
SHARED = Path(os.environ.get("CTCPMON_SHARED", Path(__file__).parents[3] / "shared"))
LAB = SHARED / "captures" / "lab" / "pcaps"
needs_tshark = pytest.mark.skipif(
    not (shutil.which("tshark") and shutil.which("capinfos")), reason="tshark and capinfos are not installed"
)
HOSTILE = "eth0\x1b]0;owned\x07\u202e[/][@click=quit]\n"
STALLED = "7f453919bbd5"
"""A session of the demo behind a device that drops after a loss."""


def run(*words: str | Path, code: int = ExitCode.OK) -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-m", "ctcpmon", *map(str, words)]
    done = subprocess.run(call, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def events(*paths: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "replay", *map(str, paths), "-o", "jsonl"],
        capture_output=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def verdicts(session: str, *paths: Path) -> list[tuple[str, str, str]]:
    return [
        (one["data"]["rule"]["id"], one["data"]["ctcp"]["verdict"], one["time"])
        for one in events(*paths)
        if one["type"] == "ctcpmon.finding.v1" and one["data"]["ctcp"]["session"] == session
    ]


def stalled_sessions(*paths: Path) -> list[str]:
    found = [
        one["data"]["ctcp"]["session"]
        for one in events(*paths)
        if one["type"] == "ctcpmon.finding.v1" and one["data"]["ctcp"]["verdict"] == "stalled"
    ]
    return list(dict.fromkeys(found))


def packets(path: Path) -> list[tuple[int, bytes]]:
    """Time and bytes of a classic nanosecond capture."""
    data, at, found = path.read_bytes(), 24, []
    scale = {b"\x4d\x3c\xb2\xa1": 1, b"\xd4\xc3\xb2\xa1": 1_000}[data[:4]]
    while at < len(data):
        seconds, rest, length, _ = struct.unpack_from("<4I", data, at)
        found.append((seconds * 1_000_000_000 + rest * scale, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return found


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def two_interfaces(path: Path, names: tuple[str, str]) -> None:
    """The demo with the headend's packets on an interface of raw IP."""
    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for link, name in zip((1, 101), names, strict=True):
        options = option(2, name.encode()) + option(9, b"\x09") + bytes(4)
        out.append(block(1, struct.pack("<HHI", link, 0, 0) + options))
    for ts, frame in packets(DEMO):
        raw = frame[34:36] == (10_000).to_bytes(2, "big")
        data = frame[14:] if raw else frame
        head = struct.pack("<5I", int(raw), ts >> 32, ts & 0xFFFFFFFF, len(data), len(data) + 4)
        out.append(block(6, head + data))
    path.write_bytes(b"".join(out))


def shown(path: Path, *fields: str, only: str = "") -> list[list[str]]:
    """What tshark makes of a capture: one row of fields for each packet."""
    words = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "aggregator=|"]
    words += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        [*words, *(["-Y", only] if only else [])], capture_output=True, check=True, text=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def remarks(path: Path) -> dict[str, list[str]]:
    """Of each remark in the slice its packet: time, sender, SEG.SEQ, SEG.ACK, SEG.LEN, flags."""
    fields = ("frame.time_epoch", "ip.src", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags")
    rows = shown(path, "frame.comment", *fields, only="frame.comment")
    return {text: row[1:] for row in rows for text in row[0].split("|")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("slice") / "whole.pcapng"
    run("slice", STALLED, DEMO, "-w", out)
    return out


def test_a_slice_gives_the_verdicts_of_its_session(whole: Path) -> None:
    assert verdicts(STALLED, whole) == verdicts(STALLED, DEMO)
    assert {one["data"]["ctcp"]["session"] for one in events(whole) if "session.v1" in one["type"]} == {
        STALLED
    }


@pytest.mark.skipif(not LAB.is_dir(), reason="CTCPMON_SHARED names no folder with captures/lab")
def test_slices_of_lab_captures_give_the_same_verdicts(tmp_path: Path) -> None:
    for name in ("p01_haproxy_sack_T1", "i01_ips_silent_T1", "d01_fw_state_lost_T1", "n20_nat_rebind_T4"):
        capture = LAB / f"{name}.pcap"
        session = stalled_sessions(capture)[0]
        out = tmp_path / f"{name}.pcapng"
        run("slice", session, capture, "-w", out)
        assert verdicts(session, out) == verdicts(session, capture), name


@needs_tshark
def test_capinfos_accepts_it_and_shows_what_it_is(whole: Path) -> None:
    text = subprocess.run(["capinfos", whole], capture_output=True, check=True, text=True).stdout
    assert "pcapng" in text
    assert "nanoseconds (9)" in text
    assert f"Capture application: ctcpmon {ctcpmon.__version__}" in text
    assert f"session {STALLED}: finding local.replay.16: stalled, Stateful drop after loss" in text


@needs_tshark
def test_remarks_stand_on_the_packets_they_speak_of(whole: Path) -> None:
    placed = remarks(whole)
    rows = shown(whole, "frame.time_epoch", "ip.src", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags")
    (hole,) = (packet for text, packet in placed.items() if text.startswith("first segment behind the hole"))
    before = [row for row in rows if row[1] == hole[1] and float(row[0]) < float(hole[0])]
    assert int(hole[2]) > max(int(row[2]) + int(row[4]) for row in before)
    (repeat,) = (packet for text, packet in placed.items() if text.startswith("first repeat of that ACK"))
    assert repeat[1] != hole[1]
    earlier = [row for row in rows if row[1] == repeat[1] and float(row[0]) < float(repeat[0])]
    assert earlier[-1][3] == repeat[3]
    assert int(repeat[3]) <= int(hole[2])
    assert sum("judged here: " in text for text in placed) == len(verdicts(STALLED, DEMO))


@needs_tshark
def test_a_finding_alone_is_remarked_on_alone(tmp_path: Path) -> None:
    run("slice", "16", DEMO, "-w", tmp_path / "a.pcapng")
    placed = remarks(tmp_path / "a.pcapng")
    assert sum("judged here: finding local.replay.16" in text for text in placed) == 1
    assert sum("judged here" in text for text in placed) == 1


def test_an_incident_gives_its_sessions(tmp_path: Path) -> None:
    incident = next(
        one["data"]["ctcp"]["incident"] for one in events(DEMO) if one["type"] == "ctcpmon.finding.v1"
    )
    run("slice", incident, DEMO, "-w", tmp_path / "a.pcapng")
    sessions = {
        one["data"]["ctcp"]["session"] for one in events(tmp_path / "a.pcapng") if "session.v1" in one["type"]
    }
    assert STALLED in sessions
    assert len(sessions) > 1


def test_two_link_types_and_hostile_names(tmp_path: Path) -> None:
    two_interfaces(tmp_path / "two.pcapng", (HOSTILE, "raw"))
    out = tmp_path / "out.pcapng"
    run("slice", STALLED, tmp_path / "two.pcapng", "-w", out)
    assert verdicts(STALLED, out) == verdicts(STALLED, DEMO)
    data = out.read_bytes()
    assert b"\x1b" not in data.partition(b"eth0")[2][:40]
    if shutil.which("tshark"):
        rows = shown(out, "frame.interface_name", "frame.encap_type", "frame.len", "frame.cap_len", "ip.src")
        kinds = {(row[1], row[4].startswith("198.")) for row in rows}
        assert len(kinds) == 2
        assert any(row[0] == "raw" for row in rows)
        assert all(int(row[2]) == int(row[3]) + 4 for row in rows)


def test_compressed_and_cut_captures(tmp_path: Path) -> None:
    packed = tmp_path / "demo.pcap.gz"
    packed.write_bytes(gzip.compress(DEMO.read_bytes()))
    run("slice", STALLED, packed, "-w", tmp_path / "a.pcapng")
    run("slice", STALLED, DEMO, "-w", tmp_path / "b.pcapng")
    assert (tmp_path / "a.pcapng").read_bytes() == (tmp_path / "b.pcapng").read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(DEMO.read_bytes()[:-7])
    done = run("slice", STALLED, cut, "-w", tmp_path / "c.pcapng", code=ExitCode.INPUT)
    assert b"could not be read" in done.stderr
    assert verdicts(STALLED, tmp_path / "c.pcapng") == verdicts(STALLED, DEMO)


def test_parts_of_a_capture_are_put_together(tmp_path: Path) -> None:
    data, at = DEMO.read_bytes(), 24
    middle = len(data) // 2
    while at < middle:
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    (tmp_path / "1.pcap").write_bytes(data[:at])
    (tmp_path / "2.pcap").write_bytes(data[:24] + data[at:])
    run("slice", STALLED, tmp_path / "2.pcap", tmp_path / "1.pcap", "-w", tmp_path / "a.pcapng")
    assert verdicts(STALLED, tmp_path / "a.pcapng") == verdicts(STALLED, DEMO)


def test_standard_output_is_the_same_bytes(whole: Path) -> None:
    assert run("slice", STALLED, DEMO, "-w", "-").stdout == whole.read_bytes()


def test_a_file_is_whole_private_and_never_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "a.pcapng"
    run("slice", STALLED, DEMO, "-w", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.write_bytes(b"mine")
    done = run("slice", STALLED, DEMO, "-w", out, code=ExitCode.USAGE)
    assert b"--force" in done.stderr
    assert out.read_bytes() == b"mine"
    run("slice", STALLED, DEMO, "-w", out, "--force")
    assert out.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [out]


def test_what_cannot_be_a_slice_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "demo.pcap"
    copy.write_bytes(DEMO.read_bytes())
    run("slice", STALLED, copy, "-w", copy, "--force", code=ExitCode.USAGE)
    assert copy.read_bytes() == DEMO.read_bytes()
    run("slice", "nobody", copy, "-w", tmp_path / "a", code=ExitCode.USAGE)
    run("slice", STALLED, "-", "-w", tmp_path / "a", code=ExitCode.USAGE)
    run("slice", STALLED, tmp_path / "none", "-w", tmp_path / "a", code=ExitCode.INPUT)
    run("slice", STALLED, copy, "-w", tmp_path / "no" / "a", code=ExitCode.OUTPUT)
    run("slice", STALLED, copy, "-w", "/dev/full", "--force", code=ExitCode.USAGE)
    assert list(tmp_path.iterdir()) == [copy]
