"""The packets of one session as a list whose fields come bit by bit. Pure: who asks starts the dissection.

Times, lengths, bytes and remarks are there from the start, from the slice. Fields are asked for in blocks
around the packet that is looked at; trees are kept for a bounded number of packets, rows for all.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctcpmon.dissect.slices import proof_of
from ctcpmon.dissect.summary import Summaries, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctcpmon.dissect.dissection import Dissection
    from ctcpmon.dissect.slices import SliceFile, SliceFrame
    from ctcpmon.dissect.tree import Dissected

__all__ = ["BLOCK", "PacketBook", "PacketRow"]

BLOCK = 100
"""Packets dissected at once: a start of tshark costs as much as 250 of them (measured)."""
_HEAD = 4
"""The first packets of both sides: sequence numbers count from them."""
_MAX_TREES = 1_000
"""10 kB each, as text."""


@dataclass(frozen=True, slots=True)
class PacketRow:
    """One packet in the list."""

    number: int
    time_ns: int
    since_ns: int
    """Since the packet before."""
    length: int
    remarks: tuple[str, ...]
    is_from_client: bool | None = None
    """None: not known yet, or the client is not."""
    text: str = ""
    """What it is; empty until it is dissected."""

    @property
    def key(self) -> str:
        """Key of its row."""
        return str(self.number)


class PacketBook:
    """What is known of the packets of a slice."""

    def __init__(self, cut: SliceFile, client: tuple[str, int] | None = None) -> None:
        """``client`` is the end that is drawn on the left."""
        self.cut = cut
        self._client = client
        self._summaries = Summaries()
        self._trees: OrderedDict[int, Dissected] = OrderedDict()
        self._hopeless: set[int] = set()
        before = [cut.frames[0], *cut.frames[:-1]] if cut.frames else []
        self.rows = [
            PacketRow(one.number, one.time_ns, one.time_ns - last.time_ns, one.length, one.remarks)
            for one, last in zip(cut.frames, before, strict=True)
        ]

    @property
    def proof(self) -> int:
        """Number of the packet to look at first."""
        return proof_of(self.cut.frames)

    def frame(self, number: int) -> SliceFrame | None:
        """A packet as captured."""
        return self.cut.frames[number - 1] if 1 <= number <= len(self.cut.frames) else None

    def tree(self, number: int) -> Dissected | None:
        """Its fields, when they are known."""
        found = self._trees.get(number)
        if found is not None:
            self._trees.move_to_end(number)
        return found

    def wanted(self, number: int) -> list[int]:
        """Packets to dissect now that ``number`` is looked at; none when it is known, or never will be."""
        total = len(self.rows)
        if not 1 <= number <= total or number in self._trees or number in self._hopeless:
            return []
        first = max((number - 1) // BLOCK * BLOCK + 1, 1)
        block = range(first, min(first + BLOCK, total + 1))
        head = [one for one in range(1, min(_HEAD, total) + 1) if one < first and not self.rows[one - 1].text]
        return [*head, *(one for one in block if one not in self._trees)]

    def take(self, asked: Iterable[int], found: Dissection) -> None:
        """Takes in what came back; what did not is not asked for again, unless nobody waited for it."""
        for number, packet in sorted(found.packets.items()):
            self._trees[number] = packet
            self._trees.move_to_end(number)
            frame = self.cut.frames[number - 1]
            self._describe(number, self._summaries.of(packet, frame.data, frame.length))
        while len(self._trees) > _MAX_TREES:
            self._trees.popitem(last=False)
        if found.problem != "cancelled":
            self._hopeless.update(set(asked) - found.packets.keys())

    def _describe(self, number: int, said: Summary) -> None:
        row = self.rows[number - 1]
        side = None
        if self._client is not None:
            ip, port = self._client
            end = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
            side = True if said.source == end else False if said.target == end else None
        self.rows[number - 1] = PacketRow(
            row.number, row.time_ns, row.since_ns, row.length, row.remarks, side, said.text
        )
