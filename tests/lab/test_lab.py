"""The lab: real devices stall real streams, ctcpmon says so, its printed fix helps, the incident closes."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.frames import parse
from tests.lab.labels import CLIENT_TAP
from tests.lab.namespaces import Namespaces, command
from tests.lab.printed import of_type, read_fixes
from tests.lab.requirements import missing
from tests.lab.scenarios import LOOPS, SCENARIOS
from tests.lab.suite import Suite, names, run_suite
from tests.score.verdicts import epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.frames import Segment
    from tests.lab.loop import LoopResult
    from tests.lab.running import Result
    from tests.lab.scenarios import Scenario

ROOT = Path(__file__).parents[2]
LONGEST_S = 180.0
MOVES_SOON_S = 5.0
"""A session moves again with its next segment; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    _need()
    started = time.monotonic()
    suite = run_suite(tmp_path_factory.mktemp("lab"))
    assert time.monotonic() - started < LONGEST_S
    return suite


def _need() -> None:
    if lacks := missing():
        pytest.skip(f"THE LAB CANNOT RUN: this machine lacks {'; '.join(lacks)}")


@pytest.fixture(params=[scenario.name for scenario in LOOPS])
def loop(lab: Suite, request: pytest.FixtureRequest) -> LoopResult:
    return lab.loops[request.param]


def result_of(lab: Suite, name: str) -> Result:
    if name in lab.skipped:
        pytest.skip(f"THE LAB SKIPS {name}: this machine lacks {lab.skipped[name]}")
    return lab.results[name]


@pytest.mark.parametrize("name", names())
def test_the_run_is_fit_to_judge_by(lab: Suite, name: str) -> None:
    result = result_of(lab, name)
    assert result.dropped_by_rules == [loss.last - loss.first + 1 for loss in result.scenario.losses]
    assert result.tap_drops == 0, "the recorder lost packets"
    assert result.oversized_frames == 0, "an offload merged segments"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_device_stalls_every_session_and_no_twin(lab: Suite, scenario: Scenario) -> None:
    result = result_of(lab, scenario.name)
    verdicts = {truth.verdict for truth in result.truths}
    assert verdicts == {"stalled"} if result.scenario.twin_of is None else "stalled" not in verdicts


@pytest.mark.parametrize("name", names())
def test_every_stall_is_found_and_none_is_false(lab: Suite, name: str) -> None:
    result_of(lab, name)
    rows = lab.rows_of(name)
    assert len(rows) == 2 * len(lab.results[name].truths)
    assert [row.flow.name for row in rows if row.said == "none"] == []
    assert [row.flow.name for row in rows if row.is_false_stall] == []
    assert [row.flow.name for row in rows if row.is_missed] == []
    assert [row.flow.name for row in rows if row.direction_right is False or row.loss_right is False] == []


def test_no_stall_is_reported_for_a_stream_that_is_none(lab: Suite) -> None:
    assert lab.strays == []


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.twin_of], ids=lambda scenario: scenario.name)
def test_a_twin_is_never_called_stalled(lab: Suite, scenario: Scenario) -> None:
    result = result_of(lab, scenario.name)
    # With frozen acks the tap in front of the device cannot tell: there the labels allow both.
    cannot_tell = f"_{CLIENT_TAP}.pcap" if result.scenario.ack == "frozen" else "none"
    said = {row.said for row in lab.rows_of(result.scenario.name) if not row.capture.endswith(cannot_tell)}
    assert said <= {"healthy", "at_risk"}


@pytest.mark.parametrize("name", ["ct_drop", "queue_freeze"])
def test_the_capture_holds_what_the_logs_say(lab: Suite, name: str) -> None:
    result = result_of(lab, name)
    captured = list(_segments(lab.folder / f"{name}_{CLIENT_TAP}.pcap"))
    for truth, lost in zip(result.truths, result.dropped_by_rules, strict=True):
        port = truth.client.local[1]
        seen = {s.seq for s in captured if s.source_port == port and s.payload}
        sent = truth.client.log.sent
        assert len(sent) - len(seen) == lost
        assert seen < {entry.seq for entry in sent}


def _segments(path: Path) -> Iterator[Segment]:
    data = path.read_bytes()
    at = 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        segment = parse(data[at + 16 : at + 16 + length])
        if segment is not None:
            yield segment
        at += 16 + length


def test_the_stall_is_reported_from_the_capture_so_far(loop: LoopResult) -> None:
    stalled = {
        event["data"]["source"]["port"]
        for event in of_type(loop.events_before, "finding")
        if event["data"]["ctcp"]["verdict"] == "stalled"
    }
    assert stalled == {truth.client.local[1] for truth in loop.run.truths}
    last = of_type(loop.events_before, "incident")[-1]["data"]["ctcp"]
    assert (last["change"], last["severity"], last["sessions_stalled"]) == ("changed", "critical", 3)


