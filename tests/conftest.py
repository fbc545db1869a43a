"""Shared fixtures. ``scenario`` replaces the native engine for one test and puts it back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import ctcpmon
import pytest

from tests import fake_engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def scenario() -> Iterator[fake_engine.Scenario]:
    """What the fake engine will hand over; empty at first."""
    names = ("_ctcpmon", "engine")
    modules = {name: sys.modules.get(f"ctcpmon.{name}") for name in names}
    fake_engine.install()
    try:
        yield fake_engine.scenario
    finally:
        for name, module in modules.items():
            sys.modules.pop(f"ctcpmon.{name}", None)
            vars(ctcpmon).pop(name, None)
            if module is not None:
                sys.modules[f"ctcpmon.{name}"] = module
                setattr(ctcpmon, name, module)
