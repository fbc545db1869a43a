"""Packet times as text. No clock is read here or anywhere in the event path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["clock", "day", "is_old", "rfc3339", "stamp"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OLD_NS = 20 * 3_600 * 10**9
"""A time of day comes again after 24 hours; four less, so that nobody reads one of yesterday as of today."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@lru_cache(maxsize=1_024)
def rfc3339(time_ns: int) -> str:
    """RFC 3339 UTC with exactly six decimals; nanoseconds are cut, not rounded.

    ``time_ns`` counts from 1970 and may be negative. Times outside the years 1 to 9999 are
    set to the nearest end, since RFC 3339 has no way to write them.
    """
    seconds, below = divmod(time_ns, 10**9)
    try:
        return f"{_second(seconds)}.{below // 1000:06d}Z"
    except OverflowError:
        return _moment(time_ns).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").removesuffix("+00:00")


def clock(time_ns: int) -> str:
    """Time of day, UTC, with milliseconds: ``02:58:11.402``."""
    moment = _moment(time_ns)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def stamp(time_ns: int) -> str:
    """Day and time, UTC, with milliseconds: ``2026-11-24 02:58:11.402``."""
    return rfc3339(time_ns)[:23].replace("T", " ")


def day(time_ns: int) -> str:
    """Day in six cells: ``Nov 24``."""
    month, number = rfc3339(time_ns)[5:10].split("-")
    return f"{_MONTHS[int(month) - 1]} {int(number):>2}"


def is_old(time_ns: int, now_ns: int | None) -> bool:
    """True for what a time of day alone would tell wrongly at ``now_ns``."""
    return now_ns is not None and now_ns - time_ns >= _OLD_NS


def _moment(time_ns: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=time_ns // 1000)
    except OverflowError:
        return _LAST if time_ns > 0 else _FIRST
