"""Numbers as events hold them: what JSON cannot keep exact, or nobody knows, does not get in."""

from __future__ import annotations

from ctcpmon.lean import is_finite

__all__ = ["MAX_SAFE_INTEGER", "count", "maybe_count", "number", "ratio"]

MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact."""


def count(value: int) -> int:
    """Keeps a count inside what every JSON reader keeps exact; no real count comes near the end."""
    if 0 <= value <= MAX_SAFE_INTEGER:
        return value
    return 0 if value < 0 else MAX_SAFE_INTEGER


def maybe_count(value: int | None) -> int | None:
    """The same for a count that may not be known."""
    return None if value is None else count(value)


def ratio(value: float | None) -> float | None:
    """Six decimals are more than any estimate holds; NaN and infinities are not known."""
    if value is None or not is_finite(value):
        return None
    return round(value, 6) if 0.0 < value < 1.0 else 1.0 if value > 0.0 else 0.0


def number(value: float) -> int | float | None:
    """A measured number: whole ones without a point, others with six decimals."""
    if not is_finite(value) or abs(value) > MAX_SAFE_INTEGER:
        return None
    return int(value) if float(value).is_integer() else round(value, 6)
