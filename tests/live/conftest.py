"""Every test here needs a wire of its own, or says why there is none."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .requirements import need
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the account that a run goes on as may write."""
    path = Path(tempfile.mkdtemp(prefix="ctcpmon-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def wire() -> Iterator[Wire]:
    need()
    with Wire() as one:
        yield one
