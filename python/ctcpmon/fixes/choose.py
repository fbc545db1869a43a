"""Which fixes fit a finding, best first. Predicates and ranks are data of the recipes, read as ``RANKS``.

Order: first what can be used at this place (fixes for any device, and those for the platforms that
stand in front of the client), then platforms of the site whose place is not told, then those in
front of other clients, last those the site does not have. Within each, the recipe's rank.
"""

from __future__ import annotations

from ctcpmon.fixes.place import Place, place_of
from ctcpmon.fixes.ranks import RANKS
from ctcpmon.lean import remembered
from ctcpmon.platforms import family_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.config import Site
    from ctcpmon.engine import Finding
    from ctcpmon.fixes.fitting import Ranks, Treats, When
    from ctcpmon.fixes.recipe import Recipe

__all__ = ["HEADEND_OUTAGE", "fix_ids_for", "fixes_for", "fixes_for_detector"]

HEADEND_OUTAGE = "ctcp.headend_outage"
"""Ranks under this id hold when a whole headend is affected, not one stream."""


def fix_ids_for(
    finding: Finding,
    site: Site | None = None,
    platform: str | None = None,
    *,
    is_headend_outage: bool = False,
) -> tuple[str, ...]:
    """Ids of the recipes for one finding, best first; no recipe's text is read.

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
    evidence = finding.measured
    place = place_of(site, session.client_ip, session.headend_ip, session.headend_port)
    ranked, ids = _ranked((detector, tuple(evidence), place, platform, session.protocol))
    return ids or tuple([entry.id for entry in ranked if _holds(entry.when, evidence)])


def fixes_for(
    finding: Finding,
    site: Site | None = None,
    platform: str | None = None,
    *,
    is_headend_outage: bool = False,
) -> tuple[Recipe, ...]:
    """The recipes that ``fix_ids_for`` names."""
    return _recipes(fix_ids_for(finding, site, platform, is_headend_outage=is_headend_outage))


def fixes_for_detector(
    detector: str, site: Site | None = None, platform: str | None = None
) -> tuple[Recipe, ...]:
    """Recipes that treat a detector's findings, best first, without looking at a session."""
    entries, _ = _ranked((detector, (), place_of(site, "", "", 0), platform, None))
    return _recipes(tuple(entry.id for entry in entries))


def _recipes(ids: tuple[str, ...]) -> tuple[Recipe, ...]:
    from ctcpmon.fixes.recipe import catalogue

    recipes = catalogue()
    return tuple(recipes[one] for one in ids)


def _holds(when: When, evidence: dict[str, float]) -> bool:
    return all(
        wanted.name in evidence
        and (wanted.at_least is None or evidence[wanted.name] >= wanted.at_least)
        and (wanted.at_most is None or evidence[wanted.name] <= wanted.at_most)
        for wanted in when.evidence
    )


@remembered(1_024)
def _ranked(
    asked: tuple[str, tuple[str, ...], Place, str | None, str | None],
) -> tuple[tuple[Ranks, ...], tuple[str, ...]]:
    """For detector, names of evidence, place, platform and protocol (None: any) the recipes, best first.

    And their ids when no value of the evidence can rule one out.
    """
    detector, evidence, place, platform, protocol = asked
    wanted = {family_of(platform) or platform, "any"} if platform is not None else None
    ranked: list[tuple[int, int, str, Ranks]] = []
    for entry, treating in _treating(detector):
        if protocol is not None and entry.when.protocols and protocol not in entry.when.protocols:
            continue
        rank = _rank(treating, evidence, place)
        if rank is not None and (wanted is None or entry.platform in wanted):
            ranked.append((_tier(entry, place), rank, entry.id, entry))
    entries = tuple(entry for *_, entry in sorted(ranked, key=lambda one: one[:3]))
    is_settled = not any(entry.when.evidence for entry in entries)
    return entries, tuple(entry.id for entry in entries) if is_settled else ()


@remembered(64)
def _treating(detector: str) -> tuple[tuple[Ranks, tuple[Treats, ...]], ...]:
    """Recipes for a detector with what they say of it."""
    found = (
        (entry, tuple(treats for treats in entry.treats if treats.detector == detector)) for entry in RANKS
    )
    return tuple((entry, treating) for entry, treating in found if treating)


def _rank(entries: tuple[Treats, ...], evidence: tuple[str, ...], place: Place) -> int | None:
    holding = [
        treats
        for treats in entries
        if (not treats.if_evidence or treats.if_evidence in evidence)
        and (not treats.if_site or treats.if_site == place.udp)
    ]
    conditional = [treats.rank for treats in holding if treats.if_evidence or treats.if_site]
    return min(conditional or [treats.rank for treats in holding], default=None)


def _tier(entry: Ranks, place: Place) -> int:
    if entry.platform == "any":
        return 0
    match place.standing(entry.platform):
        case "on_path":
            return 0
        case "in_site":
            return 1 if place.on_path else 0
        case "elsewhere":
            return 2
        case "foreign":
            return 3
        case "unknown":
            return 0 if entry.is_common else 1
