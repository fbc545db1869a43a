"""Every test here needs a wire of its own, or says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .requirements import need
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wire() -> Iterator[Wire]:
    need()
    with Wire() as one:
        yield one
