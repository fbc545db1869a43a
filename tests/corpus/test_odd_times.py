"""One frame with a time that cannot be, in the middle of a capture, changes no verdict of any session."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from ctcpmon import Monitor
from ctcpmon.events import encode

from tests.corpus import shapes
from tests.corpus.shared import ROOT, captures

if TYPE_CHECKING:
    from pathlib import Path

DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
LAB = (
    "s01_ct_frozenack_T1", "p01_haproxy_sack_T2", "i01_ips_silent_T1", "s13_ct_multi12_T2", "n20_nat_rebind_T1",
    "h02_taploss_5",
)  # fmt: skip
FAR = {"1970": 5, "2038": 0x7FFF_FFFF, "2106": 0xFFFF_FFFF}
"""Seconds: no time was set, the last of a signed number, the last that classic pcap can say."""


def findings(path: Path) -> list[bytes]:
    with Monitor.replay(path) as monitor:
        lines = [encode(event) for event in monitor.events()]
    return [line for line in lines if b"ctcpmon.finding.v1" in line[:60]]


@pytest.mark.parametrize("seconds", FAR.values(), ids=FAR)
@pytest.mark.parametrize("name", ["demo", *LAB])
def test_a_frame_out_of_time_changes_no_finding(name: str, seconds: int, tmp_path: Path) -> None:
    path = DEMO if name == "demo" else captures("lab", f"pcaps/{name}.pcap") / "pcaps" / f"{name}.pcap"
    capture = shapes.read(path)
    undisturbed = findings(path)
    # Nothing is found in the healthy one, and no time makes something up there.
    assert bool(undisturbed) == (not name.startswith("h"))
    for part in (4, 2):
        at = len(capture.records) // part
        # An ARP request: it is of no session, so that its time alone can do harm.
        stranger = b"\xff" * 6 + b"\x02" + bytes(5) + b"\x08\x06" + bytes(46)
        odd = shapes.Record(seconds * shapes.NANOS, len(stranger), stranger)
        # And a copy of a frame of a session.
        again = dataclasses.replace(capture.records[at], ts_ns=seconds * shapes.NANOS)
        for one in (odd, again):
            records = (*capture.records[:at], one, *capture.records[at:])
            disturbed = tmp_path / "odd.pcap"
            disturbed.write_bytes(shapes.pcap(shapes.Capture(capture.link, records)))
            assert findings(disturbed) == undisturbed
