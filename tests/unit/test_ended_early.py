"""An interface that cannot go on: incidents that are open get their last word, as at any other end."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from ctcpmon import capturing
from ctcpmon.capturing import LiveRequest
from ctcpmon.config import Settings

from tests.fake_engine import CaptureError, Replay, Scenario, finding, stalled, textbook

if TYPE_CHECKING:
    from collections.abc import Sequence

WHY = "m0 was made anew"


class Lines:
    """A sink."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, lines: Sequence[bytes]) -> None:
        self.lines += lines

    def close(self) -> None:
        """Nothing is open."""


def written(monkeypatch: pytest.MonkeyPatch, ends_in: str | None, scenario: Scenario) -> list[dict[str, Any]]:
    scenario.ends_in = ends_in
    monkeypatch.setattr(capturing, "open_rings", lambda _request: nullcontext(Replay(["m0"])))
    monkeypatch.setattr(capturing, "new_boot", lambda: "boot")
    sink = Lines()
    request = LiveRequest(interfaces=("m0",), settings=Settings())
    if ends_in is None:
        capturing.run(request, sink)
    else:
        with pytest.raises(CaptureError, match=ends_in):
            capturing.run(request, sink)
    return [json.loads(line) for line in sink.lines]


@pytest.mark.parametrize("more", [0, 1])
def test_the_same_is_written_as_at_any_other_end(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, more: int
) -> None:
    # The second of two stalls of one incident changes it within the time in which it is not said again.
    held = [finding(20 + n, stalled(n), at_s=100 + n) for n in range(1 + more)]
    scenario.items = [*textbook()[:2], *held]
    ended = written(monkeypatch, None, scenario)
    cut = written(monkeypatch, WHY, scenario)
    assert cut == ended
    assert [event["type"] for event in ended[-2:]] == ["ctcpmon.incident.v1", "ctcpmon.stats.v1"]
    assert ended[-2]["data"]["ctcp"]["change"] == "changed"
