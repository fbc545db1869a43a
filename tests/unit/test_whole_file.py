"""A file is there whole or not at all, and never in the place of another unasked."""

from __future__ import annotations

import errno
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


@pytest.mark.parametrize("reason", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refused(_link: Path, _target: str) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(Path, "hardlink_to", refused)
    write(tmp_path / "a", lambda: None)
    assert (tmp_path / "a").read_text("utf-8") == "ours"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write(tmp_path / "b", lambda: (tmp_path / "b").write_text("theirs", "utf-8"))
    assert (tmp_path / "b").read_text("utf-8") == "theirs"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_that_is_not_there_is_told_under_the_name_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "none" / "a", lambda: None)
    assert caught.value.filename == str(tmp_path / "none" / "a")
