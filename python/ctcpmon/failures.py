"""What goes wrong in a command: one line on stderr and an exit code. Decides nothing else.

Shared by the two ways into a command, ``start`` and ``cli``; so it knows no option parser.
"""

from __future__ import annotations

import os
import sys

from ctcpmon.errors import (
    AttachError,
    CaptureRefusedError,
    CtcpmonError,
    EngineMissingError,
    FilterError,
    FixError,
    InputError,
    OutputClosedError,
    PartMissingError,
    SettingsError,
)
from ctcpmon.exits import ExitCode
from ctcpmon.narration import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["settled", "told"]

_ERROR_CODES: tuple[tuple[type[CtcpmonError], int], ...] = (
    (EngineMissingError, ExitCode.PART_MISSING),
    (PartMissingError, ExitCode.PART_MISSING),
    (CaptureRefusedError, ExitCode.CAPTURE),
    (InputError, ExitCode.INPUT),
    (AttachError, ExitCode.INPUT),
    (SettingsError, ExitCode.USAGE),
    (FilterError, ExitCode.USAGE),
    (FixError, ExitCode.USAGE),
)


def told(error: BaseException) -> int:
    """Says what there is to say about ``error`` and gives the exit code."""
    match error:
        case OutputClosedError() | BrokenPipeError():
            _drop(sys.stdout)
            return ExitCode.OK
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case CtcpmonError():
            say(str(error))
            codes = (code for kind, code in _ERROR_CODES if isinstance(error, kind))
            return next(codes, ExitCode.BUG)
        case OSError():
            what = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
            say(f"output: {what}{error.strerror or error}")
            return ExitCode.OUTPUT
        case _:
            _report_bug(error)
            return ExitCode.BUG


def _report_bug(error: BaseException) -> None:
    import traceback

    say("this is a bug in ctcpmon; please report these lines")
    for block in traceback.format_exception(error):
        for line in block.rstrip().split("\n"):
            say(line)


def settled(code: int) -> int:
    """Writes what is left and gives the exit code: Python's own is 120 when a terminal or reader has gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            _drop(stream)
        except OSError:
            _drop(stream)
            if stream is sys.stdout:
                code = code or ExitCode.OUTPUT
    return int(code)


def _drop(stream: TextIO) -> None:
    """Points a stream to nowhere, so that the flush at exit cannot fail on what is closed."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
