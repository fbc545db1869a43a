"""When a fix fits a finding and how it ranks: the part of a recipe that choosing needs. Types only.

``recipe.Recipe`` holds the same fields beside the text; ``ranks.RANKS`` holds them alone, so that a run
that names fixes does not read their text.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["EvidenceRange", "Ranks", "Treats", "When", "Words"]

Words = Annotated[str, Meta(min_length=1)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Treats(_Part, frozen=True):
    """One detector whose findings the fix treats."""

    detector: Words
    rank: Annotated[int, Meta(ge=1, le=999)]
    """Order among the fixes of one finding; lower comes first."""
    if_evidence: str = ""
    """The entry counts only for findings that have this evidence; empty: for all."""
    if_site: Literal["", "udp_works", "udp_refused"] = ""
    """The entry counts only where the site file says so (``place.Place.udp``); empty: everywhere.

    An entry with a condition that holds goes before the ones without.
    """


class EvidenceRange(_Part, frozen=True):
    """Holds when the finding has this evidence and its value lies in the range."""

    name: Words
    at_least: float | None = None
    at_most: float | None = None


class When(_Part, frozen=True):
    """Further conditions; all must hold. An empty list means no condition."""

    protocols: tuple[Literal["ctcp", "faketcp", "iketcp", "ike_tcp"], ...] = ()
    evidence: tuple[EvidenceRange, ...] = ()


class Ranks(_Part, frozen=True):
    """What ``choose`` reads of one recipe; the fields mean what they mean in ``recipe.Recipe``."""

    id: str
    platform: str
    treats: tuple[Treats, ...]
    when: When = When()
    is_common: bool = False
