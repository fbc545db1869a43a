"""Numbers to places and round steps for axes. Pure."""

from __future__ import annotations

__all__ = ["Scale", "amount", "nice_step", "seconds", "ticks"]


class Scale:
    """Maps ``low`` to 0 and ``high`` to ``places - 1``; what lies outside goes to the ends."""

    def __init__(self, low: int, high: int, places: int) -> None:
        self.low, self.high, self.places = low, max(high, low + 1), max(places, 1)

    def place(self, value: int) -> int:
        """Where ``value`` falls."""
        at = (value - self.low) * self.places // (self.high - self.low)
        return min(max(at, 0), self.places - 1)

    def holds(self, value: int) -> bool:
        """False for what lies outside."""
        return self.low <= value <= self.high


def nice_step(span: int, most: int) -> int:
    """The smallest of 1, 2, 5, 10, ... with at most ``most`` steps in ``span``."""
    decade = 1
    while True:
        for step in (decade, 2 * decade, 5 * decade):
            if span <= step * max(most, 1):
                return step
        decade *= 10


def ticks(low: int, high: int, most: int) -> list[int]:
    """Round numbers from ``low`` to ``high``."""
    step = nice_step(high - low, most)
    first = -(-low // step) * step
    return list(range(first, high + 1, step))


def amount(number: int) -> str:
    """Bytes in at most eight cells."""
    if abs(number) < 1_000_000:
        return f"{number:,}"
    for unit, scale in (("G", 1e9), ("M", 1e6)):
        if abs(number) >= scale:
            return f"{number / scale:.3f} {unit}"
    return str(number)


def seconds(ns: int, step_ns: int) -> str:
    """A time since the start with as many places as the step of its axis needs."""
    places = 0
    while places < 6 and step_ns % 10 ** (9 - places):
        places += 1
    return f"{ns / 1e9:.{places}f} s"
