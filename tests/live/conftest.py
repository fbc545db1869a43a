"""Every test here needs a wire of its own, or says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .folder import open_folder
from .requirements import need
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the account that a run goes on as may write."""
    with open_folder() as path:
        yield path


@pytest.fixture
def wire() -> Iterator[Wire]:
    need()
    with Wire() as one:
        yield one
