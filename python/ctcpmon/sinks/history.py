"""Events in SQLite, found again by time, type, session and incident; the oldest go first.

Written by one thread in transactions with a write-ahead log: what was committed survives SIGKILL. An event
that is there already (the same id) is not stored twice.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from ctcpmon.sinks.output import glance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SCHEMA_VERSION", "HistoryOutput"]

SCHEMA_VERSION = 1
_SCHEMA = """
create table if not exists events (
  number integer primary key,
  id text not null unique,
  time text not null,
  stored_s integer not null,
  kind text not null,
  severity integer not null,
  session text,
  incident text,
  line blob not null
);
create index if not exists events_time on events (time);
create index if not exists events_session on events (session) where session is not null;
create index if not exists events_incident on events (incident) where incident is not null;
create index if not exists events_stored on events (stored_s);
"""
_PRUNE_EVERY = 2_000
"""Events between two looks at age and size: guess, some seconds of a busy run."""
_PRUNE_SHARE = 20
"""A history that is too big loses one part in so many at a time."""
_DAY_S = 86_400


class HistoryOutput:
    """Opened by one thread, then used by another, never by two at once."""

    def __init__(
        self,
        path: str,
        *,
        keep_days: float,
        max_bytes: int,
        now: Callable[[], float],
        owner: tuple[int, int] | None = None,
    ) -> None:
        """``now``: seconds since 1970. Raises ``OSError``."""
        self._keep_s, self._max_bytes, self._now = keep_days * _DAY_S, max_bytes, now
        self._since_pruned = _PRUNE_EVERY
        self.pruned = 0
        """Events that were too old or too many."""
        if os.path.islink(path):  # noqa: PTH114
            # Root must not give away what a stranger's link points to.
            raise OSError(0, "a symbolic link")
        try:
            self._base = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
            self._prepare()
        except sqlite3.Error as error:
            raise OSError(0, f"{path}: {error}") from error
        for name in (path, f"{path}-wal", f"{path}-shm"):
            if os.path.exists(name):  # noqa: PTH110
                os.chmod(name, 0o640)  # noqa: PTH101
                if owner is not None:
                    os.chown(name, *owner, follow_symlinks=False)

    def deliver(self, lines: Sequence[bytes]) -> int:
        """See ``Output``. One transaction."""
        stored = int(self._now())
        rows = []
        for line in lines:
            seen = glance(line)
            ctcp = seen.data.ctcp
            rows.append(
                (seen.id, seen.time, stored, seen.kind, seen.data.event.severity, ctcp.session or None,
                 ctcp.incident or None, line)
            )  # fmt: skip
        try:
            self._base.execute("begin immediate")
            try:
                self._base.executemany(
                    "insert or ignore into events"
                    " (id, time, stored_s, kind, severity, session, incident, line)"
                    " values (?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                self._base.execute("commit")
            except sqlite3.Error:
                if self._base.in_transaction:
                    self._base.execute("rollback")
                raise
            self._since_pruned += len(rows)
            if self._since_pruned >= _PRUNE_EVERY:
                self._since_pruned = 0
                self.prune()
        except sqlite3.Error as error:
            raise OSError(0, str(error)) from error
        return len(lines)

    def reopen(self) -> None:
        """See ``Output``: a data base is not renamed away."""

    def close(self) -> None:
        """See ``Output``."""
        try:
            self.prune()
            self._base.close()
        except sqlite3.Error as error:
            raise OSError(0, str(error)) from error

    def prune(self) -> None:
        """Forgets what is too old, then the oldest until the file is small enough."""
        oldest = int(self._now() - self._keep_s)
        self.pruned += self._base.execute("delete from events where stored_s < ?", (oldest,)).rowcount
        while self._used_bytes() > self._max_bytes:
            (first, last) = self._base.execute("select min(number), max(number) from events").fetchone()
            if first is None:
                break
            until = first + max((last - first + 1) // _PRUNE_SHARE, 1)
            self.pruned += self._base.execute("delete from events where number < ?", (until,)).rowcount
        # Each page is a step of its own, and ``execute`` takes one step of what answers nothing.
        self._base.executescript("pragma incremental_vacuum")
        self._base.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _used_bytes(self) -> int:
        (pages,) = self._base.execute("pragma page_count").fetchone()
        (free,) = self._base.execute("pragma freelist_count").fetchone()
        (size,) = self._base.execute("pragma page_size").fetchone()
        return int((pages - free) * size)

    def _prepare(self) -> None:
        (version,) = self._base.execute("pragma user_version").fetchone()
        if version > SCHEMA_VERSION:
            message = f"written by a newer ctcpmon (version {version}, this one knows {SCHEMA_VERSION})"
            raise sqlite3.DatabaseError(message)
        # No files elsewhere: a confined run may write nowhere else.
        self._base.execute("pragma temp_store = memory")
        self._base.execute("pragma auto_vacuum = incremental")
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = normal")
        self._base.executescript(_SCHEMA)
        self._base.execute(f"pragma user_version = {SCHEMA_VERSION}")
