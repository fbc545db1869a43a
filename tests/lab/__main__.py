"""``python -m tests.lab [--keep DIR] [--only NAME]``: runs the lab by hand and prints its transcript.

Exits with 0 when nothing was wrong, 1 for a false or missed stall or a loop that did not close, and 5 when
the machine lacks something.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from .requirements import missing
from .suite import Suite, run_suite
from .transcript import lines

MISSING = 5
STOPPED = 130


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(
        prog="tests.lab", description="Runs the lab in network namespaces; root."
    )
    parser.add_argument("--keep", type=Path, help="folder for the captures and labels.json")
    parser.add_argument("--only", default="", help="scenarios whose name contains this, and the loops")
    options = parser.parse_args()
    if lacks := missing():
        print("lab: this machine lacks:", *lacks, sep="\n  ", file=sys.stderr)
        return MISSING
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ctlab-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            suite = run_suite(folder, options.only)
        except KeyboardInterrupt:
            print("lab: stopped; everything it made is removed", file=sys.stderr)
            return STOPPED
    print(*lines(suite), sep="\n")
    return 0 if is_good(suite) else 1


def is_good(suite: Suite) -> bool:
    """No false and no missed stall, and the loop closed."""
    wrong = [row for row in suite.rows if row.is_false_stall or row.is_missed]
    loops = suite.loops.values()
    return not wrong and not suite.strays and all(loop.shell_exit == 0 and loop.is_closed for loop in loops)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
