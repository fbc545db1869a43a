"""Packet times as text. No clock is read here or anywhere in the event path.

For what people read; in the lines of events the engine writes them, in the same form. A plain run imports
this module and asks nothing of it, so ``datetime`` is loaded when somebody does.
"""

from __future__ import annotations

from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["clock", "day", "is_old", "rfc3339", "stamp"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OLD_NS = 20 * 3_600 * 10**9
"""A time of day comes again after 24 hours; four less, so that nobody reads one of yesterday as of today."""


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
    return _after_epoch(seconds=seconds).isoformat(timespec="seconds").removesuffix("+00:00")


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
    from datetime import UTC, datetime

    try:
        return _after_epoch(microseconds=time_ns // 1000)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if time_ns > 0 else datetime.min.replace(tzinfo=UTC)


def _after_epoch(*, seconds: int = 0, microseconds: int = 0) -> datetime:
    """Raises ``OverflowError`` outside of the years 1 to 9999."""
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=microseconds)
