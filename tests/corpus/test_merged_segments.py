"""Segments that an offload (GRO, LRO, TSO) has put together hide no stall and make none up."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from ctcpmon import Monitor
from ctcpmon.events import FindingEvent

from tests.corpus import shapes
from tests.corpus.shared import captures

if TYPE_CHECKING:
    from pathlib import Path

LAB = (
    "s01_ct_frozenack_T1", "s04_ct_frozenack_T1", "s07_ct_rst_T1", "s13_ct_multi12_T2", "i01_ips_silent_T1",
    "n20_nat_rebind_T1", "s18_span_both_ports_healthy", "h01_healthy_nobox",
)  # fmt: skip
HEADERS = 34
"""Of Ethernet and IPv4 without options, which is what the lab sends."""
TOGETHER_NS = 2_000_000_000
"""Far longer than any offload waits, so that slow tunnels are merged too."""
MERGED_AT_LEAST = 20


@dataclass(frozen=True)
class Segment:
    """What decides whether two segments may be merged."""

    ends: bytes
    seq: int
    ack: bytes
    header: int
    payload: bytes

    @classmethod
    def of(cls, frame: bytes) -> Segment | None:
        """None for anything but data without SYN, FIN and RST."""
        if frame[12:15] != b"\x08\x00\x45" or frame[23] != 6 or frame[47] & 7:
            return None
        (total,) = struct.unpack_from(">H", frame, 16)
        header = (frame[46] >> 4) * 4
        payload = frame[HEADERS + header : 14 + total]
        if not payload or len(frame) < 14 + total:
            return None
        (seq,) = struct.unpack_from(">I", frame, 38)
        return cls(frame[26:38], seq, frame[42:46], header, payload)

    def is_followed_by(self, other: Segment) -> bool:
        """As the kernel decides: the next bytes, the same ACK."""
        next_seq = (self.seq + len(self.payload)) & 0xFFFF_FFFF
        return (next_seq, self.ack, self.header) == (other.seq, other.ack, other.header)


def merged(capture: shapes.Capture, most: int) -> tuple[shapes.Capture, int]:
    """Up to ``most`` segments as one, and how many were taken into another."""
    records: list[shapes.Record] = []
    last: dict[bytes, tuple[int, int]] = {}
    taken = 0
    for record in capture.records:
        segment = Segment.of(record.data)
        if segment is None:
            last.pop(record.data[26:38], None)
            records.append(record)
            continue
        at, count = last.get(segment.ends, (0, most))
        before = Segment.of(records[at].data) if count < most else None
        if (
            before is not None
            and before.is_followed_by(segment)
            and record.ts_ns - records[at].ts_ns < TOGETHER_NS
        ):
            end = HEADERS + before.header
            payload = before.payload + segment.payload
            data = bytearray(records[at].data[:end] + payload)
            struct.pack_into(">H", data, 16, end - 14 + len(payload))
            records[at] = replace(records[at], data=bytes(data), original=len(data))
            last[segment.ends] = (at, count + 1)
            taken += 1
        else:
            last[segment.ends] = (len(records), 1)
            records.append(record)
    return shapes.Capture(capture.link, tuple(records)), taken


def stalled(path: Path) -> set[str]:
    """Who stalled.

    Not of what: whole seconds are merged here, which takes away what tells one device from another. Not warnings:
    where a short snap length has cut the trailers off, the second packet of a merged segment is not found, which
    looks like one that is missing.
    """
    with Monitor.replay(path) as monitor:
        found = [event.data for event in monitor.events() if isinstance(event, FindingEvent)]
    return {f"{one.source.ip}:{one.source.port}" for one in found if one.ctcp.verdict == "stalled"}


@pytest.mark.parametrize("most", [2, 8, 44])
@pytest.mark.parametrize("name", LAB)
def test_merged_segments_hide_no_stall_and_make_none_up(name: str, most: int, tmp_path: Path) -> None:
    path = captures("lab", f"pcaps/{name}.pcap") / "pcaps" / f"{name}.pcap"
    capture, taken = merged(shapes.read(path), most)
    assert taken >= MERGED_AT_LEAST
    other = tmp_path / "merged.pcap"
    other.write_bytes(shapes.pcap(capture))
    assert stalled(other) == stalled(path)
