"""Puts the terminal right when this process is killed so that it cannot (SIGKILL, out of memory, a crash).

A shell of a few hundred kilobytes waits at a pipe. A line on it says that all is well; its end without one
says that nobody is left to restore the terminal, so the shell does: settings, main screen, cursor, mouse,
paste mode. It is a child, not a parent, so job control, signals and exit codes are as without it.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RESET", "last_hand"]

RESET = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?1015l\x1b[?2004l"
    b"\x1b[?2026l\x1b[<u\x1b[0m"
)
"""Leaves what Textual enters: other screen, hidden cursor, mouse, focus, paste, key protocol, colours."""
_WAIT_S = 2.0
# Signals that are ignored stay so in stty: it may set the terminal although it is in the background by then.
_SCRIPT = """
trap '' HUP INT QUIT TERM TSTP TTIN TTOU
read -r said || { stty "$1" <&2; printf "$2" >&2; }
"""


@contextmanager
def last_hand() -> Iterator[None]:
    """Entered while the terminal of descriptors 0 and 2 is as it should be again. Without sh, nothing."""
    process = _started()
    try:
        yield
    finally:
        if process is not None:
            assert process.stdin is not None  # noqa: S101 asked for
            with suppress(OSError):
                process.stdin.write(b"well\n")
            with suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _started() -> subprocess.Popen[bytes] | None:
    if not (os.isatty(0) and os.isatty(2)):
        return None
    try:
        asked = subprocess.run(
            ["stty", "-g"],  # noqa: S607
            stdin=0,
            capture_output=True,
            timeout=_WAIT_S,
            check=True,
        )
        shown = "".join(f"\\{byte:03o}" for byte in RESET)
        return subprocess.Popen(  # noqa: S603 fixed words
            ["/bin/sh", "-c", _SCRIPT, "ctcpmon-terminal", asked.stdout.decode("ascii").strip(), shown],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=2,
            bufsize=0,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
