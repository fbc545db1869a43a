"""What people say of incidents: seen (ack), not now (mute), a note. In one small file, for all screens.

An incident has an id of its own, but after a restart of a live run the same trouble gets another one. So a
mark also knows the *place*: headend, client network and family of causes, which stay. A note and a mute hold
for the place; an ack holds for the incident, and for the place only for a shift, so that it cannot hide what
happens there next week. Neither holds for something worse than what was marked.

The file is replaced whole under a lock; what does not fit is dropped from the oldest on. Nothing here draws.
"""

from __future__ import annotations

import fcntl
import os
import pwd
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ctcpmon.text import clean
from ctcpmon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ctcpmon.tui.view import IncidentRow, Level

__all__ = ["ACK_HOLDS_S", "NOTE_CELLS", "Mark", "MarkBook", "who"]

ACK_HOLDS_S = 12 * 3600
"""At the same place after a restart (guess: a shift)."""
NOTE_CELLS = 200
_MOST = 1_000
"""Marks in the file (guess: more than a site has places)."""
_MOST_BYTES = 1 << 20
_WORSE: dict[str, int] = {"ok": 0, "info": 1, "warning": 2, "critical": 3}


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of one place. Times are seconds since 1970 by the wall clock."""

    place: str
    incident: str
    acked_at: int = 0
    acked_by: str = ""
    acked_level: str = ""
    muted_until: int = 0
    muted_level: str = ""
    note: str = ""
    note_at: int = 0
    note_by: str = ""

    def acks(self, row: IncidentRow, now: float) -> bool:
        """True while somebody has taken notice of this row."""
        is_near = self.incident == row.key or now - self.acked_at < ACK_HOLDS_S
        return bool(self.acked_at) and is_near and not _is_worse(row.level, self.acked_level)

    def mutes(self, row: IncidentRow, now: float) -> bool:
        """True while this row is not to raise an alarm."""
        return now < self.muted_until and not _is_worse(row.level, self.muted_level)

    @property
    def newest(self) -> int:
        """When something was said last, or will have been."""
        return max(self.acked_at, self.muted_until, self.note_at)

    def is_over(self, now: float) -> bool:
        """True when nothing of it can hold any more."""
        return not self.note and now >= self.muted_until and now - self.acked_at >= ACK_HOLDS_S


class _File(msgspec.Struct, frozen=True):
    version: int
    marks: tuple[Mark, ...]


class MarkBook:
    """The marks of a file; without a path those of this screen alone."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._marks: dict[str, Mark] = {}
        self.version = 0
        """Changes with every mark."""

    def __len__(self) -> int:
        return len(self._marks)

    def of(self, place: str) -> Mark | None:
        """What is said of a place."""
        return self._marks.get(place)

    def refresh(self) -> None:
        """Reads the file if another screen has written it. A file that is not ours is left alone."""
        if self._path is None:
            return
        try:
            found = self._path.stat()
        except OSError:
            return
        seen = (found.st_mtime_ns, found.st_ino)
        if seen != self._seen:
            self._seen = seen
            with suppress(OSError, ValueError):
                self._take(_read(self._path))

    def put(self, mark: Mark, now: float) -> str:
        """Keeps a mark in place of what was said of its place. Returns why it is not in the file, if so."""
        return self._keep(lambda marks: {**marks, mark.place: mark}, now)

    def change(self, place: str, incident: str, changes: Mapping[str, str | int], now: float) -> str:
        """Changes what is said of a place, and leaves the rest as it is by then: others write there too."""

        def changed(marks: Mapping[str, Mark]) -> Mapping[str, Mark]:
            before = marks.get(place) or Mark(place=place, incident=incident)
            return {**marks, place: msgspec.structs.replace(before, incident=incident, **changes)}

        return self._keep(changed, now)

    def _keep(self, change: Callable[[Mapping[str, Mark]], Mapping[str, Mark]], now: float) -> str:
        problem = ""
        if self._path is None:
            self._take(change(self._marks), now)
            return problem
        try:
            with _locked(self._path):
                self._take(change(_present(self._path, self._marks)), now)
                with whole_file(str(self._path), may_replace=True) as part:
                    saved = _File(1, tuple(self._marks.values()))
                    Path(part).write_bytes(msgspec.json.encode(saved) + b"\n")
                found = self._path.stat()
                self._seen = (found.st_mtime_ns, found.st_ino)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._take(change(self._marks), now)
            problem = f"only on this screen, not saved: {clean(str(self._path), 60)}: {clean(reason, 60)}"
        return problem

    def _take(self, marks: Mapping[str, Mark], now: float | None = None) -> None:
        kept = [one for one in marks.values() if now is None or not one.is_over(now)]
        kept.sort(key=lambda one: one.newest)
        self._marks = {one.place: one for one in kept[-_MOST:]}
        self.version += 1


def who(environment: Mapping[str, str] = os.environ) -> str:
    """Name of the person: who called sudo, else the account."""
    name = environment.get("SUDO_USER", "")
    if not name:
        try:
            name = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            name = str(os.geteuid())
    return clean(name, 32)


def _is_worse(level: Level, than: str) -> bool:
    return _WORSE[level] > _WORSE.get(than, 0)


def _present(path: Path, known: Mapping[str, Mark]) -> Mapping[str, Mark]:
    """What the file says now; a damaged one is put aside, not written over."""
    try:
        return _read(path)
    except FileNotFoundError:
        return known
    except ValueError:
        path.replace(path.with_suffix(".damaged"))
        return known


def _read(path: Path) -> dict[str, Mark]:
    """Raises ``OSError``, and ``ValueError`` for what is no file of marks."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        message = "longer than any file of marks"
        raise ValueError(message)
    found = msgspec.json.decode(data, type=_File)
    if found.version != 1:
        message = f"written by another version ({found.version})"
        raise ValueError(message)
    return {one.place: _cleaned(one) for one in found.marks[-_MOST:]}


def _cleaned(mark: Mark) -> Mark:
    changed = {
        name: clean(value, NOTE_CELLS)
        for name in Mark.__struct_fields__
        if isinstance(value := getattr(mark, name), str)
    }
    return msgspec.structs.replace(mark, **changed)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time. The lock is a file of its own: the marks are replaced, not written."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