def test_the_printed_fix_runs_word_for_word(loop: LoopResult) -> None:
    assert loop.fix.script
    for line in loop.fix.script.splitlines():
        assert f"    {line}\n" in loop.fixes_text
    assert loop.shell_exit == 0, loop.shell_output


def test_the_same_sessions_move_again_after_the_fix(loop: LoopResult) -> None:
    for truth in loop.run.truths:
        (start, end), *_ = truth.c2s.outages
        assert start < loop.looked_epoch - 10.0, "it was dead for long before the operator looked"
        assert loop.looked_epoch - 1.0 < end < loop.applied_epoch + MOVES_SOON_S
        assert truth.dead == []
        assert all(way.last_delivered_epoch > truth.end - 2.0 for way in (truth.c2s, truth.s2c))  # type: ignore[operator]
    for to_headend, to_client in loop.delivered_after(loop.applied_epoch):
        assert to_headend > 100
        assert to_client > 30


def test_the_incident_closes_by_itself(loop: LoopResult) -> None:
    assert loop.is_closed
    changes = of_type(loop.events_after, "incident")
    closing = changes[-1]["data"]
    reason = closing["event"]["reason"]
    assert re.fullmatch(r"cleared: 3 of 3 sessions moving again for \d+\.\d s", reason), reason
    assert closing["ctcp"]["sessions_recovered"] == 3
    assert epoch(changes[0]["time"]) < loop.looked_epoch
    assert loop.applied_epoch < epoch(changes[-1]["time"]) < loop.applied_epoch + 20.0


def test_without_the_fix_the_incident_stays_open(lab: Suite) -> None:
    for loop in lab.loops.values():
        changes = {event["data"]["ctcp"]["change"] for event in of_type(loop.events_before, "incident")}
        assert changes == {"opened", "changed"}
    rows = [row for row in lab.rows_of("ct_drop") if row.capture.endswith(f"_{CLIENT_TAP}.pcap")]
    assert {row.session.state for row in rows if row.session} == {"stalled"}


def test_namespaces_go_even_when_a_run_fails() -> None:
    _need()
    made: set[str] = set()
    with pytest.raises(ZeroDivisionError):
        _fail_inside(made)
    assert len(made) == 3
    assert not made & _namespaces()


def _fail_inside(made: set[str]) -> None:
    with Namespaces() as spaces:
        made |= {spaces.name(role) for role in ("client", "firewall", "headend")}
        assert made <= _namespaces()
        raise ZeroDivisionError


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing_behind(signal_number: int, tmp_path: Path) -> None:
    _need()
    words = [sys.executable, "-m", "tests.lab", "--keep", str(tmp_path), "--only", "ct_drop"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        mine = f"ctlab-{process.pid}-"
        end = time.monotonic() + 30.0
        while len(list(tmp_path.glob("*.pcap"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert any(name.startswith(mine) for name in _namespaces())
        process.send_signal(signal_number)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 130, complaints.decode()
    assert not [name for name in _namespaces() if name.startswith(mine)]


def test_two_runs_at_once_do_not_meet() -> None:
    _need()
    with Namespaces() as one, Namespaces() as other:
        assert one.name("firewall") != other.name("firewall")
        assert {one.name("firewall"), other.name("firewall")} <= _namespaces()


def _namespaces() -> set[str]:
    return {line.split()[0] for line in command("ip", "netns", "list").splitlines() if line}


def test_fixes_are_read_as_printed() -> None:
    text = (
        "Incident i-1: x\n\nFIX 1 of 2: A title that is too long for the line\n[a-fix]\nPlatform: p\n\n"
        "Step 1: Prove it  (read)\n    dmesg\n\nStep 2: Do it  (inferred, not\n  tested)\n    a 'b {c}'\n    d\n"
        "  Note: n,\n    and more of the note\n\n"
        "Step 3: another way (instead of\n  step 2)  (read)\n    e\n\nStep 4: Only if x  (read)\n    f\n\n"
        "Verify\n    not a step\n\nFIX 2 of 2: Short  [other]\n"
    )
    fix, other = read_fixes(text)
    assert (fix.id, fix.script) == ("a-fix", "a 'b {c}'\nd\n")
    assert [title for title, _ in fix.steps] == [
        "Prove it",
        "Do it",
        "another way (instead of step 2)",
        "Only if x",
    ]
    assert (other.id, other.script) == ("other", "")


def test_the_loop_outage_is_more_than_strict_tracking_allows() -> None:
    for scenario in LOOPS:
        smallest = scenario.flows[0][0].size * 0.7
        for loss in scenario.losses:
            assert (loss.last - loss.first + 1) * smallest > 1.8 * scenario.window
