"""Engine objects and incidents to lines of JSON. Conversion only: no judging, no grouping, no output.

Two invariants. No file name, byte offset, interface number or wall-clock time enters an event:
the same packets give the same bytes whatever the container. Every string passes ``clean``.

The contract is the types in ``events``; importing them takes longer than writing a thousand lines, so they
stay on the side of the reader. Fields stand here in their order, and tests read every line back strictly
and compare what comes out of it. A field that is None is not known, and the encoder leaves it out.
"""

from __future__ import annotations

from ctcpmon.diagnosis.causes import cause_of
from ctcpmon.diagnosis.wording import PHRASES
from ctcpmon.figures import count, maybe_count, ratio
from ctcpmon.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctcpmon.diagnosis import Cause, Cycle, DeviceTimer, Incident
    from ctcpmon.engine import DevicePair, Finding, Session, Stats
    from ctcpmon.events import TapSide

    Fields = dict[str, object]

__all__ = ["STATES", "EventFactory", "cycle_fields", "tap_of", "timer_fields"]

STATES = ("healthy", "at_risk", "suspect", "stalled", "unknown")
_INFO = 21
"""As a number, beside 99 critical and 47 warning."""


class EventFactory:
    """Writes the events of one run as lines of JSON and numbers them from 1 in the order of the calls.

    Each call gives the bytes of one line without the newline; who needs the object reads it back with
    ``events.decode``. ``boot`` separates runs of a sensor: ``replay`` for captures, so that the same
    capture gives the same ids. ``version`` is that of the program. ``taps`` names the observation points
    of a run with two of them.
    """

    def __init__(
        self,
        *,
        version: str,
        sensor: str = "local",
        boot: str = "replay",
        taps: Mapping[int, TapSide] | None = None,
        show_groups: bool = False,
    ) -> None:
        from ctcpmon import engine

        self._prefix = f"{clean(sensor, 64)}.{clean(boot, 32)}."
        self._source = f"/ctcpmon/{clean(sensor, 64)}"
        self._sensor, self._version = clean(sensor, 64), clean(version, 40)
        self._observer: Fields = {"name": self._sensor, "product": "ctcpmon", "version": self._version}
        self._encode = engine.encode
        self._time = engine.rfc3339
        self._said: dict[str, tuple[str, str, bytes]] = {}
        """By detector: the reason, the reason when it cleared, the rule as JSON."""
        self._lines = engine.EventLines(
            id_prefix=self._prefix,
            source=self._source,
            sensor=self._sensor,
            version=self._version,
            zones=dict(taps or {}),
            phrases=PHRASES,
            clean_group=_clean_words if show_groups else None,
        )
        self._number = 0
        self._written: dict[str, int] = {}
        self._sessions = dict.fromkeys(STATES, 0)

    def _said_of(self, cause: Cause) -> tuple[str, str, bytes]:
        said = self._said.get(cause.detector)
        if said is None:
            rule: Fields = {"id": cause.detector, "name": cause.title, "ruleset": cause.signature or None}
            said = self._said[cause.detector] = (cause.what, f"cleared: {cause.title}", self._encode(rule))
        return said

    def _next(self, kind: str) -> int:
        self._number += 1
        event = f"ctcpmon.{kind}.v1"
        self._written[event] = self._written.get(event, 0) + 1
        return self._number

    def _line(self, kind: str, *, time: str | None, subject: str | None, data: Fields) -> bytes:
        """Puts the envelope around ``data``."""
        return self._encode({
            "type": f"ctcpmon.{kind}.v1",
            "specversion": "1.0",
            "id": f"{self._prefix}{self._next(kind)}",
            "source": self._source,
            "dataschema": f"ctcpmon/{kind}/v1",
            "time": time,
            "subject": subject,
            "data": data,
        })  # fmt: skip

    def finding(self, finding: Finding, *, incident: str | None, fixes: tuple[str, ...]) -> bytes:
        """``ctcpmon.finding.v1``. An outage brings one for each session, so Rust writes."""
        what, cleared, rule = self._said_of(cause_of(finding.detector))
        return self._lines.finding(
            finding,
            self._next("finding"),
            reason=cleared if finding.verdict == "healthy" else what,
            rule=rule,
            incident=incident,
            fixes=fixes,
        )

    def incident(self, incident: Incident, tap: int | None = None) -> bytes:
        """``ctcpmon.incident.v1`` of what ``tap`` saw. There may be one a finding, so Rust writes."""
        timer, cycle = incident.timer, incident.cycle
        return self._lines.incident(
            incident,
            self._next("incident"),
            rule=self._said_of(incident.cause)[2],
            tap=tap,
            timer=None if timer is None else self._encode(timer_fields(timer)),
            cycle=None if cycle is None else self._encode(cycle_fields(cycle)),
        )

    def sessions(self, sessions: tuple[Session, ...]) -> list[bytes]:
        """``ctcpmon.session.v1`` of sessions that ended: they come at the rate of flows, so Rust writes."""
        for session in sessions:
            self._sessions[session.state] = self._sessions.get(session.state, 0) + 1
        first = self._number + 1
        self._number += len(sessions)
        return self._lines.sessions(sessions, first)

    def device(self, pair: DevicePair) -> bytes:
        """``ctcpmon.device.v1``, in a run with two taps."""
        from ctcpmon.device_events import device_event
        from ctcpmon.events import Observer, encode

        event = device_event(
            pair,
            event_id=f"{self._prefix}{self._next('device')}",
            source=self._source,
            observer=Observer(name=self._sensor, product="ctcpmon", version=self._version),
        )
        return encode(event)

    def stats(
        self, stats: Stats, diagnosis: Mapping[str, int], outputs: Mapping[str, int] | None = None
    ) -> bytes:
        """``ctcpmon.stats.v1``; counts the events numbered before it."""
        first, last = self._maybe_time(stats.first_ns), self._maybe_time(stats.last_ns)
        written = dict(self._written)
        ended = sum(self._sessions.values())
        if ended:
            written["ctcpmon.session.v1"] = ended
        data: Fields = {
            "event": {
                "kind": "metric",
                "category": ("network",),
                "severity": _INFO,
                "start": first,
                "end": last,
            },
            "observer": self._observer,
            "packets": count(stats.packets),
            "tcp_packets": count(stats.tcp_packets),
            "tcp_conversations": count(stats.tcp_conversations),
            "counters": _counts(stats.counters),
            "diagnosis": _counts(diagnosis),
            "events": dict(sorted(written.items())),
            "sessions": {name: self._sessions[name] for name in STATES},
            "matching": None if stats.matching is None else _counts(stats.matching),
            "outputs": None if outputs is None else _counts(outputs),
            "tap_gap_ratio": ratio(stats.tap_gap_ratio),
        }
        return self._line("stats", time=last, subject=None, data=data)

    def _maybe_time(self, time_ns: int | None) -> str | None:
        return None if time_ns is None else self._time(time_ns)


def tap_of(session: Session) -> int | None:
    """The observation point that saw a session; None when it was more than one."""
    taps = session.taps
    return taps[0] if len(taps) == 1 else None


def _clean_words(text: str) -> str:
    return clean(text, 64)


def timer_fields(timer: DeviceTimer) -> Fields:
    """``ctcp.timer`` of an incident."""
    return {
        "kind": timer.kind,
        "sessions": timer.sessions,
        "of": timer.of,
        "text": timer.text,
        "delay_ms": timer.delay_ms,
    }


def cycle_fields(cycle: Cycle) -> Fields:
    """``ctcp.cycle`` of an incident."""
    return {
        "clients": cycle.clients,
        "sessions": cycle.sessions,
        "reconnects": cycle.reconnects,
        "is_timer": cycle.is_timer,
        "text": cycle.text,
        "lifetime_ms": maybe_count(cycle.lifetime_ms),
    }


def _counts(counts: Mapping[str, int]) -> Fields:
    return {clean(name, 64): count(value) for name, value in counts.items()}
