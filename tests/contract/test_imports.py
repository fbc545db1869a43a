"""Who may import what: read from the source, so that a late import counts too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "ctcpmon"
RULES = {
    "textual": ("tui/",),
    "rich": ("tui/",),
    "pyshark": ("dissect/worker.py",),
    "lxml": ("dissect/worker.py",),
    "click": (
        "capture_options.py",
        "cli.py",
        "command_group.py",
        "live_commands.py",
        "looks_options.py",
        "packet_commands.py",
        "plot_commands.py",
        "report_commands.py",
        "serve_commands.py",
        "slice_commands.py",
    ),
    "ctcpmon._ctcpmon": ("engine.py",),
    # A connection is made by the outputs of ``serve`` and for its screens, and nowhere else.
    "socket": (
        "metrics_server.py",
        "notify.py",
        "sinks/syslog.py",
        "tui/remote_source.py",
        "tui/screen_server.py",
    ),
    "subprocess": ("dissect/dissection.py", "sinks/hook.py", "tui/clipboard.py", "tui/last_hand.py"),
    "requests": (),
    "urllib": ("sinks/webhook.py",),
    "http": ("metrics_server.py", "sinks/webhook.py"),
    "sqlite3": ("history.py", "sinks/history.py"),
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("module", RULES)
def test_only_the_named_places_import(module: str) -> None:
    allowed = RULES[module]
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        found = [name for name in imports(path) if name == module or name.startswith(f"{module}.")]
        if found and not place.startswith(allowed or ("nowhere",)):
            pytest.fail(f"{place} imports {found[0]}")


@pytest.mark.parametrize("room", ["diagnosis", "fixes", "sinks"])
def test_rooms_do_not_reach_out(room: str) -> None:
    forbidden = {"ctcpmon.cli", "ctcpmon.tui", "ctcpmon.pipeline", "ctcpmon.replaying", "ctcpmon.api", "time"}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        assert imports(path).isdisjoint(forbidden), path.name
