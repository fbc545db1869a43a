"""Where what people said of incidents is kept. No reading and no writing: that is ``tui.marks``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["state_file"]


def state_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where marks are kept: the state folder of XDG. None without a home."""
    base = environment.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.local/state"
    return Path(base) / "ctcpmon" / "marks.json"
