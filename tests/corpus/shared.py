"""The folder of captures that is no part of the repository, and the loud skip without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CTCPMON_SHARED") or ROOT.parent / "shared")


def captures(name: str, needed: str) -> Path:
    """The folder ``captures/<name>``; skips the test when it does not hold ``needed``."""
    folder = SHARED / "captures" / name
    if not (folder / needed).is_file():
        pytest.skip(f"SKIPPED, NOT PROVEN: no {folder / needed} (set CTCPMON_SHARED)")
    return folder
