"""Trees and bytes as lines of plain text, for the command line and the screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.dissect.tree import Node

__all__ = ["HEX_CELLS", "HexLine", "TreeRow", "bytes_per_line", "hex_lines", "tree_rows"]

HEX_CELLS = 73
"""Of a line with 16 bytes."""
_MAX_HEX_LINES = 4_096


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A line of a tree."""

    key: str
    """Way to it from the top: ``3.0.2``."""
    depth: int
    label: str
    at: int
    size: int
    has_children: bool
    is_open: bool


def tree_rows(layers: tuple[Node, ...], is_open: Callable[[str, Node], bool]) -> list[TreeRow]:
    """Lines of the tree as far as it is unfolded."""
    rows: list[TreeRow] = []

    def add(nodes: tuple[Node, ...], way: str, depth: int) -> None:
        for number, node in enumerate(nodes):
            key = f"{way}{number}"
            unfolded = bool(node.children) and is_open(key, node)
            rows.append(TreeRow(key, depth, node.label, node.at, node.size, bool(node.children), unfolded))
            if unfolded:
                add(node.children, f"{key}.", depth + 1)

    add(layers, "", 0)
    return rows


@dataclass(frozen=True, slots=True)
class HexLine:
    """Some bytes of a packet: place, numbers, characters."""

    start: int
    at: str
    numbers: tuple[str, ...]
    """Two digits each."""
    characters: str


def bytes_per_line(cells: int) -> int:
    """16 where there is room, else 8."""
    return 16 if cells >= HEX_CELLS else 8


def hex_lines(data: bytes, per_line: int = 16) -> list[HexLine]:
    """All bytes, up to a bound that no captured packet reaches."""
    lines = []
    for start in range(0, min(len(data), _MAX_HEX_LINES * per_line), per_line):
        part = data[start : start + per_line]
        shown = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in part)
        lines.append(HexLine(start, f"{start:04x}", tuple(f"{one:02x}" for one in part), shown))
    return lines
