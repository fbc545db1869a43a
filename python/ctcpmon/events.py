"""The output contract: every event ctcpmon writes, as types. JSON and the schema come from here.

Envelope: CloudEvents 1.0 attributes outside, ECS names inside, our own part under ``ctcp``.
Rules: units in names, ``*_ratio`` 0 to 1, times RFC 3339 UTC with six decimals, not known means
absent (a known zero or false is written), new fields may come in v1, a meaning never changes.
Writing events is ``envelopes`` and ``rust/events``; nothing here reads an engine object.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctcpmon.figures import MAX_SAFE_INTEGER

__all__ = [
    "MAX_SAFE_INTEGER",
    "CtcpDevice",
    "CtcpDeviceDirection",
    "CtcpDirection",
    "CtcpFinding",
    "CtcpIncident",
    "CtcpSession",
    "DeviceData",
    "DeviceEvent",
    "DevicePeer",
    "Event",
    "EventInfo",
    "EvidenceItem",
    "FindingData",
    "FindingEvent",
    "Headend",
    "IncidentData",
    "IncidentEvent",
    "Ingress",
    "Nat",
    "Network",
    "Observer",
    "Peer",
    "Rule",
    "SessionData",
    "SessionEvent",
    "StatsData",
    "StatsEvent",
    "decode",
    "encode",
    "schema",
]

Count = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
State = Literal["healthy", "at_risk", "suspect", "stalled", "unknown"]
StoppedSide = Literal["client", "headend", "both"]
LossSide = Literal["client", "headend", "sender"]
SeverityName = Literal["critical", "warning", "info"]
TapSide = Literal["client", "headend"]
DeviceVerdict = Literal[
    "undecided", "forwarded", "held", "overdue", "recut", "lossy", "interrupted", "stopped"
]
Microseconds = Annotated[int, Meta(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A field without a default is always written; None, the only default, is never written.

    No part can hold itself, so the collector of cycles need not look at the thousands that are made.
    """


class EventInfo(_Part, frozen=True):
    """ECS ``event``."""

    kind: Literal["alert", "event", "metric"]
    category: tuple[Literal["network"], ...]
    severity: Annotated[int, Meta(ge=0, le=99, description="99 critical, 47 warning, 21 info")]
    sequence: Count | None = None
    start: Time | None = None
    end: Time | None = None
    reason: str | None = None


class Rule(_Part, frozen=True):
    """ECS ``rule``: the detector."""

    id: str
    name: str
    ruleset: Annotated[str, Meta(description="label of the signature, S-a to S-f")] | None = None


class Ingress(_Part, frozen=True):
    """ECS ``observer.ingress``: where the packets came from."""

    zone: Annotated[TapSide, Meta(description="side of the device on which the tap stands")]


class Observer(_Part, frozen=True):
    """ECS ``observer``; ``ingress`` is written when a run has a tap on each side of a device."""

    name: str
    product: Literal["ctcpmon"]
    version: str
    ingress: Ingress | None = None


class Network(_Part, frozen=True):
    """ECS ``network``."""

    transport: Literal["tcp"]
    protocol: Annotated[str, Meta(description="ctcp, faketcp, iketcp or ike_tcp")]
    type: Literal["ipv4", "ipv6"] | None = None
    community_id: str | None = None


class Peer(_Part, frozen=True):
    """ECS ``source`` (the client) or ``destination`` (the headend) and what it sent."""

    ip: str
    port: Port
    packets: Count
    bytes: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="TCP payload bytes sent")]


class ClientNet(_Part, frozen=True):
    """ECS ``source`` of an incident: the network of its clients."""

    address: Annotated[str, Meta(description="network of the clients, CIDR; of several the first")]
    networks: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER, description="number of client networks")]


class Headend(_Part, frozen=True):
    """ECS ``destination`` of an incident."""

    ip: str
    port: Port


class EvidenceItem(_Part, frozen=True):
    """One measured number; ``text`` says the same for people."""

    name: str
    unit: str
    text: str
    value: int | float | None = None
    time: Time | None = None
    packet: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER, description="frame number")] | None = None


