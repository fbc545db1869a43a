"""The wallboard: five questions, answered in type that is read from across a room. Nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.text import cut, width
from ctcpmon.tui.painting import held, words
from ctcpmon.tui.painting.bigtype import HEIGHT, big, big_width

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line, Role
    from ctcpmon.tui.view import IncidentRow, View

__all__ = ["wall"]

_TRUST: dict[str, Role] = {"ok": "good", "unknown": "", "warn": "warning", "bad": "critical"}


def wall(view: View, frame: Frame, *, silent_s: float = 0.0) -> list[Line]:
    """Is anything broken, who and how many, since when, what to do first, can it be trusted."""
    still_open = [row for row in view.incidents if row.is_open]
    # What somebody muted takes its turn only when nothing else is left.
    still_open = [row for row in still_open if row.is_alarm] or still_open
    shown = next((row for row in still_open if view.evidence and row.key == view.evidence.incident), None)
    shown = shown or (still_open[0] if still_open else None)
    verdict, role = _verdict(view, still_open)
    blocks: list[tuple[str, Role, list[Line]]] = [(verdict, role, _who(view, shown, still_open, frame))]
    if shown is not None:
        tally = view.tally
        stalled: Role = "critical" if tally.stalled else "warning"
        blocks.append(
            (
                f"{tally.stalled} of {tally.total}",
                stalled,
                [_small("sessions stalled", f"{tally.at_risk:,} at risk")],
            )
        )
        blocks.append((_since(view, shown), "", [_small("since", "UTC, packet time")]))
    tail = _tail(view, shown, frame, silent_s)
    lines: list[Line] = []
    room = frame.height - len(tail)
    high = _high([(text, len(below)) for text, _, below in blocks], frame.width, room)
    for text, look, below in blocks:
        scale = next((n for n in (2 * high, high, 1) if big_width(text, n) <= frame.width), 0)
        rows = HEIGHT * high if scale else 1
        if room < rows + len(below):
            rows = 1
        if room < rows + len(below):
            break
        told = big(text, scale, high) if rows > 1 else [text.upper()]
        lines += [*(((line, look),) for line in told), *below]
        room -= rows + len(below)
    return [*lines, *[()] * max(room, 0), *tail]


def _high(blocks: list[tuple[str, int]], cells: int, room: int) -> int:
    """Lines of a dot: as many as let everything stand there."""
    below = sum(lines for _, lines in blocks)
    for high in (4, 3, 2):
        fits = all(big_width(text, high) <= cells for text, _ in blocks)
        if fits and HEIGHT * high * len(blocks) + below <= room:
            return high
    return 1


def _verdict(view: View, still_open: list[IncidentRow]) -> tuple[str, Role]:
    if view.critical:
        return f"! {view.critical} BROKEN", "critical"
    # Nobody looks at what has stopped, so nothing it said before is good news.
    if view.progress.phase == "failed" or any(port.is_down for port in view.ports):
        stopped = "NO NEWS" if view.progress.is_lost else "STOPPED"
        return stopped if view.progress.phase == "failed" else "PORT DOWN", "critical"
    if view.held:
        return f"? {held.count(view)} HELD", "warning"
    if still_open:
        return f"* {len(still_open)} {'at risk' if still_open[0].is_alarm else 'MUTED'}", "warning"
    return _calm(view)


def _calm(view: View) -> tuple[str, Role]:
    """Without an incident: nothing wrong, or nothing seen."""
    if view.tap.trust == "bad":
        return "CHECK TAP", "critical"
    if not view.packets:
        return "NO PACKETS", "warning"
    if not view.tally.total:
        return "NO VPN SEEN", "warning"
    return "ALL WELL", "good"


def _who(view: View, shown: IncidentRow | None, still_open: list[IncidentRow], frame: Frame) -> list[Line]:
    if view.held and not view.critical:
        longest = view.held[0]
        told = f"for {longest.held_s} s: {longest.told}"
        if width(told) > frame.width:
            told = f"for {longest.held_s} s, no stall yet: it may go on by itself"
        return [
            ((cut(f"{longest.client} -> {longest.headend}", frame.width), "bold"),),
            ((cut(told, frame.width), ""),),
        ]
    if shown is None:
        facts = view.situation.facts[:2]
        return [((cut(f"{view.situation.headline} {' '.join(facts)}", frame.width), "bold"),)]
    number = still_open.index(shown) + 1
    return [
        ((cut(f"{shown.client} -> {shown.headend}", frame.width), "bold"),),
        (
            (
                cut(
                    f"{number} of {len(still_open)}, since {_since(view, shown)}: {shown.what}",
                    frame.width,
                ),
                "",
            ),
        ),
    ]


def _since(view: View, row: IncidentRow) -> str:
    began = words.moment(row.since_ns, view.last_ns)
    return began[:5] if ":" in began else began


def _small(one: str, other: str) -> Line:
    return ((one, "bold"), (f"   {other}", ""))


def _tail(view: View, shown: IncidentRow | None, frame: Frame, silent_s: float) -> list[Line]:
    """What to do first, trust, and the sign that this is alive."""
    check = view.situation.checks[0] if view.situation.checks and not view.incidents else "nothing"
    first: Line = (("DO FIRST  ", "title"), (cut(check, frame.width - 10), ""))
    if shown is not None:
        fix = view.fixes[0].title if view.fixes and view.evidence else shown.fix or "no shipped fix fits"
        first = (("DO FIRST  ", "title"), (cut(fix, frame.width - 10), "bold"))
    trust: Line = (("TRUST     ", "title"), (view.tap.text, _TRUST[view.tap.trust]))
    name = cut(view.name, max(frame.width - 50, 8))
    alive = f"{name}  {words.moment(view.last_ns)}Z"
    look: Role = "dim"
    down = [port.name for port in view.ports if port.is_down]
    if view.progress.phase == "failed":
        told = "NO CONNECTION, an old picture" if view.progress.is_lost else "STOPPED"
        alive, look = f"{told}: {view.progress.error or 'nothing is looked at any more'}", "critical"
    elif down:
        alive, look = f"INTERFACE DOWN: {', '.join(down)}", "critical"
    elif view.progress.phase == "done":
        alive = f"{name}  ENDED: this is the last picture"
    elif silent_s >= _SILENT_S:
        alive, look = f"NO NEWS FOR {words.left(silent_s)}: is the sensor alive?  {name}", "critical"
    gap = frame.width - width(alive) - sum(width(text) for text, _ in trust)
    if gap >= 2:
        return [first, (*trust, (" " * gap, ""), (alive, look))]
    return [first, trust, ((cut(alive, frame.width), look),)]


_SILENT_S = 15.0
"""A run says something new several times a second; guess for what is no hiccup."""
