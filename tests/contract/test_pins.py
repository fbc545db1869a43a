"""The versions that the tests run with are written down, each exactly, and none comes from a place of its own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("pin_python", ROOT / "tools" / "pin_python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_that_the_project_names_has_a_version_that_it_allows() -> None:
    assert tool().unfit() == []


def test_each_line_is_a_name_and_an_exact_version() -> None:
    lines = tool().PINS.read_text("utf-8").splitlines()
    parts = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.+]*", line) for line in parts)
    names = [line.partition("==")[0] for line in parts]
    assert names == sorted(set(names))
    assert len(parts) > 20


def test_tests_are_installed_by_it() -> None:
    assert '"-c", PINS' in (ROOT / "x").read_text("utf-8")
