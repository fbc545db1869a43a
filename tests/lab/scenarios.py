"""What is played: sessions, losses and a device; each fault with its healthy twin. Data only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .boxes import Box, Conntrack, Haproxy, InspectionQueue
from .losses import Loss
from .tunnel import Flow, Habit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .clockwork import Clockwork
    from .namespaces import Namespaces

    MakeBox = Callable[[Clockwork, Namespaces, Path], Box]

FIRST_PORT = 51_000
WINDOW = 8_192
"""Small, so that strict tracking's allowance (two windows) is spent within seconds."""
WIDE_WINDOW = 65_535
"""What the one implementation offers that could be read (domain notes 1.6)."""
OFFICE = (Flow(0.12, 420), Flow(0.15, 600))
BULK_UP = (Flow(0.06, 620), Flow(0.3, 160))
CHATTY = (Flow(0.2, 260), Flow(0.2, 260))
_LOST_AT = 45
"""Data segment that is lost: behind the IKE exchanges, some seconds into the traffic."""


@dataclass(frozen=True)
class Scenario:
    """One run. ``flows`` are (client's, headend's) traffic of each session."""

    name: str
    title: str
    box: MakeBox
    duration_s: float
    ack: Literal["highest", "frozen"]
    losses: tuple[Loss, ...] = ()
    flows: tuple[tuple[Flow, Flow], ...] = (OFFICE, BULK_UP, CHATTY)
    stall_class: str | None = None
    twin_of: str | None = None
    drops: bool = True
    """The device may drop packets by itself."""
    is_proxied: bool = False
    window: int = WINDOW
    needs: tuple[str, ...] = ()
    """Programs that only this scenario needs."""

    def habits(self) -> tuple[Habit, Habit]:
        """Client's (a Windows stack) and headend's (a Cisco one)."""
        client = Habit(self.ack, self.window, 128, sack=True)
        return client, Habit(self.ack, self.window, 255, sack=self.is_proxied)

    def classes(self, *, hidden: bool) -> tuple[str, ...]:
        """Stall classes that cannot be told apart, from in front of the device or behind it."""
        alike = {
            "stateful_drop": ("stateful_drop", "inspection_queue_freeze"),
            "inspection_queue_freeze": ("inspection_queue_freeze", "stateful_drop"),
            "proxy_ack_freeze": ("proxy_ack_freeze", "inspection_queue_freeze"),
            "reset": ("reset",),
        }[self.stall_class or "stateful_drop"]
        return (*dict.fromkeys((*alike, "silent_death", "stateful_drop")),) if hidden else alike


def _conntrack(*, liberal: bool, on_invalid: str = "drop", translates: bool = False) -> MakeBox:
    return lambda _clock, spaces, _folder: Conntrack(
        spaces, liberal=liberal, on_invalid=on_invalid, translates=translates
    )


def _queue(*, limit: int, timeout_s: float, releases: bool) -> MakeBox:
    return lambda clock, spaces, _folder: InspectionQueue(
        clock, spaces, limit=limit, timeout_s=timeout_s, releases=releases
    )


def _haproxy(_clock: Clockwork, spaces: Namespaces, folder: Path) -> Box:
    return Haproxy(spaces, folder)


def _one_lost(sessions: int = 3) -> tuple[Loss, ...]:
    return tuple(Loss(FIRST_PORT + n, _LOST_AT, _LOST_AT) for n in range(sessions))


LOOP = Scenario(
    "loop",
    "strict tracking drops invalid; an outage of more than two windows before it, acks name the highest byte",
    _conntrack(liberal=False),
    56.0,
    "highest",
    tuple(Loss(FIRST_PORT + n, 60 + 10 * n, 84 + 10 * n) for n in range(3)),
    flows=((Flow(0.06, 900), Flow(0.2, 300)),) * 3,
    stall_class="stateful_drop",
)
"""The run in which the printed fix is applied. These endpoints move their ACK over a hole, so that from
the client's side of the device recovery can be seen at all."""
LOOP_NAT = replace(
    LOOP,
    name="loop_nat",
    title=f"{LOOP.title}; the box translates the clients' addresses",
    box=_conntrack(liberal=False, translates=True),
)
LOOPS = (LOOP, LOOP_NAT)
FIX_APPLIED = {LOOP.name: "linux-notrack", LOOP_NAT.name: "linux-be-liberal"}
"""What the printed text tells an operator to choose: without NAT the first, with NAT the other."""

SCENARIOS = (
    Scenario(
        "ct_drop",
        "strict tracking drops invalid; one c2s segment lost, acks frozen",
        _conntrack(liberal=False),
        38.0,
        "frozen",
        _one_lost(),
        stall_class="stateful_drop",
    ),
    Scenario(
        "ct_drop_twin",
        "the same loss and device, acks name the highest byte: survives",
        _conntrack(liberal=False),
        30.0,
        "highest",
        _one_lost(),
        twin_of="ct_drop",
    ),
    Scenario(
        "ct_liberal",
        "the same loss and acks as ct_drop, liberal tracking: survives",
        _conntrack(liberal=True),
        30.0,
        "frozen",
        _one_lost(),
        twin_of="ct_drop",
    ),
    Scenario(
        "ct_reset",
        "strict tracking answers invalid packets with a reset; one c2s segment lost, acks frozen",
        _conntrack(liberal=False, on_invalid="reject with tcp reset"),
        34.0,
        "frozen",
        _one_lost(),
        flows=(OFFICE, BULK_UP, BULK_UP),
        stall_class="reset",
    ),
    Scenario(
        "ct_reset_twin",
        "the same loss and device, acks name the highest byte: survives",
        _conntrack(liberal=False, on_invalid="reject with tcp reset"),
        24.0,
        "highest",
        _one_lost(),
        twin_of="ct_reset",
    ),
    Scenario(
        "proxy_freeze",
        "haproxy terminates TCP; one c2s segment lost on the client's leg",
        _haproxy,
        30.0,
        "highest",
        _one_lost(),
        stall_class="proxy_ack_freeze",
        is_proxied=True,
        drops=False,
        needs=("haproxy",),
    ),
    Scenario(
        "proxy_freeze_twin",
        "haproxy terminates TCP; nothing lost",
        _haproxy,
        24.0,
        "highest",
        is_proxied=True,
        drops=False,
        twin_of="proxy_freeze",
        needs=("haproxy",),
    ),
    Scenario(
        "queue_freeze",
        "an inspection queue holds 3 segments for 4 s and drops them, silently; one c2s segment lost",
        _queue(limit=3, timeout_s=4.0, releases=False),
        30.0,
        "highest",
        _one_lost(),
        stall_class="inspection_queue_freeze",
        window=WIDE_WINDOW,
    ),
    Scenario(
        "queue_freeze_twin",
        "an inspection queue holds 128 segments and releases them after 4 s; one c2s segment lost",
        _queue(limit=128, timeout_s=4.0, releases=True),
        24.0,
        "highest",
        _one_lost(),
        twin_of="queue_freeze",
        window=WIDE_WINDOW,
    ),
)