class CtcpFinding(_Part, frozen=True):
    """Our part of a finding: one detector's verdict on one session."""

    session: str
    generation: Count
    verdict: State
    state: Annotated[State, Meta(description="of the session, all detectors together")]
    confidence: Ratio
    evidence: tuple[EvidenceItem, ...]
    ruled_out: tuple[str, ...]
    fixes: Annotated[tuple[str, ...], Meta(description="fix ids, best first")]
    stopped_side: StoppedSide | None = None
    loss_side: LossSide | None = None
    tap_gap_ratio: Ratio | None = None
    incident: str | None = None


class StopTimer(_Part, frozen=True):
    """What the stops of an incident have in common; consistent with a device, never proof."""

    kind: Literal["delay", "window", "segments", "at_hole"]
    sessions: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="sessions that agree")]
    of: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="sessions that could be measured")]
    text: str
    delay_ms: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="from loss to stop")] | None = None


class ReconnectCycle(_Part, frozen=True):
    """Clients of an incident that reconnect again and again."""

    clients: Count
    sessions: Count
    reconnects: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="the most of one client")]
    is_timer: Annotated[bool, Meta(description="equal lifetimes without loss: idle, rekey or DPD timer")]
    text: str
    lifetime_ms: Count | None = None


class CtcpIncident(_Part, frozen=True):
    """Our part of an incident: sessions with one cause."""

    incident: str
    seq: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER, description="number of this change")]
    change: Literal["opened", "changed", "closed"]
    severity: SeverityName
    worst_severity: SeverityName
    what: str
    where: str
    why: str
    sessions_total: Count
    sessions_stalled: Count
    sessions_at_risk: Count
    sessions_recovered: Annotated[
        int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="moving again, or did so until they ended")
    ]
    sessions_gone: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="ended without moving again")]
    sessions_reconnected: Annotated[
        int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="of those gone, the client came back")
    ]
    confidence: Ratio
    fixes: tuple[str, ...]
    sessions: Annotated[tuple[str, ...], Meta(description="ids of the first few")]
    stopped_side: StoppedSide | None = None
    loss_side: LossSide | None = None
    first_fix: str | None = None
    close_reason: Literal["cleared", "reconnected", "gone", "moved"] | None = None
    moving_since: Time | None = None
    remarks: Annotated[tuple[str, ...], Meta(description="what the sessions together say")] | None = None
    timer: StopTimer | None = None
    cycle: ReconnectCycle | None = None
    silent_side: (
        Annotated[Literal["client", "headend"], Meta(description="in an outage: who is not heard")] | None
    ) = None
    rebound_sessions: (
        Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="an older connection on a new port")]
        | None
    ) = None


class CtcpDirection(_Part, frozen=True):
    """What one side sent, as observed at the tap."""

    packets: Count
    payload_bytes: Count
    data_segments: Count
    open_holes: Count
    holes: Count
    hole_bytes: Count
    esp_received_pkts: Count
    esp_missing_pkts: Count
    retransmitted_segments: Count
    reordered_segments: Count
    network_duplicate_segments: Count
    span_duplicate_segments: Count
    dup_acks: Annotated[int, Meta(ge=0, description="sent by the other side for this data")]
    sack_segments: Count
    zero_windows: Count
    esp_loss_ratio: Ratio | None = None
    esp_spi: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")] | None = None
    esp_seq: Count | None = None
    unacked_bytes: Count | None = None
    window_bytes: Count | None = None
    ack_frozen_since: Time | None = None
    ack_rtt_us: Count | None = None
    first: Time | None = None
    last: Time | None = None
    last_data: Time | None = None
    ttl_data: Count | None = None
    ttl_pure_ack: Count | None = None
    ttl_handshake: Count | None = None


class CtcpSession(_Part, frozen=True):
    """Our part of a session: one tunnel connection in one generation, at its end."""

    session: str
    generation: Count
    state: Annotated[State, Meta(description="at the end")]
    worst_state: State
    end_reason: Annotated[str, Meta(description="fin, rst, idle, reused, evicted or end_of_input")]
    certainty: Annotated[str, Meta(description="exact, loose, head or behaviour")]
    duration_ms: Count
    roles_known: bool
    is_one_sided: bool
    is_midstream: bool
    is_cut: bool
    ike_messages: Count
    to_headend: CtcpDirection
    to_client: CtcpDirection
    stalled_at: Time | None = None
    signature: Annotated[str, Meta(description="detector id of the first stall")] | None = None
    stopped_side: StoppedSide | None = None
    loss_side: LossSide | None = None
    confidence: Ratio | None = None
    product: str | None = None
    initiator_cookie: str | None = None
    responder_cookie: str | None = None
    ike_exchange: str | None = None
    keepalive_ms: Count | None = None
    """Beat of a side that sends nothing else."""
    dpd_ms: Count | None = None
    """Mean time between DPD requests."""
    group: str | None = None
    """VPN group that the client named in clear; only when asked for."""
    vendors: list[str] | None = None
    """What vendor IDs sent in clear say of the peers."""
    linked_session: str | None = None


