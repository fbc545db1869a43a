"""What a run keeps of the frames of tunnel sessions, and slices of it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

import ctcpmon
from ctcpmon.config import Settings
from ctcpmon.errors import SettingsError
from ctcpmon.pipeline import Pipeline
from ctcpmon.saving import SliceSaver
from ctcpmon.slicing import Case, order_of, slice_kept

from tests.slices.test_slices import DEMO, STALLED, events, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ctcpmon.engine import Finding, Replay


def judged(replay: Replay) -> dict[str, Finding]:
    """Runs to the end; the last finding of each session."""
    pipeline = Pipeline(replay, Settings(), version=ctcpmon.__version__)
    items = [item for batch in pipeline.batches() for item in batch]
    return {item.finding.session.id: item.finding for item in items if item.finding is not None}


def opened(keep_mib: int) -> Replay:
    from ctcpmon import engine

    return engine.Replay([str(DEMO)], keep_mib=keep_mib)


def test_a_run_that_has_ended_still_gives_its_packets(tmp_path: Path) -> None:
    replay = opened(4)
    lead = judged(replay)[STALLED]
    case = Case(lead.session, [("id", lead)])
    data, sliced = slice_kept(replay, [case], order_of([case], "a test"))
    (tmp_path / "a.pcapng").write_bytes(data)
    stalls = {one for one in verdicts(STALLED, DEMO) if one[1] == "stalled"}
    # Its handshake came before it was recognised, so it has another id.
    (session,) = {
        one["data"]["ctcp"]["session"] for one in events(tmp_path / "a.pcapng") if "session.v1" in one["type"]
    }
    assert {one for one in verdicts(session, tmp_path / "a.pcapng") if one[1] == "stalled"} == stalls
    assert sliced.frames == lead_packets() - 3
    assert sliced.unplaced == 0


def lead_packets() -> int:
    (ended,) = (
        one["data"]
        for one in events(DEMO)
        if one["type"] == "ctcpmon.session.v1" and one["data"]["ctcp"]["session"] == STALLED
    )
    return int(ended["source"]["packets"] + ended["destination"]["packets"])


def test_the_counters_say_what_is_kept() -> None:
    replay = opened(4)
    judged(replay)
    counters = replay.stats().counters
    assert counters["kept_frames"] > lead_packets()
    assert counters["kept_evicted_frames"] == 0


def test_nothing_is_kept_unless_asked_for() -> None:
    replay = opened(0)
    lead = judged(replay)[STALLED]
    case = Case(lead.session, [("id", lead)])
    _, sliced = slice_kept(replay, [case], order_of([case], "a test"))
    assert sliced.frames == 0
    assert "kept_frames" not in replay.stats().counters


def test_every_new_critical_incident_is_saved_once(tmp_path: Path) -> None:
    replay = opened(4)
    saver = SliceSaver(str(tmp_path), replay)
    critical: set[str] = set()
    for items in Pipeline(replay, Settings(), version=ctcpmon.__version__).batches():
        saver.look(items)
        critical |= {
            item.incident.id for item in items if item.incident and item.incident.worst_severity == "critical"
        }
    files = sorted(tmp_path.iterdir())
    assert [one.name[: len("i-0123456789")] for one in files] == sorted(critical)
    assert saver.saved == len(files) > 0
    for one in files:
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
        assert any(e["type"] == "ctcpmon.finding.v1" for e in events(one))


def test_a_folder_that_cannot_be_written_to_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no folder"):
        SliceSaver(str(tmp_path / "none"), opened(1))


def test_the_number_of_slices_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctcpmon.saving.MAX_FILES", 1)
    replay = opened(4)
    saver = SliceSaver(str(tmp_path), replay)
    for items in Pipeline(replay, Settings(), version=ctcpmon.__version__).batches():
        saver.look(items)
    assert len(list(tmp_path.iterdir())) == 1
