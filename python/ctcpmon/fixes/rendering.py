"""A recipe, a target and a place to text for a person. Substitution only; nothing is ever sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ctcpmon.errors import FixError
from ctcpmon.fixes.layout import fix_lines
from ctcpmon.fixes.ledger import ledger_lines
from ctcpmon.fixes.place import Place, fits_release, place_of
from ctcpmon.fixes.placeholders import SITE_NAMES, Target, fill, placeholders_in, site_values

if TYPE_CHECKING:
    from ctcpmon.config import Firewall, Site
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Finding, Session
    from ctcpmon.fixes.recipe import Recipe, Reference, Step

__all__ = [
    "MARKS",
    "RenderedFix",
    "RenderedStep",
    "render",
    "render_for_incident",
    "render_for_session",
]

MARKS = {
    "V": "read in the named page or source",
    "V2": "second-hand copy",
    "M": "unconfirmed, from memory",
    "I": "inferred, not tested",
}
"""The confidence marks of the domain notes, in words."""
_OWN_NAME = re.compile(r"<[a-z][a-z-]*>")


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """One block of text; ``is_available`` is False when the target's IP version has none."""

    title: str
    text: str
    confirmed: str
    note: str
    role: str
    is_available: bool


@dataclass(frozen=True, slots=True)
class RenderedFix:
    """A fix with its placeholders filled."""

    id: str
    title: str
    platform: str
    where: tuple[str, ...]
    """On which device of the site, and the headend's name; empty when the site file has neither."""
    cause: str
    why: str
    risk: str
    steps: tuple[RenderedStep, ...]
    verify: str
    undo: str
    references: tuple[str, ...]
    ledger: tuple[str, ...]
    to_fill_in: tuple[str, ...]
    """Placeholders that have no value for this target."""
    own_names: tuple[str, ...]
    """``<name>`` parts of the text that stand for a name on the reader's device."""
    site_keys: tuple[str, ...]
    """Keys of ``[[site.firewall]]`` that would fill some of them."""

    @property
    def config(self) -> str:
        """Only the text to type, for the clipboard; empty for fixes that are advice."""
        return "\n".join(step.text for step in self.steps if step.is_available and step.role == "apply")

    def lines(self, cells: int | None = None) -> tuple[str, ...]:
        """The whole fix as plain text; ``cells`` refills prose to that width, never text to type."""
        return fix_lines(self, cells)

    def text(self, cells: int | None = None) -> str:
        """``lines`` joined."""
        return "\n".join(self.lines(cells))


def render(
    recipe: Recipe,
    target: Target | None = None,
    *,
    session: Session | None = None,
    finding: Finding | None = None,
    site: Site | None = None,
) -> RenderedFix:
    """Fills a recipe for ``target``; without one the placeholders stay visible.

    ``site`` names the devices, and its releases and names choose and fill the steps. ``session``
    (and ``finding``) feed the loss ledger of recipes that have one.
    """
    place = place_of(site, target.client, target.server, target.port) if target is not None else None
    devices = place.devices(recipe.platform) if place is not None else ()
    device = devices[0] if devices else None
    names = site_values(device, recipe.usual_names)
    version = target.ip_version if target is not None else 4
    steps = tuple(
        _step(step, target, names, version, is_release_known=_release(step, device, place) is not None)
        for step in _fitting(recipe, device, place)
    )
    verify = fill(recipe.ipv6_verify if version == 6 and recipe.ipv6_verify else recipe.verify, target, names)
    undo = fill(recipe.ipv6_undo if version == 6 and recipe.ipv6_undo else recipe.undo, target, names)
    text = "\n".join((verify, undo, *(f"{step.title}\n{step.text}\n{step.note}" for step in steps)))
    return RenderedFix(
        id=recipe.id,
        title=recipe.title,
        platform=recipe.platform_name,
        where=_where(recipe, devices, place),
        cause=recipe.cause,
        why=recipe.why,
        risk=recipe.risk,
        steps=steps,
        verify=verify,
        undo=undo,
        references=tuple(_reference(reference) for reference in recipe.references),
        ledger=ledger_lines(session, finding) if recipe.ledger and session is not None else (),
        to_fill_in=tuple(sorted(placeholders_in(text))),
        own_names=tuple(sorted(set(_OWN_NAME.findall(text)))),
        site_keys=tuple(
            key
            for placeholder, key in SITE_NAMES.items()
            if names[placeholder].startswith("<") and names[placeholder] in text
        ),
    )


