"""The lines that Rust writes for ended sessions, against the types and against plain Python."""

from __future__ import annotations

import os
import random
import struct
from typing import TYPE_CHECKING, Any, cast, get_args

import msgspec
import pytest
from ctcpmon import envelopes, events
from ctcpmon.community import community_id
from ctcpmon.config import Settings
from ctcpmon.diagnosis import Cycle, DeviceTimer, Incident
from ctcpmon.diagnosis.causes import CAUSES
from ctcpmon.diagnosis.wording import PHRASES, TEMPLATES, quantity
from ctcpmon.pipeline import TAP_SIDES, Pipeline
from ctcpmon.stamps import rfc3339
from ctcpmon.text import clean
from hypothesis import example, given
from hypothesis import strategies as st

from tests import event_lines
from tests.contract.test_engine import needs_engine
from tests.corpus.shared import ROOT, captures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ctcpmon.engine import Finding, Session

SHIPPED = ROOT / "python" / "ctcpmon" / "data"
TAPS = ROOT / "tests" / "taps" / "captures"
SPELLINGS = ROOT / "rust" / "events" / "src" / "spellings.txt"
KINDS = ("total", "stalled", "at_risk", "recovered", "gone", "reconnected", "missing")
ORIGIN = {
    "id_prefix": 'fr"a\u00e9.replay.',
    "source": "/ctcpmon/fr\\a",
    "sensor": 'fr"a\u00e9',
    "version": "1",
    "phrases": PHRASES,
}


def rows(*paths: Path, taps: Sequence[str] | None = None) -> tuple[list[Session], list[Finding]]:
    from ctcpmon import engine

    sessions: list[Session] = []
    findings: list[Finding] = []
    with engine.open_replay([str(path) for path in paths], taps=taps) as replay:
        is_done = False
        while not is_done:
            batch = replay.poll(100)
            sessions += batch.sessions
            findings += batch.findings
            is_done = batch.done
    return sessions, findings


def ended(*paths: Path, taps: Sequence[str] | None = None) -> list[Session]:
    return rows(*paths, taps=taps)[0]


def check_findings(findings: Sequence[Finding], **more: object) -> None:
    """Same bytes as plain Python, and strict reading gives them back."""
    from ctcpmon import engine

    settings = {**ORIGIN, "zones": {}, **more}
    ours = engine.EventLines(**settings)  # type: ignore[arg-type]
    plain = event_lines.EventLines(**settings)  # type: ignore[arg-type]
    for number, finding in enumerate(findings, start=1):
        said: dict[str, Any] = {
            "reason": 'w"h\u00fc',
            "rule": b'{"id":"a","name":"b","ruleset":"c"}',
            "incident": None if number % 2 else "i-1",
            "fixes": ("a", "b")[: number % 3],
        }
        line = ours.finding(finding, number, **said)
        assert line == plain.finding(finding, number, **said)
        assert events.encode(events.decode(line)) == line


def check(sessions: Sequence[Session], **more: object) -> None:
    """Same bytes as plain Python, and strict reading gives them back."""
    from ctcpmon import engine

    settings = {**ORIGIN, "zones": {}, **more}
    ours = engine.EventLines(**settings)  # type: ignore[arg-type]
    plain = event_lines.EventLines(**settings)  # type: ignore[arg-type]
    assert sessions
    lines = ours.sessions(sessions, 1)
    assert lines == plain.sessions(sessions, 1)
    for session, line in zip(sessions, lines, strict=True):
        ends = (session.client_ip, session.client_port, session.headend_ip, session.headend_port)
        assert session.community_id == community_id(*ends)
        event = events.decode(line)
        assert isinstance(event, events.SessionEvent)
        assert events.encode(event) == line


@needs_engine
@pytest.mark.parametrize("clean_group", [None, lambda text: clean(text, 64)], ids=["hidden", "shown"])
def test_lines_of_the_shipped_capture_are_those_of_plain_python(clean_group: object) -> None:
    check(ended(SHIPPED / "demo.pcap"), clean_group=clean_group)


@needs_engine
def test_lines_of_its_findings_are_those_of_plain_python() -> None:
    _, findings = rows(SHIPPED / "demo.pcap")
    assert {finding.verdict for finding in findings} >= {"stalled"}
    check_findings(findings)


@needs_engine
def test_each_tap_of_two_has_its_zone() -> None:
    sessions = ended(*sorted(TAPS.glob("forwards_*.pcap")), taps=("client", "headend"))
    assert {session.taps for session in sessions} == {(1,), (2,)}
    check(sessions, zones=TAP_SIDES)


