"""Addresses of documentation instead of real ones: consistent, complete, and nothing else changed."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.events import decode
from ctcpmon.redacting import Redactor
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.fake_source import FakeSource, busy
from ctcpmon.tui.packets import Packets, PacketsError
from ctcpmon.tui.redacted import RedactedSource
from ctcpmon.tui.replay_app import ReplayApp

from tests.graph.cuts import DEMO, cut
from tests.serve.process import wait_for
from tests.tui.screen_text import Bench

if TYPE_CHECKING:
    from pathlib import Path

REAL = re.compile(r"\b10\.\d+\.\d+\.\d+|198\.51\.100\.9\b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.1.4.17:1061 -> 10.9.9.9:10000, 10.1.4.17", "192.0.2.1:1061 -> 192.0.2.2:10000, 192.0.2.1"),
        ("host 10.1.0.0 255.255.255.0 0.0.0.255 0.0.0.0", "host 192.0.2.1 255.255.255.0 0.0.0.255 0.0.0.0"),
        ("10.1.0.0/24 to [2001:db8:1::7]:10000", "192.0.2.1/24 to [2001:db8::1]:10000"),
        ("fe80::1 FE80:0::1 fe80::1%eth0", "2001:db8::1 2001:db8::1 2001:db8::1%eth0"),
        ("::ffff:10.1.2.3 1.2.3.4.5 999.1.1.1 1.2.3", "2001:db8::1 1.2.3.4.5 999.1.1.1 1.2.3"),
        ("at 02:58:11.402, id 7f453919bbd5/1, 00:11:22:33:44:55", "at 02:58:11.402, id 7f453919bbd5/1, 00:11:22:33:44:55"),
    ],
)  # fmt: skip
def test_addresses_and_nothing_else(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_one_address_has_one_name_and_two_have_two() -> None:
    redactor = Redactor()
    names = [redactor.text(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}") for n in range(2_000)]
    assert len(set(names)) == 2_000
    assert names == [redactor.text(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}") for n in range(2_000)]
    assert not [name for name in names if name.startswith("10.")]


def lines(*words: str) -> list[bytes]:
    call = [sys.executable, "-m", "ctcpmon", "replay", str(DEMO), *words]
    return subprocess.run(call, capture_output=True, check=True).stdout.splitlines()


def test_events_keep_their_form() -> None:
    real, hidden = lines("-o", "jsonl"), lines("-o", "jsonl", "--redact")
    assert len(real) == len(hidden)
    joined = b"\n".join(hidden).decode()
    assert REAL.search(b"\n".join(real).decode())
    assert not REAL.search(joined)
    assert "community_id" not in joined
    for one, other in zip(real, hidden, strict=True):
        assert decode(one).id == decode(other).id
    assert hidden == lines("-o", "jsonl", "--redact")
    assert not REAL.search(b"\n".join(lines("-o", "table", "--redact")).decode())


def test_a_report_without_real_addresses(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    call = [sys.executable, "-m", "ctcpmon", "report", "i-5f6b1b0260", str(DEMO), "-w", str(out), "--redact"]
    subprocess.run(call, check=True, capture_output=True)
    page = out.read_text("utf-8")
    assert not REAL.search(page)
    assert "access-list" in page
    assert "192.0.2." in page


def test_no_screen_shows_a_real_address() -> None:
    source = RedactedSource(EngineSource([str(DEMO)], names={str(DEMO): "demo.pcap"}))

    async def run() -> None:
        app = ReplayApp(source)
        async with app.run_test(size=(120, 40)) as pilot:
            one = Bench(app, FakeSource(busy()), pilot)
            await one.settle()
            for keys in (
                (),
                ("j",),
                ("s",),
                ("f",),
                ("4",),
                ("3",),
                ("l",),
                ("1", "p"),
                ("1", "enter"),
                ("1", "t"),
            ):
                await one.press(*keys)
                await one.app.workers.wait_for_complete()
                await one.settle()
                assert not REAL.search(one.text()), keys
                assert keys in {("4",), ("1", "p")} or "192.0.2." in one.text()
            assert one.screen == "GraphScreen"

    source.start()
    try:
        wait_for(lambda: source.view().progress.phase == "done", "the end")
        asyncio.run(run())
    finally:
        source.close()


def test_marks_are_kept_for_the_same_place_on_a_redacted_screen() -> None:
    """Under aliases, which begin anew with each run, they would hold for somebody else later."""
    plain = EngineSource([str(DEMO)], names={str(DEMO): "demo.pcap"})
    hidden = RedactedSource(plain)
    plain.start()
    try:
        wait_for(lambda: plain.view().progress.phase == "done", "the end")
        places = [row.place for row in plain.view().incidents]
        assert places
        assert len(set(places)) == len(places)
        assert [row.place for row in hidden.view().incidents] == places
        assert not REAL.search(" ".join(places))
    finally:
        plain.close()


def test_packets_are_marked_and_passed_on() -> None:
    inner = FakeSource(busy())
    source = RedactedSource(inner)  # type: ignore[arg-type]
    inner.cut = cut()
    got = source.packets("k").result(5)
    assert got.aliases == ("192.0.2.1", "192.0.2.2")
    assert got.pcapng == cut().pcapng
    assert not REAL.search(got.story)
    inner.cut = "none"
    with pytest.raises(PacketsError, match="none"):
        source.packets("k").result(5)
    waiting: Future[Packets] = Future()
    inner.packets = lambda _key: waiting  # type: ignore[method-assign]
    source.packets("k").cancel()
    assert waiting.cancelled()
