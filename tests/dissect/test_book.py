"""What is asked for, kept and shown of the packets of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.dissect import book as books
from ctcpmon.dissect.book import BLOCK, PacketBook
from ctcpmon.dissect.dissection import Dissection
from ctcpmon.dissect.lines import bytes_per_line, hex_lines, tree_rows
from ctcpmon.dissect.slices import read_slice
from ctcpmon.dissect.tree import Dissected, Node

from tests.dissect.made import packet_block, pcapng, segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

CLIENT = ("10.0.0.1", 1061)
CUT = read_slice(pcapng(*(packet_block(segment(at), at * 10, *([b"x"] * (at == 250))) for at in range(350))))


def tree(number: int, *, seq: int = 0, is_back: bool = False, payload: bool = False) -> Dissected:
    ends = ("10.0.0.1", "1061"), ("10.0.0.2", "10000")
    (source, port), (target, to) = reversed(ends) if is_back else ends
    fields = {
        "tcp.srcport": port,
        "tcp.dstport": to,
        "tcp.flags": "0x18",
        "tcp.seq": str(seq or number),
        "tcp.ack": "7",
    }
    tcp = [Node(name, name, value) for name, value in fields.items()]
    if payload:
        tcp.append(Node("tcp.payload", "TCP payload", "", 54, 64))
    ip = (Node("ip.src", "", source), Node("ip.dst", "", target))
    return Dissected(number, (Node("ip", "IP", children=ip), Node("tcp", "TCP", children=tuple(tcp))))


def answer(numbers: Iterable[int], problem: str = "") -> Dissection:
    return Dissection({number: tree(number) for number in numbers}, problem)


def test_a_block_around_the_packet_is_asked_for_once() -> None:
    book = PacketBook(CUT, CLIENT)
    assert book.proof == 251
    asked = book.wanted(251)
    assert asked == [1, 2, 3, 4, *range(201, 301)]
    book.take(asked, answer(asked))
    assert book.wanted(299) == []
    assert book.wanted(301) == list(range(301, 351))
    assert book.wanted(0) == book.wanted(351) == []
    assert len(book.wanted(150)) == BLOCK


def test_what_did_not_come_is_not_asked_for_for_ever() -> None:
    book = PacketBook(CUT, CLIENT)
    book.take(range(1, 101), answer(range(1, 51), "tshark ended early"))
    assert book.wanted(50) == []
    assert book.wanted(60) == []
    book.take(range(101, 201), answer((), "cancelled"))
    assert book.wanted(150) != []


def test_trees_are_bounded_and_rows_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MAX_TREES", 10)
    book = PacketBook(CUT, CLIENT)
    book.take(range(1, 101), answer(range(1, 101)))
    assert book.tree(50) is None
    assert book.tree(100) is not None
    assert book.rows[49].text
    assert 50 in book.wanted(50)


def test_sides_are_told_from_the_client() -> None:
    book = PacketBook(CUT, CLIENT)
    book.take((1, 2), Dissection({1: tree(1), 2: tree(2, is_back=True)}))
    assert [row.is_from_client for row in book.rows[:3]] == [True, False, None]
    assert book.rows[1].since_ns == 10


def test_a_number_that_wraps_stays_small() -> None:
    book = PacketBook(CUT, CLIENT)
    book.take((1, 2), Dissection({1: tree(1, seq=2**32 - 1), 2: tree(2, seq=9)}))
    assert "seq 11" in book.rows[1].text


def test_a_segment_that_was_cut_is_told_with_what_its_front_says() -> None:
    data = segment(1, bytes.fromhex("4952f7a600000009"))
    raw = packet_block(data, 5)
    longer = raw[: 8 + 16] + (999).to_bytes(4, "little") + raw[8 + 20 :]
    book = PacketBook(read_slice(pcapng(longer)), CLIENT)
    book.take((1,), Dissection({1: tree(1, payload=True)}))
    assert book.rows[0].text.endswith("ESP? 0x4952f7a6 #9 cut")


def test_an_empty_slice_has_no_rows() -> None:
    book = PacketBook(read_slice(pcapng()))
    assert book.rows == []
    assert book.wanted(1) == []
    assert book.frame(1) is None


def test_a_tree_unfolds_where_it_is_open() -> None:
    layers = (Node("a", "A", children=(Node("b", "B", children=(Node("c", "C"),)),)), Node("d", "D"))
    rows = tree_rows(layers, lambda key, _node: key == "0")
    assert [(row.key, row.depth, row.has_children, row.is_open) for row in rows] == [
        ("0", 0, True, True), ("0.0", 1, True, False), ("1", 0, False, False),
    ]  # fmt: skip


def test_bytes_in_lines() -> None:
    lines = hex_lines(bytes(range(0x30, 0x45)), 16)
    assert [line.at for line in lines] == ["0000", "0010"]
    assert lines[1].characters == "@ABCD"
    assert hex_lines(b"\x1b\x9b\x7f")[0].characters == "..."
    assert bytes_per_line(60) == 8
    assert bytes_per_line(80) == 16
