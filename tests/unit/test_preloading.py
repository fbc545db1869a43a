"""A program in a folder that its later account cannot enter: what it needs is there beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

import ctcpmon
from ctcpmon import preloading
from ctcpmon.preloading import can_read

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = (12_345, 23_456)


@pytest.mark.parametrize(
    ("mode", "owner", "right"),
    [
        (0o755, None, 1),
        (0o750, None, 0),
        (0o700, None, 0),
        (0o700, "uid", 1),
        (0o050, "gid", 1),
        # The class that is ours counts, whatever the others may.
        (0o077, "uid", 0),
    ],
)
def test_modes_are_read_as_the_kernel_reads_them(mode: int, owner: str | None, right: int) -> None:
    uid = ACCOUNT[0] if owner == "uid" else 1
    gid = ACCOUNT[1] if owner == "gid" else 1
    entry = os.stat_result((0o040000 | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))
    grants: Callable[..., int] = vars(preloading)["_grants"]
    assert grants(entry, *ACCOUNT) & 1 == right


def test_the_owner_of_everything_can_read() -> None:
    assert can_read((Path(ctcpmon.__file__).stat().st_uid, 0))


SCRIPT = """
import sys
from importlib.machinery import PathFinder
from ctcpmon.preloading import preload
preload(has_screen={has_screen})
# From here on no folder can be read.
sys.meta_path.remove(PathFinder)
sys.path.clear()
import concurrent.futures
concurrent.futures.ThreadPoolExecutor(1).submit(int).result()
import xmlrpc.client
from ctcpmon import replay
from ctcpmon.fixes import catalogue
found = replay(sys.argv[1])
assert found.incidents and catalogue()
for incident in found.incidents:
    assert incident.what and incident.fixes
if {has_screen}:
    from textual.widgets import Markdown
    import textual.css.parse
    import ctcpmon.tui.replay_app
try:
    import turtledemo
except ModuleNotFoundError:
    print("nobody needs it")
"""


@pytest.mark.parametrize("has_screen", ["False", "True"])
def test_what_a_run_imports_late_is_kept(has_screen: str) -> None:
    demo = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
    script = SCRIPT.format(has_screen=has_screen)
    done = subprocess.run(
        (sys.executable, "-c", script, demo), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("nobody needs it\n", "", 0)
