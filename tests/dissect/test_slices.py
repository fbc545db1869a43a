"""The reader of slices: what our writer makes is read, anything else is survived."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from ctcpmon.dissect import slices
from ctcpmon.dissect.slices import proof_of, read_slice
from ctcpmon.errors import InputError

from tests.dissect.made import HOSTILE, block, packet_block, pcapng, segment

if TYPE_CHECKING:
    from collections.abc import Iterator

T0_NS = 1_795_402_680_069_000_000
GOOD = pcapng(
    packet_block(segment(1), T0_NS),
    packet_block(segment(2, b"abc"), T0_NS + 1, b"the proof", b"and another"),
    packet_block(segment(5), T0_NS + 2, b"later"),
    about=b"slice of abc",
)


def test_frames_times_and_remarks() -> None:
    cut = read_slice(GOOD)
    assert cut.about == ("slice of abc",)
    assert [one.number for one in cut.frames] == [1, 2, 3]
    assert [one.time_ns - T0_NS for one in cut.frames] == [0, 1, 2]
    assert cut.frames[1].data == segment(2, b"abc")
    assert cut.frames[1].remarks == ("the proof", "and another")
    assert not cut.is_cut
    assert proof_of(cut.frames) == 2


def test_without_a_remark_the_first_packet_is_looked_at() -> None:
    assert proof_of(read_slice(pcapng(packet_block(segment(1), T0_NS))).frames) == 1
    assert proof_of([]) == 1


def test_a_window_is_a_capture_of_its_own() -> None:
    cut = read_slice(GOOD)
    part = read_slice(cut.window([3, 1]))
    assert [one.data for one in part.frames] == [segment(5), segment(1)]


def test_remarks_are_clean() -> None:
    raw = pcapng(packet_block(segment(1), T0_NS, HOSTILE.encode()), about=HOSTILE.encode())
    cut = read_slice(raw)
    assert cut.about[0].isprintable()
    assert cut.frames[0].remarks[0].isprintable()
    assert "[/]" in cut.frames[0].remarks[0]


@pytest.mark.parametrize("raw", [b"", b"\n\r\r\n", b"\xd4\xc3\xb2\xa1" + bytes(20), bytes(100)])
def test_what_is_no_slice_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError, match="not a slice"):
        read_slice(raw)


def test_more_packets_than_are_looked_at_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_FRAMES", 2)
    cut = read_slice(GOOD)
    assert len(cut.frames) == 2
    assert cut.left_out == 1


def test_every_cut_is_survived_and_told() -> None:
    whole = len(read_slice(GOOD).frames)
    for at in range(28, len(GOOD)):
        cut = read_slice(GOOD[:at])
        assert len(cut.frames) <= whole
        assert cut.is_cut or len(GOOD[:at]) in boundaries()


def boundaries() -> set[int]:
    """Where blocks end: a slice that ends there looks whole."""

    def ends() -> Iterator[int]:
        at = 0
        while at < len(GOOD):
            at += int.from_bytes(GOOD[at + 4 : at + 8], "little")
            yield at

    return set(ends())


def test_damage_is_survived() -> None:
    rng = random.Random(1)
    for _ in range(5_000):
        raw = bytearray(GOOD)
        for _ in range(rng.randrange(1, 6)):
            raw[rng.randrange(12, len(raw))] = rng.choice((0, 0xFF, rng.randrange(256)))
        cut = read_slice(bytes(raw))
        assert all(text.isprintable() for one in cut.frames for text in one.remarks)


@pytest.mark.parametrize("interface", [1, 0xFFFFFFFF])
def test_a_packet_of_no_interface_is_damage(interface: int) -> None:
    cut = read_slice(pcapng(packet_block(segment(1), T0_NS, interface=interface)))
    assert cut.is_cut
    assert cut.frames == []


def test_a_resolution_nobody_can_have_is_survived() -> None:
    for value in range(256):
        raw = GOOD.replace(b"\x09\x00\x01\x00\x09", b"\x09\x00\x01\x00" + bytes([value]))
        assert len(read_slice(raw).frames) == 3


def test_unknown_blocks_are_stepped_over() -> None:
    assert len(read_slice(GOOD + block(0x0BAD, bytes(40)) + packet_block(segment(9), T0_NS)).frames) == 4
