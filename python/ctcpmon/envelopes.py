"""Engine objects and incidents to events. Conversion only: no judging, no grouping, no output.

Two invariants. No file name, byte offset, interface number or wall-clock time enters an event:
the same packets give the same bytes whatever the container. Every string passes ``clean``.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

import msgspec

from ctcpmon import events
from ctcpmon.addresses import ip_version
from ctcpmon.community import community_id
from ctcpmon.device_events import device_event
from ctcpmon.diagnosis import cause_of, evidence_words
from ctcpmon.stamps import rfc3339
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctcpmon.diagnosis import Cycle, DeviceTimer, Incident, Severity
    from ctcpmon.engine import DevicePair, Direction, Evidence, Finding, Session, Stats

__all__ = ["EventFactory", "tap_of"]

_SEVERITY_NUMBERS: dict[Severity, int] = {"critical": 99, "warning": 47, "info": 21}
_VERDICT_SEVERITIES: dict[str, Severity] = {
    "stalled": "critical",
    "at_risk": "warning",
    "suspect": "warning",
}
_MOST = events.MAX_SAFE_INTEGER
_STATES = get_args(events.State)
_STOPPED_SIDES, _LOSS_SIDES = frozenset(get_args(events.StoppedSide)), frozenset(get_args(events.LossSide))
_EventT = TypeVar("_EventT", bound=events.Event)


class EventFactory:
    """Builds the events of one run and numbers them from 1 in the order of the calls.

    ``boot`` separates runs of a sensor: ``replay`` for captures, so that the same capture gives
    the same ids. ``version`` is that of the program. ``taps`` names the observation points of a run
    with two of them.
    """

    def __init__(
        self,
        *,
        version: str,
        sensor: str = "local",
        boot: str = "replay",
        taps: Mapping[int, events.TapSide] | None = None,
        show_groups: bool = False,
    ) -> None:
        self._show_groups = show_groups
        self._prefix = f"{clean(sensor, 64)}.{clean(boot, 32)}."
        self._source = f"/ctcpmon/{clean(sensor, 64)}"
        self._observer = events.Observer(
            name=clean(sensor, 64), product="ctcpmon", version=clean(version, 40)
        )
        self._observers = {
            tap: msgspec.structs.replace(self._observer, ingress=events.Ingress(zone=side))
            for tap, side in (taps or {}).items()
        }
        self._number = 0
        self._written: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()

    def number(self, event: _EventT) -> _EventT:
        """The event with its final id. Each event passes here once, in output order."""
        self._number += 1
        tag = event.__struct_config__.tag
        self._written[str(tag)] += 1
        if isinstance(event, events.SessionEvent):
            self._sessions[event.data.ctcp.state] += 1
        return msgspec.structs.replace(event, id=f"{self._prefix}{self._number}")

    def finding(
        self, finding: Finding, *, incident: str | None, fixes: tuple[str, ...]
    ) -> events.FindingEvent:
        """``ctcpmon.finding.v1``."""
        session = finding.session
        network = _network(session)
        cause = cause_of(finding.detector)
        severity = _VERDICT_SEVERITIES.get(finding.verdict, "info")
        return events.FindingEvent(
            specversion="1.0",
            id="",
            source=self._source,
            dataschema="ctcpmon/finding/v1",
            time=rfc3339(finding.ts_ns),
            subject=network.community_id,
            data=events.FindingData(
                event=events.EventInfo(
                    kind="event" if finding.verdict == "healthy" else "alert",
                    category=("network",),
                    severity=_SEVERITY_NUMBERS[severity],
                    sequence=_count(finding.seq),
                    start=rfc3339(finding.since_ns),
                    reason=f"cleared: {cause.title}" if finding.verdict == "healthy" else cause.what,
                ),
                rule=_rule(finding.detector),
                observer=self._seen_by(tap_of(session)),
                network=network,
                source=_peer(session.client_ip, session.client_port, session.to_headend),
                destination=_peer(session.headend_ip, session.headend_port, session.to_client),
                ctcp=events.CtcpFinding(
                    session=clean(session.id, 32),
                    generation=_count(session.generation),
                    verdict=_state(finding.verdict),
                    state=_state(session.state),
                    confidence=_ratio(finding.confidence) or 0.0,
                    evidence=tuple(map(_evidence, finding.evidence)),
                    ruled_out=tuple(clean(text, 200) for text in finding.ruled_out),
                    fixes=fixes,
                    stopped_side=_stopped_side(finding.stopped_side),
                    loss_side=_loss_side(finding.loss_side),
                    tap_gap_ratio=_ratio(finding.tap_gap_ratio),
                    incident=incident,
                ),
            ),
        )

    def incident(self, incident: Incident, tap: int | None = None) -> events.IncidentEvent:
        """``ctcpmon.incident.v1`` of what ``tap`` saw."""
        protocol = incident.protocols[0] if incident.protocols else "unknown"
        return events.IncidentEvent(
            specversion="1.0",
            id="",
            source=self._source,
            dataschema="ctcpmon/incident/v1",
            time=rfc3339(incident.closed_ns if incident.closed_ns is not None else incident.last_ns),
            subject=incident.id,
            data=events.IncidentData(
                event=events.EventInfo(
                    kind="alert" if incident.is_open else "event",
                    category=("network",),
                    severity=_SEVERITY_NUMBERS[incident.severity],
                    start=rfc3339(incident.since_ns),
                    end=rfc3339(incident.closed_ns) if incident.closed_ns is not None else None,
                    reason=incident.what,
                ),
                rule=_rule(incident.cause.detector),
                observer=self._seen_by(tap),
                network=events.Network(
                    transport="tcp", protocol=protocol, type=ip_version(incident.headend_ip)
                ),
                source=events.ClientNet(address=incident.client_net, networks=incident.client_nets),
                destination=events.Headend(
                    ip=clean(incident.headend_ip, 45), port=_port(incident.headend_port)
                ),
                ctcp=events.CtcpIncident(
                    incident=incident.id,
                    seq=incident.seq,
                    change=incident.change,
                    severity=incident.severity,
                    worst_severity=incident.worst_severity,
                    what=incident.cause.what,
                    where=incident.where,
                    why=incident.cause.why,
                    sessions_total=incident.sessions_total,
                    sessions_stalled=incident.sessions_stalled,
                    sessions_at_risk=incident.sessions_at_risk,
                    sessions_recovered=incident.sessions_recovered,
                    sessions_gone=incident.sessions_gone,
                    sessions_reconnected=incident.sessions_reconnected,
                    confidence=_ratio(incident.confidence) or 0.0,
                    fixes=incident.fixes,
                    sessions=tuple(clean(session, 32) for session in incident.session_ids),
                    stopped_side=_stopped_side(incident.stopped_side),
                    loss_side=_loss_side(incident.loss_side),
                    first_fix=incident.fixes[0] if incident.fixes else None,
                    close_reason=incident.close_reason,
                    moving_since=_maybe_time(incident.moving_since_ns),
                    remarks=tuple(remark.text for remark in incident.remarks) or None,
                    timer=_timer(incident.timer),
                    cycle=_cycle(incident.cycle),
                    silent_side=_silent_side(incident.silent_side),
                    rebound_sessions=incident.rebindings or None,
                ),
            ),
        )

    def session(self, session: Session) -> events.SessionEvent:
        """``ctcpmon.session.v1`` of a session that ended."""
        network = _network(session)
        stalled_at = session.stalled_at_ns
        severity = _VERDICT_SEVERITIES.get(session.worst_state, "info")
        first_ns, last_ns = session.first_ns, session.last_ns
        end = rfc3339(last_ns)
        to_headend, to_client = session.to_headend, session.to_client
        return events.SessionEvent(
            specversion="1.0",
            id="",
            source=self._source,
            dataschema="ctcpmon/session/v1",
            time=end,
            subject=network.community_id,
            data=events.SessionData(
                event=events.EventInfo(
                    kind="event",
                    category=("network",),
                    severity=_SEVERITY_NUMBERS[severity],
                    start=rfc3339(first_ns),
                    end=end,
                ),
                observer=self._seen_by(tap_of(session)),
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
                    confidence=_ratio(session.confidence),
                    product=_words(session.product),
                    initiator_cookie=_words(session.initiator_cookie),
                    responder_cookie=_words(session.responder_cookie),
                    ike_exchange=_words(session.ike_exchange),
                    keepalive_ms=_maybe(session.keepalive_ms),
                    dpd_ms=_maybe(session.dpd_ms),
                    group=_words(session.vpn_group) if self._show_groups else None,
                    vendors=[clean(name, 32) for name in session.vendors] or None,
                    linked_session=_words(session.linked_session),
                ),
            ),
        )

    def device(self, pair: DevicePair) -> events.DeviceEvent:
        """``ctcpmon.device.v1``."""
        return device_event(pair, source=self._source, observer=self._observer)

    def _seen_by(self, tap: int | None) -> events.Observer:
        return self._observer if tap is None else self._observers.get(tap, self._observer)

    def stats(self, stats: Stats, diagnosis: Mapping[str, int]) -> events.StatsEvent:
        """``ctcpmon.stats.v1``; counts the events numbered before it."""
        return events.StatsEvent(
            specversion="1.0",
            id="",
            source=self._source,
            dataschema="ctcpmon/stats/v1",
            time=rfc3339(stats.last_ns) if stats.last_ns is not None else None,
            data=events.StatsData(
                event=events.EventInfo(
                    kind="metric",
                    category=("network",),
                    severity=_SEVERITY_NUMBERS["info"],
                    start=rfc3339(stats.first_ns) if stats.first_ns is not None else None,
                    end=rfc3339(stats.last_ns) if stats.last_ns is not None else None,
                ),
                observer=self._observer,
                packets=_count(stats.packets),
                tcp_packets=_count(stats.tcp_packets),
                tcp_conversations=_count(stats.tcp_conversations),
                counters={clean(name, 64): _count(value) for name, value in stats.counters.items()},
                diagnosis={name: _count(value) for name, value in diagnosis.items()},
                events=dict(sorted(self._written.items())),
                sessions={name: self._sessions[name] for name in _STATES},
                tap_gap_ratio=_ratio(stats.tap_gap_ratio),
                matching=None
                if stats.matching is None
                else {clean(name, 64): _count(value) for name, value in stats.matching.items()},
            ),
        )


def tap_of(session: Session) -> int | None:
    """The observation point that saw a session; None when it was more than one."""
    taps = session.taps
    return taps[0] if len(taps) == 1 else None


def _rule(detector: str) -> events.Rule:
    cause = cause_of(detector)
    return events.Rule(id=cause.detector, name=cause.title, ruleset=cause.signature or None)


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
        esp_loss_ratio=_ratio(direction.esp_missing_pkts / esp_sent) if esp_sent > 0 else None,
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


def _evidence(evidence: Evidence) -> events.EvidenceItem:
    return events.EvidenceItem(
        name=clean(evidence.name, 64),
        unit=clean(evidence.unit, 20),
        text=evidence_words(evidence),
        value=_number(evidence.value),
        time=_maybe_time(evidence.ts_ns),
        packet=evidence.packet,
    )


def _timer(timer: DeviceTimer | None) -> events.StopTimer | None:
    if timer is None:
        return None
    return events.StopTimer(
        kind=timer.kind, sessions=timer.sessions, of=timer.of, text=timer.text, delay_ms=timer.delay_ms
    )


def _cycle(cycle: Cycle | None) -> events.ReconnectCycle | None:
    if cycle is None:
        return None
    return events.ReconnectCycle(
        clients=cycle.clients,
        sessions=cycle.sessions,
        reconnects=cycle.reconnects,
        is_timer=cycle.is_timer,
        text=cycle.text,
        lifetime_ms=_maybe(cycle.lifetime_ms),
    )


def _count(value: int) -> int:
    """Keeps a count inside what every JSON reader keeps exact; no real count comes near the end."""
    if 0 <= value <= _MOST:
        return value
    return 0 if value < 0 else _MOST


def _maybe(value: int | None) -> int | None:
    return value if value is None or 0 <= value <= _MOST else _count(value)


def _maybe_time(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339(time_ns)


def _port(value: int) -> int:
    return max(0, min(value, 65535))


def _ratio(value: float | None) -> float | None:
    """Six decimals are more than any estimate holds; NaN and infinities are not known."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 6) if 0.0 < value < 1.0 else 1.0 if value > 0.0 else 0.0


def _number(value: float) -> int | float | None:
    if not math.isfinite(value) or abs(value) > events.MAX_SAFE_INTEGER:
        return None
    return int(value) if float(value).is_integer() else round(value, 6)


def _words(value: str | None) -> str | None:
    return None if value is None else clean(value, 64)


def _state(value: str) -> events.State:
    return cast("events.State", value) if value in _STATES else "unknown"


def _stopped_side(value: str | None) -> events.StoppedSide | None:
    known = value in _STOPPED_SIDES
    return cast("events.StoppedSide", value) if known else None


def _loss_side(value: str | None) -> events.LossSide | None:
    known = value in _LOSS_SIDES
    return cast("events.LossSide", value) if known else None


def _silent_side(value: str | None) -> Literal["client", "headend"] | None:
    return cast("Literal['client', 'headend']", value) if value in {"client", "headend"} else None
