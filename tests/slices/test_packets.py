"""The packets of one session for the screen: from captures, from what a live run keeps, over the socket."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ctcpmon._ctcpmon", reason="the native engine is not built")

from ctcpmon.slicing import Bounds, Case, cut_files, order_of
from ctcpmon.tui import packets as door
from ctcpmon.tui.engine_source import EngineSource
from ctcpmon.tui.packets import Packets, PacketsError
from ctcpmon.tui.remote_source import RemoteSource
from ctcpmon.tui.wire import PART_BYTES, encode_packets, packets_of

from tests.serve.process import start, stop, wait_for
from tests.slices.test_kept import judged, opened
from tests.slices.test_slices import DEMO, STALLED, needs_tshark, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 30.0


@pytest.fixture
def source() -> Iterator[EngineSource]:
    one = EngineSource([str(DEMO)])
    one.start()
    try:
        wait_for(lambda: one.view().progress.phase == "done", "the end of the demo")
        yield one
    finally:
        one.close()


def key_of(source: EngineSource | RemoteSource) -> str:
    return next(row.key for row in source.view().sessions if row.key.startswith(STALLED))


def case() -> Case:
    lead = judged(opened(0))[STALLED]
    return Case(lead.session, [("1", lead)])


def test_packets_of_a_capture_come_with_their_numbers_and_the_story(source: EngineSource) -> None:
    key = key_of(source)
    got = source.packets(key).result(WAIT_S)
    assert (got.session, got.before, got.behind, got.left_out) == (key, 0, 0, "")
    assert got.count == len(got.numbers) > 100
    assert got.since_ns is not None
    assert got.judged_ns is not None
    assert got.since_ns < got.judged_ns
    assert got.since_ns == min(at for at, _ in got.marks)
    assert any("hole of" in text for _, text in got.marks)
    assert "stalled" in got.story
    assert got.stopped_side in {"client", "headend"}
    assert b"beyond the ACK by now" in got.pcapng


@needs_tshark
def test_the_numbers_are_those_of_the_capture(source: EngineSource, tmp_path: Path) -> None:
    got = source.packets(key_of(source)).result(WAIT_S)
    path = tmp_path / "one.pcapng"
    path.write_bytes(got.pcapng)
    of_slice = shown(path, "frame.time_epoch", "tcp.seq_raw", "tcp.ack_raw")
    of_all = shown(DEMO, "frame.time_epoch", "tcp.seq_raw", "tcp.ack_raw")
    assert [of_all[number - 1] for number in got.numbers] == of_slice


@pytest.mark.parametrize("packets", [1, 2, 10, 51])
def test_bounds_keep_what_lies_around_the_moment(packets: int) -> None:
    one = case()
    order = order_of([one], "a test")
    everything = cut_files([str(DEMO)], order, Bounds(0, 10_000, 1 << 30), lambda: True)
    assert everything is not None
    numbers = everything[1].numbers
    at_ns = one.findings[0][1].since_ns
    made = cut_files([str(DEMO)], order, Bounds(at_ns, packets, 1 << 30), lambda: True)
    assert made is not None
    sliced = made[1]
    assert sliced.frames == packets
    assert sliced.before + sliced.frames + sliced.behind == len(numbers)
    assert sliced.numbers == numbers[sliced.before : sliced.before + packets], "one piece without a gap"
    last = cut_files([str(DEMO)], order, Bounds(2**63 - 1, packets, 1 << 30), lambda: True)
    assert last is not None
    assert last[1].numbers == numbers[-packets:]
    first = cut_files([str(DEMO)], order, Bounds(0, packets, 1 << 30), lambda: True)
    assert first is not None
    assert first[1].numbers == numbers[:packets]
    assert first[1].frames + first[1].behind == len(numbers)


@pytest.mark.parametrize("size", [0, 2_000, 5_000, 40_000])
def test_bounds_hold_in_bytes(size: int) -> None:
    order = order_of([case()], "a test")
    made = cut_files([str(DEMO)], order, Bounds(case().findings[0][1].since_ns, 10_000, size), lambda: True)
    assert made is not None
    data, sliced = made
    # Comments and the heads of section and interface are not counted.
    assert len(data) <= size + 4_000
    assert (sliced.frames > 0) is (size > 0)


def test_cutting_ends_when_nobody_waits() -> None:
    asked: list[int] = []

    def goes_on() -> bool:
        asked.append(1)
        return False

    reader, writer = os.pipe()

    def write_slowly() -> None:
        data = DEMO.read_bytes()
        with suppress(OSError):
            for at in range(0, len(data), 2_000):
                os.write(writer, data[at : at + 2_000])
                time.sleep(0.02)
        os.close(writer)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    try:
        path = f"/dev/fd/{reader}"
        assert cut_files([path], order_of([case()], "x"), Bounds(0, 10, 10_000), goes_on) is None
        assert asked == [1]
    finally:
        os.close(reader)
        thread.join()


def test_a_second_request_gives_up_the_first(source: EngineSource) -> None:
    first = source.packets("0123456789ab/1")
    second = source.packets(key_of(source))
    assert second.result(WAIT_S).count
    with pytest.raises((CancelledError, PacketsError)):
        first.result(WAIT_S)


def test_what_is_not_there_is_one_sentence(source: EngineSource) -> None:
    with pytest.raises(PacketsError, match="no longer kept in memory"):
        source.packets("0123456789ab/1").result(WAIT_S)


def test_a_capture_that_went_away_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(DEMO.read_bytes())
    one = EngineSource([str(path)])
    one.start()
    try:
        wait_for(lambda: one.view().progress.phase == "done", "the end")
        path.unlink()
        with pytest.raises(PacketsError, match="cannot be read"):
            one.packets(key_of(one)).result(WAIT_S)
    finally:
        one.close()


def test_of_a_pipe_the_newest_packets_are_kept() -> None:
    reader, writer = os.pipe()

    def write_all() -> None:
        with open(writer, "wb") as out:  # noqa: PTH123
            out.write(DEMO.read_bytes())

    thread = threading.Thread(target=write_all)
    thread.start()
    one = EngineSource([f"/dev/fd/{reader}"])
    one.start(WAIT_S)
    try:
        wait_for(lambda: one.view().progress.phase == "done", "the end")
        got = one.packets(key_of(one)).result(WAIT_S)
        assert got.count > 100
        assert got.numbers == ()
        assert "stalled" in got.story
    finally:
        one.close()
        os.close(reader)
        thread.join()


def test_where_nothing_is_kept_a_pipe_cannot_be_read_twice() -> None:
    with pytest.raises(PacketsError, match="a pipe is read only once"):
        door.cut_case(["-"], "k", case())


def test_a_closed_source_lets_nobody_wait(source: EngineSource) -> None:
    source.close()
    with pytest.raises(PacketsError, match="has ended"):
        source.packets("0123456789ab/1").result(1.0)


def test_kept_packets_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = opened(4)
    lead = judged(replay)[STALLED]
    cutter = door.PacketCutter(replay, (), is_kept=True)
    answer: door.Future[Packets] = door.Future()
    cutter.cut("k", Case(lead.session, [("1", lead)]), 2**62, answer)
    got = answer.result(WAIT_S)
    assert got.count > 100
    assert got.numbers == ()
    monkeypatch.setattr(door, "MOST_PACKETS", 7)
    answer = door.Future()
    cutter.cut("k", Case(lead.session, [("1", lead)]), 2**62, answer)
    got = answer.result(WAIT_S)
    assert got.count == 7
    assert got.left_out.startswith("left out: ")
    nothing = opened(0)
    judged(nothing)
    answer = door.Future()
    door.PacketCutter(nothing, (), is_kept=True).cut("k", Case(lead.session), 2**62, answer)
    with pytest.raises(PacketsError, match="not kept any more"):
        answer.result(WAIT_S)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("packets") / "serve.sock"
    process = start("--replay", DEMO, "--stay", "--listen", path, listen=True)
    try:
        wait_for(path.exists, "the socket")
        yield path
    finally:
        stop(process)


def test_an_attached_screen_gets_the_same(running: Path, source: EngineSource) -> None:
    want = source.packets(key_of(source)).result(WAIT_S)
    remotes = [RemoteSource(str(running), period_s=0.05) for _ in range(3)]
    for remote in remotes:
        remote.start()
    try:
        for remote in remotes:
            wait_for(lambda remote=remote: remote.view().sessions, "a view")
        answers = [remote.packets(key_of(remote)) for remote in remotes]
        assert [answer.result(WAIT_S) for answer in answers] == [want] * 3
        with pytest.raises(PacketsError, match="no longer kept in memory"):
            remotes[0].packets("0123456789ab/1").result(WAIT_S)
        # Given up, then asked for again: also while the view stands still.
        remotes[0].set_paused(True)
        remotes[0].packets(key_of(remotes[0])).cancel()
        assert remotes[0].packets(key_of(remotes[0])).result(WAIT_S) == want
    finally:
        for remote in remotes:
            remote.close()


def test_many_parts_make_the_whole() -> None:
    from ctcpmon.tui.remote_source import _Wanted
    from ctcpmon.tui.wire import PacketsPart

    whole = Packets("k", ("10.0.0.1", 1), ("10.0.0.2", 2), os.urandom(3 * PART_BYTES), 3, numbers=(1, 2, 3))
    data = encode_packets(whole)
    wanted = _Wanted("k", 4)
    assert not wanted.take(PacketsPart(4, 0, 0))
    while not wanted.answer.done():
        at = len(wanted.data)
        wanted.take(PacketsPart(4, at, len(data), data[at : at + PART_BYTES]))
    assert wanted.answer.result() == whole
    assert packets_of(data) == whole
