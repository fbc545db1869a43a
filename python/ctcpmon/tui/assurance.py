"""Trust and silence in words: is the tap good, and why there is no incident. Pure.

A quiet screen must prove that it looked, and a screen that saw no tunnel must say why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.diagnosis import percent
from ctcpmon.tui.view import Situation, Tap

if TYPE_CHECKING:
    from ctcpmon.engine import Stats
    from ctcpmon.tui.view import Phase, Tally, Trust

__all__ = ["judge_tap", "situation"]

_WARN_RATIO = 0.002
"""Default of ``[tap] max_gap_ratio``."""
_BAD_RATIO = 0.01
"""Guess: one packet in a hundred missing looks like the very fault that is searched for."""

_NO_PACKETS = (
    "the capture file or interface: was it the right one?",
    "the capture filter of the sensor: it may have excluded everything",
)
_NO_FRAMES = (
    "is it the SPAN port? ctcpmon ifaces shows which interface carries frames",
    "the monitor session of the switch: is it on, and is this port its destination?",
    "the filter (-f): it may exclude everything",
)
_NO_TCP = (
    "the SPAN source: the VPN traffic may pass another port or VLAN",
    "the capture filter, for example 'tcp port 10000'",
)
_NO_TUNNEL = (
    "does the traffic to the headend pass this SPAN? cTCP is TCP, mostly to port 10000 of the headend",
    "are both directions mirrored (transmit and receive of the port)?",
    "are frames captured whole? the mark of cTCP is at the end of the segment (tcpdump -s 0)",
    "is the client set to IPsec over TCP, not over UDP or AnyConnect?",
)


def judge_tap(stats: Stats) -> Tap:
    """How far the tap can be trusted."""
    gap = stats.tap_gap_ratio
    drops = sum(note.kind == "interface_drops" for note in stats.notes)
    advice = [
        "Measured on ordinary TCP only: segments that were acknowledged but never seen here. The "
        "tunnel itself cannot be used for this, its ACKs do not prove arrival."
    ]
    lost = _sensor_loss(stats)
    if lost is not None and lost > _WARN_RATIO:
        advice.append(
            "The sensor cannot keep up: frames were lost between the wire and ctcpmon. Give the ring more "
            "memory (--ring-mib), more rings (--rings), or look at less (-f)."
        )
        trust: Trust = "bad" if lost > _BAD_RATIO else "warn"
        text = f"SENSOR DROPS {percent(lost)}" + (" - verdicts limited" if trust == "bad" else "")
        return Tap(trust, gap, text, tuple(advice))
    if drops:
        advice.append("The capture itself reports dropped packets (see INPUT): losses may be its own.")
        return Tap("bad", gap, "TAP DROPS reported - verdicts limited", tuple(advice))
    if gap is None:
        advice.append("Fewer than 500 data segments of ordinary TCP were seen, too few for a figure.")
        return Tap("unknown", None, "tap not measured", tuple(advice))
    if gap > _BAD_RATIO:
        advice.append(
            "Check the SPAN session for oversubscription and the sensor for drops before anyone is woken."
        )
        return Tap("bad", gap, f"TAP GAPS {percent(gap)} - verdicts limited", tuple(advice))
    if gap > _WARN_RATIO:
        return Tap("warn", gap, f"tap * gaps {percent(gap)}", tuple(advice))
    return Tap("ok", gap, f"tap OK  gaps {percent(gap)}", tuple(advice))


def _sensor_loss(stats: Stats) -> float | None:
    """Share of frames that kernel or driver dropped, 0 to 1; None for captures."""
    dropped = sum(port.dropped + port.driver_dropped for port in stats.ports)
    whole = sum(port.received + port.driver_dropped for port in stats.ports)
    return dropped / whole if whole else None


def situation(stats: Stats, tally: Tally, phase: Phase, detectors: int) -> Situation:
    """What to say while no incident is listed."""
    is_over = phase in {"done", "failed"}
    so_far = "" if is_over else " so far"
    if tally.total:
        return _quiet(stats, tally, so_far, detectors)
    counters = stats.counters
    if stats.packets == 0:
        if not is_over:
            checks = _NO_FRAMES if stats.ports else ()
            return Situation("info", "Waiting for the first packet.", checks=checks)
        return Situation("warning", "NO PACKETS in this input: nothing was judged.", checks=_NO_PACKETS)
    if stats.tcp_packets == 0:
        facts = [f"{stats.packets:,} packets read, none of them TCP.", *_ends(counters)]
        return Situation("warning", f"NO TCP seen{so_far}: nothing was judged.", tuple(facts), _NO_TCP)
    facts = [
        f"{stats.packets:,} packets, {stats.tcp_packets:,} TCP, {stats.tcp_conversations:,} TCP "
        "conversations looked at; none carries the marks of cTCP (IKE or ESP behind a TCP header).",
        *_neighbours(counters),
        *_ends(counters),
    ]
    headline = f"NO VPN SESSION seen{so_far}: no cTCP, no other IPsec or fake-TCP tunnel."
    return Situation("warning" if is_over else "info", headline, tuple(facts), _NO_TUNNEL)


def _quiet(stats: Stats, tally: Tally, so_far: str, detectors: int) -> Situation:
    moving, held = tally.healthy, len(stats.held)
    all_moving = "all moving" if moving == tally.total else f"{moving:,} moving"
    if held:
        all_moving = f"{max(moving - held, 0):,} moving, {held:,} held: no stall yet, perhaps one soon"
    facts = [
        f"{tally.total:,} tunnel session{'s' if tally.total != 1 else ''}, {all_moving}"
        + (f", {tally.unknown:,} unknown" if tally.unknown else "")
        + ".",
        f"{stats.packets:,} packets in {stats.tcp_conversations:,} TCP conversations looked at by "
        f"{detectors} detectors; {stats.counters.get('findings', 0):,} findings.",
    ]
    if stats.tap_gap_ratio is None:
        facts.append("The tap could not be measured: too little ordinary TCP beside the tunnels.")
    if tally.unknown:
        facts.append("Unknown: not enough of the session was seen to judge it (see sessions, key s).")
    if held:
        many = "1 session is" if held == 1 else f"{held:,} sessions are"
        return Situation("warning", f"NO INCIDENTS{so_far}, but {many} held right now", tuple(facts))
    return Situation("ok", f"NO INCIDENTS{so_far}", tuple(facts))


def _neighbours(counters: dict[str, int]) -> list[str]:
    names = (("flows_tls", "TLS"), ("flows_http", "HTTP"), ("flows_ndmp", "NDMP (backup)"))
    seen = [f"{counters[name]:,} {word}" for name, word in names if counters.get(name)]
    return [f"On the cTCP port, but something else: {', '.join(seen)}."] if seen else []


def _ends(counters: dict[str, int]) -> list[str]:
    names = (
        ("frames_decoder_failed", "that the decoder failed on (a bug: see INPUT)"),
        ("frames_truncated_tcp", "cut inside the TCP header"),
        ("frames_truncated_ip", "cut inside the IP header"),
        ("frames_unsupported_link_type", "of a link type that has no decoder"),
        ("frames_esp", "plain ESP, which needs no TCP"),
        ("frames_udp", "UDP"),
        ("frames_not_ip", "not IP"),
    )
    seen = [f"{counters[name]:,} {word}" for name, word in names if counters.get(name)]
    return [f"Frames by their end: {', '.join(seen)}."] if seen else []
