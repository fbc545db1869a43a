"""Reads the history that ``sinks.history`` writes, for reading alone, also while ``serve`` writes."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ctcpmon.errors import InputError, SettingsError
from ctcpmon.records import Record
from ctcpmon.sinks.history import SCHEMA_VERSION
from ctcpmon.sinks.output import SEVERITIES, glance
from ctcpmon.text import clean, pad

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HistoryQuery", "moment", "read", "row"]

_AGO = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_STAMP = re.compile(r"\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?Z?)?\Z")
_LEVELS = {99: "CRIT", 47: "WARN"}


class HistoryQuery(Record, frozen=True):
    """What to look for; None: anything. Times are beginnings of RFC 3339 in UTC, as events have them."""

    since: str | None = None
    until: str | None = None
    kind: str | None = None
    session: str | None = None
    incident: str | None = None
    min_severity: str | None = None
    last: int | None = None
    """Only so many, the newest ones."""


def moment(text: str, now: datetime | None = None) -> str:
    """``2h`` or ``7d`` ago, or a time in UTC as written. Raises ``SettingsError``."""
    ago = _AGO.match(text)
    if ago is not None:
        then = (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago["unit"]]: int(ago["number"])})
        return then.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if _STAMP.match(text) is None:
        message = f"no such time: {clean(text, 60)!r}; write 2h, 7d, 2026-11-23 or 2026-11-23T02:58"
        raise SettingsError(message)
    return text.removesuffix("Z")


def read(path: str, query: HistoryQuery) -> Iterator[bytes]:
    """Lines of events in the order of their times. Raises ``InputError``."""
    if not Path(path).is_file():
        message = f"{clean(path, 200)}: no such file"
        raise InputError(message)
    try:
        base = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            (version,) = base.execute("pragma user_version").fetchone()
            if version != SCHEMA_VERSION:
                message = f"{clean(path, 200)}: no history of this ctcpmon (version {version})"
                raise InputError(message)
            words, values = _conditions(query)
            for (line,) in base.execute(words, values):
                yield bytes(line)
        finally:
            base.close()
    except sqlite3.Error as error:
        message = f"{clean(path, 200)}: {clean(str(error), 200)}"
        raise InputError(message) from error


def _conditions(query: HistoryQuery) -> tuple[str, list[str | int]]:
    """The statement is made of fixed words; every value is bound."""
    asked: list[tuple[str, str | int | None]] = [
        ("time >= ?", query.since),
        ("time < ?", query.until),
        ("kind = ?", query.kind),
        ("session = ?", query.session),
        ("incident = ?", query.incident),
        ("severity >= ?", SEVERITIES[query.min_severity] if query.min_severity else None),
    ]
    given = [(words, value) for words, value in asked if value is not None]
    where = " where " + " and ".join(words for words, _ in given) if given else ""
    values = [value for _, value in given]
    # Fixed words, see above.
    inner = f"select time, number, line from events{where} order by time desc, number desc"  # noqa: S608
    if query.last is not None:
        inner += " limit ?"
        values.append(query.last)
    return f"select line from ({inner}) order by time, number", values  # noqa: S608


def row(line: bytes) -> str:
    """One event for people."""
    seen = glance(line)
    data = seen.data
    level = _LEVELS.get(data.event.severity, "info")
    ends = f"{data.source.text} to {data.destination.text}" if data.source.text else ""
    reason = data.event.reason or data.ctcp.change
    key = data.ctcp.incident if seen.kind == "incident" else data.ctcp.session
    return (
        f"{seen.time[:23]:<23}  {level:<4}  {seen.kind:<8}  {pad(clean(key, 14), 14)}  "
        f"{clean(ends, 60)}{': ' if ends and reason else ''}{clean(reason, 120)}"
    ).rstrip()
