"""Packets of one session of a capture, cut as the screen has them cut."""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache
from pathlib import Path

import ctcpmon
from ctcpmon.config import Settings
from ctcpmon.slicing import gather
from ctcpmon.tui.packets import PacketCutter, Packets

__all__ = ["DEMO", "STALLED", "cut"]

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
STALLED = "7f453919bbd5"
_EVER_NS = 2**62


@cache
def cut(path: Path = DEMO, session: str = STALLED) -> Packets:
    """Of the first session that ``session`` names."""
    cases, _ = gather([str(path)], session, Settings())
    answer: Future[Packets] = Future()
    key = f"{cases[0].session.id}/{cases[0].session.generation}"
    PacketCutter(None, [str(path)], is_kept=False).cut(key, cases[0], _EVER_NS, answer)  # type: ignore[arg-type]
    return answer.result(60.0)
