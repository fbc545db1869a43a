"""The short way into a replay: what it understands means the same to the option parser; the rest is left to it."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import ctcpmon.replaying
import pytest
from click.testing import CliRunner
from ctcpmon import defaults
from ctcpmon.cli import cli
from ctcpmon.config import Limits, Settings, Site
from ctcpmon.start import Plain

if TYPE_CHECKING:
    from ctcpmon.replaying import ReplayRequest

    from tests.fake_engine import Scenario

UNDERSTOOD = [
    ["replay", "a.pcap"],
    ["replay", "-"],
    ["replay", "a.pcap", ""],
    ["replay", "replay", "a=b.pcap", "b.pcap"],
    ["replay", "-o", "jsonl", "a.pcap"],
    ["replay", "a.pcap", "--output", "jsonl", "b.pcap"],
    ["replay", "--output=jsonl", "--fail-on=warn", "--max-flow-mib=7", "a.pcap"],
    ["replay", "a.pcap", "--fail-on", "crit", "--max-flow-mib", "1048576"],
    ["replay", "a.pcap", "-v", "--show-groups"],
    ["replay", "a.pcap", "--verbose", "--fail-on", "warn", "--fail-on", "crit"],
]
LEFT = [
    [],
    ["replay", "a.pcap", "-o", "jsonl", "--max-flow-mib", "1" * 5_000],
    ["-h"],
    ["demo"],
    ["replay"],
    ["replay", "-o", "jsonl"],
    ["replay", "-", "a.pcap", "-"],
    ["replay", "a.pcap", "-o"],
    ["replay", "a.pcap", "-o", "table"],
    ["replay", "a.pcap", "-ojsonl"],
    ["replay", "a.pcap", "-o=jsonl"],
    ["replay", "a.pcap", "--help"],
    ["replay", "a.pcap", "--"],
    ["replay", "a.pcap", "--verbose=1"],
    ["replay", "a.pcap", "-vv"],
    ["replay", "a.pcap", "--fail-on", "maybe"],
    ["replay", "a.pcap", "--max-flow-mib", "0"],
    ["replay", "a.pcap", "--max-flow-mib", "1048577"],
    ["replay", "a.pcap", "--max-flow-mib", "\u0667"],
    ["replay", "a.pcap", "--max-flow-mib", "+7"],
    ["replay", "a.pcap", "--speed", "1"],
    ["replay", "a.pcap", "-c", "site.toml"],
    ["replay", "a.pcap", "-f", "port 10000"],
    ["replay", "-o", "jsonl", "--filter=port 10000", "a.pcap"],
    ["replay", "--tap", "client=a", "--tap", "headend=b"],
]


def seen(request: ReplayRequest) -> dict[str, object]:
    """All that a run sees of a request. Nothing known of the site is None here and an empty site there."""
    settings = request.settings
    limits = {name: getattr(settings.limits, name) for name in defaults.Limits.__slots__}
    assert settings.site in {None, Site()}
    rest = {name: getattr(request, name) for name in type(request).__slots__ if name != "settings"}
    return {**rest, **limits, "sensor": settings.sensor, "show_groups": settings.show_groups}


@pytest.mark.usefixtures("scenario")
@pytest.mark.parametrize("words", UNDERSTOOD, ids=" ".join)
def test_what_is_understood_means_the_same_to_the_parser(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ReplayRequest] = []
    monkeypatch.setattr(ctcpmon.replaying, "run", lambda request, _sink: asked.append(request) or 0)
    assert CliRunner().invoke(cli, words).exit_code == 0
    plain = Plain.of(words)
    assert plain is not None
    assert [seen(plain.request())] == [seen(request) for request in asked]
    assert plain.max_flow_mib == asked[0].settings.limits.max_flow_mib


@pytest.mark.parametrize("words", LEFT, ids=lambda words: " ".join(words)[:60])
def test_everything_else_is_left_to_the_parser(words: list[str]) -> None:
    assert Plain.of(words) is None


def test_a_completion_is_left_to_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CTCPMON_COMPLETE", "bash_complete")
    assert Plain.of(["replay", "a.pcap"]) is None


def test_limits_of_the_engine_are_those_of_the_settings(scenario: Scenario) -> None:  # noqa: ARG001
    from ctcpmon import engine

    given = inspect.signature(engine.open_replay).parameters
    for name in ("max_flow_mib", "max_sessions", "max_pending"):
        assert given[name].default == getattr(Limits(), name)


def test_nothing_slow_is_imported_before_the_engine_starts() -> None:
    code = (
        "import sys, types\n"
        "sys.modules['ctcpmon._ctcpmon'] = types.ModuleType('fake')\n"
        "vars(sys.modules['ctcpmon._ctcpmon'])['__getattr__'] = lambda name: Exception\n"
        "import ctcpmon.start, ctcpmon.engine\n"
        "slow = {'typing', 'contextlib', 'dataclasses', 're', 'click', 'msgspec', 'enum'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    # -S: what the site of this machine imports is not ours.
    paths = [str(path) for path in sys.path if path]
    code = f"import sys; sys.path[:] = {paths!r}\n{code}"
    shown = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_settings_of_no_file_are_those_of_an_empty_one() -> None:
    assert Limits.__struct_fields__ == defaults.Limits.__slots__
    for name in Limits.__struct_fields__:
        assert getattr(Limits(), name) == getattr(defaults.Limits(), name)
    assert Settings().sensor == defaults.Settings().sensor
    assert Settings().show_groups == defaults.Settings().show_groups


def test_a_plain_run_needs_no_library_of_types() -> None:
    code = (
        "import sys\n"
        "import ctcpmon.replaying, ctcpmon.pipeline, ctcpmon.sinks.jsonl, ctcpmon.defaults\n"
        "slow = {'msgspec', 'dataclasses', 'inspect', 'click', 're', 'enum', 'signal', 'typing', 'collections', 'functools', 'unicodedata'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    paths = [str(path) for path in sys.path if path]
    code = f"import sys; sys.path[:] = {paths!r}\n{code}"
    shown = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
