"""A file that is there whole or not at all, readable by its owner only. No words, no formats."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str, *, may_replace: bool = False) -> Iterator[str]:
    """Gives the path of an empty file beside ``path`` to write, and moves it there on leaving.

    Its mode is 0600. Raises ``FileExistsError`` when ``path`` is there and may not be replaced, now or on
    leaving, and always when it is no regular file.
    """
    _check(path, may_replace=may_replace)
    target = Path(path)
    try:
        handle, made = tempfile.mkstemp(prefix=f".{target.name[:60]}.", suffix=".part", dir=target.parent)
    except OSError as error:
        # Under the name that the user knows.
        raise OSError(error.errno, error.strerror, path) from None
    os.close(handle)
    try:
        yield made
        if may_replace:
            _check(path, may_replace=True)
            Path(made).replace(target)
        else:
            _move_into_place(made, target)
    finally:
        Path(made).unlink(missing_ok=True)


def _move_into_place(made: str, target: Path) -> None:
    """Never replaces what is there, whoever was faster."""
    try:
        target.hardlink_to(made)
    except OSError as error:
        # FAT of a USB stick and some network file systems know no links.
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        Path(made).replace(target)


def _check(path: str, *, may_replace: bool) -> None:
    try:
        found = Path(path).lstat()
    except FileNotFoundError:
        return
    if not may_replace or not stat.S_ISREG(found.st_mode):
        raise FileExistsError(path)
