"""Which fixes fit a finding, best first. Predicates are data of the recipes; this only reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.fixes.recipe import Recipe, catalogue

if TYPE_CHECKING:
    from ctcpmon.config import Site
    from ctcpmon.engine import Finding

__all__ = ["fixes_for", "fixes_for_detector"]

_FOREIGN_PLATFORM = 1000


def fixes_for(finding: Finding, site: Site | None = None, platform: str | None = None) -> tuple[Recipe, ...]:
    """Recipes for one finding, best first.

    ``platform`` keeps the recipes for that platform and those for any. A site with known firewall
    platforms puts recipes for other platforms last. After a stall the cause of the
    first stall decides, as it does for the incident.
    """
    detector = finding.detector
    if finding.verdict == "stalled" and finding.session.signature:
        detector = finding.session.signature
    evidence = {item.name: item.value for item in finding.evidence}
    protocol = finding.session.protocol
    return tuple(
        recipe
        for recipe in _ranked(detector, set(evidence), site, platform)
        if (not recipe.when.protocols or protocol in recipe.when.protocols)
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
    return _ranked(detector, set(), site, platform)


def _ranked(detector: str, evidence: set[str], site: Site | None, platform: str | None) -> tuple[Recipe, ...]:
    here = set(site.platforms) if site is not None else set()
    ranked: list[tuple[int, str, Recipe]] = []
    for recipe in catalogue().values():
        ranks = [
            treats.rank
            for treats in recipe.treats
            if treats.detector == detector and (not treats.if_evidence or treats.if_evidence in evidence)
        ]
        if not ranks or (platform is not None and recipe.platform not in {platform, "any"}):
            continue
        is_foreign = bool(here) and recipe.platform not in here and recipe.platform != "any"
        ranked.append((min(ranks) + _FOREIGN_PLATFORM * is_foreign, recipe.id, recipe))
    return tuple(recipe for _, _, recipe in sorted(ranked, key=lambda entry: entry[:2]))
