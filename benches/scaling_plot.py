"""Draws the plot of docs/performance.md as SVG: cost against flows, rate against cores. Measures nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 380, 280
LEFT, TOP, RIGHT, BOTTOM = 52, 44, 14, 44
COLOURS = ("#1f6feb", "#d1570a")


@dataclass(frozen=True)
class Series:
    """One line: label, points."""

    label: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """Ticks with their words, on a scale that may be logarithmic."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    is_log: bool = False

    def at(self, value: float) -> float:
        """Position between 0 and 1."""
        low, high, x = self.low, self.high, value
        if self.is_log:
            low, high, x = math.log(low), math.log(high), math.log(x)
        return (x - low) / (high - low)


def even(title: str, most: float) -> Axis:
    """An axis from zero with round steps, up to a little above ``most``."""
    step = 10 ** math.floor(math.log10(most))
    while most / step < 4:
        step /= 2
    count = math.ceil(most * 1.05 / step)
    ticks = tuple((i * step, f"{i * step:g}") for i in range(count + 1))
    return Axis(title, 0, count * step, ticks)


def panel(offset: int, title: str, x: Axis, y: Axis, series: list[Series]) -> list[str]:
    """One set of axes with its lines."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(px: float, py: float) -> tuple[float, float]:
        return offset + LEFT + x.at(px) * wide, TOP + (1 - y.at(py)) * high

    left, bottom = offset + LEFT, TOP + high
    out = [f'<text x="{left}" y="16" class="t">{escape(title)}</text>']
    for value, word in y.ticks:
        _, at = place(x.low, value)
        out.append(f'<line x1="{left}" x2="{left + wide}" y1="{at:.1f}" y2="{at:.1f}" class="g"/>')
        out.append(f'<text x="{left - 6}" y="{at + 4:.1f}" class="r">{escape(word)}</text>')
    for value, word in x.ticks:
        at, _ = place(value, y.low)
        out.append(f'<text x="{at:.1f}" y="{bottom + 16}" class="m">{escape(word)}</text>')
    out.append(f'<text x="{left + wide / 2}" y="{bottom + 34}" class="m">{escape(x.title)}</text>')
    out.append(f'<text x="{left}" y="{TOP - 10}">{escape(y.title)}</text>')
    for line, colour in zip(series, COLOURS, strict=False):
        points = [place(*point) for point in line.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
        last_x, last_y = points[-1]
        words = f'class="r" style="fill:{colour}">{escape(line.label)}'
        out.append(f'<text x="{last_x:.1f}" y="{last_y - 8:.1f}" {words}</text>')
    return out


def plot(costs: list[Series], rates: list[Series]) -> str:
    """Both panels; the second is left out when there is nothing for it."""
    words = {10_000: "10 k", 100_000: "100 k", 1_000_000: "1 M", 8_000_000: "8 M"}
    flows = Axis("flows, all open", 10_000, 8_000_000, tuple(words.items()), is_log=True)
    cost = even("ns of one core", max(y for s in costs for _, y in s.points))
    out = panel(0, "Cost of a packet against flows", flows, cost, costs)
    panels = 1
    if rates:
        cores = Axis("cores", 0.8, 2.2, ((1, "1"), (2, "2")))
        rate = even("million packets/s, whole program", max(y for s in rates for _, y in s.points))
        out += panel(WIDTH, "Packets per second against cores", cores, rate, rates)
        panels = 2
    style = (
        "text{font:12px sans-serif;fill:#444}.t{font-weight:bold}.r{text-anchor:end}"
        ".m{text-anchor:middle}.g{stroke:#ddd}"
    )
    size = f'width="{WIDTH * panels}" height="{HEIGHT}" viewBox="0 0 {WIDTH * panels} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, f"<style>{style}</style>", ground, *out, "</svg>"]) + "\n"
