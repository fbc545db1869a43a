"""The committed schema is the generated one, is strict, and holds for everything written."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ctcpmon import events
from ctcpmon.config import Settings
from ctcpmon.pipeline import Pipeline

from tests.fake_engine import (
    STOPPED_DIRECTION,
    DevicePair,
    Replay,
    Scenario,
    Stats,
    finding,
    session,
    stalled,
    textbook,
)

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(events.schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def lines(scenario: Scenario) -> list[dict[str, Any]]:
    cleared = finding(9, stalled(0), verdict="healthy", at_s=70)
    lone = session(
        7, client_ip="2001:db8::1", headend_ip="2001:db8::2", protocol="faketcp", product="udp2raw"
    )
    guilty = DevicePair(
        verdict="stopped", stopped_side="client", loss_side="device", to_headend=STOPPED_DIRECTION
    )
    blind = DevicePair(
        verdict="undecided", clock_offset_ns=None, clock_uncertainty_ns=None, delay_refused="x"
    )
    lone_finding = finding(10, lone, "x.new", "suspect", loss_side=None)
    scenario.items = [*textbook(), cleared, lone_finding, lone, guilty, blind]
    scenario.stats = Stats(matching={"pairs": 2})
    pipeline = Pipeline(Replay(["x"]), Settings(), version="1", has_two_taps=True)  # type: ignore[arg-type]
    return [json.loads(events.encode(item.event)) for items in pipeline.batches(0) for item in items]


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "docs" / "event.schema.json").read_text("utf-8")
    assert committed == events.schema(), "type: ctcpmon schema > docs/event.schema.json"


def test_the_schema_is_valid_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_line_is_valid(lines: list[dict[str, Any]]) -> None:
    assert {line["type"] for line in lines} == set(SCHEMA["discriminator"]["mapping"])
    for line in lines:
        VALIDATOR.validate(line)


def test_unknown_fields_are_refused_at_every_level(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        for path in _objects(line):
            if path[-1:] in (["counters"], ["diagnosis"], ["events"], ["sessions"], ["matching"]):
                continue
            changed = copy.deepcopy(line)
            node: Any = changed
            for step in path:
                node = node[step]
            node["surprise"] = 1
            assert not VALIDATOR.is_valid(changed), path


def test_null_is_refused(lines: list[dict[str, Any]]) -> None:
    assert "null" not in json.dumps(SCHEMA["$defs"])
    changed = copy.deepcopy(lines[0])
    changed["time"] = None
    assert not VALIDATOR.is_valid(changed)


def test_a_missing_field_is_refused(lines: list[dict[str, Any]]) -> None:
    changed = copy.deepcopy(lines[0])
    del changed["data"]["ctcp"]["verdict"]
    assert not VALIDATOR.is_valid(changed)


def _objects(node: Any, path: list[Any] | None = None) -> list[list[Any]]:
    path = path or []
    found: list[list[Any]] = []
    if isinstance(node, dict):
        found.append(path)
        for name, value in node.items():
            found += _objects(value, [*path, name])
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += _objects(value, [*path, index])
    return found
