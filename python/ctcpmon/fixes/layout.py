"""A rendered fix as lines of plain text: sections, indents, and prose refilled to a width.

In a section, lines indented in the recipe are text to type and stay as they are; other lines are
prose. No substitution happens here.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ctcpmon.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Collection

    from ctcpmon.fixes.recipe import Recipe
    from ctcpmon.fixes.rendering import RenderedFix

__all__ = ["NOTICE", "fix_lines", "listing"]

NOTICE = (
    "This text is for you to check and type. ctcpmon only shows it: it never logs in to a device, "
    "never sends a packet and changes nothing."
)


def listing(recipes: Collection[Recipe], platform: str | None = None) -> tuple[str, ...]:
    """The catalogue by platform, those for any device first; ``platform`` keeps only its own."""
    known = {"any": "any device", **PLATFORMS}
    out: list[str] = []
    for family, name in known.items():
        ours = [recipe for recipe in recipes if recipe.platform == family]
        if not ours or platform not in {None, family}:
            continue
        out.append(name if family == "any" else f"{family}: {name}")
        out += [f"  {recipe.id:<24}{recipe.title}" for recipe in ours]
    return tuple(out)


def fix_lines(fix: RenderedFix, cells: int | None) -> tuple[str, ...]:
    """The whole fix; ``cells`` None leaves every line as long as it is."""
    # Room for "FIX 10 of 19: " in front of the first line.
    out = [
        *_prose(f"{fix.title}  [{fix.id}]", cells and cells - 14, ""),
        *_prose(f"Platform: {fix.platform}", cells, ""),
    ]
    for line in fix.where:
        out += _prose(f"Where: {line}", cells, "")
    out += ["", *_section("Treats", fix.cause, cells), *_section("Why it works", fix.why, cells)]
    for number, step in enumerate(fix.steps, 1):
        out += _prose(f"Step {number}: {step.title}  ({step.confirmed})", cells, "")
        out += [f"    {line}" for line in step.text.splitlines()]
        for paragraph in _paragraphs(step.note):
            out += _prose(f"Note: {paragraph}", cells, "  ")
        out.append("")
    if fix.ledger:
        out += [*fix.ledger, ""]
    for title, text in (("Risk", fix.risk), ("Verify", fix.verify), ("Undo", fix.undo)):
        out += _section(title, text, cells)
    out.append("References")
    for reference in fix.references:
        out += _prose(f"- {reference}", cells, "  ")
    if fix.to_fill_in:
        names = ", ".join(f"{{{name}}}" for name in fix.to_fill_in)
        out += ["", *_prose(f"Fill in yourself: {names}", cells, "")]
    if fix.own_names:
        keys = ", ".join(fix.site_keys)
        known = f" (the site file can name them, in [[site.firewall]]: {keys})" if keys else ""
        out += ["", *_prose(f"Put in your own: {', '.join(fix.own_names)}{known}", cells, "")]
    return (*out, "", *_prose(NOTICE, cells, ""))


def _paragraphs(text: str) -> list[str]:
    """Lines joined up to the end of a sentence: the width of the recipe file means nothing."""
    out: list[str] = []
    flowing: list[str] = []
    for line in text.strip().splitlines():
        flowing.append(line)
        if line.endswith((".", ":", ")")):
            out.append(" ".join(flowing))
            flowing = []
    return [*out, *([" ".join(flowing)] if flowing else [])]


def _section(title: str, text: str, cells: int | None) -> list[str]:
    lines = text.strip("\n").splitlines()
    if cells is None:
        return [title, *(f"  {line}" for line in lines), ""]
    out = [title]
    flowing: list[str] = []
    for line in (*lines, " "):
        if not line.startswith(" "):
            flowing.append(line)
            if line.endswith((".", ":")):
                out += _prose(" ".join(flowing), cells, "  ")
                flowing = []
            continue
        if flowing:
            out += _prose(" ".join(flowing), cells, "  ")
            flowing = []
        if line.strip():
            out.append(f"  {line}")
    return [*out, ""]


def _prose(text: str, cells: int | None, indent: str) -> list[str]:
    if cells is None:
        return [indent + text]
    hang = indent + ("  " if text.startswith(("- ", "Note: ", "Step ")) else "")
    return textwrap.wrap(
        text,
        cells,
        initial_indent=indent,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
