"""What a live run still needs of the system once it is open: the rest is denied to it (seccomp, Landlock).

Words and lists only; the engine does it (``confine`` in ``rust/live``), and says what the kernel lacks.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from ctcpmon.output_settings import address_of
from ctcpmon.state_file import state_file
from ctcpmon.text import clean

if TYPE_CHECKING:
    from ctcpmon.engine import Confined
    from ctcpmon.output_settings import Outputs

__all__ = ["Needs", "in_words", "of_outputs", "of_screen", "of_stream"]

Needs = tuple["tuple[str, ...] | None", "tuple[int, ...] | None", bool]
"""Folders to write to, TCP ports to connect to (None: anything), and whether programs are started."""

_DNS = 53
"""An answer that does not fit a datagram is asked for again over TCP."""


def of_stream(save_dir: str | None) -> tuple[tuple[str, ...], tuple[int, ...], bool]:
    """Of a run whose events go to standard output."""
    return () if save_dir is None else (os.path.abspath(save_dir),), (), False  # noqa: PTH100


def of_screen(save_dir: str | None = None, account: tuple[int, int] | None = None) -> Needs:
    """Of a screen: it saves what its user asks for, keeps marks, starts tshark and the clipboard program.

    The clipboard may be at the other end of ``ssh -X``, so ports are left as they are.
    """
    wanted = [tempfile.gettempdir(), os.getcwd(), *of_stream(save_dir)[0], *_of_marks(account)]  # noqa: PTH109
    return tuple(dict.fromkeys(one for one in wanted if os.path.isdir(one))), None, True  # noqa: PTH112


def _of_marks(account: tuple[int, int] | None) -> list[str]:
    """The state folder, or the one in which it will be made."""
    path = state_file(account=account)
    return [] if path is None else [str(next(one for one in path.parents if one.is_dir()))]


def of_outputs(outputs: Outputs, socket: str | None) -> Needs:
    """Of ``serve``: the folders of its files, which it rotates there, and the ports that it sends to."""
    paths = [one.path for one in (outputs.file, outputs.history) if one is not None]
    paths += [socket] if socket is not None else []
    # In the order given, each once.
    folders = tuple(dict.fromkeys(os.path.dirname(os.path.abspath(path)) for path in paths))  # noqa: PTH100, PTH120
    if outputs.hook is not None:
        # What it starts would be confined with it.
        return None, None, True
    return folders, _ports(outputs), False


def _ports(outputs: Outputs) -> tuple[int, ...] | None:
    ports: list[int] = []
    if outputs.syslog is not None:
        ports.append(address_of(outputs.syslog.address)[1])
    if outputs.webhook is not None:
        from ctcpmon.sinks.webhook import port_of

        port = port_of(outputs.webhook.url)
        if port is None:
            return None
        ports.append(port)
    return (*ports, _DNS) if ports else ()


def in_words(confined: Confined | None) -> str:
    """What is in force and what is not, for the line that says that a run began."""
    if confined is None:
        return ""
    return "".join(f"; {clean(one, 160)}" for one in (", ".join(confined.in_force), *confined.missing) if one)
