"""Evidence to remarks: time, side, sign, and words that stay inert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from ctcpmon.diagnosis import proof_of
from ctcpmon.diagnosis.wording import evidence_words

from tests.fake_engine import SECOND, T0, Direction, Evidence, finding, stalled

if TYPE_CHECKING:
    from ctcpmon.diagnosis import PacketRemark

HOSTILE = "\x1b]0;owned\x07\u202e[/][@click=quit]\n"
SINCE = T0 + 20 * SECOND


def proof(*evidence: Evidence, direction: dict[str, Any] | None = None, **changes: Any) -> list[PacketRemark]:
    to_headend = Direction(**{"ack_frozen_since_ns": SINCE, **(direction or {})})
    session = stalled(to_headend=to_headend)
    made = finding(7, session, evidence=evidence, **{"stopped_side": "client", **changes})
    return list(proof_of(cast("Any", made), "local.replay.7"))


def test_every_finding_says_where_it_was_judged() -> None:
    (only,) = proof()
    assert (only.ts_ns, only.side, only.sign) == (T0 + 24 * SECOND, None, "any")
    assert only.text.startswith("judged here: finding local.replay.7: stalled, ")


@pytest.mark.parametrize(
    ("name", "side", "sign"),
    [
        ("hole_bytes", "client", "data"),
        ("silence_ms", None, "any"),
        ("rst_after_ms", None, "close"),
        ("dup_acks", None, "any"),
        ("copies_stopped_segments", None, "any"),
        ("ike_requests", None, "data"),
    ],
)
def test_evidence_with_a_time_stands_on_its_packet(name: str, side: str | None, sign: str) -> None:
    one = Evidence(name, 5.0, "count", SINCE)
    first, *_ = proof(one)
    assert (first.ts_ns, first.side, first.sign) == (SINCE, side, sign)
    assert first.text.endswith(evidence_words(cast("Any", one)))


def test_a_frozen_ack_stands_where_it_froze_and_on_its_first_repeat() -> None:
    crossed = SINCE + 3 * SECOND
    remarks = proof(
        Evidence("ack_frozen_ms", 4_000.0, "ms", crossed),
        Evidence("unacked_bytes", 70_000.0, "bytes"),
        Evidence("allowance_bytes", 66_000.0, "bytes"),
    )
    assert [(one.ts_ns, one.side, one.sign) for one in remarks[:3]] == [
        (SINCE, None, "any"),
        (SINCE + 1, "headend", "repeat"),
        (crossed, "client", "any"),
    ]
    assert "70,000 bytes" in remarks[2].text
    assert "66,000 bytes" in remarks[2].text


def test_what_has_no_time_is_looked_for_by_its_sign() -> None:
    resent = proof(Evidence("retransmissions_by_device", 2.0, "segments"))
    assert [one.sign for one in resent] == ["again", "any"]
    hole = proof(Evidence("holes_total", 1.0, "count"), Evidence("open_holes", 1.0, "count"))
    assert [one.sign for one in hole] == ["beyond", "any"]
    none = proof(Evidence("holes_total", 0.0, "count"), Evidence("open_holes", 0.0, "count"))
    assert [one.sign for one in none] == ["any"]


def test_data_after_the_close_are_those_behind_it() -> None:
    remarks = proof(Evidence("rst_after_ms", 9.0, "ms", SINCE), Evidence("data_after_reset", 3.0, "segments"))
    assert [(one.ts_ns, one.side, one.sign) for one in remarks[:2]] == [
        (SINCE, None, "close"),
        (SINCE + 1, "client", "data"),
    ]


def test_remarks_are_inert_and_in_order_of_time() -> None:
    remarks = proof(
        Evidence("hole_bytes", 1.0, HOSTILE, SINCE + 50),
        Evidence("silence_ms", float("nan"), HOSTILE, SINCE),
        detector=HOSTILE,
        verdict=HOSTILE,
    )
    assert [one.ts_ns for one in remarks] == sorted(one.ts_ns for one in remarks)
    for one in remarks:
        assert one.text.isprintable()
        assert "\u202e" not in one.text
        assert len(one.text) <= 300
