"""Two taps from the command line, over the pairs that ``make_captures`` writes."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ctcpmon import events

from tests.contract.test_engine import needs_engine
from tests.taps.lab_pairs import devices, record_ends, replay

CAPTURES = Path(__file__).parent / "captures"
pytestmark = needs_engine


def pair(name: str) -> tuple[Path, Path]:
    return CAPTURES / f"{name}_client.pcap", CAPTURES / f"{name}_headend.pcap"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ctcpmon", "replay", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def report(name: str) -> dict[str, Any]:
    (found,) = devices(replay(*pair(name)))
    return found


def test_an_innocent_device_is_said_to_be_innocent() -> None:
    found = report("forwards")
    assert found["ctcp"]["verdict"] == "forwarded"
    assert found["ctcp"]["confidence"] >= 0.95
    assert found["event"]["reason"].endswith("look elsewhere")
    assert "loss_side" not in found["ctcp"]
    assert "nat" not in found["source"]
    for way in ("to_headend", "to_client"):
        flow = found["ctcp"][way]
        assert flow["entered_pkts"] == flow["left_pkts"] == flow["matched_pkts"] > 100
        assert (flow["delay_min_us"], flow["delay_max_us"]) == (60, 60)


def test_a_device_that_swallows_a_direction_is_proven() -> None:
    found = report("tracking_stops")
    ctcp, flow = found["ctcp"], found["ctcp"]["to_headend"]
    assert (ctcp["verdict"], ctcp["loss_side"]) == ("stopped", "device")
    assert ctcp["confidence"] >= 0.95
    assert found["event"]["kind"] == "alert"
    assert flow["stopped_at"] == flow["first_lost"]
    assert flow["entered_pkts"] == flow["left_pkts"] + flow["lost_in_device_pkts"] + flow["undecided_pkts"]
    assert "none left" in found["event"]["reason"]
    # Both clocks and both addresses are told apart.
    assert ctcp["clock_offset_us"] == 3_700_000
    assert found["source"] == {"ip": "10.1.4.17", "port": 1077, "nat": {"ip": "203.0.113.5", "port": 40001}}


def test_an_inspector_that_releases_is_named_with_the_time_it_held() -> None:
    found = report("inspection_releases")
    assert found["ctcp"]["verdict"] == "held"
    assert found["ctcp"]["to_headend"]["lost_in_device_pkts"] == 0
    assert 4_500_000 < found["ctcp"]["to_headend"]["delay_max_us"] < 5_500_000


def test_a_stop_is_told_before_the_session_ends() -> None:
    lines = replay(*pair("tracking_stops"))
    reports = [line for line in lines if line["type"] == "ctcpmon.device.v1"]
    assert [one["data"]["ctcp"]["is_final"] for one in reports] == [False, True]
    early = reports[0]
    at = datetime.fromisoformat(early["data"]["ctcp"]["to_headend"]["stopped_at"])
    # The packet time of a run is that of the tap whose clock is ahead.
    assert timedelta(0) < datetime.fromisoformat(early["time"]) - at < timedelta(seconds=17)


def test_every_line_names_its_tap_and_holds_to_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(events.schema()))
    lines = replay(*pair("tracking_stops"))
    zones: dict[str, set[str]] = {}
    for line in lines:
        validator.validate(line)
        zone = line["data"]["observer"].get("ingress", {}).get("zone")
        zones.setdefault(line["type"], set()).add(zone)
    assert zones["ctcpmon.session.v1"] == {"client", "headend"}
    assert zones["ctcpmon.finding.v1"] <= {"client", "headend"}
    assert zones["ctcpmon.incident.v1"] <= {"client", "headend"}
    assert zones["ctcpmon.device.v1"] == zones["ctcpmon.stats.v1"] == {None}
    (stats,) = (line["data"] for line in lines if line["type"] == "ctcpmon.stats.v1")
    assert stats["matching"]["pairs"] == 1


def test_each_tap_judges_as_if_it_were_alone() -> None:
    both = replay(*pair("tracking_stops"))
    for side, capture in zip(("client", "headend"), pair("tracking_stops"), strict=True):
        alone = [json.loads(line) for line in run(capture, "-o", "jsonl").stdout.splitlines()]
        for kind in ("ctcpmon.finding.v1", "ctcpmon.session.v1", "ctcpmon.incident.v1"):
            seen = [
                {key: value for key, value in line["data"].items() if key not in {"observer", "event"}}
                for line in both
                if line["type"] == kind and line["data"]["observer"]["ingress"]["zone"] == side
            ]
            expected = [
                {key: value for key, value in line["data"].items() if key not in {"observer", "event"}}
                for line in alone
                if line["type"] == kind
            ]
            assert seen == expected, (side, kind)


def test_one_tap_writes_nothing_of_two() -> None:
    text = run(pair("tracking_stops")[0], "-o", "jsonl").stdout
    assert "ingress" not in text
    assert "matching" not in text


def test_the_same_captures_give_the_same_bytes_whatever_the_batch() -> None:
    client, headend = pair("tracking_stops")
    outputs = {
        run("-o", "jsonl", f"--tap={a}", f"--tap={b}", "--batch-frames", size).stdout
        for size, (a, b) in itertools.product(
            ("0", "1", "7"),
            [(f"client={client}", f"headend={headend}"), (f"headend={headend}", f"client={client}")],
        )
    }
    assert len(outputs) == 1
    assert outputs.pop()


def test_a_tap_in_several_files_counts_like_one(tmp_path: Path) -> None:
    client, headend = pair("tracking_stops")
    data = client.read_bytes()
    ends = record_ends(data)
    half = ends[len(ends) // 2]
    (tmp_path / "a1.pcap").write_bytes(data[:half])
    (tmp_path / "a2.pcap").write_bytes(data[:24] + data[half:])
    split = run(
        "-o",
        "jsonl",
        f"--tap=client={tmp_path}/a1.pcap",
        f"--tap=client={tmp_path}/a2.pcap",
        f"--tap=headend={headend}",
    )
    whole = run("-o", "jsonl", f"--tap=client={client}", f"--tap=headend={headend}")
    assert split.stdout == whole.stdout


def test_the_table_has_a_line_per_pair() -> None:
    client, headend = pair("tracking_stops")
    text = run("-o", "table", f"--tap=client={client}", f"--tap=headend={headend}").stdout
    assert "DEVICE BETWEEN THE TAPS, 1 session seen at both" in text
    assert "STOPPED" in text
    assert "the device stopped forwarding packets to the headend at" in text
    assert "clock of the headend-side tap +3.700000 s" in text


def test_swapped_names_are_noticed() -> None:
    client, headend = pair("forwards")
    (found,) = devices(replay(headend, client))
    assert found["ctcp"]["delay_refused"] == "taps_swapped"
    assert found["ctcp"]["verdict"] == "undecided"
    assert "swapped" in found["event"]["reason"]


def test_one_capture_under_two_names_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcap"
    shutil.copy(pair("forwards")[0], copy)
    (found,) = devices(replay(pair("forwards")[0], copy))
    assert found["ctcp"]["delay_refused"] == "taps_identical"
    assert found["ctcp"]["verdict"] == "undecided"


def test_no_session_in_common_is_told(tmp_path: Path) -> None:
    client, headend = pair("forwards")
    stranger = tmp_path / "stranger.pcap"
    # The same packets under other SPIs.
    data = headend.read_bytes().replace(b"\x20\x04\x35\0\0", b"\x20\x04\x77\0\0")
    stranger.write_bytes(data.replace(b"\x30\x04\x35\0\0", b"\x30\x04\x77\0\0"))
    done = run("-o", "table", f"--tap=client={client}", f"--tap=headend={stranger}")
    assert done.returncode == 0
    assert "no session in common" in done.stdout
    assert "no ESP packet" in done.stderr


@pytest.mark.parametrize(
    ("taps", "words"),
    [
        (["client=A"], "--tap headend=FILE is missing"),
        (["headend=B"], "--tap client=FILE is missing"),
        (["client=A", "headend=A"], "given twice"),
        (["client=A", "headend=./A"], "given twice"),
        (["client=-", "headend=-"], "given twice"),
        (["client=A", "server=B"], "no such tap: 'server'; the two are client and headend"),
        (["A", "headend=B"], "expected client=FILE or headend=FILE"),
        (["client=", "headend=B"], "expected client=FILE or headend=FILE"),
    ],
)
def test_wrong_taps_are_usage_errors(taps: list[str], words: str) -> None:
    done = run(*(f"--tap={tap}" for tap in taps))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_files_and_taps_do_not_mix() -> None:
    done = run("x.pcap", "--tap=client=a", "--tap=headend=b")
    assert done.returncode == 2
    assert "not both" in done.stderr
    done = run()
    assert done.returncode == 2
    assert "give a FILE" in done.stderr


def test_a_capture_that_is_not_there_is_named() -> None:
    done = run("-o", "jsonl", f"--tap=client={pair('forwards')[0]}", "--tap=headend=/nowhere/b.pcap")
    assert done.returncode == 4
    assert "/nowhere/b.pcap" in done.stderr
