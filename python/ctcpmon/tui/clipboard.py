"""A fix to a file and to the user's clipboard. The file always; the clipboard where there is one.

Inside tmux the application's OSC 52 is ignored by default, ``load-buffer`` works; elsewhere OSC 52
works up to a size. Neither tells whether it arrived, so success is claimed for the file only.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

__all__ = ["OSC52_MAX_BYTES", "load_tmux_buffer", "save_text"]

OSC52_MAX_BYTES = 74_994
"""Of base64 text; terminals cut longer ones (the cap that k9s uses)."""
_MAX_NAMES = 100
_TMUX_WAIT_S = 2.0


def save_text(stem: str, text: str, suffix: str = "txt") -> Path:
    """Writes ``text`` to a new file ``stem``.txt here, or in the temporary folder. Raises ``OSError``.

    An existing file, or a link of that name, is never touched: the next free number is taken.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:100] or "ctcpmon-fix"
    try:
        return _save_new(Path.cwd(), stem, text, suffix)
    except OSError:
        return _save_new(Path(tempfile.gettempdir()), stem, text, suffix)


def load_tmux_buffer(text: str) -> bool:
    """Hands ``text`` to tmux, which passes it on to the terminal. May wait: not for the UI thread."""
    if not os.environ.get("TMUX"):
        return False
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],  # noqa: S607
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TMUX_WAIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _save_new(folder: Path, stem: str, text: str, suffix: str) -> Path:
    for number in range(1, _MAX_NAMES + 1):
        path = folder / (f"{stem}.{suffix}" if number == 1 else f"{stem}-{number}.{suffix}")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text.rstrip("\n") + "\n")
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "too many files of that name", str(folder / stem))
