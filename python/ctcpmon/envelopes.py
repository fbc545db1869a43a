"""Engine objects and incidents to events. Conversion only: no judging, no grouping, no output.

Two invariants. No file name, byte offset, interface number or wall-clock time enters an event:
the same packets give the same bytes whatever the container. Every string passes ``clean``.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal, cast, get_args

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


class EventFactory:
    """Writes the events of one run as lines of JSON and numbers them from 1 in the order of the calls.

    Each call gives the bytes of one line without the newline; who needs the object reads it back with
    ``events.decode``.

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
        from ctcpmon import engine

        self._prefix = f"{clean(sensor, 64)}.{clean(boot, 32)}."
        self._source = f"/ctcpmon/{clean(sensor, 64)}"
        self._observer = events.Observer(
            name=clean(sensor, 64), product="ctcpmon", version=clean(version, 40)
        )
        self._observers = {
            tap: msgspec.structs.replace(self._observer, ingress=events.Ingress(zone=side))
            for tap, side in (taps or {}).items()
        }
        self._session_lines = engine.SessionLines(
            id_prefix=self._prefix,
            source=self._source,
            sensor=self._observer.name,
            version=self._observer.version,
            zones=dict(taps or {}),
            clean_group=_clean_words if show_groups else None,
        )
        self._number = 0
        self._written: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()

    @property
    def last_id(self) -> str:
        """Id of the event that was made last."""
        return f"{self._prefix}{self._number}"

    def _next(self, kind: str) -> int:
        self._number += 1
        self._written[kind] += 1
        return self._number

    def _next_id(self, kind: str) -> str:
        return f"{self._prefix}{self._next(kind)}"

    def finding(self, finding: Finding, *, incident: str | None, fixes: tuple[str, ...]) -> bytes:
        """``ctcpmon.finding.v1``."""
        session = finding.session
        network = _network(session)
        cause = cause_of(finding.detector)
        severity = _VERDICT_SEVERITIES.get(finding.verdict, "info")
        event = events.FindingEvent(
            specversion="1.0",
            id=self._next_id("ctcpmon.finding.v1"),
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
        return events.encode(event)

    def incident(self, incident: Incident, tap: int | None = None) -> bytes:
        """``ctcpmon.incident.v1`` of what ``tap`` saw."""
        protocol = incident.protocols[0] if incident.protocols else "unknown"
        event = events.IncidentEvent(
            specversion="1.0",
            id=self._next_id("ctcpmon.incident.v1"),
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
        return events.encode(event)

    def session(self, session: Session) -> bytes:
        """``ctcpmon.session.v1`` of a session that ended: they come at the rate of flows, so Rust writes."""
        self._sessions[session.state] += 1
        return self._session_lines.line(session, self._next("ctcpmon.session.v1"))

    def device(self, pair: DevicePair) -> bytes:
        """``ctcpmon.device.v1``."""
        event_id = self._next_id("ctcpmon.device.v1")
        event = device_event(pair, event_id=event_id, source=self._source, observer=self._observer)
        return events.encode(event)

    def _seen_by(self, tap: int | None) -> events.Observer:
        return self._observer if tap is None else self._observers.get(tap, self._observer)

    def stats(self, stats: Stats, diagnosis: Mapping[str, int]) -> bytes:
        """``ctcpmon.stats.v1``; counts the events numbered before it."""
        written = dict(sorted(self._written.items()))
        event = events.StatsEvent(
            specversion="1.0",
            id=self._next_id("ctcpmon.stats.v1"),
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
                events=written,
                sessions={name: self._sessions[name] for name in _STATES},
                tap_gap_ratio=_ratio(stats.tap_gap_ratio),
                matching=None
                if stats.matching is None
                else {clean(name, 64): _count(value) for name, value in stats.matching.items()},
            ),
        )
        return events.encode(event)


def tap_of(session: Session) -> int | None:
    """The observation point that saw a session; None when it was more than one."""
    taps = session.taps
    return taps[0] if len(taps) == 1 else None


def _clean_words(text: str) -> str:
    return clean(text, 64)


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
