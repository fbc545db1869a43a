"""Reads the event file behind an offset that is kept beside it, over rotations and restarts.

The file is the journal of ``serve``: a line that is in it was accepted. A reader goes through it line by
line and keeps how far its receiver has got (``acknowledge``) in ``<file>.<name>.ack``, replaced as a whole,
so that a run that was killed goes on where the receiver stopped. What is acknowledged was delivered; what was
delivered and not acknowledged comes again. Like the file itself it is safe against SIGKILL, not against loss
of power: then an older offset may come back, and more is repeated.

The invariant: a file is left only when it will not grow any more, that is when a newer one has a line.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Journal"]

_CHUNK = 1 << 18
_LONGEST = 1 << 20
"""A longer line is not one of ours; it is passed over."""
_ID = re.compile(rb'"id":"([^"\\]{1,200})"')
_HEAD = 512
"""Bytes of a line in which its id stands."""


class _Ack(msgspec.Struct, frozen=True):
    """How far a receiver has got."""

    device: int
    inode: int
    offset: int
    id: str = ""
    """Of the last line passed; a file whose inode came back holds another one there."""


class Journal:
    """The lines of one event file for one output. One thread reads; ``open`` may be another."""

    def __init__(
        self, path: str, name: str, *, owner: tuple[int, int] | None, say: Callable[[str], None]
    ) -> None:
        """Opens where the output ``name`` stopped, or at the end of what is there. Raises ``OSError``.

        Call it while there are rights to write beside the file, and before anything is added to it.
        """
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 as the file output does
        self._ack_path = self._path.with_name(f"{self._path.name}.{name}.ack")
        self._name, self._say = name, say
        self._fd = -1
        self._identity = (0, 0)
        self._offset = 0
        self._last_id = ""
        self._cannot_keep = False
        self._has_missed = False
        self.given_up = 0
        """Events that were taken away (rotation) before they were read, by the gap in their numbers."""
        self._begin()
        self._keep(owner)
        self.backlog = self.left()
        """Lines of earlier runs that are still to be read."""

    def lines(self) -> list[bytes]:
        """The next whole lines, those of one read; none: nothing new. Raises ``OSError``."""
        size = _CHUNK
        while True:
            # Always from the end of a line: the rest of one may be taken back (full disk) and written anew.
            data = os.pread(self._fd, size, self._offset) if self._fd >= 0 else b""
            end = data.rfind(b"\n")
            if end >= 0:
                return data[:end].split(b"\n")
            if len(data) < size:
                if not data and self._is_emptied():
                    continue
                if not self._next_file():
                    return []
            elif size > _LONGEST:
                self._offset += len(data)
            else:
                size *= 2

    def _is_emptied(self) -> bool:
        """Somebody took the lines away and left the file (``copytruncate``): it is read anew."""
        if self._fd < 0 or os.fstat(self._fd).st_size >= self._offset:
            return False
        self._offset, self._has_missed = 0, True
        self._say(f"{self._name}: {self._path.name} was emptied; what was not sent yet is gone")
        return True

    def left(self) -> int:
        """Lines that are still to be read. Any thread may ask."""
        identity, offset = self._identity, self._offset
        files = self._files()
        at = next((i for i, path in enumerate(files) if _identity(path) == identity), -1)
        number = 0
        for path in files[max(at, 0) :]:
            with suppress(OSError), path.open("rb", buffering=0) as file:
                if at >= 0 and path == files[at]:
                    file.seek(offset)
                while data := file.read(_CHUNK):
                    number += data.count(b"\n")
        return number

    def passed(self, line: bytes) -> None:
        """Goes behind a line of ``lines``, in their order."""
        self._offset += len(line) + 1
        found = _ID.search(line[:_HEAD])
        if found is None:
            return
        given = found[1].decode("ascii", "replace")
        if self._has_missed:
            self._has_missed = False
            self.given_up += _gap(self._last_id, given)
        self._last_id = given

    def acknowledge(self) -> None:
        """Keeps the place behind the last line passed."""
        try:
            self._keep(None)
        except OSError as error:
            if not self._cannot_keep:
                self._cannot_keep = True
                self._say(
                    f"{self._name}: {self._ack_path} cannot be written ({error.strerror}); "
                    "after a crash events come again"
                )

    def acknowledged(self) -> Iterator[bytes]:
        """Lines of the open file in front of the place, for what has to be learned of them."""
        at, rest = 0, b""
        while at < self._offset:
            data = os.pread(self._fd, min(_CHUNK, self._offset - at), at)
            if not data:
                return
            at += len(data)
            *whole, rest = (rest + data).split(b"\n")
            yield from whole

    def close(self) -> None:
        """Lets go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self) -> None:
        files = self._files()
        ack = self._read_ack()
        if ack is None:
            # The first time: what was there before is not new.
            if files:
                self._open(files[-1])
                self._offset = _end_of_lines(self._fd)
            return
        for path in files:
            self._open(path)
            if self._identity == (ack.device, ack.inode) and self._is_at(ack):
                self._offset, self._last_id = ack.offset, ack.id
                return
        # Renamed beyond recognition or restored: the id tells, if the line is still there.
        self._last_id = ack.id
        wanted = f'"id":"{ack.id}"'.encode()
        for path in files if ack.id else ():
            self._open(path)
            if self._goes_behind(wanted):
                return
        if files:
            self._has_missed = bool(ack.id)
            self._open(files[0])
            self._say(f"{self._name}: {self._path.name} does not hold what was sent last; all of it is sent")

    def _goes_behind(self, wanted: bytes) -> bool:
        """Looks for the line with an id in the open file."""
        size = os.fstat(self._fd).st_size
        while self._offset < size:
            lines = self.lines()
            if not lines:
                return False
            for line in lines:
                self._offset += len(line) + 1
                if wanted in line[:_HEAD]:
                    return True
        return False

    def _is_at(self, ack: _Ack) -> bool:
        """A file whose number was given to another holds something else there."""
        size = os.fstat(self._fd).st_size
        if ack.offset > size:
            return False
        tail = os.pread(self._fd, min(_LONGEST, ack.offset), max(ack.offset - _LONGEST, 0))
        line = tail[tail.rfind(b"\n", 0, len(tail) - 1) + 1 :]
        if not ack.id:
            return not tail or tail.endswith(b"\n")
        return tail.endswith(b"\n") and f'"id":"{ack.id}"'.encode() in line[:_HEAD]

    def _next_file(self) -> bool:
        """Goes on to the next newer file that has a line; false when there is none."""
        files = self._files()
        at = next((i for i, path in enumerate(files) if _identity(path) == self._identity), None)
        # Ours may have been deleted: it is read to its end all the same, then the oldest is next.
        newer = files if at is None else files[at + 1 :]
        for path in newer:
            with suppress(OSError):
                if path.stat().st_size:
                    self._open(path)
                    self._has_missed |= at is None
                    return True
        return False

    def _files(self) -> list[Path]:
        """The file and what was rotated away from it, oldest first."""
        name = self._path.name
        found: list[tuple[int, float, Path]] = []
        with os.scandir(self._path.parent) as entries:
            for entry in entries:
                end = entry.name[len(name) :]
                if not entry.name.startswith(name) or end.endswith((".ack", ".part", ".gz", ".xz", ".zst")):
                    continue
                with suppress(OSError):
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    if not end:
                        found.append((2, 0.0, Path(entry.path)))
                    elif end[:1] == "." and end[1:].isdecimal():
                        found.append((1, -float(end[1:]), Path(entry.path)))
                    elif end[:1] in "-._":
                        # logrotate with a date: in the order in which they were last written.
                        found.append((0, entry.stat().st_mtime_ns, Path(entry.path)))
        return [path for *_, path in sorted(found)]

    def _open(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        self.close()
        made = os.fstat(fd)
        self._fd, self._identity = fd, (made.st_dev, made.st_ino)
        self._offset = 0

    def _read_ack(self) -> _Ack | None:
        try:
            data = self._ack_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=_Ack)
        except msgspec.DecodeError:
            self._say(f"{self._name}: {self._ack_path} cannot be understood; it is made anew")
            return None

    def _keep(self, owner: tuple[int, int] | None) -> None:
        ack = _Ack(*self._identity, offset=self._offset, id=self._last_id)
        part = self._ack_path.with_name(f"{self._ack_path.name}.part")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            os.write(fd, msgspec.json.encode(ack) + b"\n")
            if owner is not None:
                os.fchown(fd, *owner)
        finally:
            os.close(fd)
        part.replace(self._ack_path)


def _identity(path: Path) -> tuple[int, int]:
    try:
        made = path.lstat()
    except OSError:
        return (0, 0)
    return (made.st_dev, made.st_ino)


def _end_of_lines(fd: int) -> int:
    """Behind the last whole line: what a crash cut off is taken away before anything is added."""
    size = os.fstat(fd).st_size
    start = max(size - _LONGEST, 0)
    return start + os.pread(fd, _LONGEST, start).rfind(b"\n") + 1


def _gap(before: str, after: str) -> int:
    """Events between two ids of one run (``sensor.run.n``)."""
    run, _, last = before.rpartition(".")
    same, _, number = after.rpartition(".")
    if run != same or not (last.isdecimal() and number.isdecimal() and len(last + number) < 40):
        return 0
    return max(int(number) - int(last) - 1, 0)
