"""Exit codes of the command line. The one list: documentation and tests are taken from here."""

from __future__ import annotations

__all__ = ["MEANINGS", "ExitCode"]


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class ExitCode:
    """What the process returns. Plain numbers: importing enum takes 3 ms, which every run would wait for."""

    OK: Final = 0
    FAIL_ON: Final = 1
    USAGE: Final = 2
    CAPTURE: Final = 3
    INPUT: Final = 4
    PART_MISSING: Final = 5
    BUG: Final = 70
    OUTPUT: Final = 74
    INTERRUPTED: Final = 130


MEANINGS: dict[int, str] = {
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
