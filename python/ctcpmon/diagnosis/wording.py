"""Numbers to words: evidence, sides, durations. Pure text, no grouping and no judging.

``TEMPLATES`` maps an evidence name of the engine to a phrase; a name without a template gets
``name: value unit``, and a contract test lists the names that do. ``rust/events/src/phrases.rs`` puts numbers
into them in the same way for the lines of findings; ``tests/contract/test_event_lines.py`` compares.
"""

from __future__ import annotations

from ctcpmon.lean import is_finite
from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.engine import Evidence

__all__ = [
    "PHRASES",
    "TEMPLATES",
    "duration",
    "evidence_words",
    "loss_words",
    "percent",
    "quantity",
    "silence_words",
    "stopped_words",
]

TEMPLATES: dict[str, str] = {
    "hole_bytes": "hole of {v} that nobody filled",
    "hole_age_ms": "the oldest hole has been open for {v}",
    "open_holes": "holes open: {n}",
    "holes_total": "holes since the session began: {n}",
    "esp_missing_pkts": "the ESP sequence confirms it: {v} missing",
    "esp_loss_pct": "ESP loss {v}",
    "ack_frozen_ms": "the ACK of the other side has stood still for {v}",
    "unacked_bytes": "{v} sent and not acknowledged",
    "window_bytes": "the other side offered a window of {v}",
    "allowance_bytes": "a strict tracker would allow {v}",
    "segments_after_freeze": "{v} sent after the ACK stopped",
    "dup_acks": "{n} duplicate ACKs, none of them answered",
    "sack_segments": "{v} with SACK blocks, which a tunnel endpoint never sends",
    "silence_ms": "nothing seen of the silent side for {v}",
    "usual_gap_ms": "its longest gap before was {v}",
    "opposite_segments": "the other direction sent {v} in that time",
    "rst_after_ms": "RST or FIN {v} after the loss or freeze",
    "ack_rtt_us": "data are acknowledged after {v}",
    "ike_rtt_us": "IKE, which only the true endpoint answers, takes {v}",
    "copies_stopped_segments": "{v} since the last one whose copy from behind the device was seen",
    "ike_requests": "{n} IKE requests without an answer",
    "retransmissions_by_device": "{v} sent again, which a tunnel endpoint never does",
    "window_remainder_bytes": "{v} of the window left, too small for the next segment",
    "hole_to_stall_ms": "the stream stopped {v} after the loss",
    "ack_repeats": "{v} of the other side repeated that ACK",
    "data_after_reset": "{v} with data sent on after the close",
    "ike_waiting_ms": "the first of them has waited {v}",
    "receiver_hops": "{n} routers between the receiver and the tap",
    "receiver_steps_over": "this receiver has stepped over {n} holes before",
    "segments_since_bare_ack": "{v} without an empty ACK, which used to answer every second or third",
    "wireguard_handshakes": "{n} handshakes of WireGuard in a row came to nothing",
    "restarts_at_ack": "the sender went back to that ACK {n} times",
    "untrailed_segments": "{v} without a trailer: the stream was cut anew",
}


def _phrase(template: str) -> tuple[str, bool, str]:
    has_unit = "{v}" in template
    before, _, after = template.partition("{v}" if has_unit else "{n}")
    return before, has_unit, after


PHRASES = {name: _phrase(template) for name, template in TEMPLATES.items()}
"""The same cut up: what stands before the number, whether its unit goes with it, what follows."""
_IN_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
_RATIOS = {"ratio": 1.0, "pct": 0.01}
_UNIT_WORDS = {
    "count": ("", ""),
    "bytes": ("byte", "bytes"),
    "pkts": ("packet", "packets"),
    "packets": ("packet", "packets"),
    "segments": ("segment", "segments"),
}

_SIDES = {
    "client": "on the client side of the tap",
    "headend": "on the headend side of the tap",
    "sender": "in the sender, before the TCP header",
    "device": "in the device between the two tapped ports",
}
_SILENT = {
    "client": "clients silent, seen from the headend's side",
    "headend": "headend silent, clients still ask",
}
_STOPPED = {
    "client": "data of the client no longer get through",
    "headend": "data of the headend no longer get through",
    "both": "data of neither side get through",
}


def duration(milliseconds: float) -> str:
    """A time span for people: ``120 ms``, ``4.1 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} us"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def percent(ratio: float) -> str:
    """A ratio 0 to 1 as per cent with two decimals below ten."""
    value = ratio * 100
    return f"{value:.2f} %" if value < 10 else f"{value:.0f} %"


def quantity(value: float, unit: str) -> str:
    """A number with its unit in words; not-a-number and infinities are ``not known``."""
    if not is_finite(value):
        return "not known"
    if unit in _IN_MS:
        return duration(value * _IN_MS[unit])
    if unit in _RATIOS:
        is_factor = unit == "ratio" and value > 1
        return f"{_plain(value)} times" if is_factor else percent(value * _RATIOS[unit])
    if unit == "flag":
        return "yes" if value else "no"
    words = _UNIT_WORDS.get(unit)
    singular, plural = words if words is not None else (clean(unit, 20), clean(unit, 20))
    return f"{_plain(value)} {singular if value == 1 else plural}".rstrip()


def _plain(value: float) -> str:
    if not is_finite(value):
        return "an unknown number of"
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.2f}"


def evidence_words(evidence: Evidence) -> str:
    """One piece of evidence as a phrase."""
    name, value = evidence.name, evidence.value
    phrase = PHRASES.get(name)
    if phrase is None:
        return f"{clean(name, 40)}: {quantity(value, evidence.unit)}"
    before, has_unit, after = phrase
    return before + (quantity(value, evidence.unit) if has_unit else _plain(value)) + after


def loss_words(loss_side: str | None) -> str:
    """Where the loss was, relative to the tap."""
    return _SIDES.get(loss_side or "", "not known from this tap")


def silence_words(silent_side: str) -> str:
    """Who is not heard any more in an outage."""
    return _SILENT.get(silent_side, "not known from this tap")


def stopped_words(stopped_side: str | None) -> str:
    """Whose data no longer get through."""
    return _STOPPED.get(stopped_side or "", "it is not known whose data stopped")
