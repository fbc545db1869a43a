"""The form of a fix recipe file ``<id>.toml`` and its loader. No rendering, no choosing.

A recipe is text for a person to type elsewhere. Nothing in it runs, and there is no field that
could make it run.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from ctcpmon.errors import FixError
from ctcpmon.fixes.placeholders import NAMES, SITE_NAMES, placeholders_in
from ctcpmon.platforms import PLATFORMS
from ctcpmon.strict_toml import StrictTomlError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PLANNED_DETECTORS",
    "EvidenceRange",
    "Recipe",
    "Reference",
    "Step",
    "Treats",
    "When",
    "catalogue",
    "load_recipe",
]

PLANNED_DETECTORS = frozenset({"ctcp.inspection_queue_freeze", "ctcp.headend_outage"})
"""Detector ids that recipes may treat although an engine may not have them.

``ctcp.headend_outage`` also stands for a group of findings: ``choose.fixes_for`` uses its ranks
when the caller says that the whole headend is affected.
"""

Words = Annotated[str, Meta(min_length=1)]
Mark = Literal["V", "V2", "M", "I"]
FixId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{2,47}$")]
ReleaseText = Annotated[str, Meta(pattern=r"^([0-9]+(\.[0-9]+)*(\([0-9]+\))?)?$")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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


class Step(_Part, frozen=True):
    """One block of text to type or one thing to do."""

    title: Words
    text: Words
    mark: Mark
    """How the syntax was confirmed."""
    role: Literal["prove", "apply", "instead", "then", "advice"] = "advice"
    """``apply`` is what a person copies; ``instead`` replaces it; the others go before or after."""
    ip_versions: tuple[Literal[4, 6], ...] = (4, 6)
    ipv6_text: str = ""
    """Replaces ``text`` for IPv6 where the syntax differs."""
    ipv6_note: str = ""
    note: str = ""
    since: ReleaseText = ""
    """First release that has it."""
    only_before: ReleaseText = ""
    """Release before which this step replaces the others."""
    release_of: Literal["firewall", "headend"] = "firewall"
    """Whose release ``since`` and ``only_before`` mean."""
    headend: str = ""
    """Only for headends of this platform; empty: for all."""


class Reference(_Part, frozen=True):
    """Where a statement of the recipe comes from."""

    text: Words
    mark: Mark
    url: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")] = ""


class Recipe(_Part, frozen=True):
    """One fix, as data."""

    id: FixId
    title: Words
    platform: Annotated[str, Meta(pattern=r"^[a-z0-9-]{2,20}$")]
    """``any``, or the device family the steps are for."""
    platform_name: Words
    cause: Words
    """The cause it removes, in words."""
    treats: Annotated[tuple[Treats, ...], Meta(min_length=1)]
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    why: Words
    risk: Words
    verify: Words
    undo: Words
    references: Annotated[tuple[Reference, ...], Meta(min_length=1)]
    when: When = When()
    is_common: bool = False
    """Stays among the first when nothing is known about the devices of the site."""
    usual_names: dict[str, str] = {}
    """What the device calls it unless the site file says otherwise: ``POLICY``, ``global_policy``."""
    ipv6_verify: str = ""
    ipv6_undo: str = ""
    ledger: bool = False
    """True: the loss ledger of the session is printed below the steps."""


def load_recipe(text: str, where: str) -> Recipe:
    """Parses one recipe; ``where`` names the file. Raises ``FixError`` (unknown keys, placeholders)."""
    try:
        recipe = parse(text, Recipe, where)
    except StrictTomlError as error:
        raise FixError(str(error)) from error
    steps = (f"{step.title}\n{step.text}\n{step.ipv6_text}" for step in recipe.steps)
    for piece in (recipe.verify, recipe.ipv6_verify, recipe.undo, recipe.ipv6_undo, *steps):
        unknown = sorted(placeholders_in(piece) - set(NAMES))
        if unknown:
            message = f"{where}: unknown placeholder {{{unknown[0]}}}; known: {', '.join(NAMES)}"
            raise FixError(message)
    strange = sorted(set(recipe.usual_names) - set(SITE_NAMES))
    if strange:
        message = f"{where}: usual_names has {strange[0]!r}; known: {', '.join(SITE_NAMES)}"
        raise FixError(message)
    if recipe.platform != "any" and recipe.platform not in PLATFORMS:
        message = f"{where}: unknown platform {recipe.platform!r}; known: any, {', '.join(PLATFORMS)}"
        raise FixError(message)
    return recipe


@cache
def catalogue() -> Mapping[str, Recipe]:
    """All shipped recipes by id, in alphabetical order. Raises ``FixError``."""
    recipes: dict[str, Recipe] = {}
    folder = resources.files("ctcpmon.fixes")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            recipe = load_recipe(entry.read_text("utf-8"), entry.name)
            if entry.name != f"{recipe.id}.toml":
                message = f"{entry.name}: the id is {recipe.id!r}, so the file must be {recipe.id}.toml"
                raise FixError(message)
            recipes[recipe.id] = recipe
    return MappingProxyType(recipes)
