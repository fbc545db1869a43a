"""Where what people said of incidents is kept. No reading and no writing of it: that is ``tui.marks``."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["prepare", "state_file"]

_SHARED = Path("/var/lib/ctcpmon")
"""Of an account without a home, such as nobody (state of a program, Filesystem Hierarchy Standard 5.8)."""


def state_file(
    environment: Mapping[str, str] = os.environ, account: tuple[int, int] | None = None
) -> Path | None:
    """Where marks are kept: the state folder of XDG. None without a home.

    ``account`` is who a run that is root now goes on as: the environment is not that of who will write.
    """
    if account is not None:
        home = _home(account[0])
        folder = _SHARED if home is None else home / ".local/state/ctcpmon"
        return folder / "marks.json"
    base = environment.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        home_of_user = environment.get("HOME", "")
        if not home_of_user.startswith("/"):
            return None
        base = f"{home_of_user}/.local/state"
    return Path(base) / "ctcpmon" / "marks.json"


def prepare(account: tuple[int, int]) -> None:
    """Makes the folder of an account without a home, while there are rights to; one that is there stays."""
    if _home(account[0]) is None and not _SHARED.is_symlink():
        with suppress(OSError):
            _SHARED.mkdir(mode=0o700)
            os.chown(_SHARED, *account)


def _home(user: int) -> Path | None:
    """The home of a user, if that is a folder of theirs."""
    try:
        home = Path(pwd.getpwuid(user).pw_dir)
        return home if home.is_absolute() and home.stat().st_uid == user else None
    except (KeyError, OSError):
        return None
