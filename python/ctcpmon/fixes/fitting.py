"""When a fix fits a finding and how it ranks: the part of a recipe that choosing needs. Types only.

``recipe.Recipe`` has the same fields beside the text, and the rules for them; ``ranks.RANKS`` holds these
alone, so that a run that names fixes does not read their text.
"""

from __future__ import annotations

from ctcpmon.records import Record

__all__ = ["EvidenceRange", "Ranks", "Treats", "When"]


class Treats(Record, frozen=True):
    """``recipe.Treats``."""

    detector: str
    rank: int
    if_evidence: str = ""
    if_site: str = ""


class EvidenceRange(Record, frozen=True):
    """``recipe.EvidenceRange``."""

    name: str
    at_least: float | None = None
    at_most: float | None = None


class When(Record, frozen=True):
    """``recipe.When``."""

    protocols: tuple[str, ...] = ()
    evidence: tuple[EvidenceRange, ...] = ()


class Ranks(Record, frozen=True):
    """What ``choose`` reads of one recipe."""

    id: str
    platform: str
    treats: tuple[Treats, ...]
    when: When = When()
    is_common: bool = False
