"""JSON Lines in a file that is rotated by size.

A line counts as delivered when the kernel has it: one write of whole lines with O_APPEND, so SIGKILL loses
nothing that was delivered. What a full disk or a crash cut off in the middle of a line is taken back, so that
the file is whole lines at every moment at which nothing is being written.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FileOutput"]

_TAIL_BYTES = 1 << 20
"""A longer last line is not one of ours."""
_OURS = b'{"type":"ctcpmon.'


class FileOutput:
    """Appends to ``path``. Open it while there are rights to open it; ``owner`` then gets the file."""

    def __init__(
        self,
        path: str,
        *,
        max_bytes: int = 0,
        keep: int = 5,
        owner: tuple[int, int] | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """``max_bytes`` 0: no rotation. Raises ``OSError``."""
        self._path = os.path.abspath(path)  # noqa: PTH100 a Path would resolve nothing more
        self._max_bytes, self._keep, self._say = max_bytes, keep, say
        self._cannot_rotate = False
        self._fd, self._size = self._open(owner)

    def deliver(self, lines: Sequence[bytes]) -> int:
        """See ``Output``. Takes as many lines as fit before the next rotation."""
        wanted = lines
        if self._max_bytes:
            if self._size and self._size + len(lines[0]) + 1 > self._max_bytes:
                self._rotate()
            wanted = lines[: self._fitting(lines)]
        data = b"\n".join((*wanted, b""))
        written = os.write(self._fd, data)
        if written < len(data):
            return self._take_back(wanted, written)
        self._size += written
        return len(wanted)

    def reopen(self) -> None:
        """See ``Output``. Where the name cannot be opened any more, the open file goes on."""
        try:
            fd, size = self._open(None)
        except OSError as error:
            self._say(f"file: {self._path} cannot be reopened ({error.strerror}); the old file goes on")
            return
        os.close(self._fd)
        self._fd, self._size = fd, size
        self._cannot_rotate = False

    def close(self) -> None:
        """See ``Output``."""
        os.close(self._fd)

    def _open(self, owner: tuple[int, int] | None) -> tuple[int, int]:
        # Not blocking: opening a pipe that nobody reads would wait; it is refused below.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        fd = os.open(self._path, flags, 0o640)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(0, "not a regular file")  # noqa: TRY301
            self._lock(fd)
            if owner is not None:
                os.fchown(fd, *owner)
            size = self._repair(fd)
        except OSError:
            os.close(fd)
            raise
        return fd, size

    def _lock(self, fd: int) -> None:
        """Two writers would rotate each other's file away."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._is_open_here(fd):
                return
            raise OSError(0, "another ctcpmon writes this file") from None

    def _is_open_here(self, fd: int) -> bool:
        """After a SIGHUP without a rename the name is the file that is open already."""
        mine = getattr(self, "_fd", None)
        return mine is not None and os.path.sameopenfile(mine, fd)

    def _repair(self, fd: int) -> int:
        """Ends the last line where a crash or a full disk cut it; returns the size."""
        size = os.fstat(fd).st_size
        tail = os.pread(fd, _TAIL_BYTES, max(size - _TAIL_BYTES, 0))
        rest = tail[tail.rfind(b"\n") + 1 :]
        if not rest:
            return size
        if _is_whole(rest):
            return size + os.write(fd, b"\n")
        if not (rest.startswith(_OURS) or _OURS.startswith(rest)):
            # Not ours: nothing of it is taken away.
            return size + os.write(fd, b"\n")
        os.ftruncate(fd, size - len(rest))
        self._say(f"file: {self._path} ended in {len(rest)} bytes of a line; they were taken off")
        return size - len(rest)

    def _fitting(self, lines: Sequence[bytes]) -> int:
        if self._cannot_rotate:
            return len(lines)
        size = self._size
        for number, line in enumerate(lines):
            size += len(line) + 1
            if size > self._max_bytes:
                # A line that is longer than a whole file gets one for itself.
                return max(number, 1)
        return len(lines)

    def _take_back(self, lines: Sequence[bytes], written: int) -> int:
        """The disk filled up within a line: keeps the whole ones."""
        whole = taken = 0
        for line in lines:
            if taken + len(line) + 1 > written:
                break
            taken += len(line) + 1
            whole += 1
        end = os.fstat(self._fd).st_size
        os.ftruncate(self._fd, end - (written - taken))
        self._size += taken
        if not whole:
            raise OSError(28, os.strerror(28))
        return whole

    def _rotate(self) -> None:
        if self._cannot_rotate:
            return
        try:
            for number in range(self._keep - 1, 0, -1):
                _rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            _rename(self._path, f"{self._path}.1")
            fd, size = self._open(None)
        except OSError as error:
            # Rather a file that is too long than a lost event. A SIGHUP tries again.
            self._cannot_rotate = True
            self._say(f"file: {self._path} cannot be rotated ({error.strerror}); it grows until SIGHUP")
            return
        os.close(self._fd)
        self._fd, self._size = fd, size


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)  # noqa: PTH104
    except FileNotFoundError:
        return


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False
