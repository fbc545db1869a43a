"""What two taps prove about the device between them, in words. Pure text: the engine judges.

Two taps count packets, so the sentences claim no more than what was counted: a packet that too near an
end of a capture to tell is named as such.
"""

from __future__ import annotations

from ctcpmon.diagnosis.wording import duration
from ctcpmon.stamps import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.engine import DeviceDirection, DevicePair

__all__ = ["REFUSALS", "device_words"]

REFUSALS: dict[str, str] = {
    "few_matched_to_headend": "too few packets to the headend were seen at both taps",
    "few_matched_to_client": "too few packets to the client were seen at both taps",
    "offset_not_constant": "no constant clock offset explains them: a clock drifted or was set",
    "taps_swapped": "packets leave before they enter: are the two --tap names swapped?",
    "taps_identical": "every packet has the same time at both taps: is it one capture twice?",
}
"""Why the engine states no delay."""

_NO_DEVICE = frozenset({"taps_swapped", "taps_identical"})
_HELD_NS = 1_000_000_000
"""From here on a delay is worth a word; the engine's threshold of ``held``."""
_TO_HEADEND = "to the headend"
_TO_CLIENT = "to the client"


def device_words(pair: DevicePair) -> str:
    """One sentence on what the device did with the session."""
    if pair.delay_refused in _NO_DEVICE:
        return f"nothing is said about the device: {REFUSALS[pair.delay_refused]}"
    both = ((pair.to_headend, _TO_HEADEND), (pair.to_client, _TO_CLIENT))
    quiet = {"forwarded", "undecided", "overdue"}
    guilty = [_blame(flow, where) for flow, where in both if flow.verdict not in quiet]
    if guilty:
        return "the device " + "; it ".join(guilty)
    overdue = [
        f"{flow.overdue_pkts:,} packets {where} that entered last"
        for flow, where in both
        if flow.verdict == "overdue"
    ]
    if overdue:
        return f"too early to tell: {' and '.join(overdue)} had not left when the capture ended"
    passed = [
        f"all {flow.matched_pkts:,} packets {where}" for flow, where in both if flow.verdict == "forwarded"
    ]
    if not passed:
        return "too little was seen at both taps to tell what the device did"
    return f"the device forwarded {' and '.join(passed)}; look elsewhere"


def _blame(flow: DeviceDirection, where: str) -> str:
    at = _clock(flow.stopped_at_ns)
    lost = f"{flow.lost_pkts:,} of {flow.entered_pkts:,} packets {where}"
    match flow.verdict:
        case "stopped":
            pkts = flow.stopped_pkts or 0
            late = f" ({flow.undecided_pkts:,} more near the end)" if flow.undecided_pkts else ""
            return f"stopped forwarding packets {where} at {at}: {pkts:,} entered since, none left{late}"
        case "interrupted":
            return f"stopped forwarding packets {where} at {at} and went on later; it lost {lost}"
        case "recut":
            return (
                f"cuts the stream {where} anew, as a proxy does: {flow.recut_pkts:,} packets left in other "
                f"segments, {flow.lost_pkts:,} of {flow.entered_pkts:,} were not recognised behind it"
            )
        case "held":
            spread = flow.delay_spread_ns or 0
            return f"held packets {where} for up to {duration(spread / 1e6)} and then forwarded all of them"
        case _:
            text = f"lost {lost}"
            if (flow.delay_spread_ns or 0) >= _HELD_NS:
                text += f" and held others for up to {duration((flow.delay_spread_ns or 0) / 1e6)}"
            if flow.overdue_pkts:
                text += f"; {flow.overdue_pkts:,} more that entered last had not left at the end"
            return text


def _clock(time_ns: int | None) -> str:
    return "an unknown time" if time_ns is None else f"{clock(time_ns)} UTC"
