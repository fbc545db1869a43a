"""Who a live run goes on as once its rings are open, and what to type when the right is missing.

Decides and words; giving up is the engine's (``give_up_rights``), before it starts any thread.
"""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctcpmon.errors import SettingsError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Account", "account_after_opening", "can_capture", "lines_to_type", "who"]

_CAP_NET_RAW = 13
_STATUS = Path("/proc/self/status")
_NOBODY = "nobody"
_OVERFLOW = 65_534
"""The number of nobody where no account has that name (``/proc/sys/kernel/overflowuid``)."""

Account = tuple[int, int]
"""User and group number."""


def account_after_opening(
    user: str | None, *, effective: int | None = None, environment: Mapping[str, str] = os.environ
) -> Account | None:
    """The account to go on as: that of ``--user``, the one who called sudo, or nobody.

    None: stay who we are, which is right for everybody but root. Raises ``SettingsError`` for a user that
    there is not, for root, or when only root could become another.
    """
    is_root = (os.geteuid() if effective is None else effective) == 0
    if user is not None:
        if not is_root:
            message = "--user needs root: only root can go on as somebody else"
            raise SettingsError(message)
        account = _named(user)
        if account[0] == 0:
            message = "--user: a run does not go on as root"
            raise SettingsError(message)
        return account
    if not is_root:
        return None
    uid, gid = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if uid.isdecimal() and gid.isdecimal() and int(uid) > 0:
        return int(uid), int(gid)
    try:
        return _named(_NOBODY)
    except SettingsError:
        return _OVERFLOW, _OVERFLOW


def _named(user: str) -> Account:
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        message = f"no such user: {clean(user)!r}"
        raise SettingsError(message) from None
    return entry.pw_uid, entry.pw_gid


def can_capture() -> bool:
    """True when this process may open a packet socket."""
    return bool(_effective() >> _CAP_NET_RAW & 1)


def _effective() -> int:
    for line in _STATUS.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return int(value, 16)
    return 0


def who() -> str:
    """What this process is and may do, read from the system."""
    words = {}
    for line in _STATUS.read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        words[name] = value.strip()
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    left = int(words.get("CapEff", "0"), 16) | int(words.get("CapPrm", "0"), 16)
    rights = "no rights" if left == 0 else f"capabilities {left:x}"
    return f"{clean(name)}, {rights}" + (", no way to more" if words.get("NoNewPrivs") == "1" else "")


def lines_to_type(interfaces: Sequence[str], program: str | None = None) -> tuple[str, ...]:
    """Lines that start the same run with the right to capture."""
    named = " ".join(shlex.quote(name) for name in interfaces)
    command = shlex.quote(program or sys.argv[0] or "ctcpmon")
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return (
        f"sudo {command} live {named}",
        f"sudo setpriv --reuid={shlex.quote(user)} --regid={os.getgid()} --clear-groups "
        f"--inh-caps=+net_raw --ambient-caps=+net_raw {command} live {named}",
    )
