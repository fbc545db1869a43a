"""The floor: numbers that a score may not fall below, read from ``floor.toml``. Prints nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .scoring import Row, delays, share

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = Path(__file__).with_name("floor.toml")


@dataclass(frozen=True)
class Floor:
    """One field for each line of the file; a missing or an unknown line is a ``TypeError``."""

    flows_least: int
    false_stalls_most: int
    missed_stalls_most: int
    before_onset_most: int
    right_least: float
    class_right_least: float
    direction_right_least: float
    loss_side_right_least: float
    loss_side_unsaid_most: int
    delay_median_s_most: float
    delay_p95_s_most: float

    @classmethod
    def load(cls, path: Path = PATH) -> Floor:
        """Reads the file."""
        return cls(**tomllib.loads(path.read_text("utf-8")))


def shortfalls(rows: list[Row], stray: list[str], floor: Floor, *, is_whole: bool = True) -> list[str]:
    """What is below the floor, one sentence each.

    Of a part of the folder (``is_whole`` false) only false and missed stalls are held against it.
    """
    said = delays(rows)
    counts = {
        "false_stalls": sum(r.is_false_stall for r in rows) + len(stray),
        "missed_stalls": sum(r.is_missed for r in rows),
    }
    shares: dict[str, float] = {}
    if is_whole:
        counts["loss_side_unsaid"] = sum(r.loss_unsaid for r in rows)
        counts["before_onset"] = said.early if said else 0
        shares = {
            "flows": len([r for r in rows if r.expected]),
            "right": _part(r.is_right for r in rows if r.expected),
            "class_right": _part(r.class_right for r in rows),
            "direction_right": _part(r.direction_right for r in rows),
            "loss_side_right": _part(r.loss_right for r in rows),
        }
    below = [
        f"{name.replace('_', ' ')}: {n}, at most {limit} allowed"
        for name, n in counts.items()
        if n > (limit := getattr(floor, f"{name}_most"))
    ]
    below += [
        f"{name.replace('_', ' ')}: {n:.3f}, at least {limit} wanted"
        for name, n in shares.items()
        if n < (limit := getattr(floor, f"{name}_least"))
    ]
    if is_whole and said is None:
        below.append("delays: nothing was found")
    elif is_whole and said is not None:
        for name, value in (("median", said.median), ("p95", said.p95)):
            if value > (limit := getattr(floor, f"delay_{name}_s_most")):
                below.append(f"{name} delay: {value:.1f} s, at most {limit} s allowed")
    return below


def _part(values: Iterable[bool | None]) -> float:
    good, known = share(values)
    return good / known if known else 0.0
