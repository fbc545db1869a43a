"""The lines around every screen: header, counters, progress, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import cut, width
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.brush import line_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.tui.painting.brush import Frame, Line, Role, Span
    from ctcpmon.tui.view import Progress, View

__all__ = ["age", "counters", "header", "hints", "progress"]

_PHASES: dict[str, Span] = {
    "opening": ("WAITING", "bold"),
    "reading": ("READING", "bold"),
    "paused": ("PAUSED", "warning"),
    "past": ("PAST - NOT NOW", "critical"),
    "done": ("DONE", "bold"),
    "failed": ("STOPPED EARLY", "critical"),
}
_LIVE_PHASES: dict[str, Span] = {
    "opening": ("OPENING", "bold"),
    "reading": ("LISTENING", "bold"),
    "paused": ("FROZEN", "warning"),
    "past": ("PAST - NOT NOW", "critical"),
    "done": ("ENDED", "bold"),
    "failed": ("STOPPED", "critical"),
}
_LOST: Span = ("NO CONNECTION", "critical")
_MEASURABLE_S = 0.3
"""A shorter run gives no rate worth showing."""
_TRUST: dict[str, Role] = {"ok": "good", "unknown": "dim", "warn": "warning", "bad": "critical"}


def header(view: View, frame: Frame) -> list[Line]:
    """What is watched, how far it is, and whether the tap can be trusted. Bad news come first."""
    phase = _live_phase(view) if view.is_live else _phase(view.progress)
    command = "live" if view.is_live else "replay"
    tap: Line = ((view.tap.text, _TRUST[view.tap.trust]),)
    clock: Line = (
        ((f"at {words.moment(view.last_ns)}Z", ""),)
        if view.last_ns is not None
        and view.progress.phase in {"reading", "paused", "past"}
        and frame.width >= 72
        else ()
    )
    right = (*clock, ("  ", ""), *tap) if clock else tap
    if view.tap.trust == "bad":
        return [_spread((*tap, ("  ", ""), phase), _name(view, frame.width - line_width(tap) - 20), frame)]
    room = frame.width - line_width(right) - width(phase[0]) - 20
    return [_spread(((f"ctcpmon {command}  ", "bold"), *_name(view, room), ("  ", ""), phase), right, frame)]


def counters(view: View, frame: Frame) -> list[Line]:
    """What was looked at and what was not, in the longest form that fits."""
    refused, incomplete, notes = view.refused.total, view.notes_incomplete, len(view.notes)
    packets = words.count(view.packets, "packet")
    doubts: Line = (
        (f"refused {refused:,}", "warning" if refused else "dim"),
        ("  ", ""),
        (f"dropped {view.dropped:,}", "critical" if view.dropped else "dim")
        if view.is_live
        else (f"cut-off inputs {incomplete}", "warning" if incomplete else "dim"),
        ("  ", ""),
        (f"notes {notes}", "bold" if notes else "dim"),
    )
    forms = (
        f"{packets}  {view.tcp_packets:,} TCP  {words.count(view.conversations, 'conversation')}",
        f"{packets}  {words.count(view.conversations, 'conversation')}",
        f"{words.amount(view.packets)} packets",
    )
    room = frame.width - line_width(doubts) - 2
    seen = next((form for form in forms if width(form) <= room), forms[-1])
    return [_spread(((seen, ""),), doubts, frame)]


def progress(view: View, frame: Frame) -> list[Line]:
    """Position, rate and time left; once done, what it took."""
    now = view.progress
    rate = f"{words.amount(now.packets_per_s)} pkt/s"
    if now.error:
        told = "NO CONNECTION, an old picture" if now.is_lost else "READING ENDED EARLY"
        return [((f"{told}: {now.error}", "critical"),)]
    if view.is_live:
        return _listening(view, rate, frame)
    if now.phase == "opening":
        return [(("waiting for the first bytes of the input", "dim"),)]
    if now.phase in {"done", "failed"}:
        took = f"in {now.seconds_taken:.1f} s, {rate}" if now.seconds_taken >= _MEASURABLE_S else "at once"
        text = f"read {words.size(now.bytes_read)} {took}"
        return [_spread(((text, "dim"),), ((words.span(view.first_ns, view.last_ns), "dim"),), frame)]
    pace = f"speed {words.speed(now.speed)}"
    if not now.bytes_total:
        text = f"read {words.size(now.bytes_read)}  {rate}  {pace}  (no end known)"
        return [((text, ""),)]
    ratio = min(now.bytes_read / now.bytes_total, 1.0)
    time_left = "" if now.seconds_left is None else f"  {words.left(now.seconds_left)} left"
    done = f" {ratio:4.0%}  {words.size(now.bytes_read)} of {words.size(now.bytes_total)}"
    text = f"{done}  {rate}{time_left}  {pace}"
    cells = max(min(frame.width - width(text), 40), 0)
    full = round(cells * ratio)
    return [(("█" * full, "good"), ("░" * (cells - full), "dim"), (text, ""))]


def age(view: View, seconds: float) -> list[Line]:
    """Of a view that is not of now: how old it is, and that the run goes on."""
    told = f"{words.left(seconds)} ago, {words.moment(view.last_ns)}Z"
    if view.progress.phase == "past":
        return [((f"PAST, {told}", "critical"), ("   the engine goes on   < > step  Space now", ""))]
    return [((f"FROZEN, {told}", "warning"), ("   the engine goes on   < back  Space now", ""))]


def _listening(view: View, rate: str, frame: Frame) -> list[Line]:
    """What becomes of the frames of each interface, as far as there is room; those that lose first."""
    line: list[Span] = [(rate, ""), ("   ", "")]
    room = frame.width - line_width(line)
    for port in sorted(view.ports, key=lambda one: (not one.is_down, -one.dropped)):
        role: Role = "dim"
        text = f"{port.name}: {words.amount(port.received)} received"
        if port.is_down:
            text, role = f"{port.name}: DOWN", "critical"
        elif port.dropped:
            text, role = f"{text}, {words.amount(port.dropped)} DROPPED", "critical"
        if room < width(text) + 2:
            break
        room -= width(text) + 2
        line += [(text, role), ("  ", "")]
    return [tuple(line)]


def hints(
    keys: Sequence[tuple[str, str]], frame: Frame, view: View | None = None, *, help_key: str = "?"
) -> list[Line]:
    """The keys of a screen, first ones first; help is always there. Those that would do nothing are not."""
    if view is not None and view.is_live:
        keys = [(key, "freeze" if text == "pause" else text) for key, text in keys if text != "speed"]
    elif view is not None and view.progress.phase in {"done", "failed"}:
        keys = [one for one in keys if one[1] not in {"pause", "speed"}]
    last: Line = ((help_key, "key"), (" help", ""))
    line: list[Span] = []
    room = frame.width - line_width(last)
    for key, text in keys:
        piece: Line = ((key, "key"), (f" {text}", ""), ("  ", ""))
        if line_width(piece) > room:
            break
        room -= line_width(piece)
        line += piece
    return [(*line, *last)]


def _phase(now: Progress) -> Span:
    if now.is_lost:
        return _LOST
    text, role = _PHASES[now.phase]
    if now.phase == "reading" and now.bytes_total:
        text = f"{text} {min(now.bytes_read / now.bytes_total, 1.0):.0%}"
    return text, role


def _live_phase(view: View) -> Span:
    if view.progress.is_lost:
        return _LOST
    if view.progress.phase != "past" and any(port.is_down for port in view.ports):
        return "INTERFACE DOWN", "critical"
    return _LIVE_PHASES[view.progress.phase]


def _name(view: View, room: int) -> Line:
    return ((cut(view.name, max(room, 8)), ""),)


def _spread(left: Line, right: Line, frame: Frame) -> Line:
    gap = frame.width - line_width(left) - line_width(right)
    return (*left, (" " * max(gap, 2), ""), *right)
