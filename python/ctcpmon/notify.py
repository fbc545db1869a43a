"""Tells the service manager (systemd, ``Type=notify``) how far we are; without one it does nothing."""

from __future__ import annotations

import os
import socket

__all__ = ["notify"]


def notify(state: str) -> None:
    """Sends ``state``, for example ``READY=1``. That nobody listens is no failure."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as opened:
            opened.connect("\0" + where[1:] if where.startswith("@") else where)
            opened.send(state.encode("ascii"))
    except OSError:
        return
