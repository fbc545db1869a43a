"""A recipe and a target to text for a person. String substitution only; nothing is ever sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctcpmon.errors import FixError
from ctcpmon.fixes.ledger import ledger_lines
from ctcpmon.fixes.placeholders import Target, fill, placeholders_in

if TYPE_CHECKING:
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Finding, Session
    from ctcpmon.fixes.recipe import Recipe, Reference

__all__ = [
    "MARKS",
    "NOTICE",
    "RenderedFix",
    "RenderedStep",
    "render",
    "render_for_incident",
    "render_for_session",
]

NOTICE = (
    "This text is for you to check and type. ctcpmon only shows it: it never logs in to a device, "
    "never sends a packet and changes nothing."
)
MARKS = {
    "V": "read in the named page or source",
    "V2": "second-hand copy",
    "M": "unconfirmed, from memory",
    "I": "inferred, not tested",
}
"""The confidence marks of the domain notes, in words."""


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

    @property
    def config(self) -> str:
        """Only the text to type, for the clipboard; empty for fixes that are advice."""
        return "\n".join(step.text for step in self.steps if step.is_available and step.role == "apply")

    def lines(self) -> tuple[str, ...]:
        """The whole fix as plain text."""
        out = [f"{self.title}  [{self.id}]", f"Platform: {self.platform}", ""]
        out += _section("Treats", self.cause)
        out += _section("Why it works", self.why)
        for number, step in enumerate(self.steps, 1):
            out.append(f"Step {number}: {step.title}  ({step.confirmed})")
            out += [f"    {line}" for line in step.text.splitlines()]
            if step.note:
                out += [f"  Note: {line}" for line in step.note.strip().splitlines()]
            out.append("")
        if self.ledger:
            out += [*self.ledger, ""]
        out += _section("Risk", self.risk)
        out += _section("Verify", self.verify)
        out += _section("Undo", self.undo)
        out.append("References")
        out += [f"  - {reference}" for reference in self.references]
        if self.to_fill_in:
            names = ", ".join(f"{{{name}}}" for name in self.to_fill_in)
            out += ["", f"Fill in yourself: {names}"]
        out += ["", NOTICE]
        return tuple(out)

    def text(self) -> str:
        """``lines`` joined."""
        return "\n".join(self.lines())


def _section(title: str, text: str) -> list[str]:
    return [title, *(f"  {line}" for line in text.strip().splitlines()), ""]


def render(
    recipe: Recipe,
    target: Target | None = None,
    *,
    session: Session | None = None,
    finding: Finding | None = None,
) -> RenderedFix:
    """Fills a recipe for ``target``; without one the placeholders stay visible.

    ``session`` (and ``finding``) feed the loss ledger of recipes that have one.
    """
    steps: list[RenderedStep] = []
    for step in recipe.steps:
        version = target.ip_version if target is not None else 4
        is_available = version in step.ip_versions
        note = "\n".join(filter(None, (step.note, step.ipv6_note if version == 6 else "")))
        before = f" (only before {step.only_before})" if step.only_before else ""
        steps.append(
            RenderedStep(
                title=fill(step.title, target) + before,
                text=fill(step.text.strip("\n"), target)
                if is_available
                else f"not available for IPv{version}",
                confirmed=MARKS[step.mark],
                note=note if is_available else "",
                role=step.role,
                is_available=is_available,
            )
        )
    verify, undo = fill(recipe.verify, target), fill(recipe.undo, target)
    left = set().union(*(placeholders_in(text) for text in (verify, undo, *(s.text for s in steps))))
    return RenderedFix(
        id=recipe.id,
        title=recipe.title,
        platform=recipe.platform_name,
        cause=recipe.cause,
        why=recipe.why,
        risk=recipe.risk,
        steps=tuple(steps),
        verify=verify,
        undo=undo,
        references=tuple(_reference(reference) for reference in recipe.references),
        ledger=ledger_lines(session, finding) if recipe.ledger and session is not None else (),
        to_fill_in=tuple(sorted(left)),
    )


def render_for_session(recipe: Recipe, session: Session, finding: Finding | None = None) -> RenderedFix:
    """Fills a recipe for one session; unusable addresses leave the placeholders unfilled."""
    try:
        target = Target.for_session(session)
    except FixError:
        target = None
    return render(recipe, target, session=session, finding=finding)


def render_for_incident(recipe: Recipe, incident: Incident) -> RenderedFix:
    """Fills a recipe for an incident: its session, or the clients' network for several."""
    try:
        target = Target.for_incident(incident)
    except FixError:
        target = None
    return render(recipe, target, session=incident.lead.session, finding=incident.lead)


def _reference(reference: Reference) -> str:
    where = f" {reference.url}" if reference.url else ""
    return f"{reference.text}{where} ({MARKS[reference.mark]})"
