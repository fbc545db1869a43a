"""Public captures: nothing of ours is found in them, and the counts are tshark's.

``index.tsv`` states what tshark 4.0.17 counted. Where ours differ, ``differences.toml`` says why; an entry
that is not needed fails the test.
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path

import ctcpmon
import pytest

from tests.corpus.shared import captures

COUNTS = ("packets", "tcp_packets", "tcp_conversations")
READABLE = 1_200
"""Files that the comparison must at least have read, so that an empty index proves nothing."""


@dataclass(frozen=True)
class Outcome:
    """One capture: tshark's counts and ours."""

    path: str
    theirs: dict[str, int]
    ours: dict[str, int]
    sessions: int
    findings: int

    @property
    def differs(self) -> dict[str, int]:
        """Our counts that are not tshark's."""
        return {name: n for name, n in self.ours.items() if n != self.theirs[name]}


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Every public capture, replayed."""
    folder = captures("public", "index.tsv")
    with (folder / "index.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [outcome(folder, row) for row in rows]


def outcome(folder: Path, row: dict[str, str]) -> Outcome:
    path = f"{row['repo'].replace('/', '+')}/{row['path']}"
    # A file that tshark refuses has no count of conversations.
    theirs = {name: int(row[name] or 0) for name in COUNTS}
    try:
        result = ctcpmon.replay(folder / path)
    except ctcpmon.InputError:
        return Outcome(path, theirs, dict.fromkeys(COUNTS, 0), 0, 0)
    ours = {name: getattr(result.stats, name) for name in COUNTS}
    return Outcome(path, theirs, ours, len(result.sessions), len(result.findings))


def known() -> dict[str, dict[str, int]]:
    """Our counts of the files that are known to differ."""
    text = Path(__file__).with_name("differences.toml").read_text("utf-8")
    entries = tomllib.loads(text)["difference"]
    for entry in entries:
        assert entry["reason"].endswith(".")
    differences = {e["path"]: {name: e[name] for name in COUNTS if name in e} for e in entries}
    assert len(differences) == len(entries), "a path stands in differences.toml twice"
    return differences


def test_no_tunnel_and_no_finding_in_any_public_capture(outcomes: list[Outcome]) -> None:
    assert len(outcomes) >= READABLE
    assert [o.path for o in outcomes if o.sessions or o.findings] == []


def test_counts_are_those_of_tshark(outcomes: list[Outcome]) -> None:
    expected = known()
    unexplained = [
        f"{o.path}: tshark {o.theirs}, here {o.ours}"
        for o in outcomes
        if o.differs != expected.get(o.path, {}) and o.differs
    ]
    assert unexplained == []


def test_every_known_difference_is_still_one(outcomes: list[Outcome]) -> None:
    expected = known()
    found = {o.path: o.differs for o in outcomes}
    assert [path for path, counts in expected.items() if found.get(path) != counts] == []
