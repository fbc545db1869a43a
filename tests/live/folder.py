"""A folder for what a run writes once it has become somebody else."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_folder() -> Iterator[Path]:
    """Everybody may write there; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="ctcpmon-"))
    path.chmod(0o777)
    try:
        yield path
    finally:
        shutil.rmtree(path)
