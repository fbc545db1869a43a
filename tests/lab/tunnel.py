"""One end of one cTCP connection: a TCP face that never retransmits, IKE, ESP and its log.

It acknowledges by one of two habits, because the real one is not documented: ``highest`` names the
highest byte received, ``frozen`` stands at the first hole. It reacts to nothing else: no duplicate ACK, no
SACK block and no window makes it send anything again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from . import ctcp
from .frames import ACK, FULL_CIRCLE, PSH, RST, SYN, Segment, ahead, syn_options

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from .clockwork import Clockwork

IKE_SCRIPT = (
    (ctcp.AGGRESSIVE, True, 620), (ctcp.AGGRESSIVE, False, 380), (ctcp.AGGRESSIVE, True, 72),
    (ctcp.TRANSACTION, False, 64), (ctcp.TRANSACTION, True, 80), (ctcp.TRANSACTION, False, 56),
    (ctcp.TRANSACTION, True, 48), (ctcp.QUICK, True, 640), (ctcp.QUICK, False, 132), (ctcp.QUICK, True, 24),
)  # fmt: skip
"""Exchange, sent by the client, body bytes: aggressive mode, XAUTH and mode config, quick mode."""
_IKE_PAUSE_S = 0.02
_DPD_BODY_BYTES = 64
"""With the ISAKMP header 92 bytes, the size of a DPD notify with AES."""
_FIRST_ESP_SPI = 0x1000_0000
_MSS = 1_380


@dataclass(frozen=True)
class Habit:
    """How an endpoint plays TCP. ``ttl`` is the initial one of its stack."""

    ack: Literal["highest", "frozen"]
    window: int
    ttl: int
    sack: bool = False


@dataclass(frozen=True)
class Flow:
    """What one side has to send: an ESP packet about every ``every_s``, of about ``size`` bytes."""

    every_s: float
    size: int


@dataclass(frozen=True)
class Sent:
    """One data segment that an endpoint sent."""

    epoch: float
    seq: int
    length: int
    kind: str
    esp_seq: int | None
    digest: bytes


@dataclass
class Log:
    """What one endpoint did and saw. The truth is made from this."""

    sent: list[Sent] = field(default_factory=list)
    arrived: dict[bytes, float] = field(default_factory=dict)
    """Time of the first undamaged arrival, by digest of the whole payload."""
    resets: list[float] = field(default_factory=list)
    opened: float | None = None
    up: float | None = None
    """The tunnel stood: quick mode was through."""


@dataclass
class Tunnel:
    """One end. ``put`` sends a segment; ``dpd_s`` is the rhythm of the client's DPD requests."""

    clock: Clockwork
    rng: random.Random
    local: tuple[str, int]
    remote: tuple[str, int]
    is_client: bool
    habit: Habit
    flow: Flow
    put: Callable[[Segment], None]
    dpd_s: float = 5.0
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self._next = self.rng.getrandbits(32)
        self._expected = 0
        self._beyond: list[tuple[int, int]] = []
        self._cookies = (
            (self.rng.randbytes(8), bytes(8)) if self.is_client else (bytes(8), self.rng.randbytes(8))
        )
        self._step = 0
        self._spi = _FIRST_ESP_SPI + self.rng.getrandbits(28)
        self._esp_seq = 0
        self._message_id = 0
        self._number = 0
        self._is_open = False

    def connect(self) -> None:
        """Client: sends the SYN."""
        self._transmit(SYN, options=syn_options(_MSS, sack=self.habit.sack))

    def hang_up(self) -> None:
        """Stops sending; says nothing to anybody."""
        self._is_open = False

    def on_segment(self, segment: Segment) -> None:
        """Takes one segment from the other end."""
        if segment.flags & RST:
            self.log.resets.append(time.time())
            self._is_open = False
        elif segment.flags & SYN:
            self._on_syn(segment)
        elif segment.payload and (self._is_open or not self.log.resets):
            self._on_data(segment)

    def _on_syn(self, segment: Segment) -> None:
        self._expected = (segment.seq + 1) % FULL_CIRCLE
        self.log.opened = self.log.opened or time.time()
        self._is_open = True
        if not self.is_client:
            self._transmit(SYN | ACK, options=syn_options(_MSS, sack=self.habit.sack))
            return
        self._transmit(ACK)
        self.clock.after(_IKE_PAUSE_S, self._say_next_ike)

    def _on_data(self, segment: Segment) -> None:
        self._acknowledge(segment)
        self.log.arrived.setdefault(_digest(segment.payload), time.time())
        exchange = ctcp.exchange_of(segment.payload)
        if exchange is None:
            return
        if not self.is_client:
            self._cookies = (segment.payload[8:16], self._cookies[1])
        elif self._cookies[1] == bytes(8):
            self._cookies = (self._cookies[0], segment.payload[16:24])
        if exchange == ctcp.INFORMATIONAL:
            if not self.is_client:
                self._send_ike(exchange, _DPD_BODY_BYTES)
            return
        self._step += 1
        self.clock.after(_IKE_PAUSE_S, self._say_next_ike)

    def _acknowledge(self, segment: Segment) -> None:
        if self.habit.ack == "highest":
            if ahead(segment.end, self._expected) > 0:
                self._expected = segment.end
            return
        self._beyond.append((segment.seq, segment.end))
        waiting = sorted(self._beyond, key=lambda piece: ahead(piece[0], self._expected))
        self._beyond = []
        for start, end in waiting:
            if ahead(start, self._expected) <= 0:
                self._expected = end if ahead(end, self._expected) > 0 else self._expected
            else:
                self._beyond.append((start, end))

    def _say_next_ike(self) -> None:
        if self._step >= len(IKE_SCRIPT):
            self._tunnel_stands()
            return
        exchange, is_clients, size = IKE_SCRIPT[self._step]
        if is_clients is not self.is_client:
            return
        self._step += 1
        self._send_ike(exchange, size)
        self.clock.after(_IKE_PAUSE_S, self._say_next_ike)

    def _tunnel_stands(self) -> None:
        if self.log.up is None:
            self.log.up = time.time()
            self.clock.after(_IKE_PAUSE_S, self._send_esp)
            if self.is_client:
                self.clock.after(self.dpd_s, self._ask_for_life)

    def _ask_for_life(self) -> None:
        if self._is_open:
            self._send_ike(ctcp.INFORMATIONAL, _DPD_BODY_BYTES)
            self.clock.after(self.dpd_s, self._ask_for_life)

    def _send_ike(self, exchange: int, size: int) -> None:
        self._number += 1
        if exchange != ctcp.AGGRESSIVE:
            self._message_id = self.rng.getrandbits(32) | 1
        body = self.rng.randbytes(size)
        payload = ctcp.ike(
            exchange,
            self._cookies,
            self._message_id,
            body,
            number=self._number,
            to_headend=self.is_client,
        )
        self._send_data(payload, "I", None)

    def _send_esp(self) -> None:
        if not self._is_open:
            return
        self._esp_seq += 1
        size = round(self.flow.size * self.rng.uniform(0.7, 1.3) / 8) * 8
        self._send_data(ctcp.esp(self._spi, self._esp_seq, self.rng.randbytes(size)), "E", self._esp_seq)
        self.clock.after(self.flow.every_s * self.rng.uniform(0.6, 1.4), self._send_esp)

    def _send_data(self, payload: bytes, kind: str, esp_seq: int | None) -> None:
        if not self._is_open:
            return
        entry = Sent(time.time(), self._next, len(payload), kind, esp_seq, _digest(payload))
        self.log.sent.append(entry)
        self._transmit(PSH | ACK, payload)

    def _transmit(self, flags: int, payload: bytes = b"", options: bytes = b"") -> None:
        self.put(
            Segment(
                *self.local,
                *self.remote,
                self._next,
                self._expected if flags & ACK else 0,
                flags,
                self.habit.window,
                payload,
                options,
            )
        )
        self._next = (self._next + len(payload) + bool(flags & SYN)) % FULL_CIRCLE


def _digest(payload: bytes) -> bytes:
    """Bodies are random, so this names one segment among all of a run."""
    return blake2b(payload, digest_size=12).digest()
