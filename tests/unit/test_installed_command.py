"""The command as installers make it: also where the path of Python has a space, and from a source distribution."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
OLD_PIP = """\
import re
import sys
from ctcpmon.start import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""


def test_the_command_is_an_entry_point_and_nothing_outside_the_packages_is_needed_to_build() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert given["project"]["scripts"] == {"ctcpmon": "ctcpmon.start:main"}
    # A folder of data is in no source distribution, and pip writes its scripts with a first line that the
    # system cannot start where the path has a space.
    assert "data" not in given["tool"]["maturin"]


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("x_of_the_checkout", str(ROOT / "x"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_a_checkout_takes_re_out_of_the_command(x: ModuleType, tmp_path: Path) -> None:
    command = tmp_path / "ctcpmon"
    command.write_text(f"#!{sys.executable}\n{OLD_PIP}")
    command.chmod(0o755)
    x.PYTHON = Path(sys.executable)
    x.shorten(command)
    assert "import re" not in command.read_text()
    shown = subprocess.run([command, "version"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip()


def test_a_checkout_under_a_path_with_a_space_keeps_what_pip_wrote(x: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "my checkouts"
    folder.mkdir()
    interpreter = folder / "python"
    interpreter.symlink_to(sys.executable)
    command = folder / "ctcpmon"
    wrote = f"#!/bin/sh\n'''exec' \"{interpreter}\" \"$0\" \"$@\"\n' '''\n{OLD_PIP}"
    command.write_text(wrote)
    x.PYTHON = interpreter
    x.shorten(command)
    assert command.read_text() == wrote
