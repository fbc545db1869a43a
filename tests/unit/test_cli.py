"""The command line from outside: data on stdout, narration on stderr, exit codes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import ctcpmon.narration
import pytest
from click.testing import CliRunner, Result
from ctcpmon.cli import cli
from ctcpmon.exits import MEANINGS, ExitCode

from tests.fake_engine import Note, Scenario, Stats, finding, session, stalled, textbook

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("scenario")
HOSTILE = "\x1b]0;x\x07[/][@click=quit]\u202e\n\udcff.pcap"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_every_exit_code_has_a_meaning_and_is_in_the_help() -> None:
    codes = {value for name, value in vars(ExitCode).items() if name.isupper()}
    assert len(codes) > 5
    assert set(MEANINGS) == codes
    text = call("--help").output
    for code in codes:
        assert f"{code:>4}  " in text


def test_no_summary_in_the_help_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    commands = call("--help").output.partition("Commands:")[2].partition("Exit codes")[0]
    lines = commands.split("\n  ")[1:]
    assert len(lines) > 15
    assert [line for line in lines if line.strip() and not line.rstrip().endswith(".")] == []
    assert "..." not in commands


def test_standard_input_is_read_once() -> None:
    result = call("replay", "-", "a.pcap", "-")
    assert result.exit_code == ExitCode.USAGE
    assert "standard input (-) can be read once" in result.output


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_option_says_what_the_command_says(word: str) -> None:
    assert call(word).output == call("version").output


def test_replay_writes_json_lines_only_when_not_on_a_terminal(scenario: Scenario) -> None:
    scenario.items = textbook()
    result = call("replay", "a.pcap")
    assert result.exit_code == ExitCode.OK
    assert result.stderr == ""
    kinds = [json.loads(line)["type"] for line in result.stdout.splitlines()]
    assert kinds[-1] == "ctcpmon.stats.v1"
    assert kinds.count("ctcpmon.session.v1") == 3


@pytest.mark.parametrize(
    ("items", "level", "expected"),
    [
        ("textbook", "crit", ExitCode.FAIL_ON),
        ("textbook", "warn", ExitCode.FAIL_ON),
        ("risk", "warn", ExitCode.FAIL_ON),
        ("risk", "crit", ExitCode.OK),
        ("none", "warn", ExitCode.OK),
    ],
)
def test_fail_on(scenario: Scenario, items: str, level: str, expected: int) -> None:
    risk = finding(1, session(), "ctcp.unfilled_hole", "at_risk")
    scenario.items = {"textbook": textbook(), "risk": [risk], "none": []}[items]
    assert call("replay", "a.pcap", "--fail-on", level).exit_code == expected


@pytest.mark.parametrize("kind", ["truncated", "corrupt"])
def test_a_cut_off_input_is_analysed_and_told(scenario: Scenario, kind: str) -> None:
    scenario.items = textbook()
    scenario.stats = Stats(notes=(Note("a.pcap", kind, 4711, "record is longer than the file"),))
    result = call("replay", "a.pcap")
    assert result.exit_code == ExitCode.INPUT
    assert "a.pcap" in result.stderr
    assert "at byte 4711" in result.stderr
    assert "what was read before is analysed" in result.stderr
    assert len(result.stdout.splitlines()) == 12
    assert call("replay", "a.pcap", "--fail-on", "crit").exit_code == ExitCode.FAIL_ON


def test_a_remark_is_told_and_changes_no_exit_code(scenario: Scenario) -> None:
    scenario.stats = Stats(notes=(Note("a.pcap", "skipped", None, "unknown block"),) * 30)
    result = call("replay", "a.pcap")
    assert result.exit_code == ExitCode.OK
    assert "10 more notes" in result.stderr


def test_an_unreadable_input(scenario: Scenario) -> None:
    scenario.error = f"{HOSTILE}: not a capture"
    result = call("replay", HOSTILE)
    assert result.exit_code == ExitCode.INPUT
    assert result.stdout == ""
    assert "not a capture" in result.stderr
    assert result.stderr.rstrip("\n").isprintable()


def test_hostile_names_in_notes_are_made_safe(scenario: Scenario) -> None:
    scenario.stats = Stats(notes=(Note(HOSTILE, HOSTILE, 1, HOSTILE * 1000),))
    result = call("replay", HOSTILE)
    assert all(line.isprintable() for line in result.stderr.splitlines())
    assert len(result.stderr) < 1_000


def test_table(scenario: Scenario) -> None:
    scenario.items = textbook()
    result = call("replay", "a.pcap", "-o", "table")
    assert result.exit_code == ExitCode.OK
    for part in ("INCIDENTS 1: 1 open, 1 critical", "SESSIONS 3", "ASA: TCP state bypass", "4,120 packets"):
        assert part in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("replay",),
        ("replay", "x", "-o", "xml"),
        ("replay", "x", "--speed", "0"),
        ("replay", "x", "--speed", "nan"),
        ("replay", "x", "--speed", "fast"),
        ("replay", "x", "--max-flow-mib", "0"),
        ("replay", "x", "--fail-on", "maybe"),
        ("replay", "x", "-c", "/nonexistent.toml"),
        ("explain", "a1b2c3d40000"),
        ("explain", "ffffffffffff", "x"),
        ("fixes", "nothing-like-it"),
        ("fixes", "--platform", "toaster"),
        ("completion", "tcsh"),
        ("nonsense",),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""


def test_explain_a_session_a_finding_an_incident_and_a_detector(scenario: Scenario) -> None:
    scenario.items = textbook()
    by_session = call("explain", "a1b2c3d40000", "x")
    assert by_session.exit_code == 0
    assert "Time line" in by_session.stdout
    assert "+14.0 s  stalled, Stateful drop after loss" in by_session.stdout
    by_finding = call("explain", "local.replay.4", "x").stdout
    assert by_finding == call("explain", "4", "x").stdout
    for part in (
        "hole of 96 bytes",
        "(frame 18221)",
        "guess: three round trips",
        "slow_receiver",
        "loss ledger",
    ):
        assert part in by_finding
    incident = json.loads(call("replay", "x").stdout.splitlines()[1])["data"]["ctcp"]["incident"]
    assert "2 sessions: 1 stalled, 0 at risk, 1 moving again" in call("explain", incident, "x").stdout
    for reference in ("ctcp.stateful_drop", "stateful_drop", "S-b"):
        page = call("explain", reference).stdout
        assert "Stateful drop after loss  [ctcp.stateful_drop]" in page
        assert "min_age: 200 ms" in page


def test_fixes_for_a_session_are_filled_in(scenario: Scenario) -> None:
    scenario.items = textbook()
    text = call("fixes", "a1b2c3d40000", "x").stdout
    assert re.search(r"FIX 1 of \d+: ASA: TCP state bypass", text)
    assert "FIX 5 of" not in text
    assert "Other fixes" in text
    assert "  fortigate-anti-replay   FortiGate" in text
    assert "FIX 5 of" in call("fixes", "a1b2c3d40000", "x", "--all").stdout
    assert "host 10.1.4.17 host 198.51.100.9 eq 10000" in text
    assert "never logs in to a device" in " ".join(text.split())
    only = call("fixes", "a1b2c3d40000", "x", "--platform", "linux").stdout
    assert re.search(r"FIX 1 of \d+: Linux", only)
    assert "Other fixes" not in only
    assert "FortiGate" not in only
    one = call("fixes", "pf-sloppy-state", "x").stdout
    assert "from 10.1.4.0/24 to 198.51.100.9 port 10000" in one
    assert "FIX 1 of 1: pf" in one
    assert "FIX 1 of 1: Check the headend" in call("fixes", "check-the-headend", "x").stdout


def test_fixes_for_a_capture_and_the_catalogue(scenario: Scenario, tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    capture.touch()
    scenario.items = textbook()
    assert "Incident i-" in call("fixes", str(capture)).stdout
    assert "asa-tcp-state-bypass" in call("fixes").stdout
    assert "{CLIENT}" in call("fixes", "linux-notrack").stdout
    assert "Fill in yourself" in call("fixes", "S-c").stdout


def test_the_list_of_fixes_fits_a_small_screen_and_knows_other_names() -> None:
    text = call("fixes").stdout
    assert max(map(len, text.splitlines())) <= 79
    assert "srx: Juniper SRX" in text
    assert call("fixes", "--platform", "opnsense").stdout == call("fixes", "--platform", "pf").stdout
    only = call("fixes", "--platform", "pf").stdout
    assert "pf-sloppy-state" in only
    assert "asa" not in only
    assert "did you mean 'fortigate'" in call("fixes", "--platform", "fortigat").stderr


def test_the_site_file_names_the_device(scenario: Scenario, tmp_path: Path) -> None:
    scenario.items = textbook()
    site = tmp_path / "c.toml"
    site.write_text(
        '[[site.firewall]]\nname = "edge-1"\nplatform = "fortigate"\ninside = ["10.1.0.0/16"]\n'
        'inside_interface = "port7"\n'
    )
    text = call("fixes", "a1b2c3d40000", "x", "-c", str(site)).stdout
    assert re.search(r"FIX 1 of \d+: FortiGate", text)
    assert "Where: on edge-1: its inside networks hold the client" in text
    assert 'set srcintf "port7"' in text
    assert 'set dstintf "<outside-interface>"' in text


def test_nothing_to_fix_is_said(scenario: Scenario, tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    capture.touch()
    scenario.items = [session()]
    result = call("fixes", str(capture))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "nothing to fix" in result.stderr


def test_hostile_sessions_through_every_text_output(scenario: Scenario) -> None:
    on = stalled(client_ip=HOSTILE, protocol=HOSTILE, product=HOSTILE, certainty=HOSTILE, end_reason=HOSTILE)
    scenario.items = [finding(1, on, HOSTILE, ruled_out=(HOSTILE,)), finding(2, on), on]
    for arguments in (
        ("replay", "x"),
        ("replay", "x", "-o", "table"),
        ("explain", on.id, "x"),
        ("explain", "1", "x"),
        ("explain", "3", "x"),
        ("fixes", on.id, "x"),
    ):
        result = call(*arguments)
        assert result.exit_code == 0, (arguments, result.output)
        assert all(line.isprintable() for line in result.output.splitlines()), arguments


def test_schema_version_and_completion() -> None:
    assert json.loads(call("schema").stdout)["$defs"]
    assert call("version").exit_code == 0
    parts = json.loads(call("version", "--json").stdout)
    assert parts["engine"] == "0.0.0-test"
    for shell in ("bash", "zsh", "fish"):
        assert "_CTCPMON_COMPLETE" in call("completion", shell).stdout


def test_a_bug_is_called_one(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        pass

    def fail(_self: object, _stats: object) -> None:
        raise PanicError(HOSTILE)

    scenario.items = textbook()
    monkeypatch.setattr(ctcpmon.narration.Narrator, "close", fail)
    result = call("replay", "x")
    assert result.exit_code == ExitCode.BUG
    assert "this is a bug in ctcpmon" in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())


def test_verbose_tells_the_counters_that_are_not_zero(scenario: Scenario) -> None:
    scenario.stats = replace(scenario.stats, counters={"frames_read": 9, "frames_cut": 0})
    result = call("replay", "x", "-v")
    assert "frames_read 9" in result.stderr
    assert "frames_cut" not in result.stderr