@needs_engine
def test_lines_of_the_lab_are_those_of_plain_python() -> None:
    folder = captures("lab", "pcaps/s01_ct_frozenack_T1.pcap") / "pcaps"
    names: set[str] = set()
    for path in sorted(folder.glob("*.pcap")):
        sessions, findings = rows(path)
        if sessions:
            check(sessions, clean_group=lambda text: clean(text, 64))
        check_findings(findings)
        names |= {item.name for finding in findings for item in finding.evidence}
    # The lab shows most of what can be measured, so hardly a phrase is untested.
    assert len(names) > len(TEMPLATES) // 2


@needs_engine
def test_an_open_session_has_a_line_too() -> None:
    from ctcpmon import engine

    (session, *_) = ended(SHIPPED / "demo.pcap")
    (line,) = engine.EventLines(**ORIGIN, zones={}).sessions([session], 2**64 - 1)
    assert b'.replay.18446744073709551615"' in line


@needs_engine
def test_the_pipeline_hands_on_what_rust_wrote() -> None:
    from ctcpmon import engine

    with engine.open_replay([str(SHIPPED / "demo.pcap")]) as replay:
        items = [item for batch in Pipeline(replay, Settings(), version="1").batches() for item in batch]
    assert any(item.session for item in items)
    for number, item in enumerate(items, start=1):
        assert item.id == item.event.id == f"local.replay.{number}"
        assert events.encode(item.event) == item.line


NUMBERS = st.integers(-(2**53), 2**53) | st.integers(-(10**12), 10**12).map(lambda n: round(n / 1e6, 6))
VALUES = st.recursive(
    st.text() | st.booleans() | NUMBERS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner | st.none()),
    max_leaves=20,
)


@needs_engine
@given(st.dictionaries(st.text(), VALUES | st.none()))
def test_rust_encodes_what_python_made_as_msgspec_does(event: dict[str, object]) -> None:
    from ctcpmon import engine

    assert engine.encode(event) == event_lines.encode(event)


@needs_engine
@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x", {1: 2}, 2**64])
def test_what_is_no_json_is_refused(value: object) -> None:
    from ctcpmon import engine

    with pytest.raises((TypeError, ValueError, OverflowError)):
        engine.encode({"x": value})


def incidents(dice: random.Random) -> Iterator[Incident]:
    """One of every kind of word and number, each beside others by chance."""
    sides = ("client", "headend", "both", "sender", "device", "nobody", None)
    texts = ('w"h\u00fc', "plain", "")
    for number in range(1, 400):
        pick = dice.choice
        closed_ns = pick((None, dice.randrange(-(2**63), 2**63)))
        yield Incident(
            id=f"i-{number:010x}",
            seq=number,
            change=pick(("opened", "changed", "closed")),
            severity=pick(("critical", "warning", "info")),
            worst_severity=pick(("critical", "warning", "info")),
            cause=pick(CAUSES),
            lead=cast("Finding", None),
            client_net=pick(("10.0.0.0/24", "2001:db8::/64")),
            client_nets=pick((1, 2, 4_096)),
            headend_ip=pick(("203.0.113.1", "2001:db8::1", "::ffff:10.0.0.1", "no address")),
            headend_port=pick((0, 10_000, 65_535)),
            protocols=pick(((), ("ctcp",), ("faketcp", "ctcp"))),
            since_ns=dice.randrange(-(2**63), 2**63),
            last_ns=dice.randrange(0, 2**62),
            closed_ns=closed_ns,
            close_reason=None if closed_ns is None else pick(("cleared", "reconnected", "gone", "moved")),
            **{f"sessions_{name}": dice.randrange(10 ** dice.randrange(1, 6)) for name in KINDS},
            moving_since_ns=pick((None, 0, 1_700_000_000_123_456_789)),
            session_ids=tuple(f"{dice.randrange(2**64):016x}" for _ in range(dice.randrange(4))),
            stopped_side=pick(sides),
            loss_side=pick(sides),
            confidence=pick((0.0, 1.0, 0.94, dice.random(), float("nan"), -1.0)),
            fixes=tuple(dice.sample(("asa-tcp-state-bypass", "ike-nat-t", "srx"), dice.randrange(4))),
            silent_side=pick(sides),
            timer=pick((None, DeviceTimer("delay", 3, 4, pick(texts), "s", pick((None, 4_000))))),
            cycle=pick((None, Cycle(1, 4, 3, pick((None, 90_000)), pick((True, False)), pick(texts), "s"))),
            rebindings=pick((0, 0, 2)),
            is_refuted=pick((True, False)),
        )