def render_for_session(
    recipe: Recipe, session: Session, finding: Finding | None = None, site: Site | None = None
) -> RenderedFix:
    """Fills a recipe for one session; unusable addresses leave the placeholders unfilled."""
    try:
        target = Target.for_session(session)
    except FixError:
        target = None
    return render(recipe, target, session=session, finding=finding, site=site)


def render_for_incident(recipe: Recipe, incident: Incident, site: Site | None = None) -> RenderedFix:
    """Fills a recipe for an incident: its session, or the clients' network for several."""
    try:
        target = Target.for_incident(incident)
    except FixError:
        target = None
    return render(recipe, target, session=incident.lead.session, finding=incident.lead, site=site)


def _release(step: Step, device: Firewall | None, place: Place | None) -> str | None:
    if step.release_of == "firewall":
        return device.version if device is not None else None
    return place.headend.version if place is not None and place.headend is not None else None


def _fitting(recipe: Recipe, device: Firewall | None, place: Place | None) -> list[Step]:
    """Steps for the known releases.

    When that takes away the step to apply, the next one that stands instead of it takes its place.
    """
    family = place.headend.family if place is not None and place.headend is not None else None
    steps = [
        step
        for step in recipe.steps
        if fits_release(_release(step, device, place), since=step.since, before=step.only_before)
        and (not step.headend or family is None or step.headend == family)
    ]
    is_cut = len(steps) < len(recipe.steps)
    if is_cut and not any(step.role == "apply" for step in steps):
        for at, step in enumerate(steps):
            if step.role == "instead":
                steps[at] = msgspec.structs.replace(step, role="apply")
                break
    return steps


def _step(
    step: Step, target: Target | None, names: dict[str, str], version: int, *, is_release_known: bool
) -> RenderedStep:
    is_available = version in step.ip_versions
    note = "\n".join(filter(None, (step.note, step.ipv6_note if version == 6 else "")))
    text = step.ipv6_text if version == 6 and step.ipv6_text else step.text
    return RenderedStep(
        title=fill(step.title, target, names) + ("" if is_release_known else _range(step)),
        text=fill(text.strip("\n"), target, names) if is_available else f"not available for IPv{version}",
        confirmed=MARKS[step.mark],
        note=fill(note, target, names) if is_available else "",
        role=step.role,
        is_available=is_available,
    )


def _range(step: Step) -> str:
    if step.since and step.only_before:
        return f" (from {step.since}, only before {step.only_before})"
    if step.since:
        return f" (from {step.since})"
    return f" (only before {step.only_before})" if step.only_before else ""


def _where(recipe: Recipe, devices: tuple[Firewall, ...], place: Place | None) -> tuple[str, ...]:
    if place is None:
        return ()
    lines: list[str] = []
    if devices:
        names = ", ".join(
            f"{one.name} (release {one.version})" if one.version else one.name for one in devices
        )
        is_on_path = place.standing(recipe.platform) == "on_path"
        reason = (
            "its inside networks hold the client"
            if is_on_path
            else "the site file does not say which clients are behind it"
        )
        lines.append(f"on {names}: {reason}")
        if len(devices) > 1:
            lines.append(f"the text is for {devices[0].name}; check names and release of the others")
    if place.headend is not None:
        says = {True: "; it accepts UDP 4500 (site file)", False: "; no UDP 4500 (site file)", None: ""}
        release = f" (release {place.headend.version})" if place.headend.version else ""
        lines.append(f"headend {place.headend.name}{release}{says[place.headend.nat_t]}")
    return tuple(lines)


def _reference(reference: Reference) -> str:
    where = f" {reference.url}" if reference.url else ""
    return f"{reference.text}{where} ({MARKS[reference.mark]})"
