"""All clients on one raw socket, the headend on another. Gives frames to the tunnel they belong to."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .frames import ACK, SYN, Segment, frame, parse
from .namespaces import HEADEND, MAC, Namespaces
from .ports import Port
from .tunnel import Flow, Habit, Tunnel

if TYPE_CHECKING:
    from .clockwork import Clockwork

PORT = 10_000
PATH_DELAY_S = 0.012
"""From the wire into an endpoint: the endpoints stand for ones that are some way off."""


class Endpoints:
    """The ends of one kind in one namespace; tunnels by (remote address, remote port, local port)."""

    def __init__(self, clock: Clockwork, spaces: Namespaces, role: str, seed: str) -> None:
        self.clock = clock
        self.rng = Random(f"{seed} {role}")
        self.tunnels: dict[tuple[str, int, int], Tunnel] = {}
        near, far = ("c0", "f0") if role == "client" else ("h0", "f1")
        self._macs = MAC[near], MAC[far]
        self._ident = 0
        self._port = Port(clock, spaces.name(role), near, self._on_frame)

    def close(self) -> None:
        """Closes the socket."""
        self._port.close()

    def put(self, segment: Segment, ttl: int) -> None:
        """Sends one segment."""
        self._ident += 1
        self._port.send(frame(segment, *self._macs, ttl, self._ident))

    def unknown(self, segment: Segment) -> Tunnel | None:
        """Makes the tunnel for a segment that belongs to none, or does not."""

    def _on_frame(self, data: bytes) -> None:
        segment = parse(data)
        if segment is None:
            return
        key = (segment.source, segment.source_port, segment.destination_port)
        tunnel = self.tunnels.get(key) or self.unknown(segment)
        if tunnel is not None:
            self.clock.after(PATH_DELAY_S, lambda: tunnel.on_segment(segment))


class Clients(Endpoints):
    """Every client of a run."""

    def __init__(self, clock: Clockwork, spaces: Namespaces, seed: str) -> None:
        super().__init__(clock, spaces, "client", seed)

    def dial(self, address: str, port: int, habit: Habit, flow: Flow) -> Tunnel:
        """Opens one tunnel to the headend."""
        tunnel = Tunnel(
            self.clock,
            Random(self.rng.getrandbits(64)),
            (address, port),
            (HEADEND, PORT),
            is_client=True,
            habit=habit,
            flow=flow,
            put=lambda segment: self.put(segment, habit.ttl),
        )
        self.tunnels[HEADEND, PORT, port] = tunnel
        tunnel.connect()
        return tunnel


class Headend(Endpoints):
    """Answers every SYN to the cTCP port; ``flows`` names what it sends, by order of arrival."""

    def __init__(
        self, clock: Clockwork, spaces: Namespaces, seed: str, habit: Habit, flows: dict[int, Flow]
    ) -> None:
        super().__init__(clock, spaces, "headend", seed)
        self._habit = habit
        self._flows = flows
        self._fallback = next(iter(flows.values()))

    def unknown(self, segment: Segment) -> Tunnel | None:
        """A SYN opens a tunnel; a segment of no tunnel is ignored, as a headend does that hides."""
        if segment.flags & (SYN | ACK) != SYN or segment.destination_port != PORT:
            return None
        tunnel = Tunnel(
            self.clock,
            Random(self.rng.getrandbits(64)),
            (segment.destination, PORT),
            (segment.source, segment.source_port),
            is_client=False,
            habit=self._habit,
            # Behind a proxy the port is another one: any flow will do.
            flow=self._flows.get(segment.source_port, self._fallback),
            put=lambda answer: self.put(answer, self._habit.ttl),
        )
        self.tunnels[segment.source, segment.source_port, segment.destination_port] = tunnel
        return tunnel
