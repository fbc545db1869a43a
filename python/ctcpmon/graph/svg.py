"""A graph as SVG for a report: the same drawing as on a terminal, at the scale of a page. Pure.

No script, no style from outside, no font but the reader's own; every text is escaped. The same packets
give the same bytes.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ctcpmon.graph.painting import beginning, drawn_scale, verdict
from ctcpmon.graph.scale import Scale, amount, nice_step, seconds, ticks
from ctcpmon.graph.subject import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctcpmon.engine import Drawing
    from ctcpmon.graph.looking import Look
    from ctcpmon.graph.subject import Subject

__all__ = ["svg"]

_WIDTH, _HEIGHT = 960, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 12, 26, 44
_PLOT_W, _PLOT_H = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_STEPS = 10
"""Of a pixel: places are whole numbers of tenths, so that no float is ever printed."""
# Blue and orange differ for every kind of colour vision; shape and label say the same again.
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.g{stroke:#ddd}.d{stroke:#222;stroke-width:2}"
    ".a{fill:none;stroke:#0b62c4;stroke-width:1.6}.w{fill:none;stroke:#999;stroke-dasharray:4 3}"
    ".h{fill:#e8a33d;fill-opacity:.35;stroke:#b86e00}.r{stroke:#b86e00;stroke-width:2.5}"
    ".s{stroke:#5aa0e6;stroke-width:3}.m{stroke:#666;stroke-dasharray:2 3}.v{stroke:#b00020;stroke-width:1.5}"
    ".x{fill:#b00020;font-weight:bold}.u{fill:#0b62c4}"
)
_SIGNS = {"syn": "SYN", "fin": "FIN", "reset": "RST", "reset_by_other": "RST", "zero_window": "Z"}


def svg(subject: Subject, look: Look, side: str) -> str:
    """One direction in the window of ``look``."""
    drawn = subject.series.drawing(side, look.from_ns, look.until_ns, _PLOT_W)
    across = Scale(look.from_ns, look.until_ns, _PLOT_W * _STEPS)
    up = drawn_scale(drawn, _PLOT_H * _STEPS, 2 * _TOP * _STEPS // 3)
    other = SIDES[1 - SIDES.index(side)]
    title = (
        f"data of the {side} ({subject.end(side)}) and what the {other} ({subject.end(other)}) acknowledged"
    )
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{escape(title)}">'
        ),
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="15">{escape(title)}</text>',
        *_axes(subject, look, across, up),
        *_shapes(drawn, across, up, min(subject.last_ns, look.until_ns)),
        *_moments(subject, across),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(across: Scale, at: int) -> str:
    return _tenths(_LEFT * _STEPS + across.place(min(max(at, across.low), across.high)))


def _y(up: Scale, value: int) -> str:
    return _tenths((_TOP + _PLOT_H) * _STEPS - up.place(value))


def _tenths(number: int) -> str:
    whole, rest = divmod(number, _STEPS)
    return f"{whole}.{rest}" if rest else str(whole)


def _axes(subject: Subject, look: Look, across: Scale, up: Scale) -> Iterator[str]:
    right, bottom = _LEFT + _PLOT_W, _TOP + _PLOT_H
    for one in ticks(up.low, up.high, 7):
        y = _y(up, one)
        yield f'<path class="g" d="M{_LEFT} {y}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{amount(one)}</text>'
    low, high = look.from_ns - subject.first_ns, look.until_ns - subject.first_ns
    step = nice_step(high - low, 8)
    for one in ticks(low, high, 8):
        x = _x(across, one + subject.first_ns)
        yield f'<path class="g" d="M{x} {_TOP}V{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{seconds(one, step)}</text>'
    yield (
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">sequence number against time since the first packet; '
        "black: data, blue: ACK, light blue: SACK, dashed: window, orange: hole or sent again</text>"
    )


def _shapes(drawn: Drawing, across: Scale, up: Scale, end_ns: int) -> Iterator[str]:
    for since, until, low, high, _ in drawn.holes:
        first, last = _x(across, since), _x(across, end_ns if until is None else until)
        yield f'<path class="h" d="M{first} {_y(up, high)}H{last}V{_y(up, low)}H{first}Z"/>'
    yield from _steps(drawn, across, up, end_ns)
    by_class: dict[str, list[str]] = {}
    for ts, left, right in drawn.bands:
        if up.holds(left):
            by_class.setdefault("s", []).append(f"M{_x(across, ts)} {_y(up, left)}V{_y(up, right)}")
    for ts, low, high, kind, _ in drawn.spans:
        name = "d" if kind == "data" else "r"
        by_class.setdefault(name, []).append(f"M{_x(across, ts)} {_y(up, low)}V{_y(up, high)}")
    # Data over what is said about them.
    for name in "sdr":
        if name in by_class:
            yield f'<path class="{name}" d="{"".join(by_class[name])}"/>'
    for ts, _, high, kind, _ in drawn.spans:
        if kind != "data":
            sign = "R" if kind == "again" else "O"
            yield f'<text x="{_x(across, ts)}" y="{_y(up, high)}" dy="-2">{sign}</text>'
    for ts, seq, kind, _ in drawn.events:
        yield f'<text class="x" x="{_x(across, ts)}" y="{_y(up, seq)}">{_SIGNS[kind]}</text>'


def _steps(drawn: Drawing, across: Scale, up: Scale, end_ns: int) -> Iterator[str]:
    """The ACK line and the window edge."""
    window: list[str] = []
    line: list[str] = []
    for at, (ts, ack, edge, _) in enumerate(drawn.acks):
        last = _x(across, drawn.acks[at + 1][0] if at + 1 < len(drawn.acks) else end_ns)
        start = f"M{_x(across, ts)} "
        if up.holds(edge):
            window.append(f"{start}{_y(up, edge)}H{last}")
        if up.holds(ack):
            line.append(f"{'V' if line else start}{_y(up, ack)}H{last}")
    for name, moves in (("w", window), ("a", line)):
        if moves:
            yield f'<path class="{name}" d="{"".join(moves)}"/>'


def _moments(subject: Subject, across: Scale) -> Iterator[str]:
    for at, name, label in (
        (subject.cut.since_ns, "m", beginning(subject)),
        (subject.cut.judged_ns, "v", verdict(subject)),
    ):
        if at is not None and across.holds(at):
            x = _x(across, at)
            yield f'<path class="{name}" d="M{x} {_TOP}V{_TOP + _PLOT_H}"/>'
            yield f'<text x="{x}" y="{_TOP + 12}" dx="4">{escape(label)}</text>'