class Nat(_Part, frozen=True):
    """ECS ``source.nat`` or ``destination.nat``: the end as the tap on the headend side sees it."""

    ip: str
    port: Port


class DevicePeer(_Part, frozen=True):
    """ECS ``source`` (the client) or ``destination`` (the headend) as the client-side tap sees it."""

    ip: str
    port: Port
    nat: Annotated[Nat, Meta(description="only when the device translates it")] | None = None


class CtcpDeviceDirection(_Part, frozen=True):
    """ESP packets of one direction that entered the device between two taps, and that left it."""

    entered_pkts: Count
    left_pkts: Count
    matched_pkts: Annotated[int, Meta(ge=0, description="seen at both taps")]
    lost_in_device_pkts: Annotated[int, Meta(ge=0, description="entered, did not leave within 10 s")]
    appeared_pkts: Annotated[int, Meta(ge=0, description="left, missed by the tap before the device")]
    undecided_pkts: Annotated[int, Meta(ge=0, description="entered too near to an end of a capture")]
    overdue_pkts: Annotated[int, Meta(ge=0, description="of these: due for over 1 s at the end")]
    repeated_pkts: Count
    recut_pkts: Annotated[int, Meta(ge=0, description="left in a segment of another length")]
    verdict: DeviceVerdict
    confidence: Ratio
    outages: Annotated[int, Meta(ge=0, description="times it stopped and went on")]
    stopped_at: Annotated[Time, Meta(description="by the clock of the tap before the device")] | None = None
    stopped_esp_seq: Count | None = None
    stopped_pkts: Count | None = None
    resumed_by: Time | None = None
    first_lost: Time | None = None
    first_lost_esp_spi: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")] | None = None
    first_lost_esp_seq: Count | None = None
    last_lost: Time | None = None
    last_lost_esp_spi: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")] | None = None
    last_lost_esp_seq: Count | None = None
    delay_min_us: Microseconds | None = None
    delay_median_us: Microseconds | None = None
    delay_p95_us: Microseconds | None = None
    delay_max_us: Microseconds | None = None
    delay_spread_us: Annotated[int, Meta(ge=0, description="longest minus shortest")] | None = None


class CtcpDevice(_Part, frozen=True):
    """Our part of a device report: one session seen on both sides of a device."""

    client_session: Annotated[str, Meta(description="session id at the tap on the client side")]
    headend_session: Annotated[str, Meta(description="session id at the tap on the headend side")]
    is_final: Annotated[bool, Meta(description="false: the verdict changed, the session goes on")]
    verdict: Annotated[DeviceVerdict, Meta(description="that of the worse direction")]
    confidence: Ratio
    to_headend: CtcpDeviceDirection
    to_client: CtcpDeviceDirection
    client_tap_missed_pkts: Annotated[int, Meta(ge=0, description="over all sessions")]
    headend_tap_missed_pkts: Annotated[int, Meta(ge=0, description="over all sessions")]
    stopped_side: StoppedSide | None = None
    loss_side: Literal["device"] | None = None
    clock_offset_us: (
        Annotated[
            int,
            Meta(
                ge=-MAX_SAFE_INTEGER,
                le=MAX_SAFE_INTEGER,
                description="clock of the headend-side tap minus that of the client-side tap",
            ),
        ]
        | None
    ) = None
    clock_uncertainty_us: Count | None = None
    delay_refused: Annotated[str, Meta(description="why no delay is stated")] | None = None


class FindingData(_Part, frozen=True):
    """``data`` of ``ctcpmon.finding.v1``."""

    event: EventInfo
    rule: Rule
    observer: Observer
    network: Network
    source: Peer
    destination: Peer
    ctcp: CtcpFinding


class IncidentData(_Part, frozen=True):
    """``data`` of ``ctcpmon.incident.v1``."""

    event: EventInfo
    rule: Rule
    observer: Observer
    network: Network
    source: ClientNet
    destination: Headend
    ctcp: CtcpIncident


