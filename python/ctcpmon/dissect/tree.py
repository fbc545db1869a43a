"""What a dissector says about a packet: nested fields. Types that are read strictly, and their cleaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LABEL_CELLS", "Dissected", "Node", "cleaned", "find", "walk"]

LABEL_CELLS = 300
"""Longest text of a field; tshark cuts its own labels at 240 bytes."""
_NAME_CELLS = 80


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """A layer or a field."""

    name: str
    """As in a display filter: ``tcp.srcport``; empty for text without a field."""
    label: str
    """As Wireshark shows it: ``Source Port: 1077``."""
    value: str = ""
    at: int = 0
    """First byte in the packet."""
    size: int = 0
    """Bytes; 0: made by the dissector, stands nowhere."""
    children: tuple[Node, ...] = ()


class Dissected(msgspec.Struct, frozen=True, omit_defaults=True):
    """One packet."""

    number: int
    layers: tuple[Node, ...]
    is_cut: bool = False
    """There were more fields than are taken."""


def cleaned(node: Node) -> Node:
    """The same, safe to show."""
    return Node(
        clean(node.name, _NAME_CELLS),
        clean(node.label, LABEL_CELLS),
        clean(node.value, LABEL_CELLS),
        max(node.at, 0),
        max(node.size, 0),
        tuple(map(cleaned, node.children)),
    )


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """All nodes, as they are shown from top to bottom."""
    for node in nodes:
        yield node
        yield from walk(node.children)


def find(layers: tuple[Node, ...], name: str) -> str:
    """Value of the first field of that name; empty when there is none."""
    return next((node.value for node in walk(layers) if node.name == name), "")
