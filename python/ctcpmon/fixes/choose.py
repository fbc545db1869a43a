"""Which fixes fit a finding, best first. Predicates and ranks are data of the recipes; this reads them.

Order: first what can be used at this place (fixes for any device, and those for the platforms that
stand in front of the client), then platforms of the site whose place is not told, then those in
front of other clients, last those the site does not have. Within each, the recipe's rank.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ctcpmon.fixes.place import Place, place_of
from ctcpmon.fixes.recipe import Recipe, Treats, catalogue
from ctcpmon.platforms import family_of

if TYPE_CHECKING:
    from ctcpmon.config import Site
    from ctcpmon.engine import Finding

__all__ = ["HEADEND_OUTAGE", "fixes_for", "fixes_for_detector"]

HEADEND_OUTAGE = "ctcp.headend_outage"
"""Ranks under this id hold when a whole headend is affected, not one stream."""


def fixes_for(
    finding: Finding,
    site: Site | None = None,
    platform: str | None = None,
    *,
    is_headend_outage: bool = False,
) -> tuple[Recipe, ...]:
    """Recipes for one finding, best first.

    ``platform`` keeps the recipes for that platform and those for any. After a stall the cause of
    the first stall decides, as it does for the incident; ``is_headend_outage`` (several clients of
    one headend lost it together) overrules both.
    """
    session = finding.session
    detector = finding.detector
    if is_headend_outage:
        detector = HEADEND_OUTAGE
    elif finding.verdict == "stalled" and session.signature:
        detector = session.signature
    evidence = {item.name: item.value for item in finding.evidence}
    place = place_of(site, session.client_ip, session.headend_ip, session.headend_port)
    return tuple(
        recipe
        for recipe in _ranked(detector, frozenset(evidence), place, platform)
        if (not recipe.when.protocols or session.protocol in recipe.when.protocols)
        and all(
            wanted.name in evidence
            and (wanted.at_least is None or evidence[wanted.name] >= wanted.at_least)
            and (wanted.at_most is None or evidence[wanted.name] <= wanted.at_most)
            for wanted in recipe.when.evidence
        )
    )


def fixes_for_detector(
    detector: str, site: Site | None = None, platform: str | None = None
) -> tuple[Recipe, ...]:
    """Recipes that treat a detector's findings, best first, without looking at a session."""
    return _ranked(detector, frozenset(), place_of(site, "", "", 0), platform)


@lru_cache(maxsize=1_024)
def _ranked(
    detector: str, evidence: frozenset[str], place: Place, platform: str | None
) -> tuple[Recipe, ...]:
    wanted = {family_of(platform) or platform, "any"} if platform is not None else None
    ranked: list[tuple[int, int, str, Recipe]] = []
    for recipe, entries in _treating(detector):
        rank = _rank(entries, evidence, place)
        if rank is not None and (wanted is None or recipe.platform in wanted):
            ranked.append((_tier(recipe, place), rank, recipe.id, recipe))
    return tuple(recipe for *_, recipe in sorted(ranked, key=lambda entry: entry[:3]))


@lru_cache(maxsize=64)
def _treating(detector: str) -> tuple[tuple[Recipe, tuple[Treats, ...]], ...]:
    """Recipes for a detector with their entries for it."""
    found = (
        (recipe, tuple(treats for treats in recipe.treats if treats.detector == detector))
        for recipe in catalogue().values()
    )
    return tuple((recipe, entries) for recipe, entries in found if entries)


def _rank(entries: tuple[Treats, ...], evidence: frozenset[str], place: Place) -> int | None:
    holding = [
        treats
        for treats in entries
        if (not treats.if_evidence or treats.if_evidence in evidence)
        and (not treats.if_site or treats.if_site == place.udp)
    ]
    conditional = [treats.rank for treats in holding if treats.if_evidence or treats.if_site]
    return min(conditional or [treats.rank for treats in holding], default=None)


def _tier(recipe: Recipe, place: Place) -> int:
    if recipe.platform == "any":
        return 0
    match place.standing(recipe.platform):
        case "on_path":
            return 0
        case "in_site":
            return 1 if place.on_path else 0
        case "elsewhere":
            return 2
        case "foreign":
            return 3
        case "unknown":
            return 0 if recipe.is_common else 1
