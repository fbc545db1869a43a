"""Which packets prove a finding: its evidence as remarks, each with the place where it belongs.

Pure. A remark belongs on the first packet of the session at or after its time that comes from its
side and shows its sign; the engine finds that packet (``rust/core/src/slice.rs``). The words are those
of the explanation.
"""

from __future__ import annotations

from ctcpmon.diagnosis.causes import cause_of
from ctcpmon.diagnosis.wording import evidence_words, quantity
from ctcpmon.records import Record
from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from ctcpmon.engine import Direction, Evidence, Finding

    Sign = Literal["any", "data", "beyond", "again", "repeat", "close", "zero_window"]

__all__ = ["VERDICT_WORDS", "PacketRemark", "proof_of", "verdict_words"]

_CELLS = 300
"""Longest remark; a detector's words and numbers take less than half (guess)."""
_OTHER = {"client": "headend", "headend": "client"}
_MADE_PLACES: dict[str, tuple[str, Sign]] = {
    "hole_bytes": ("first segment behind the hole: ", "data"),
    "silence_ms": ("last packet before the silence: ", "any"),
    "rst_after_ms": ("the close: ", "close"),
    "dup_acks": ("last of the duplicate ACKs: ", "any"),
    "copies_stopped_segments": ("last segment that left the device: ", "any"),
    "ike_requests": ("first of them: ", "data"),
    "wireguard_handshakes": ("first of them: ", "data"),
}
"""Evidence whose time is that of a packet: what comes before its words, and the sign of the packet."""
_LIMIT = ("unacked_bytes", "allowance_bytes", "window_bytes")
VERDICT_WORDS = {"at_risk": "at risk", "healthy": "cleared"}
"""Verdicts whose name is not the word for it."""


class PacketRemark(Record, frozen=True):
    """Words for one packet."""

    ts_ns: int
    side: str | None
    """Who sent the packet: client or headend; None: either."""
    sign: Sign
    text: str


def verdict_words(finding: Finding, event_id: str) -> str:
    """A finding in one line."""
    verdict = VERDICT_WORDS.get(finding.verdict, clean(finding.verdict, 20))
    return (
        f"finding {clean(event_id, 80)}: {verdict}, {cause_of(finding.detector).title}, "
        f"confidence {quantity(finding.confidence, 'count')}"
    )


def proof_of(finding: Finding, event_id: str) -> tuple[PacketRemark, ...]:
    """The remarks of a finding in order of time, the verdict itself among them."""
    remarks = [
        *_of_evidence(finding),
        *_of_the_ack(finding),
        *_of_the_session(finding),
        PacketRemark(
            ts_ns=finding.ts_ns,
            side=None,
            sign="any",
            text=f"judged here: {verdict_words(finding, event_id)}",
        ),
    ]
    remarks.sort(key=lambda remark: remark.ts_ns)
    return tuple(
        PacketRemark(ts_ns=one.ts_ns, side=one.side, sign=one.sign, text=clean(one.text, _CELLS))
        for one in remarks
    )


def _of_evidence(finding: Finding) -> Iterator[PacketRemark]:
    named = {one.name: one for one in finding.evidence}
    for one in finding.evidence:
        place = _MADE_PLACES.get(one.name)
        if one.ts_ns is None or place is None:
            continue
        lead, sign = place
        # Words that name packets of one side belong on its packets; the others have a time that is exact.
        side = _sender(finding) if one.name == "hole_bytes" else None
        yield PacketRemark(ts_ns=one.ts_ns, side=side, sign=sign, text=lead + evidence_words(one))
    closed = named.get("rst_after_ms")
    after = named.get("data_after_reset")
    if closed is not None and closed.ts_ns is not None and after is not None:
        # One nanosecond on: a FIN may carry data itself.
        yield PacketRemark(
            ts_ns=closed.ts_ns + 1,
            side=_sender(finding),
            sign="data",
            text=f"first of them: {evidence_words(after)}",
        )


def _of_the_ack(finding: Finding) -> Iterator[PacketRemark]:
    """Where the ACK stood still, was repeated, and where too much lay beyond it."""
    frozen = next((one for one in finding.evidence if one.name == "ack_frozen_ms"), None)
    if frozen is None:
        return
    since = next(
        (one.ack_frozen_since_ns for one in _directions(finding) if one.ack_frozen_since_ns is not None),
        frozen.ts_ns,
    )
    if since is not None:
        words = evidence_words(frozen)
        receiver = _OTHER.get(_sender(finding) or "")
        yield PacketRemark(
            ts_ns=since, side=None, sign="any", text=f"from here on, as of the finding: {words}"
        )
        yield PacketRemark(
            ts_ns=since + 1, side=receiver, sign="repeat", text=f"first repeat of that ACK: {words}"
        )
    if limit := [evidence_words(one) for one in finding.evidence if one.name in _LIMIT]:
        is_crossing = any(one.name == "allowance_bytes" for one in finding.evidence)
        at = finding.since_ns if frozen.ts_ns is None else frozen.ts_ns
        if is_crossing:
            yield PacketRemark(
                ts_ns=at, side=_sender(finding), sign="any", text=f"beyond the ACK by now: {'; '.join(limit)}"
            )


def _of_the_session(finding: Finding) -> Iterator[PacketRemark]:
    """What has no time of its own: the first packet of its kind."""
    named = {one.name: one for one in finding.evidence}
    start = finding.session.first_ns
    if resent := named.get("retransmissions_by_device"):
        yield PacketRemark(
            ts_ns=start, side=None, sign="again", text=f"first of them: {evidence_words(resent)}"
        )
    if _is_hole_without_place(named):
        words = "; ".join(evidence_words(one) for one in finding.evidence if one.name in _HOLES)
        yield PacketRemark(
            ts_ns=finding.since_ns, side=None, sign="beyond", text=f"segment behind a hole: {words}"
        )
    receiver = _OTHER.get(_sender(finding) or "")
    sides = {"client": finding.session.to_headend, "headend": finding.session.to_client}
    if receiver is not None and sides[receiver].zero_windows:
        yield PacketRemark(
            ts_ns=start, side=receiver, sign="zero_window", text="first offer of no window at all"
        )


_HOLES = ("open_holes", "hole_bytes", "esp_missing_pkts")


def _is_hole_without_place(named: dict[str, Evidence]) -> bool:
    holes, hole = named.get("holes_total"), named.get("hole_bytes")
    return holes is not None and holes.value > 0 and (hole is None or hole.ts_ns is None)


def _sender(finding: Finding) -> str | None:
    """The side whose data stopped; None when it is both or not known."""
    return finding.stopped_side if finding.stopped_side in _OTHER else None


def _directions(finding: Finding) -> tuple[Direction, ...]:
    session = finding.session
    match finding.stopped_side:
        case "client":
            return (session.to_headend,)
        case "headend":
            return (session.to_client,)
        case _:
            return (session.to_headend, session.to_client)
