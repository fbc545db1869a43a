"""The truth of a run in the format of labels.json, once for each tap. Judges what a tap can tell."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ports import Recorder
    from .scenarios import Scenario
    from .truth import DirectionTruth, SessionTruth

CLIENT_TAP, HEADEND_TAP = "T2", "T3"
"""Names of the shared lab: the firewall's client-side and headend-side interface."""
WHERE = {
    CLIENT_TAP: "client-side interface of the middlebox",
    HEADEND_TAP: "headend-side interface of the middlebox",
}
_IN_FRONT = {CLIENT_TAP: "c2s", HEADEND_TAP: "s2c"}
"""The direction whose data pass a tap before they reach the device."""


def file_label(
    scenario: Scenario,
    tap: str,
    recorder: Recorder,
    *,
    box: dict[str, object],
    truths: list[SessionTruth],
    run: tuple[float, float],
) -> dict[str, Any]:
    """One entry of ``files``."""
    return {
        "file": recorder.path.name,
        "title": scenario.title,
        "scenario": scenario.name,
        "tap": {"point": tap, "where": WHERE[tap], "directions": ["c2s", "s2c"], "snaplen": 65_535},
        "middlebox": box,
        "links": {
            "losses": [
                {"port": loss.port, "direction": loss.direction, "segments": [loss.first, loss.last]}
                for loss in scenario.losses
            ]
        },
        "run_t0_epoch": run[0],
        "duration_s": run[1] - run[0],
        "packets": recorder.packets,
        "linktype": 1,
        "first_packet_epoch": recorder.first,
        "last_packet_epoch": recorder.last,
        "sha256": hashlib.sha256(recorder.path.read_bytes()).hexdigest(),
        "bytes": recorder.path.stat().st_size,
        "flows": [_flow(scenario, tap, truth, number) for number, truth in enumerate(truths)],
    }


def _flow(scenario: Scenario, tap: str, truth: SessionTruth, number: int) -> dict[str, Any]:
    is_other_leg = scenario.is_proxied and tap == HEADEND_TAP
    # Behind a proxy or NAT the client has another address: the one that the headend saw.
    client = truth.client.local if tap == CLIENT_TAP else truth.headend.remote
    accepted, classes, remark = _acceptable(scenario, tap, truth)
    flow: dict[str, Any] = {
        "client": client[0],
        "client_port": client[1],
        "server": truth.headend.local[0],
        "server_port": truth.headend.local[1],
        "kind": "ctcp",
        "session": number,
        "connection": 0,
        "window": [truth.start - 1.0, truth.end + 1.0],
        "ack_policy": {"client": truth.client.habit.ack, "headend": truth.headend.habit.ack},
        "directions": {
            name: _direction(name, way, tap, is_other_leg=is_other_leg, has_device=scenario.drops)
            for name, way in truth.directions.items()
        },
        "truth_verdict": truth.verdict,
        "verdict": truth.verdict,
        "acceptable_verdicts": accepted,
    }
    if truth.verdict == "stalled":
        flow |= {
            "stall_class": scenario.stall_class,
            "acceptable_classes": classes,
            "dead_directions": truth.dead,
            "stall_onset_epoch": truth.onset_epoch,
        }
    if remark:
        flow["remark"] = remark
    return flow


def _acceptable(scenario: Scenario, tap: str, truth: SessionTruth) -> tuple[list[str], list[str], str]:
    """Verdicts and classes that are not wrong from this tap, and why."""
    if truth.verdict == "stalled":
        if truth.reset_epoch is not None:
            near = truth.client if tap == CLIENT_TAP else truth.headend
            hidden = not near.log.resets
            return (
                ["stalled"],
                list(scenario.classes(hidden=hidden)),
                "no RST passes this tap" if hidden else "",
            )
        if _IN_FRONT[tap] in truth.dead:
            # The direction that died first may be the one that this tap sees fall silent.
            hidden = truth.first_dead != _IN_FRONT[tap]
            return ["stalled"], list(scenario.classes(hidden=hidden)), ""
        words = (
            "tap is behind the block for every dead direction: the stall shows as silence of that direction"
        )
        return ["stalled", "at_risk"], list(scenario.classes(hidden=True)), words
    accepted, reasons = [truth.verdict], []
    if scenario.is_proxied and truth.verdict == "at_risk":
        accepted.append("healthy")
        reasons.append("the proxy glued or split messages: useless to the endpoint, but no TCP byte is lost")
    lost = truth.directions[_IN_FRONT[tap]].undelivered
    receiver = truth.headend if _IN_FRONT[tap] == "c2s" else truth.client
    if lost and receiver.habit.ack == "frozen":
        accepted.append("stalled")
        reasons.append(
            "the receiving endpoint freezes its ack at the hole and this tap is not behind the device: "
            "from here the data beyond the hole cannot be proven delivered"
        )
    if any(way.outages for way in truth.directions.values()):
        accepted.append("stalled")
        reasons.append("one direction was dead in the middle, then resumed")
    return accepted, [], "; ".join(reasons)


def _direction(
    name: str, way: DirectionTruth, tap: str, *, is_other_leg: bool, has_device: bool
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "sent": way.sent,
        "delivered": way.delivered,
        "lost": way.undelivered,
        "network_drops": {"A": way.lost_by_rule},
        "last_delivered_epoch": way.last_delivered_epoch,
        "dead": way.is_dead,
    }
    if way.onset is not None:
        entry |= {
            "stall_onset_epoch": way.onset.epoch,
            "stall_onset_esp_seq": way.onset.esp_seq,
            "stall_onset_tcp_seq": way.onset.seq,
        }
    if way.outages:
        entry["transient_outages"] = [{"from_epoch": a, "to_epoch": b} for a, b in way.outages]
    if way.first_lost is not None and not is_other_leg and (way.is_first_lost_by_rule or has_device):
        entry["first_unrecovered_loss"] = {
            "epoch": way.first_lost.epoch,
            "tcp_seq": way.first_lost.seq,
            "len": way.first_lost.length,
            "esp_seq": way.first_lost.esp_seq,
            "kind": way.first_lost.kind,
            "place": "A" if way.is_first_lost_by_rule else "DEV",
            "relative_to_tap": [_relative(name, tap, is_by_rule=way.is_first_lost_by_rule)],
        }
    return entry


def _relative(name: str, tap: str, *, is_by_rule: bool) -> str:
    # The rule for the headend's data drops at the firewall's client-side interface, before that tap.
    drops_before = is_by_rule or tap == HEADEND_TAP
    is_before = drops_before if name == "c2s" else tap == CLIENT_TAP
    return "upstream_of_tap" if is_before else "downstream_of_tap"
