"""The points of a graph: the same numbers as tshark gives the same packets, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon import engine
from ctcpmon.graph import Subject

from tests.corpus.shared import captures
from tests.graph.cuts import DEMO, STALLED, cut
from tests.slices.test_slices import needs_tshark, shown, stalled_sessions

if TYPE_CHECKING:
    from pathlib import Path

LAB = (
    "s01_ct_frozenack_T2", "s07_ct_rst_T4", "h02_healthy_ctstrict", "h02_midstream", "p01_haproxy_sack_T1",
    "s19_span_c2s_only_stalled", "p04_haproxy_zerowin_T1", "s22_vlan_stalled",
)  # fmt: skip


def same_as_tshark(path: Path, session: str, tmp_path: Path) -> int:
    packets = cut(path, session)
    subject = Subject.of(packets)
    one = tmp_path / "one.pcapng"
    one.write_bytes(packets.pcapng)
    rows = shown(one, "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags.ack", "tcp.flags.reset", "ip.src")
    assert subject.series.count == len(rows) == packets.count
    compared = 0
    for place, (seq, ack, length, has_ack, is_reset, source) in enumerate(rows):
        if is_reset in {"1", "True"}:
            # A RST may be made up by a device: its numbers have no start of their own.
            continue
        ours = subject.series.packet(place)
        assert ours.index == place
        assert (ours.side == "client") == (source.split("|")[-1] == packets.client[0])
        assert (ours.seq, ours.length) == (int(seq), int(length)), place
        if has_ack in {"1", "True"}:
            assert ours.ack == int(ack), place
        compared += 1
    return compared


@needs_tshark
def test_the_demo_has_the_numbers_of_tshark(tmp_path: Path) -> None:
    assert same_as_tshark(DEMO, STALLED, tmp_path) > 100


@needs_tshark
@pytest.mark.parametrize("name", LAB)
def test_lab_captures_have_the_numbers_of_tshark(name: str, tmp_path: Path) -> None:
    path = captures("lab", f"pcaps/{name}.pcap") / "pcaps" / f"{name}.pcap"
    from tests.slices.test_slices import events

    stalled = stalled_sessions(path)
    ended = [one["data"]["ctcp"]["session"] for one in events(path) if one["type"] == "ctcpmon.session.v1"]
    assert same_as_tshark(path, (stalled or ended)[0], tmp_path) > 100


def test_a_stall_is_a_level_line_below_growing_data() -> None:
    subject = Subject.of(cut())
    packets = subject.cut
    assert packets.since_ns is not None
    assert packets.judged_ns is not None
    side = subject.main_side
    assert side == packets.stopped_side
    drawn = subject.series.drawing(side, packets.since_ns, subject.last_ns, 200)
    acks = {ack for _, ack, _, _ in drawn.acks}
    (frozen,) = {ack for ts, ack, _, _ in drawn.acks if ts > packets.since_ns + 500_000_000}
    assert frozen == max(acks)
    hole = next(one for one in drawn.holes if one[4] == "open")
    assert hole[2] == frozen, "the ACK stands where the hole begins"
    assert max(high for _, _, high, _, _ in drawn.spans) > frozen + 5_000


def test_a_drawing_is_small_and_keeps_the_extremes() -> None:
    subject = Subject.of(cut())
    side = subject.main_side
    series = subject.series
    packets = [series.packet(place) for place in range(series.count)]
    data = [one for one in packets if one.side == side and one.length]
    for columns in (1, 2, 7, 160, 100_000):
        drawn = series.drawing(side, subject.first_ns, subject.last_ns, columns)
        assert len(drawn.acks) <= 4 * columns + 1
        assert min(low for _, low, _, _, _ in drawn.spans) == min(one.seq for one in data)
        assert max(high for _, _, high, _, _ in drawn.spans) == max(one.seq + one.length for one in data)
        assert sum(count for *_, count in drawn.spans) == len(
            [one for one in data if "copy" not in one.marks]
        )
        assert max(ack for _, ack, _, _ in drawn.acks) == max(
            one.ack for one in packets if one.side != side and one.ack is not None
        )
    again = series.drawing(side, subject.first_ns, subject.last_ns, 100)
    once = series.drawing(side, subject.first_ns, subject.last_ns, 100)
    assert (again.spans, again.acks, again.holes) == (once.spans, once.acks, once.holes)


def test_what_is_no_capture_is_an_error_and_what_is_not_there_too() -> None:
    with pytest.raises(engine.CaptureError):
        engine.Series(b"nonsense", ("10.0.0.1", 1), ("10.0.0.2", 2))
    with pytest.raises(ValueError, match="no address"):
        engine.Series(cut().pcapng, ("x", 1), ("10.0.0.2", 2))
    empty = engine.Series(cut().pcapng, ("10.0.0.1", 1), ("10.0.0.2", 2))
    assert (empty.count, empty.first_ns, empty.place_at(0)) == (0, None, 0)
    with pytest.raises(IndexError):
        empty.packet(0)
    with pytest.raises(ValueError, match="no such side"):
        empty.drawing("x", 0, 1, 1)
    # A window that is turned round, or nothing wide.
    series = Subject.of(cut()).series
    for from_ns, until_ns, columns in ((5, 1, 10), (0, 2**63 - 1, 0), (-(2**63), 2**63 - 1, 3)):
        series.drawing("client", from_ns, until_ns, columns)