@needs_engine
def test_lines_of_incidents_are_those_of_plain_python() -> None:
    from ctcpmon import engine

    settings = {**ORIGIN, "zones": TAP_SIDES}
    ours = engine.EventLines(**settings)  # type: ignore[arg-type]
    plain = event_lines.EventLines(**settings)  # type: ignore[arg-type]
    for number, incident in enumerate(incidents(random.Random(7)), start=1):
        timer, cycle = incident.timer, incident.cycle
        said: dict[str, Any] = {
            "rule": b'{"id":"a","name":"b"}' if number % 2 else b'{"id":"a","name":"b","ruleset":"c"}',
            "tap": (None, 1, 2, 3)[number % 4],
            "timer": None if timer is None else engine.encode(envelopes.timer_fields(timer)),
            "cycle": None if cycle is None else engine.encode(envelopes.cycle_fields(cycle)),
        }
        line = ours.incident(incident, number, **said)
        assert line == plain.incident(incident, number, **said)
        assert events.encode(events.decode(line)) == line


def test_the_words_of_the_writer_are_those_of_the_contract() -> None:
    assert get_args(events.State) == envelopes.STATES


def spellings() -> list[str]:
    """Values and how the Python functions write them, one a line; a Rust test reads the same file."""
    dice = random.Random(1)
    times = [0, -1, 999, -999, 2**63 - 1, -(2**63), 951_782_399_999_999_999, 951_782_400_000_000_000]
    times += [dice.randrange(-(2**63), 2**63) for _ in range(400)]
    ratios = [0.0, 1.0, 1e-6, 1.5e-6, 2.5e-7, 5e-7, 9.9e-6, 1e-5, 0.9999995, 0.99999951, -0.5, 7.0]
    ratios += [j / 128 for j in range(1, 128, 2)]
    ratios += [missing / (missing + dice.randrange(1, 5_000)) for missing in range(1, 200)]
    ratios += [dice.random() for _ in range(200)]
    amounts = [0.0, 1.0, 2.0, 0.5, 1.5, 2.5, 0.04, 0.05, 99.94, 99.95, 99.96, 999.4, 999.5, 1_000.0, -3.25]
    amounts += [
        1e3,
        1e6,
        60e3,
        119_500.0,
        7_199_499.0,
        7_199_500.0,
        1e12,
        2.0**60,
        float("nan"),
        float("inf"),
    ]
    amounts += [dice.randrange(10 ** dice.randrange(1, 9)) / 8 for _ in range(60)]
    units = ["ns", "us", "ms", "s", "ratio", "pct", "flag", "count", "bytes", "pkts", "segments", "hops"]
    texts = ['"\\/\x7f<>&', "".join(map(chr, range(32))), "\u00e9\u4e2d\U0001f600\u2028", ""]
    ends = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "10.0.0.1"), ("::1", "10.0.0.1")]
    ends += [("2001:db8::1", "fe80::2"), ("128.232.110.120", "66.35.250.204")]
    found = [f"time {at} {rfc3339(at)}" for at in times]
    for value in ratios:
        (bits,) = struct.unpack(">Q", struct.pack(">d", value))
        written = msgspec.json.encode(event_lines.ratio(value)).decode()
        found.append(f"ratio {bits:016x} {written}")
    for value in amounts:
        (bits,) = struct.unpack(">Q", struct.pack(">d", value))
        found += [f"words {bits:016x} {unit} {quantity(value, unit).replace(' ', '_')}" for unit in units]
    found += [f"text {text.encode().hex()}. {msgspec.json.encode(text).hex()}" for text in texts]
    for a, b in ends:
        for ports in ((1061, 10_000), (10_000, 1061), (0, 65_535)):
            found.append(f"flow {a} {ports[0]} {b} {ports[1]} {community_id(a, ports[0], b, ports[1])}")
    return found


def test_the_spellings_that_rust_is_tested_by_are_those_of_python() -> None:
    text = "\n".join(spellings()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        SPELLINGS.write_text(text, "utf-8")
    assert SPELLINGS.read_text("utf-8") == text


@needs_engine
@given(st.integers(-(2**63), 2**63 - 1))
@example(0)
@example(-1)
@example(951_782_399_999_999_999)
def test_times_are_those_that_people_read(time_ns: int) -> None:
    from ctcpmon import engine

    assert engine.rfc3339(time_ns) == rfc3339(time_ns)


@needs_engine
def test_a_time_that_no_packet_can_have_is_the_nearest_that_one_can() -> None:
    from ctcpmon import engine

    assert engine.rfc3339(2**63) == engine.rfc3339(2**63 - 1)
    assert engine.rfc3339(-(2**70)) == engine.rfc3339(-(2**63))
