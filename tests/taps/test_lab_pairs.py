"""Counts and times of two taps against the labels of the lab, which come from the endpoints' logs."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.contract.test_engine import needs_engine
from tests.taps.lab_pairs import LAB, PAIRS, Row, compare, devices, epoch, labels, record_ends, replay, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HAS_LAB = (LAB / "labels.json").is_file()
pytestmark = [
    needs_engine,
    pytest.mark.skipif(not HAS_LAB, reason="CTCPMON_SHARED names no folder with captures/lab"),
]
EDGE_S = 9.0
"""A stop that begins later than this before the end of a capture cannot be proven."""


@cache
def rows(run: str, client: str, headend: str) -> tuple[Row, ...]:
    found = tuple(compare(run, client, headend))
    print(table(list(found)))
    return found


every_pair = pytest.mark.parametrize(("run", "client", "headend"), PAIRS)


@every_pair
def test_what_entered_is_what_was_sent(run: str, client: str, headend: str) -> None:
    exact = [row for row in rows(run, client, headend) if row.is_entry_exact and not row.is_cut]
    for row in exact:
        assert row.found["entered_pkts"] == row.truth["esp_sent"], row
    assert exact or client != "T1" or run.startswith("h03")


@every_pair
def test_what_left_is_what_was_delivered(run: str, client: str, headend: str) -> None:
    for row in rows(run, client, headend):
        # The receiver of n20 ignores what a new NAT binding brings; a proxy garbles messages.
        if row.is_cut or row.is_proxy or (run == "n20_nat_rebind" and row.way == "c2s"):
            continue
        assert row.found["matched_pkts"] == row.esp_delivered, row


@every_pair
def test_a_stop_is_proven_with_its_packet_and_time(run: str, client: str, headend: str) -> None:
    names = (f"{run}_{client}", f"{run}_{headend}")
    end = min(labels()[name]["last_packet_epoch"] for name in names)
    for row in rows(run, client, headend):
        found, truth = row.found, row.truth
        onset = truth.get("stall_onset_epoch")
        if not truth.get("dead") or (run == "n20_nat_rebind" and row.way == "c2s"):
            assert found["verdict"] != "stopped", row
            assert onset is None or run == "n20_nat_rebind", row
            continue
        if end - onset < EDGE_S:
            # Where the far capture went on for a while after it, nobody is called innocent.
            assert found["verdict"] != "forwarded" or found["overdue_pkts"] < 5, row
            assert found["undecided_pkts"] > 0, row
            continue
        assert found["verdict"] == "stopped", row
        assert found["confidence"] >= 0.95, row
        # A proxy may pass one packet more, in pieces that its receiver cannot use.
        late = found["stopped_esp_seq"] - truth["stall_onset_esp_seq"]
        assert late in ({0, 1} if row.is_proxy else {0}), row
        # From the sender to the tap where it enters: one link of 6 to 14 ms with jitter.
        assert row.stop_error_s is not None
        assert 0 <= row.stop_error_s < 0.1, row


@every_pair
def test_the_stop_is_the_first_drop_that_the_device_logged(run: str, client: str, headend: str) -> None:
    for row in rows(run, client, headend):
        logged = row.truth.get("device_first_drop_or_hold_epoch")
        if "stopped_at" not in row.found or logged is None or (client, headend) != ("T2", "T3"):
            continue
        assert abs(epoch(row.found["stopped_at"]) - logged) < 0.01, row


def test_one_clock_gives_no_offset_and_another_is_found(tmp_path: Path) -> None:
    if shutil.which("editcap") is None:
        pytest.skip("editcap is not installed: the clock of a capture cannot be shifted")
    client = LAB / "pcaps" / "s01_ct_frozenack_T1.pcap"
    headend = LAB / "pcaps" / "s01_ct_frozenack_T4.pcap"
    shifted = tmp_path / "shifted.pcap"
    subprocess.run(["editcap", "-F", "pcap", "-t", "3.7", headend, shifted], check=True)
    plain, moved = devices(replay(client, headend)), devices(replay(client, shifted))
    for one, two in zip(plain, moved, strict=True):
        assert abs(one["ctcp"]["clock_offset_us"]) <= one["ctcp"]["clock_uncertainty_us"]
        assert two["ctcp"]["clock_offset_us"] - one["ctcp"]["clock_offset_us"] == 3_700_000
        for way in ("to_headend", "to_client"):
            for name in ("entered_pkts", "matched_pkts", "lost_in_device_pkts", "delay_median_us"):
                assert one["ctcp"][way][name] == two["ctcp"][way][name]


def rewritten(source: Path, target: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A copy of a little-endian pcap with its records changed."""
    data = source.read_bytes()
    ends = [24, *record_ends(data)]
    records = [data[a:b] for a, b in itertools.pairwise(ends)]
    target.write_bytes(data[:24] + b"".join(change(records)))
    return target


def thinned(share: float, seed: int) -> Callable[[list[bytes]], list[bytes]]:
    rng = random.Random(seed)
    return lambda records: [one for one in records if rng.random() >= share]


def doubled(records: list[bytes]) -> list[bytes]:
    return [one for one in records for _ in range(2)]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("side", [0, 1, None])
def test_a_tap_that_loses_packets_is_not_the_device(tmp_path: Path, side: int | None, share: float) -> None:
    pair = [LAB / "pcaps" / f"h09_oneway_healthy_{tap}.pcap" for tap in ("T1", "T4")]
    thin = [
        rewritten(path, tmp_path / path.name, thinned(share, n)) if side in {n, None} else path
        for n, path in enumerate(pair)
    ]
    found = devices(replay(*thin))
    assert len(found) == 4
    for one in found:
        assert one["ctcp"]["verdict"] in {"forwarded", "lossy"}
        # A few lost packets of a tap that lost as many where it can be counted.
        if share >= 0.05 and one["ctcp"]["verdict"] == "lossy":
            assert one["ctcp"]["confidence"] <= 0.8, one["ctcp"]


def test_duplicates_of_a_mirror_change_no_count(tmp_path: Path) -> None:
    pair = [LAB / "pcaps" / f"s01_ct_frozenack_{tap}.pcap" for tap in ("T1", "T4")]
    twice = [rewritten(path, tmp_path / path.name, doubled) for path in pair]
    for one, two in zip(devices(replay(*pair)), devices(replay(*twice)), strict=True):
        assert one["ctcp"]["to_headend"] == two["ctcp"]["to_headend"]
        assert one["ctcp"]["to_client"] == two["ctcp"]["to_client"]


def test_a_stop_is_proven_through_taps_that_lose_packets(tmp_path: Path) -> None:
    pair = [LAB / "pcaps" / f"d01_fw_state_lost_{tap}.pcap" for tap in ("T1", "T4")]
    thin = [rewritten(path, tmp_path / path.name, thinned(0.05, n)) for n, path in enumerate(pair)]
    plain = {one["source"]["port"]: one["ctcp"] for one in devices(replay(*pair))}
    for one in devices(replay(*thin)):
        for way in ("to_headend", "to_client"):
            flow, exact = one["ctcp"][way], plain[one["source"]["port"]][way]
            assert flow["verdict"] == "stopped"
            assert flow["confidence"] >= 0.95
            # The first packet of the stop may be one that a tap missed.
            assert abs(epoch(flow["stopped_at"]) - epoch(exact["stopped_at"])) < 2
