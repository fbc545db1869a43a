"""``ctcpmon packets`` as a user types it, on the shipped demo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

import ctcpmon
from ctcpmon.exits import ExitCode

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
STALLED = "7f453919bbd5"
needs_all = pytest.mark.skipif(
    shutil.which("tshark") is None or find_spec("pyshark") is None,
    reason="tshark or pyshark is not installed",
)


def packets(*words: str, code: int = ExitCode.OK, **env: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "packets", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@needs_all
def test_the_list_shows_the_proof_with_its_words() -> None:
    out, said = packets(STALLED, str(DEMO), "-o", "table")
    lines = out.splitlines()
    assert lines[0].startswith(f"session {STALLED}: 150 packets, 6 with a remark, 24 to 123 shown")
    at = next(at for at, line in enumerate(lines) if line.startswith("!"))
    assert lines[at].split()[:2] == ["!", "34"]
    assert "ESP 0x20043500 #13" in lines[at]
    assert lines[at + 1].strip() == "^ first segment behind the hole: hole of 124 bytes that nobody filled"
    assert said == ""


@needs_all
def test_one_packet_has_its_fields_and_bytes() -> None:
    out, _ = packets(STALLED, str(DEMO), "-o", "table", "--packet", "34")
    assert "  Source Port: 1077\n" in out
    assert "TCP Encapsulation of IPsec Packets\n" in out
    assert "00b0  01 00 " in out
    assert "retransmission" not in out.lower()


@needs_all
def test_json_lines_are_the_default_without_a_terminal() -> None:
    out, _ = packets(STALLED, str(DEMO), "--first", "33", "--count", "2")
    first, second = map(json.loads, out.splitlines())
    assert (first["number"], first["from"], first["remarks"]) == (33, "headend", [])
    assert second["remarks"][0].startswith("first segment behind the hole")
    assert "layers" not in second
    out, _ = packets(STALLED, str(DEMO), "-p", "34")
    one = json.loads(out)
    assert [layer["name"] for layer in one["layers"]] == ["frame", "eth", "ip", "tcp", "tcpencap", "esp"]
    assert len(one["bytes_hex"]) == 2 * one["length_bytes"]


def test_without_tshark_the_rest_is_shown(tmp_path: Path) -> None:
    out, said = packets(
        STALLED, str(DEMO), "-o", "table", "-p", "34", code=ExitCode.PART_MISSING, PATH=str(tmp_path)
    )
    assert "first segment behind the hole" in out
    assert "00b0  01 00 " in out
    assert "which is not installed; type:" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody", str(DEMO)), "nothing in the capture is called 'nobody'"),
        ((STALLED, str(DEMO), "-p", "151"), "there is no packet 151; the session has 150"),
        ((STALLED, str(DEMO), "--first", "151"), "there is no packet 151; the session has 150"),
        ((STALLED, "-"), "a capture is read twice here"),
    ],
)
def test_wrong_words_are_told(words: tuple[str, ...], told: str) -> None:
    out, said = packets(*words, code=ExitCode.USAGE)
    assert out == ""
    assert told in said


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    packets(STALLED, str(tmp_path / "none.pcap"), code=ExitCode.INPUT)
