"""A file is there whole or not at all, and never in the place of another unasked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ctcpmon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable


def write(path: Path, then: Callable[[], object]) -> None:
    with whole_file(str(path)) as part:
        Path(part).write_text("ours", "utf-8")
        then()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / "a", fail)
    assert list(tmp_path.iterdir()) == []


def test_who_was_faster_keeps_the_name(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with pytest.raises(FileExistsError):
        write(target, lambda: target.write_text("theirs", "utf-8"))
    assert target.read_text("utf-8") == "theirs"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("may_replace", [False, True])
def test_only_a_regular_file_is_replaced(tmp_path: Path, *, may_replace: bool) -> None:
    (tmp_path / "real").write_text("mine", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "."):
        with (
            pytest.raises(FileExistsError),
            whole_file(str(tmp_path / name), may_replace=may_replace),
        ):
            pytest.fail("it was opened")
    assert (tmp_path / "real").read_text("utf-8") == "mine"
