"""The Python interface."""

from __future__ import annotations

import ctcpmon
import pytest
from ctcpmon import Monitor, replay
from ctcpmon.errors import CtcpmonError, InputError

from tests.fake_engine import Scenario, textbook


def test_replay_returns_everything(scenario: Scenario) -> None:
    scenario.items = textbook()
    result = replay("a.pcap", "b.pcap")
    assert [one.seq for one in result.findings] == [1, 2, 3, 4, 5]
    assert len(result.sessions) == 3
    assert result.incidents[0].sessions_stalled == 1
    assert result.incidents[0].fixes[0] == "asa-tcp-state-bypass"
    assert result.stats.packets == 4_120


def test_a_monitor_gives_the_same_events_as_the_command_line(scenario: Scenario) -> None:
    scenario.items = textbook()
    with Monitor.replay("a.pcap") as monitor:
        ids = [event.id for event in monitor.events()]
        assert monitor.incidents()[0].is_open
        with pytest.raises(CtcpmonError, match="once"):
            list(monitor.findings())
    assert ids == [f"local.replay.{n}" for n in range(1, 13)]


@pytest.mark.usefixtures("scenario")
def test_misuse_is_named() -> None:
    with pytest.raises(CtcpmonError, match="at least one"):
        replay()
    with pytest.raises(CtcpmonError, match="with statement"):
        Monitor.replay("a").stats()


def test_an_unreadable_capture_raises(scenario: Scenario) -> None:
    scenario.error = "a.pcap: \x1b not a capture"
    with pytest.raises(InputError, match="not a capture") as caught:
        replay("a.pcap")
    assert str(caught.value).isprintable()


def test_public_names_exist() -> None:
    for name in ctcpmon.__all__:
        assert getattr(ctcpmon, name)
    with pytest.raises(AttributeError):
        _ = ctcpmon.nonsense
