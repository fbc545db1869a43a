"""Words about offloads that merge segments before a tap sees them (GRO, LRO)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ctcpmon.engine import LivePort

__all__ = ["line_to_type", "merged_remark", "remarks"]

_PARTS = {"GRO": "gro", "LRO": "lro"}
"""What ``ethtool -K`` calls them."""


def line_to_type(name: str, merging: Sequence[str]) -> str:
    """Switches them off until somebody switches them on."""
    parts = " ".join(f"{_PARTS[one]} off" for one in merging if one in _PARTS)
    return f"ethtool -K {shlex.quote(clean(name, 15))} {parts}"


def merged_remark(name: str, merging: Sequence[str]) -> str:
    """What it means that they are on, and what to do; empty when none is."""
    if not merging:
        return ""
    return (
        f"segments are merged before they are seen ({', '.join(merging)}): sizes, counts and copies "
        f"are those of merged ones. --offload-off switches that off for the time of a run; for good: "
        f"{line_to_type(name, merging)}"
    )


def remarks(ports: Iterable[LivePort]) -> Iterator[str]:
    """A line for each interface on which it is so."""
    for port in ports:
        if port.merging:
            yield f"{clean(port.name, 15)}: {merged_remark(port.name, port.merging)}"
