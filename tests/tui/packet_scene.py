"""Packets of a session made up for the screen, and a stand-in for the process that dissects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctcpmon.dissect.dissection import Dissection
from ctcpmon.dissect.tree import Dissected, Node
from ctcpmon.tui.packets import Packets

from tests.dissect.made import packet_block, pcapng, segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctcpmon.dissect.slices import SliceFile

__all__ = ["PROOF", "fake_dissect", "packets", "tree"]

_T0_NS = 1_795_487_891_402_000_000
PROOF = 30
"""Number of the packet with the first remark."""
_ESP = bytes.fromhex("2004350000000000") + bytes(range(64))


def packets(count: int = 60) -> Packets:
    """One side sends, the other one too; a packet was lost before ``PROOF``."""
    blocks = []
    for number in range(1, count + 1):
        seq = 1000 + 72 * (number // 2) + (72 if number >= PROOF else 0)
        remarks = {
            PROOF: [b"first segment behind the hole: hole of 72 bytes that nobody filled"],
            PROOF + 7: [
                b"first repeat of that ACK: the ACK of the other side has stood still for 6.2 s",
                b"judged here",
            ],
        }.get(number, [])
        data = segment(seq, _ESP, back=number % 2 == 1)
        blocks.append(packet_block(data, _T0_NS + number * 37_500_000, *remarks))
    return Packets(
        session="000000000001/1",
        client=("10.0.0.1", 1061),
        headend=("10.0.0.2", 10000),
        pcapng=pcapng(*blocks),
        count=count,
        numbers=tuple(range(18_000, 18_000 + 3 * count, 3)),
        story="stalled",
    )


def tree(number: int) -> Dissected:
    """What tshark would say, in short."""
    ends = [("10.0.0.1", "1061"), ("10.0.0.2", "10000")]
    (source, port), (target, to) = reversed(ends) if number % 2 else ends
    flags = tuple(
        Node(
            f"tcp.flags.{name}",
            f".... ...{bit} = {name.title()}: {'Set' if bit else 'Not set'}",
            str(bit),
            46,
            2,
        )
        for name, bit in (("push", 1), ("ack", 1), ("reset", 0))
    )
    seq = 1000 + 72 * (number // 2) + (72 if number >= PROOF else 0)
    layers = (
        Node("frame", f"Frame {number}: 126 bytes on wire", "", 0, 126, (Node("frame.number", f"Frame Number: {number}", str(number)),)),
        Node("eth", "Ethernet II, Src: 00:00:00:00:00:00, Dst: 00:00:00:00:00:00", "", 0, 14),
        Node("ip", f"Internet Protocol Version 4, Src: {source}, Dst: {target}", "", 14, 20, (
            Node("ip.src", f"Source Address: {source}", source, 26, 4), Node("ip.dst", f"Destination Address: {target}", target, 30, 4),
        )),
        Node("tcp", f"Transmission Control Protocol, Src Port: {port}, Dst Port: {to}, Seq: {seq}", "", 34, 20, (
            Node("tcp.srcport", f"Source Port: {port}", port, 34, 2), Node("tcp.dstport", f"Destination Port: {to}", to, 36, 2),
            Node("tcp.len", "TCP Segment Len: 72", "72"), Node("tcp.seq", f"Sequence Number: {seq}", str(seq), 38, 4),
            Node("tcp.ack", f"Acknowledgment Number: {999 + number // 2}", str(999 + number // 2), 42, 4), Node("tcp.flags", "Flags: 0x018 (PSH, ACK)", "0x0018", 46, 2, flags),
            Node("tcp.window_size_value", "Window: 2048", "2048", 48, 2),
        )),
        Node("tcpencap", "TCP Encapsulation of IPsec Packets", "", 110, 16, (Node("tcpencap.magic", "Magic number: 21456c6910", "", 118, 5),)),
        Node("esp", "Encapsulating Security Payload", "", 54, 56, (
            Node("esp.spi", "ESP SPI: 0x20043500 (537146624)", "0x20043500", 54, 4), Node("esp.sequence", f"ESP Sequence: {number}", str(number), 58, 4),
        )),
    )  # fmt: skip
    return Dissected(number, layers)


def fake_dissect(_cut: SliceFile, numbers: Iterable[int], **_more: Any) -> Dissection:
    """Answers at once."""
    return Dissection({number: tree(number) for number in numbers})
