"""What two taps found out about the device between them, as an event. Conversion only.

Part of ``envelopes``: the same invariants hold, no file name and no raw string enters an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from ctcpmon import events
from ctcpmon.addresses import ip_version
from ctcpmon.community import community_id
from ctcpmon.diagnosis import device_words
from ctcpmon.figures import count
from ctcpmon.stamps import rfc3339
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.engine import DeviceDirection, DevicePair

__all__ = ["device_event"]

_SEVERITIES = {"stopped": 99, "interrupted": 47, "lossy": 47, "recut": 47, "overdue": 47, "held": 47}
_ALERTS = {"stopped", "interrupted"}


def device_event(
    pair: DevicePair, *, event_id: str, source: str, observer: events.Observer
) -> events.DeviceEvent:
    """``ctcpmon.device.v1`` of one session seen at both taps."""
    return events.DeviceEvent(
        specversion="1.0",
        id=event_id,
        source=source,
        dataschema="ctcpmon/device/v1",
        time=rfc3339(pair.ts_ns),
        subject=community_id(pair.client_ip, pair.client_port, pair.headend_ip, pair.headend_port),
        data=events.DeviceData(
            event=events.EventInfo(
                kind="alert" if pair.verdict in _ALERTS else "event",
                category=("network",),
                severity=_SEVERITIES.get(pair.verdict, 21),
                start=rfc3339(pair.first_ns),
                end=rfc3339(pair.last_ns),
                reason=device_words(pair),
            ),
            observer=observer,
            network=events.Network(
                transport="tcp",
                # Only cTCP carries ESP where a tap can read its header.
                protocol="ctcp",
                type=ip_version(pair.client_ip),
                community_id=community_id(
                    pair.client_ip, pair.client_port, pair.headend_ip, pair.headend_port
                ),
            ),
            source=_peer(
                (pair.client_ip, pair.client_port),
                (pair.translated_client_ip, pair.translated_client_port),
            ),
            destination=_peer(
                (pair.headend_ip, pair.headend_port),
                (pair.translated_headend_ip, pair.translated_headend_port),
            ),
            ctcp=events.CtcpDevice(
                client_session=clean(pair.client_session, 32),
                headend_session=clean(pair.headend_session, 32),
                is_final=pair.is_final,
                verdict=_verdict(pair.verdict),
                confidence=pair.confidence,
                to_headend=_direction(pair.to_headend),
                to_client=_direction(pair.to_client),
                client_tap_missed_pkts=count(pair.client_tap_missed_pkts),
                headend_tap_missed_pkts=count(pair.headend_tap_missed_pkts),
                stopped_side=_stopped_side(pair.stopped_side),
                loss_side="device" if pair.loss_side == "device" else None,
                clock_offset_us=_us(pair.clock_offset_ns),
                clock_uncertainty_us=_us(pair.clock_uncertainty_ns),
                delay_refused=None if pair.delay_refused is None else clean(pair.delay_refused, 64),
            ),
        ),
    )


def _direction(flow: DeviceDirection) -> events.CtcpDeviceDirection:
    return events.CtcpDeviceDirection(
        entered_pkts=count(flow.entered_pkts),
        left_pkts=count(flow.left_pkts),
        matched_pkts=count(flow.matched_pkts),
        lost_in_device_pkts=count(flow.lost_pkts),
        appeared_pkts=count(flow.appeared_pkts),
        undecided_pkts=count(flow.undecided_pkts),
        overdue_pkts=count(flow.overdue_pkts),
        repeated_pkts=count(flow.repeated_pkts),
        recut_pkts=count(flow.recut_pkts),
        verdict=_verdict(flow.verdict),
        confidence=flow.confidence,
        outages=count(flow.outages),
        stopped_at=_time(flow.stopped_at_ns),
        stopped_esp_seq=flow.stopped_esp_seq,
        stopped_pkts=flow.stopped_pkts,
        resumed_by=_time(flow.resumed_by_ns),
        first_lost=_time(flow.first_lost_ns),
        first_lost_esp_spi=_spi(flow.first_lost_spi),
        first_lost_esp_seq=flow.first_lost_esp_seq,
        last_lost=_time(flow.last_lost_ns),
        last_lost_esp_spi=_spi(flow.last_lost_spi),
        last_lost_esp_seq=flow.last_lost_esp_seq,
        delay_min_us=_us(flow.delay_min_ns),
        delay_median_us=_us(flow.delay_median_ns),
        delay_p95_us=_us(flow.delay_p95_ns),
        delay_max_us=_us(flow.delay_max_ns),
        delay_spread_us=_us(flow.delay_spread_ns),
    )


def _peer(seen: tuple[str, int], translated: tuple[str, int]) -> events.DevicePeer:
    nat = events.Nat(ip=clean(translated[0], 45), port=translated[1]) if translated != seen else None
    return events.DevicePeer(ip=clean(seen[0], 45), port=seen[1], nat=nat)


def _verdict(value: str) -> events.DeviceVerdict:
    known = value in get_args(events.DeviceVerdict)
    return cast("events.DeviceVerdict", value) if known else "undecided"


def _stopped_side(value: str | None) -> events.StoppedSide | None:
    known = value in get_args(events.StoppedSide)
    return cast("events.StoppedSide", value) if known else None


def _us(value_ns: int | None) -> int | None:
    return None if value_ns is None else round(value_ns / 1000)


def _spi(value: int | None) -> str | None:
    return None if value is None else f"{value & 0xFFFFFFFF:08x}"


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339(time_ns)
