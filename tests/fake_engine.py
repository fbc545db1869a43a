"""A stand-in for the native engine: plain objects with the attributes of ``_ctcpmon.pyi``.

``install`` puts it where ``ctcpmon.engine`` looks. A ``Scenario`` is what the next ``Replay`` will
hand over; batches are cut at ``batch_items`` so that tests can vary where the cuts fall.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from types import ModuleType
from typing import Any

from ctcpmon.community import community_id
from ctcpmon.stamps import rfc3339
from ctcpmon.text import clean

from tests.event_lines import EventLines, encode

__all__ = ["EventLines", "encode", "rfc3339"]

T0 = 1_795_465_741_285_056_000
SECOND = 1_000_000_000


@dataclass(frozen=True)
class ThresholdInfo:
    name: str
    value: float
    unit: str
    origin: str


@dataclass(frozen=True)
class DetectorInfo:
    id: str
    name: str
    signature: str
    severity: str
    docs: str
    thresholds: tuple[ThresholdInfo, ...]


@dataclass(frozen=True)
class EvidenceInfo:
    name: str
    unit: str
    doc: str


@dataclass(frozen=True)
class CounterInfo:
    name: str
    doc: str


@dataclass(frozen=True)
class Evidence:
    name: str
    value: float
    unit: str
    ts_ns: int | None = None
    packet: int | None = None


@dataclass(frozen=True)
class Direction:
    packets: int = 100
    payload_bytes: int = 12_000
    data_segments: int = 90
    open_holes: int = 1
    holes_total: int = 2
    hole_bytes_total: int = 232
    esp_received_pkts: int = 88
    esp_missing_pkts: int = 2
    esp_spi: int | None = 0xC0FFEE01
    esp_seq: int | None = 90
    retransmissions: int = 0
    reordered: int = 0
    network_duplicates: int = 0
    span_duplicates: int = 0
    dup_acks: int = 0
    sack_segments: int = 0
    zero_windows: int = 0
    unacked_bytes: int | None = 0
    window_bytes: int | None = 65_535
    ack_frozen_since_ns: int | None = None
    ack_rtt_us: int | None = 36_000
    first_ns: int | None = T0
    last_ns: int | None = T0 + 60 * SECOND
    last_data_ns: int | None = T0 + 59 * SECOND
    ttl_data: int | None = 128
    ttl_pure_ack: int | None = None
    ttl_handshake: int | None = 240


@dataclass(frozen=True)
class Session:
    id: str = "a1b2c3d4e5f6"
    generation: int = 1
    protocol: str = "ctcp"
    product: str | None = None
    certainty: str = "exact"
    client_ip: str = "10.1.4.17"
    client_port: int = 1061
    headend_ip: str = "198.51.100.9"
    headend_port: int = 10_000
    roles_known: bool = True
    state: str = "healthy"
    worst_state: str = "healthy"
    stalled_at_ns: int | None = None
    signature: str | None = None
    stopped_side: str | None = None
    loss_side: str | None = None
    confidence: float | None = None
    first_ns: int = T0
    last_ns: int = T0 + 60 * SECOND
    end_reason: str = ""
    is_one_sided: bool = False
    is_midstream: bool = False
    is_cut: bool = False
    to_headend: Direction = Direction()
    to_client: Direction = Direction(open_holes=0, holes_total=0, hole_bytes_total=0, esp_missing_pkts=0)
    initiator_cookie: str | None = "0011223344556677"
    responder_cookie: str | None = "8899aabbccddeeff"
    ike_exchange: str | None = "aggressive"
    ike_messages: int = 6
    keepalive_ms: int | None = 5_000
    dpd_ms: int | None = None
    vpn_group: str | None = "staff"
    vendors: tuple[str, ...] = ()
    linked_session: str | None = None
    tunnel_id: int = 0
    taps: tuple[int, ...] = (0,)

    @property
    def client_net(self) -> str:
        try:
            net = ip_network(self.client_ip)
        except ValueError:
            return clean(self.client_ip, 45)
        return str(net.supernet(new_prefix=24 if net.version == 4 else 64))

    @property
    def community_id(self) -> str | None:
        return community_id(self.client_ip, self.client_port, self.headend_ip, self.headend_port)


@dataclass(frozen=True)
class Finding:
    seq: int
    ts_ns: int
    since_ns: int
    detector: str
    verdict: str
    confidence: float
    stopped_side: str | None
    loss_side: str | None
    evidence: tuple[Evidence, ...]
    ruled_out: tuple[str, ...]
    session: Session
    tap_gap_ratio: float | None = 0.001

    @property
    def measured(self) -> dict[str, float]:
        return {one.name: one.value for one in self.evidence}


@dataclass(frozen=True)
class DeviceDirection:
    entered_pkts: int = 200
    left_pkts: int = 200
    matched_pkts: int = 200
    lost_pkts: int = 0
    appeared_pkts: int = 0
    undecided_pkts: int = 0
    overdue_pkts: int = 0
    repeated_pkts: int = 0
    recut_pkts: int = 0
    verdict: str = "forwarded"
    confidence: float = 0.99
    stopped_at_ns: int | None = None
    stopped_esp_seq: int | None = None
    stopped_pkts: int | None = None
    outages: int = 0
    resumed_by_ns: int | None = None
    first_lost_ns: int | None = None
    first_lost_spi: int | None = None
    first_lost_esp_seq: int | None = None
    last_lost_ns: int | None = None
    last_lost_spi: int | None = None
    last_lost_esp_seq: int | None = None
    delay_min_ns: int | None = 50_000
    delay_median_ns: int | None = 61_000
    delay_p95_ns: int | None = 90_000
    delay_max_ns: int | None = 120_000
    delay_spread_ns: int | None = 70_000


STOPPED_DIRECTION = DeviceDirection(
    left_pkts=140,
    matched_pkts=140,
    lost_pkts=60,
    verdict="stopped",
    stopped_at_ns=T0 + 20 * SECOND,
    stopped_esp_seq=141,
    stopped_pkts=60,
    first_lost_ns=T0 + 20 * SECOND,
    first_lost_spi=0x1000,
    first_lost_esp_seq=141,
    last_lost_ns=T0 + 50 * SECOND,
    last_lost_spi=0x1000,
    last_lost_esp_seq=200,
)


@dataclass(frozen=True)
class DevicePair:
    client_session: str = "a1b2c3d40000"
    headend_session: str = "b1b2c3d40000"
    client_ip: str = "10.1.4.17"
    client_port: int = 1061
    headend_ip: str = "198.51.100.9"
    headend_port: int = 10_000
    translated_client_ip: str = "203.0.113.5"
    translated_client_port: int = 40_001
    translated_headend_ip: str = "198.51.100.9"
    translated_headend_port: int = 10_000
    verdict: str = "forwarded"
    confidence: float = 0.99
    stopped_side: str | None = None
    loss_side: str | None = None
    to_headend: DeviceDirection = DeviceDirection()
    to_client: DeviceDirection = DeviceDirection()
    clock_offset_ns: int | None = 3_700_000_000
    clock_uncertainty_ns: int | None = 50_000
    delay_refused: str | None = None
    client_tap_missed_pkts: int = 0
    headend_tap_missed_pkts: int = 0
    first_ns: int = T0
    last_ns: int = T0 + 60 * SECOND
    ts_ns: int = T0 + 60 * SECOND
    is_final: bool = True


@dataclass(frozen=True)
class Batch:
    findings: tuple[Finding, ...]
    sessions: tuple[Session, ...]
    devices: tuple[DevicePair, ...]
    more: bool
    done: bool


@dataclass(frozen=True)
class Note:
    input: str
    kind: str
    offset: int | None
    text: str


@dataclass(frozen=True)
class Held:
    id: str = "session-1"
    generation: int = 1
    client_ip: str = "10.20.1.10"
    client_port: int = 51_004
    headend_ip: str = "203.0.113.10"
    headend_port: int = 10_000
    kind: str = "ack_stands"
    sender: str = "client"
    since_ns: int = T0 + 56_800_000_000
    now_ns: int = T0 + 60_000_000_000
    age_ms: int = 3_299
    patience_ms: int = 6_000
    segments: int = 14
    ack: int | None = 1_233_158_770
    usual_gap_ms: int = 0


@dataclass(frozen=True)
class Stats:
    packets: int = 4_120
    tcp_packets: int = 4_000
    tcp_conversations: int = 3
    flows_current: int = 3
    sessions_current: int = 1
    sessions_by_state: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=lambda: {"frames_read": 4_120, "frames_cut": 0})
    tap_gap_ratio: float | None = 0.001
    first_ns: int | None = T0
    last_ns: int | None = T0 + 60 * SECOND
    rhythm: tuple[tuple[int, int, int], ...] = ()
    bytes_read: int = 500_000
    bytes_total: int | None = 1_000_000
    notes: tuple[Note, ...] = ()
    matching: dict[str, int] | None = None
    held: tuple[Any, ...] = ()
    held_is_full: bool = False
    ports: tuple[Any, ...] = ()
    done: bool = True


@dataclass(frozen=True)
class Sliced:
    frames: int = 0
    remarks: int = 0
    unplaced: int = 0
    before: int = 0
    behind: int = 0
    numbers: tuple[int, ...] = ()


def slice_captures(_paths: Any, _out: Any, _wanted: Any, marks: Any, **_words: Any) -> Sliced:
    return Sliced(frames=len(marks), remarks=len(marks))


def slice_bytes(_paths: Any, _wanted: Any, marks: Any, **_words: Any) -> tuple[bytes, Sliced]:
    return b"", Sliced(frames=len(marks), remarks=len(marks))


class Drawing:
    """Made by the engine alone."""


class Packet:
    """Made by the engine alone."""


class Series:
    """There is nothing to draw of a fake."""


class CaptureError(Exception):
    pass


@dataclass
class Scenario:
    """What the fake hands over: findings and ended sessions in one order, and the counters."""

    items: list[Any] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)
    error: str | None = None
    ends_in: str | None = None
    """What ends the run when everything was handed over."""
    batch_items: int = 1_000
    polls_before_done: int = 0


scenario = Scenario()


def _rank(item: Any) -> int:
    return (Finding, Session, DevicePair).index(type(item))


def _size_of_batch(items: list[Any]) -> int:
    """Stops where a finding follows an ended session or a pair, as the engine does."""
    for i, (item, following) in enumerate(itertools.pairwise(items), start=1):
        if _rank(item) > _rank(following):
            return i
    return len(items)


class FlowWindow:
    """No test with the fake engine lists flows."""


class SessionWindow:
    """Nor sessions."""


class Replay:
    confined = None

    def __init__(self, paths: list[str], **settings: Any) -> None:
        if scenario.error is not None:
            raise CaptureError(scenario.error)
        self.paths = paths
        self.settings = settings
        self.is_stopped = False
        self._items = list(scenario.items)
        self._waits = scenario.polls_before_done

    def poll(self, timeout_ms: int, max_items: int = 1_000) -> Batch:
        if timeout_ms < 0:
            raise ValueError(timeout_ms)
        if not self._items and scenario.ends_in is not None:
            raise CaptureError(scenario.ends_in)
        size = _size_of_batch(self._items[: min(scenario.batch_items, max_items)])
        taken, self._items = self._items[:size], self._items[size:]
        if not self._items and self._waits and not self.is_stopped:
            import time

            self._waits -= 1
            time.sleep(timeout_ms / 1000)
            return _batch(taken, more=False, done=False)
        done = not self._items and scenario.ends_in is None
        return _batch(taken, more=not done, done=done)

    def stats(self) -> Stats:
        return scenario.stats

    def snapshot(self, **_query: Any) -> tuple[Session, ...]:
        return ()

    def session(self, _session_id: str) -> Session | None:
        return None

    def set_speed(self, speed: float) -> None:
        pass

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        pass

    def stop(self) -> None:
        self.is_stopped = True


def _batch(items: list[Any], *, more: bool, done: bool) -> Batch:
    devices = tuple(item for item in items if isinstance(item, DevicePair))
    return Batch(_findings(items), _sessions(items), devices, more, done)


def _findings(items: list[Any]) -> tuple[Finding, ...]:
    return tuple(item for item in items if isinstance(item, Finding))


def _sessions(items: list[Any]) -> tuple[Session, ...]:
    return tuple(item for item in items if isinstance(item, Session))


DETECTORS = tuple(
    DetectorInfo(
        id=detector,
        name=detector,
        signature=signature,
        severity=severity,
        docs="## What it sees\nA fake page.",
        thresholds=(ThresholdInfo("min_age", 200.0, "ms", "guess: three round trips"),),
    )
    for detector, signature, severity in (
        ("ctcp.unfilled_hole", "S-a", "warning"),
        ("ctcp.window_overrun", "S-a", "warning"),
        ("ctcp.stateful_drop", "S-b", "critical"),
        ("ctcp.proxy_ack_freeze", "S-c", "critical"),
        ("ctcp.reset_after_loss", "S-d", "critical"),
        ("ctcp.silent_death", "S-e", "critical"),
        ("ctcp.ike_unanswered", "S-f", "warning"),
    )
)
EVIDENCE = (EvidenceInfo("hole_bytes", "bytes", "bytes of the oldest hole"),)
COUNTERS = (CounterInfo("frames_read", "frames read"), CounterInfo("frames_cut", "frames cut"))

LINK_TYPES = ((1, "ethernet"), (101, "raw"))


def session(number: int = 0, **changes: Any) -> Session:
    """Session ``number``: an id and port of its own."""
    base = Session(id=f"{0xA1B2C3D40000 + number:012x}", client_port=1_061 + number)
    return replace(base, **changes)


def stalled(number: int = 0, **changes: Any) -> Session:
    """A session as it looks after ``ctcp.stateful_drop`` raised."""
    values: dict[str, Any] = {
        "state": "stalled",
        "worst_state": "stalled",
        "stalled_at_ns": T0 + 20 * SECOND,
        "signature": "ctcp.stateful_drop",
        "stopped_side": "client",
        "loss_side": "client",
        "confidence": 0.94,
    }
    return session(number, **{**values, **changes})


def finding(
    seq: int,
    on: Session,
    detector: str = "ctcp.stateful_drop",
    verdict: str = "stalled",
    *,
    at_s: float = 24.0,
    loss_side: str | None = "client",
    evidence: tuple[Evidence, ...] = (
        Evidence("hole_bytes", 96.0, "bytes", T0 + 20 * SECOND, 18_221),
        Evidence("hole_to_stall_ms", 4_053.0, "ms"),
    ),
    **changes: Any,
) -> Finding:
    """A finding on ``on``, judged ``at_s`` seconds into the capture."""
    base = Finding(
        seq=seq,
        ts_ns=T0 + int(at_s * SECOND),
        since_ns=T0 + int((at_s - 4) * SECOND),
        detector=detector,
        verdict=verdict,
        confidence=0.94,
        stopped_side="client" if verdict == "stalled" else None,
        loss_side=loss_side,
        evidence=evidence,
        ruled_out=("slow_receiver: the sender did not stop",),
        session=on,
    )
    return replace(base, **changes)


def textbook() -> list[Any]:
    """One session from hole to stall, one that recovers, one healthy; all end."""
    first, second, third = session(0, state="at_risk"), session(1, state="at_risk"), session(2)
    return [
        finding(1, first, "ctcp.unfilled_hole", "at_risk", at_s=10),
        finding(2, second, "ctcp.unfilled_hole", "at_risk", at_s=11),
        finding(3, stalled(0), at_s=24),
        finding(4, second, "ctcp.unfilled_hole", "healthy", at_s=30),
        replace(second, end_reason="fin", worst_state="at_risk", state="healthy", last_ns=T0 + 31 * SECOND),
        finding(5, stalled(0), "ctcp.silent_death", "stalled", at_s=50),
        replace(stalled(0), end_reason="end_of_input"),
        replace(third, end_reason="end_of_input"),
    ]


class Confined:
    """Stands for the type."""


class Interface:
    """Stands for the type."""


class LivePort:
    """Stands for the type."""


def interfaces() -> tuple[Interface, ...]:
    """A machine without interfaces."""
    return ()


def try_confine() -> Confined:
    """A machine that has nothing of it."""
    return Confined()


def install() -> None:
    """Makes ``ctcpmon.engine`` find this module in place of the extension."""
    global scenario  # noqa: PLW0603
    scenario = Scenario()
    this = sys.modules[__name__]
    fake = ModuleType("ctcpmon._ctcpmon")
    for name in (
        "COUNTERS",
        "DETECTORS",
        "EVIDENCE",
        "LINK_TYPES",
        "Batch",
        "CaptureError",
        "Confined",
        "CounterInfo",
        "DetectorInfo",
        "DeviceDirection",
        "DevicePair",
        "Direction",
        "Drawing",
        "EventLines",
        "Evidence",
        "EvidenceInfo",
        "Finding",
        "FlowWindow",
        "Held",
        "Interface",
        "LivePort",
        "Note",
        "Packet",
        "Replay",
        "Series",
        "Session",
        "SessionWindow",
        "Sliced",
        "Stats",
        "ThresholdInfo",
        "encode",
        "interfaces",
        "rfc3339",
        "slice_bytes",
        "slice_captures",
        "try_confine",
    ):
        setattr(fake, name, getattr(this, name))
    fake.__version__ = "0.0.0-test"  # type: ignore[attr-defined]
    import ctcpmon

    sys.modules["ctcpmon._ctcpmon"] = fake
    ctcpmon._ctcpmon = fake  # type: ignore[attr-defined]
    sys.modules.pop("ctcpmon.engine", None)
    vars(ctcpmon).pop("engine", None)
