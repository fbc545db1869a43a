"""Two taps of one lab run against its labels: ``python -m tests.taps.lab_pairs`` prints the table.

The labels come from the logs of the endpoints and of the device, never from a capture.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CTCPMON_SHARED", ROOT.parent / "shared"))
LAB = SHARED / "captures" / "lab"

PAIRS = (
    ("s01_ct_frozenack", "T1", "T4"),
    ("s01_ct_frozenack", "T2", "T3"),
    ("s04_ct_frozenack", "T1", "T3"),
    ("s13_ct_multi12", "T2", "T4"),
    ("n20_nat_rebind", "T1", "T4"),
    ("p01_haproxy_sack", "T1", "T4"),
    ("i01_ips_silent", "T1", "T3"),
    ("i04_ips_bypass", "T1", "T3"),
    ("h03_loss_nobox_ackhigh", "T1", "T4"),
    ("d01_fw_state_lost", "T1", "T4"),
)
"""Runs and the taps on the client side and on the headend side of the device."""


@dataclass(frozen=True)
class Row:
    """One direction of one session: what the labels say and what two taps counted."""

    run: str
    taps: str
    port: int
    way: str
    truth: dict[str, Any]
    found: dict[str, Any]
    is_cut: bool
    """One of the captures was cut in time: labels count the whole run."""
    is_proxy: bool

    @property
    def is_entry_exact(self) -> bool:
        """The tap before the device stands at the sender: no link in between."""
        return self.taps.startswith("T1") if self.way == "c2s" else self.taps.endswith("T4")

    @property
    def esp_delivered(self) -> int:
        """ESP packets that the receiver got: all but the IKE messages (which it got, too)."""
        ike = int(self.truth["sent"]) - int(self.truth["esp_sent"])
        return int(self.truth["delivered"]) - ike

    @property
    def stop_error_s(self) -> float | None:
        """Our time of the stop minus the sending time of the first segment of the dead run."""
        at, onset = self.found.get("stopped_at"), self.truth.get("stall_onset_epoch")
        return None if at is None or onset is None else epoch(at) - float(onset)


def epoch(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def replay(client: Path, headend: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl"),
            *(f"--tap=client={client}", f"--tap=headend={headend}"),
        ],
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def devices(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Final reports."""
    kind = "ctcpmon.device.v1"
    return [line["data"] for line in lines if line["type"] == kind and line["data"]["ctcp"]["is_final"]]


def merged(found: list[dict[str, Any]], way: str) -> dict[str, Any]:
    """One direction over all pairs of one client session: a new NAT binding makes a second pair."""
    flows = [one["ctcp"][way] for one in found]
    whole = dict(max(flows, key=lambda flow: flow["entered_pkts"]))
    for name in ("entered_pkts", "left_pkts", "matched_pkts", "lost_in_device_pkts", "undecided_pkts"):
        whole[name] = sum(flow[name] for flow in flows)
    return whole


def record_ends(data: bytes) -> list[int]:
    """Ends of the records of a little-endian pcap."""
    at, ends = 24, []
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        ends.append(at)
    return ends


def labels() -> dict[str, dict[str, Any]]:
    files = json.loads((LAB / "labels.json").read_text("utf-8"))["files"]
    return {Path(one["file"]).stem: one for one in files}


def compare(run: str, client_tap: str, headend_tap: str) -> list[Row]:
    known = labels()
    names = [f"{run}_{client_tap}", f"{run}_{headend_tap}"]
    found = devices(replay(*(LAB / known[name]["file"] for name in names)))
    truth = known[names[0]]
    is_cut = any("cut_to_seconds_of_run" in known[name] for name in names)
    rows = []
    for flow in truth["flows"]:
        mine = [
            one
            for one in found
            if (one["source"]["ip"], one["source"]["port"]) == (flow["client"], flow["client_port"])
        ]
        for way, ours in (("c2s", "to_headend"), ("s2c", "to_client")):
            rows.append(
                Row(
                    run=run,
                    taps=f"{client_tap}/{headend_tap}",
                    port=flow["client_port"],
                    way=way,
                    truth=flow["directions"][way],
                    found=merged(mine, ours) if mine else {},
                    is_cut=is_cut,
                    is_proxy=truth["middlebox"]["kind"] == "proxy",
                )
            )
    return rows


def table(rows: list[Row]) -> str:
    lines = [
        f"{'run':<24}{'taps':<7}{'port':<7}{'way':<5}{'ESP sent':>9}{'entered':>9}{'ESP dlvd':>9}"
        f"{'matched':>9}{'lost':>6}{'undec':>6}  {'dead':<6}{'verdict':<12}{'onset seq':>10}{'ours':>6}"
        f"{'error ms':>10}{'device ms':>10}"
    ]
    for row in rows:
        found, truth = row.found, row.truth
        error = row.stop_error_s
        drop = truth.get("device_first_drop_or_hold_epoch")
        device = (
            f"{(epoch(found['stopped_at']) - drop) * 1e3:.0f}" if found.get("stopped_at") and drop else "-"
        )
        lines.append(
            f"{row.run:<24}{row.taps:<7}{row.port:<7}{row.way:<5}{truth['esp_sent']:>9}"
            f"{found.get('entered_pkts', '-'):>9}{row.esp_delivered:>9}{found.get('matched_pkts', '-'):>9}"
            f"{found.get('lost_in_device_pkts', '-'):>6}{found.get('undecided_pkts', '-'):>6}  "
            f"{'dead' if truth.get('dead') else '-':<6}{found.get('verdict', '-'):<12}"
            f"{truth.get('stall_onset_esp_seq', '-'):>10}{found.get('stopped_esp_seq', '-'):>6}"
            f"{f'{error * 1e3:.0f}' if error is not None else '-':>10}{device:>10}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([row for pair in PAIRS for row in compare(*pair)]))
