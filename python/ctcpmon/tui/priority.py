"""Who goes first where processors are short: the threads that handle packets, then the screen."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["behind_packets"]

_NICER = 10
"""A tenth of the weight of a thread that handles packets (110 to 1,024, ``sched_prio_to_weight`` of Linux).
A screen needs no more of a core (``benches/screen.py``), so it does not starve either."""


def behind_packets() -> None:
    """Puts the calling thread, and what it starts from now on, behind all others of this program.

    To be called once the engine's threads are there: they would inherit it, and could not take it back.
    Only on Linux, where each thread has a priority of its own (nice(2), "C library/kernel differences").
    Where a sandbox forbids it, all stays as it is.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.nice(_NICER)