class SessionData(_Part, frozen=True):
    """``data`` of ``ctcpmon.session.v1``: client is source, headend is destination."""

    event: EventInfo
    observer: Observer
    network: Network
    source: Peer
    destination: Peer
    ctcp: CtcpSession


class DeviceData(_Part, frozen=True):
    """``data`` of ``ctcpmon.device.v1``: client is source, headend is destination."""

    event: EventInfo
    observer: Observer
    network: Network
    source: DevicePeer
    destination: DevicePeer
    ctcp: CtcpDevice


class StatsData(_Part, frozen=True):
    """``data`` of ``ctcpmon.stats.v1``, the last event of a run."""

    event: EventInfo
    observer: Observer
    packets: Count
    tcp_packets: Count
    tcp_conversations: Count
    counters: Annotated[dict[str, Count], Meta(description="named reasons of the engine")]
    diagnosis: Annotated[dict[str, Count], Meta(description="counters of the grouping")]
    events: Annotated[dict[str, Count], Meta(description="events written before this, by type")]
    sessions: Annotated[dict[str, Count], Meta(description="ended sessions by last state")]
    matching: Annotated[dict[str, Count], Meta(description="packets matched across two taps")] | None = None
    outputs: (
        Annotated[dict[str, Count], Meta(description="serve: events by output delivered, lost, waiting")]
        | None
    ) = None
    tap_gap_ratio: Ratio | None = None


class _Envelope(_Part, frozen=True, tag_field="type"):
    """CloudEvents attributes; ``type`` is the tag."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(description="<sensor>.<boot>.<n>, n without gaps from 1")]
    source: str
    dataschema: str
    time: Annotated[Time, Meta(description="packet time")] | None = None
    subject: Annotated[str, Meta(description="community id of the session")] | None = None


class FindingEvent(_Envelope, frozen=True, kw_only=True, tag="ctcpmon.finding.v1"):
    """A change of one detector's verdict on one session."""

    data: FindingData


class IncidentEvent(_Envelope, frozen=True, kw_only=True, tag="ctcpmon.incident.v1"):
    """An incident opened, changed or closed."""

    data: IncidentData


class SessionEvent(_Envelope, frozen=True, kw_only=True, tag="ctcpmon.session.v1"):
    """A recognised tunnel session that ended, or was open when the input ended."""

    data: SessionData


class DeviceEvent(_Envelope, frozen=True, kw_only=True, tag="ctcpmon.device.v1"):
    """What the device between two taps did with one session: it stopped or went on, or the session ended."""

    data: DeviceData


class StatsEvent(_Envelope, frozen=True, kw_only=True, tag="ctcpmon.stats.v1"):
    """Every counter; the last event."""

    data: StatsData


Event = FindingEvent | IncidentEvent | SessionEvent | DeviceEvent | StatsEvent

_ENCODER = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """One line of JSON, without the newline."""
    return _ENCODER.encode(event)


def decode(line: bytes | str) -> Event:
    """Reads one line back and checks it against the types. Raises ``msgspec.ValidationError``."""
    return _decoder().decode(line)


@cache
def _decoder() -> msgspec.json.Decoder[Event]:
    """Made on first use: a run only writes, and checking all types takes longer than importing them."""
    return msgspec.json.Decoder(Event)


def schema() -> str:
    """JSON Schema of one line, as committed in ``docs/event.schema.json``. Refuses unknown fields."""
    (reference,), definitions = msgspec.json.schema_components([Event], ref_template="#/$defs/{name}")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "ctcpmon/event/v1",
        "title": "One line of ctcpmon output",
        **reference,
        "$defs": _without_null(definitions),
    }
    text = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2)
    return text.decode() + "\n"


def _without_null(node: object) -> object:
    """Drops the null alternatives: in Python None means absent, and absent is never written."""
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        name: _without_null(value)
        for name, value in node.items()
        if not (name == "default" and value is None)
    }
    enum = kept.get("enum")
    if isinstance(enum, list):
        kept["enum"] = [value for value in enum if value is not None]
    any_of = kept.get("anyOf")
    if isinstance(any_of, list):
        any_of = [choice for choice in any_of if choice != {"type": "null"}]
        if len(any_of) == 1:
            del kept["anyOf"]
            kept.update(any_of[0])
        else:
            kept["anyOf"] = any_of
    return kept
