"""What the endpoints experienced, from their logs. Reads no capture.

A direction is dead when its last run of undelivered segments reaches the end with at least 3 segments
over 5 s, or 8 over 2 s: the rule of the shared lab, so that both score alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .losses import Loss
    from .tunnel import Sent, Tunnel

IN_FLIGHT_S = 0.3
"""Segments sent so shortly before the end are not judged: they may still be on their way."""
LATE_S = 2.0
"""Delivered later than this is held, not delivered."""


@dataclass(frozen=True)
class DirectionTruth:
    """One direction of one session. Times are epoch seconds."""

    sent: int
    delivered: int
    lost_by_rule: int
    late: int
    onset: Sent | None
    """First segment of the run that never ended; ``None``: the direction lives."""
    outages: tuple[tuple[float, float], ...]
    first_lost: Sent | None
    is_first_lost_by_rule: bool
    last_delivered_epoch: float | None
    sent_epochs: tuple[float, ...] = field(repr=False)

    @property
    def is_dead(self) -> bool:
        """Nothing arrives any more."""
        return self.onset is not None

    @property
    def undelivered(self) -> int:
        """Sent and never arrived."""
        return self.sent - self.delivered


@dataclass(frozen=True)
class SessionTruth:
    """One session."""

    client: Tunnel
    headend: Tunnel
    c2s: DirectionTruth
    s2c: DirectionTruth
    reset_epoch: float | None
    start: float
    end: float

    @property
    def directions(self) -> dict[str, DirectionTruth]:
        """By name."""
        return {"c2s": self.c2s, "s2c": self.s2c}

    @property
    def dead(self) -> list[str]:
        """Names of the directions that died; a reset is not counted as one."""
        return [name for name, way in self.directions.items() if way.is_dead]

    @property
    def first_dead(self) -> str | None:
        """The direction that died first."""
        onsets = {name: way.onset.epoch for name, way in self.directions.items() if way.onset}
        return min(onsets, key=lambda name: onsets[name], default=None)

    @property
    def verdict(self) -> str:
        """``stalled``, ``at_risk`` or ``healthy``."""
        if self.dead or self.reset_epoch is not None:
            return "stalled"
        hurt = any(way.undelivered or way.late for way in self.directions.values())
        return "at_risk" if hurt else "healthy"

    @property
    def onset_epoch(self) -> float | None:
        """Sending time of the first segment that never got through for good."""
        onsets = [way.onset.epoch for way in self.directions.values() if way.onset]
        return min(onsets, default=self.reset_epoch)


def session_truth(
    client: Tunnel, headend: Tunnel, losses: tuple[Loss, ...], start: float, end: float
) -> SessionTruth:
    """Puts the logs of both ends together."""
    reset = min(client.log.resets + headend.log.resets, default=None)
    until = end if reset is None else reset
    mine = [loss for loss in losses if loss.port == client.local[1]]
    ways = {}
    for name, sender, receiver in (("c2s", client, headend), ("s2c", headend, client)):
        dropped = {n for loss in mine if loss.direction == name for n in range(loss.first, loss.last + 1)}
        ways[name] = _direction(sender.log.sent, receiver.log.arrived, dropped, until)
    return SessionTruth(client, headend, ways["c2s"], ways["s2c"], reset, start, end)


def pair(clients: list[Tunnel], headends: list[Tunnel]) -> list[tuple[Tunnel, Tunnel]]:
    """Which two ends are one session: by what arrived, since a proxy changes the 4-tuple."""
    pairs = []
    for client in clients:
        mine = {entry.digest for entry in client.log.sent}
        other = next((end for end in headends if mine & end.log.arrived.keys()), None)
        if other is None or client.log.up is None or other.log.up is None:
            raise RuntimeError(f"the session of {client.local} did not come up: nothing to judge")
        pairs.append((client, other))
    return pairs


def _direction(
    sent: list[Sent], arrived: dict[bytes, float], dropped: set[int], until: float
) -> DirectionTruth:
    numbered = [(n, entry) for n, entry in enumerate(sent, 1) if entry.epoch < until - IN_FLIGHT_S]
    runs = [
        (is_lost, list(run))
        for is_lost, run in groupby(numbered, key=lambda pair: pair[1].digest not in arrived)
    ]
    lost_runs = [run for is_lost, run in runs if is_lost]
    open_run = runs[-1][1] if runs and runs[-1][0] else []
    is_dead = _is_dead(open_run)
    ended = [run for run in lost_runs if run is not open_run and _is_dead(run)]
    first = lost_runs[0][0] if lost_runs else None
    got = [(entry, arrived[entry.digest]) for _, entry in numbered if entry.digest in arrived]
    return DirectionTruth(
        sent=len(numbered),
        delivered=len(got),
        lost_by_rule=len(dropped),
        late=sum(at - entry.epoch > LATE_S for entry, at in got),
        onset=open_run[0][1] if is_dead else None,
        outages=tuple((run[0][1].epoch, run[-1][1].epoch) for run in ended),
        first_lost=first[1] if first else None,
        is_first_lost_by_rule=first is not None and first[0] in dropped,
        last_delivered_epoch=max((at for _, at in got), default=None),
        sent_epochs=tuple(entry.epoch for _, entry in numbered),
    )


def _is_dead(run: list[tuple[int, Sent]]) -> bool:
    if not run:
        return False
    span = run[-1][1].epoch - run[0][1].epoch
    return (len(run) >= 3 and span >= 5.0) or (len(run) >= 8 and span >= 2.0)
