"""The three standard streams while a screen is open: keyboard on 0, screen on 2, capture elsewhere.

Textual reads the keyboard from descriptor 0 and draws on descriptor 2. When 0 is the capture, the
capture moves to another descriptor and the controlling terminal takes its place; when 2 is a log
file, the screen goes to the terminal of 1. On leaving everything is put back.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import sys
import termios
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ctcpmon.errors import CtcpmonError
from ctcpmon.tui.last_hand import RESET, last_hand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STDIN_NAME", "NoKeyboardError", "terminal"]

STDIN_NAME = "standard input"
_CHUNK = 1 << 20
_USUAL_SIZE = (24, 80)


class NoKeyboardError(CtcpmonError):
    """There is no controlling terminal, so no key could reach a screen."""


@contextmanager
def terminal(paths: Sequence[str], *, instead: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Prepares the streams; yields the paths to open and what to call them.

    ``instead``: what to do where no screen can be had. Raises ``NoKeyboardError`` when standard input is no
    terminal and no other can be had.
    """
    with ExitStack() as undo:
        opened = [*paths]
        names: dict[str, str] = {}
        if not os.isatty(0):
            keyboard = _keyboard(instead, is_capture="-" in opened)
            capture = os.dup(0)
            undo.callback(os.close, capture)
            undo.callback(os.dup2, capture, 0)
            if "-" in opened:
                path = _readable_path(capture, undo)
                opened = [path if one == "-" else one for one in opened]
                names[path] = STDIN_NAME
            os.dup2(keyboard, 0)
            os.close(keyboard)
        elif "-" in opened:
            message = (
                "standard input is the terminal, not a capture; type: tcpdump -w - ... | ctcpmon replay -"
            )
            raise NoKeyboardError(message)
        if not os.isatty(2) and os.isatty(1):
            log = os.dup(2)
            undo.callback(os.close, log)
            undo.callback(os.dup2, log, 2)
            os.dup2(1, 2)
        _give_size()
        before = _attributes()
        try:
            with last_hand():
                yield opened, names
        finally:
            _restore(before)


def _keyboard(instead: str, *, is_capture: bool) -> int:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        taken = "standard input is the capture" if is_capture else "standard input is not a terminal"
        message = (
            f"{taken} and there is no controlling terminal for the keyboard, so the screen cannot be "
            f"used; {instead}"
        )
        raise NoKeyboardError(message) from error


def _readable_path(descriptor: int, undo: ExitStack) -> str:
    """A path that opens what ``descriptor`` reads. A socket has none, so it is copied to a pipe."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        source = descriptor
        descriptor, sink = os.pipe()
        undo.callback(os.close, descriptor)
        threading.Thread(target=_copy, args=(source, sink), name="ctcpmon-stdin", daemon=True).start()
    return f"/dev/fd/{descriptor}"


def _copy(source: int, sink: int) -> None:
    try:
        while chunk := os.read(source, _CHUNK):
            left = memoryview(chunk)
            while left:
                left = left[os.write(sink, left) :]
    except OSError:
        pass  # the reader is gone, or the sender: both end the capture
    finally:
        os.close(sink)


def _give_size() -> None:
    """Gives a terminal that has no size (a serial line, some containers) the usual one.

    Textual and rich each guess another one then, and the screen is laid out anew for ever.
    """
    try:
        if 0 in struct.unpack("4H", fcntl.ioctl(2, termios.TIOCGWINSZ, bytes(8)))[:2]:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("4H", *_USUAL_SIZE, 0, 0))
    except OSError:
        pass  # it has none to give


def _attributes() -> list[object] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore(before: list[object] | None) -> None:
    """Repeats what Textual does on leaving, for the ways out on which it does not."""
    if before is None:
        return
    try:
        if termios.tcgetattr(0) != before:
            os.write(2, RESET)
            termios.tcsetattr(0, termios.TCSANOW, before)  # type: ignore[arg-type]
    except (termios.error, OSError):
        pass  # the terminal is gone
    sys.stderr.flush()
