"""What is held right now, in words. A measurement of some seconds: no finding, no incident, no event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctcpmon.engine import Held

__all__ = ["held_words"]

_OTHER = {"client": "headend", "headend": "client"}
_LETS_GO = "5.3 s"
"""Longest pause that ended by itself (measured: an inspection queue that releases after 5 s)."""


def held_words(held: Held) -> str:
    """One sentence: what stands still, since when, and why that is no stall yet."""
    return f"{_sign(held)}; {_wait(held)}"


def _sign(held: Held) -> str:
    sender = "client" if held.sender == "client" else "headend"
    receiver = _OTHER[sender]
    age = f"{held.age_ms // 100 / 10:.1f} s"
    sent = f"{held.segments:,} segment{'' if held.segments == 1 else 's'}"
    if held.kind == "fell_silent":
        usual = f"{held.usual_gap_ms / 1000:.1f} s"
        return (
            f"nothing has come from the {receiver} for {age} (never longer than {usual} before) "
            f"while the {sender} sent {sent}"
        )
    if held.kind == "copies_stopped":
        return f"the device has let nothing of the {sender} through for {age}; {sent} are in it"
    at = "" if held.ack is None else f" at {held.ack}"
    return f"the ACK of the {receiver} has stood{at} for {age} while the {sender} sent {sent}"


def _wait(held: Held) -> str:
    if held.age_ms >= held.patience_ms:
        return "about to be called a stall"
    at = f"{held.patience_ms / 1000:.1f}".removesuffix(".0")
    why = f"because an inspection queue may let go by itself until {_LETS_GO}"
    return f"no stall yet: called one at {at} s, {why}"
