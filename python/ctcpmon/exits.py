"""Exit codes of the command line. The one list: documentation and tests are taken from here."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MEANINGS", "ExitCode"]


class ExitCode(IntEnum):
    """What the process returns."""

    OK = 0
    FAIL_ON = 1
    USAGE = 2
    CAPTURE = 3
    INPUT = 4
    PART_MISSING = 5
    BUG = 70
    OUTPUT = 74
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "finished; also when the reader of the output closed it early",
    ExitCode.FAIL_ON: "the level of --fail-on was reached (goes before 4)",
    ExitCode.USAGE: "wrong usage or configuration",
    ExitCode.CAPTURE: "no right to capture, or no such interface",
    ExitCode.INPUT: "input unreadable or cut off (what could be read was analysed)",
    ExitCode.PART_MISSING: "a part is missing (engine not built, optional package, demo capture)",
    ExitCode.BUG: "a bug in ctcpmon",
    ExitCode.OUTPUT: "the output could not be written (disk full, input/output error)",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; what was written consists of whole lines",
}
"""One line for each code, shown by ``ctcpmon --help``."""
