"""History: found again by every key, pruned by age and size, whole after SIGKILL."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon.errors import SettingsError
from ctcpmon.history import HistoryQuery, moment, read, row
from ctcpmon.sinks.history import HistoryOutput

from tests.serve.process import DEMO, events, long_capture, serve, start, wait_for
from tests.serve.test_receivers import hostile_line

if TYPE_CHECKING:
    from pathlib import Path


def history(*words: str | Path, code: int = 0) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ctcpmon", "history", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return (done.stdout if code == 0 else done.stderr).splitlines()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("history")
    serve("--replay", DEMO, "--history", folder / "h.db", "--file", folder / "a")
    found = [one for one in events(folder / "a") if ".stats." not in one["type"]]
    # A session is told when it ends, with the time of its last packet: in the history it stands there.
    return folder / "h.db", sorted(found, key=lambda one: str(one["time"]))


def test_every_event_but_the_counters_is_found_as_it_was(stored: tuple[Path, list[dict[str, Any]]]) -> None:
    path, expected = stored
    assert [json.loads(line) for line in history(path)] == expected


def test_events_are_found_by_session_incident_type_time_and_severity(
    stored: tuple[Path, list[dict[str, Any]]],
) -> None:
    path, expected = stored

    def ids(*words: str) -> list[str]:
        return [json.loads(line)["id"] for line in history(path, *words)]

    def want(check: Any) -> list[str]:
        return [one["id"] for one in expected if check(one)]

    session = expected[0]["data"]["ctcp"]["session"]
    incident = expected[0]["data"]["ctcp"]["incident"]
    assert ids("--session", session) == want(lambda one: one["data"]["ctcp"].get("session") == session)
    assert ids("--incident", incident) == want(lambda one: one["data"]["ctcp"].get("incident") == incident)
    assert ids("--type", "session") == want(lambda one: ".session." in one["type"])
    assert ids("--since", "2026-11-23T02:58:18") == want(lambda one: one["time"] >= "2026-11-23T02:58:18")
    assert ids("--until", "2026-11-23T02:58:18") == want(lambda one: one["time"] < "2026-11-23T02:58:18")
    assert ids("--min-severity", "critical") == want(lambda one: one["data"]["event"]["severity"] == 99)
    assert ids("--last", "3") == [one["id"] for one in expected[-3:]]
    assert ids("--session", "' or 1=1 --") == []


def test_a_table_for_people(stored: tuple[Path, list[dict[str, Any]]]) -> None:
    lines = history(stored[0], "-o", "table", "--type", "incident")
    assert all(line.isprintable() for line in lines)
    assert "a proxy froze the ACK at the hole" in "\n".join(lines)
    assert row(hostile_line()).isprintable()


def test_the_same_capture_again_is_not_stored_twice(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    serve("--replay", DEMO, "--history", path)
    before = history(path)
    serve("--replay", DEMO, "--history", path)
    assert history(path) == before


def test_killed_at_any_time_the_history_is_a_beginning_of_the_run(tmp_path: Path) -> None:
    capture = long_capture(tmp_path / "long.pcap", 300)
    serve("--replay", capture, "--history", tmp_path / "all.db")
    whole = history(tmp_path / "all.db")
    for seed in range(5):
        path = tmp_path / f"{seed}.db"
        process = start("--replay", capture, "--history", path)
        wait_for(lambda path=path: path.exists(), "the file")
        time.sleep(random.Random(seed).uniform(0.1, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        base = sqlite3.connect(path)
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
        numbers = [number for (number,) in base.execute("select number from events order by number")]
        base.close()
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) <= len(whole)
        assert set(history(path)) <= set(whole)
        # The next run takes up where it can: nothing twice, nothing missing.
    serve("--replay", capture, "--history", path)
    assert sorted(history(path)) == sorted(whole)


def line_of(number: int, size: int = 500) -> bytes:
    event = {"severity": 21, "reason": "x" * size}
    return json.dumps(
        {
            "type": "ctcpmon.finding.v1",
            "id": f"a.b.{number}",
            "time": "2026-11-23T00:00:00.000000Z",
            "data": {"event": event},
        },
        separators=(",", ":"),
    ).encode()


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    clock = [1_000_000.0]
    output = HistoryOutput(str(tmp_path / "h"), keep_days=2, max_bytes=1 << 30, now=lambda: clock[0])
    for day in range(5):
        clock[0] = 1_000_000 + day * 86_400
        output.deliver([line_of(day)])
        output.prune()
    output.close()
    left = [json.loads(one)["id"] for one in read(str(tmp_path / "h"), HistoryQuery())]
    assert left == ["a.b.2", "a.b.3", "a.b.4"]
    assert output.pruned == 2


def test_a_history_that_is_too_big_loses_its_oldest(tmp_path: Path) -> None:
    path = tmp_path / "h"
    output = HistoryOutput(str(path), keep_days=1, max_bytes=1 << 20, now=lambda: 0.0)
    for start_at in range(0, 20_000, 250):
        output.deliver([line_of(start_at + n) for n in range(250)])
    output.close()
    assert path.stat().st_size < 1.5 * (1 << 20), "the file itself becomes smaller"
    left = [int(json.loads(one)["id"].rpartition(".")[2]) for one in read(str(path), HistoryQuery())]
    assert left[-1] == 19_999
    assert left == list(range(left[0], 20_000))
    assert 500 < len(left) < 2_500


def test_times() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2h", now) == "2026-11-23T10:00:00.000000"
    assert moment("2026-11-23T02:58Z") == "2026-11-23T02:58"
    for wrong in ("yesterday", "2026-11", "2x", "\x1b[2J"):
        with pytest.raises(SettingsError) as caught:
            moment(wrong)
        assert str(caught.value).isprintable()


def test_what_is_no_history_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no data base at all, but long enough to have a page" * 100)
    for path in (tmp_path / "none", tmp_path / "x"):
        (said,) = history(path, code=4)
        assert said.startswith("ctcpmon: ")
