"""The events of findings and of ended sessions made from their rows, in plain Python.

The program writes them in Rust. This is the second opinion: the fake engine uses it, and
``tests/contract/test_event_lines.py`` holds the lines of the real engine against it, byte by byte.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast, get_args

import msgspec
from ctcpmon import events
from ctcpmon.addresses import ip_version
from ctcpmon.community import community_id
from ctcpmon.diagnosis.wording import PHRASES, evidence_words
from ctcpmon.figures import number
from ctcpmon.stamps import rfc3339
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Direction, Evidence, Finding, Session

_SEVERITIES = {"stalled": 99, "at_risk": 47, "suspect": 47}


def encode(event: dict[str, object]) -> bytes:
    """The same as ``_ctcpmon.encode``."""
    return msgspec.json.encode(_without_none(event))


def _without_none(node: object) -> object:
    if isinstance(node, dict):
        return {name: _without_none(value) for name, value in node.items() if value is not None}
    return [_without_none(item) for item in node] if isinstance(node, list | tuple) else node


class EventLines:
    """The same calls as ``_ctcpmon.EventLines``."""

    def __init__(
        self,
        *,
        id_prefix: str,
        source: str,
        sensor: str,
        version: str,
        zones: Mapping[int, events.TapSide],
        phrases: Mapping[str, tuple[str, bool, str]],
        clean_group: Callable[[str], str] | None = None,
    ) -> None:
        self._id_prefix = id_prefix
        self._source = source
        self._observer = events.Observer(name=sensor, product="ctcpmon", version=version)
        self._zones = zones
        assert phrases is PHRASES
        self._clean_group = clean_group

    def sessions(self, sessions: Sequence[Session], first: int) -> list[bytes]:
        return [events.encode(self.event(session, number)) for number, session in enumerate(sessions, first)]

    def finding(
        self,
        finding: Finding,
        number: int,
        *,
        reason: str,
        rule: bytes,
        incident: str | None,
        fixes: Sequence[str],
    ) -> bytes:
        session = finding.session
        network = _network(session)
        event = events.FindingEvent(
            specversion="1.0",
            id=f"{self._id_prefix}{number}",
            source=self._source,
            dataschema="ctcpmon/finding/v1",
            time=rfc3339(finding.ts_ns),
            subject=network.community_id,
            data=events.FindingData(
                event=events.EventInfo(
                    kind="event" if finding.verdict == "healthy" else "alert",
                    category=("network",),
                    severity=_SEVERITIES.get(finding.verdict, 21),
                    sequence=_count(finding.seq),
                    start=rfc3339(finding.since_ns),
                    reason=reason,
                ),
                rule=msgspec.json.decode(rule, type=events.Rule),
                observer=self._seen_by(session.taps),
                network=network,
                source=_peer(session.client_ip, session.client_port, session.to_headend),
                destination=_peer(session.headend_ip, session.headend_port, session.to_client),
                ctcp=events.CtcpFinding(
                    session=clean(session.id, 32),
                    generation=_count(session.generation),
                    verdict=_state(finding.verdict),
                    state=_state(session.state),
                    confidence=ratio(finding.confidence) or 0.0,
                    evidence=[_evidence(item) for item in finding.evidence],
                    ruled_out=[clean(text, 200) for text in finding.ruled_out],
                    fixes=list(fixes),
                    stopped_side=_stopped_side(finding.stopped_side),
                    loss_side=_loss_side(finding.loss_side),
                    tap_gap_ratio=ratio(finding.tap_gap_ratio),
                    incident=incident,
                ),
            ),
        )
        return events.encode(event)

    def incident(
        self,
        incident: Incident,
        number: int,
        *,
        rule: bytes,
        tap: int | None,
        timer: bytes | None,
        cycle: bytes | None,
    ) -> bytes:
        closed_at = _maybe_time(incident.closed_ns)
        event = events.IncidentEvent(
            specversion="1.0",
            id=f"{self._id_prefix}{number}",
            source=self._source,
            dataschema="ctcpmon/incident/v1",
            time=closed_at or rfc3339(incident.last_ns),
            subject=incident.id,
            data=events.IncidentData(
                event=events.EventInfo(
                    kind="alert" if incident.is_open else "event",
                    category=("network",),
                    severity={"critical": 99, "warning": 47, "info": 21}[incident.severity],
                    start=rfc3339(incident.since_ns),
                    end=closed_at,
                    reason=incident.what,
                ),
                rule=msgspec.json.decode(rule, type=events.Rule),
                observer=self._seen_by(() if tap is None else (tap,)),
                network=events.Network(
                    transport="tcp",
                    protocol=clean(incident.protocols[0], 20) if incident.protocols else "unknown",
                    type=ip_version(incident.headend_ip),
                ),
                source=events.ClientNet(address=incident.client_net, networks=incident.client_nets),
                destination=events.Headend(
                    ip=clean(incident.headend_ip, 45), port=_port(incident.headend_port)
                ),
                ctcp=_told(incident, timer, cycle),
            ),
        )
        return events.encode(event)

    def _seen_by(self, taps: tuple[int, ...]) -> events.Observer:
        zone = self._zones.get(taps[0]) if len(taps) == 1 else None
        if zone is None:
            return self._observer
        return msgspec.structs.replace(self._observer, ingress=events.Ingress(zone=zone))

    def _group(self, session: Session) -> str | None:
        if self._clean_group is None or session.vpn_group is None:
            return None
        return self._clean_group(session.vpn_group)

    def event(self, session: Session, number: int) -> events.SessionEvent:
        network = _network(session)
        stalled_at = session.stalled_at_ns
        first_ns, last_ns = session.first_ns, session.last_ns
        end = rfc3339(last_ns)
        to_headend, to_client = session.to_headend, session.to_client
        return events.SessionEvent(
            specversion="1.0",
            id=f"{self._id_prefix}{number}",
            source=self._source,
            dataschema="ctcpmon/session/v1",
            time=end,
            subject=network.community_id,
            data=events.SessionData(
                event=events.EventInfo(
                    kind="event",
                    category=("network",),
                    severity=_SEVERITIES.get(session.worst_state, 21),
                    start=rfc3339(first_ns),
                    end=end,
                ),
                observer=self._seen_by(session.taps),
                network=network,
                source=_peer(session.client_ip, session.client_port, to_headend),
                destination=_peer(session.headend_ip, session.headend_port, to_client),
                ctcp=events.CtcpSession(
                    session=clean(session.id, 32),
                    generation=_count(session.generation),
                    state=_state(session.state),
                    worst_state=_state(session.worst_state),
                    end_reason=clean(session.end_reason, 32),
                    certainty=clean(session.certainty, 32),
                    duration_ms=_count((last_ns - first_ns) // 1_000_000),
                    roles_known=session.roles_known,
                    is_one_sided=session.is_one_sided,
                    is_midstream=session.is_midstream,
                    is_cut=session.is_cut,
                    ike_messages=_count(session.ike_messages),
                    to_headend=_direction(to_headend),
                    to_client=_direction(to_client),
                    stalled_at=rfc3339(stalled_at) if stalled_at is not None else None,
                    signature=_words(session.signature),
                    stopped_side=_stopped_side(session.stopped_side),
                    loss_side=_loss_side(session.loss_side),
                    confidence=ratio(session.confidence),
                    product=_words(session.product),
                    initiator_cookie=_words(session.initiator_cookie),
                    responder_cookie=_words(session.responder_cookie),
                    ike_exchange=_words(session.ike_exchange),
                    keepalive_ms=_maybe(session.keepalive_ms),
                    dpd_ms=_maybe(session.dpd_ms),
                    group=self._group(session),
                    vendors=[clean(name, 32) for name in session.vendors] or None,
                    linked_session=_words(session.linked_session),
                ),
            ),
        )


def _told(incident: Incident, timer: bytes | None, cycle: bytes | None) -> events.CtcpIncident:
    silent = incident.silent_side
    return events.CtcpIncident(
        incident=incident.id,
        seq=incident.seq,
        change=incident.change,
        severity=incident.severity,
        worst_severity=incident.worst_severity,
        what=incident.cause.what,
        where=incident.where,
        why=incident.cause.why,
        sessions_total=_count(incident.sessions_total),
        sessions_stalled=_count(incident.sessions_stalled),
        sessions_at_risk=_count(incident.sessions_at_risk),
        sessions_recovered=_count(incident.sessions_recovered),
        sessions_gone=_count(incident.sessions_gone),
        sessions_reconnected=_count(incident.sessions_reconnected),
        confidence=ratio(incident.confidence) or 0.0,
        fixes=incident.fixes,
        sessions=tuple(clean(session, 32) for session in incident.session_ids),
        stopped_side=_stopped_side(incident.stopped_side),
        loss_side=_loss_side(incident.loss_side),
        first_fix=incident.fixes[0] if incident.fixes else None,
        close_reason=incident.close_reason,
        moving_since=_maybe_time(incident.moving_since_ns),
        remarks=tuple(remark.text for remark in incident.remarks) or None,
        timer=None if timer is None else msgspec.json.decode(timer, type=events.StopTimer),
        cycle=None if cycle is None else msgspec.json.decode(cycle, type=events.ReconnectCycle),
        silent_side=cast("events.TapSide", silent) if silent in {"client", "headend"} else None,
        rebound_sessions=_maybe(incident.rebindings or None),
    )


def _network(session: Session) -> events.Network:
    return events.Network(
        transport="tcp",
        protocol=clean(session.protocol, 20),
        type=ip_version(session.client_ip),
        community_id=community_id(
            session.client_ip, session.client_port, session.headend_ip, session.headend_port
        ),
    )


def _peer(ip: str, port: int, sent: Direction) -> events.Peer:
    return events.Peer(
        ip=clean(ip, 45),
        port=_port(port),
        packets=_count(sent.packets),
        bytes=_count(sent.payload_bytes),
    )


def _evidence(evidence: Evidence) -> events.EvidenceItem:
    return events.EvidenceItem(
        name=clean(evidence.name, 64),
        unit=clean(evidence.unit, 20),
        text=evidence_words(evidence),
        value=number(evidence.value),
        time=_maybe_time(evidence.ts_ns),
        packet=evidence.packet,
    )


def _direction(direction: Direction) -> events.CtcpDirection:
    esp_sent = direction.esp_received_pkts + direction.esp_missing_pkts
    return events.CtcpDirection(
        packets=_count(direction.packets),
        payload_bytes=_count(direction.payload_bytes),
        data_segments=_count(direction.data_segments),
        open_holes=_count(direction.open_holes),
        holes=_count(direction.holes_total),
        hole_bytes=_count(direction.hole_bytes_total),
        esp_received_pkts=_count(direction.esp_received_pkts),
        esp_missing_pkts=_count(direction.esp_missing_pkts),
        retransmitted_segments=_count(direction.retransmissions),
        reordered_segments=_count(direction.reordered),
        network_duplicate_segments=_count(direction.network_duplicates),
        span_duplicate_segments=_count(direction.span_duplicates),
        dup_acks=_count(direction.dup_acks),
        sack_segments=_count(direction.sack_segments),
        zero_windows=_count(direction.zero_windows),
        esp_loss_ratio=ratio(direction.esp_missing_pkts / esp_sent) if esp_sent > 0 else None,
        esp_spi=f"{direction.esp_spi & 0xFFFFFFFF:08x}" if direction.esp_spi is not None else None,
        esp_seq=_maybe(direction.esp_seq),
        unacked_bytes=_maybe(direction.unacked_bytes),
        window_bytes=_maybe(direction.window_bytes),
        ack_frozen_since=_maybe_time(direction.ack_frozen_since_ns),
        ack_rtt_us=_maybe(direction.ack_rtt_us),
        first=_maybe_time(direction.first_ns),
        last=_maybe_time(direction.last_ns),
        last_data=_maybe_time(direction.last_data_ns),
        ttl_data=_maybe(direction.ttl_data),
        ttl_pure_ack=_maybe(direction.ttl_pure_ack),
        ttl_handshake=_maybe(direction.ttl_handshake),
    )


def _count(value: int) -> int:
    """Keeps a count inside what every JSON reader keeps exact; no real count comes near the end."""
    if 0 <= value <= events.MAX_SAFE_INTEGER:
        return value
    return 0 if value < 0 else events.MAX_SAFE_INTEGER


def _maybe(value: int | None) -> int | None:
    return value if value is None or 0 <= value <= events.MAX_SAFE_INTEGER else _count(value)


def _maybe_time(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339(time_ns)


def _port(value: int) -> int:
    return max(0, min(value, 65535))


def ratio(value: float | None) -> float | None:
    """Six decimals are more than any estimate holds; NaN and infinities are not known."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 6) if 0.0 < value < 1.0 else 1.0 if value > 0.0 else 0.0


def _words(value: str | None) -> str | None:
    return None if value is None else clean(value, 64)


def _state(value: str) -> events.State:
    return cast("events.State", value) if value in get_args(events.State) else "unknown"


def _stopped_side(value: str | None) -> events.StoppedSide | None:
    known = value in get_args(events.StoppedSide)
    return cast("events.StoppedSide", value) if known else None


def _loss_side(value: str | None) -> events.LossSide | None:
    known = value in get_args(events.LossSide)
    return cast("events.LossSide", value) if known else None
