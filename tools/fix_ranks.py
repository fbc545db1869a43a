"""Writes python/ctcpmon/fixes/ranks.py: what choosing needs of every recipe, without its text.

``python tools/fix_ranks.py`` writes, ``--check`` compares and fails when the file is stale. Reading the
recipes themselves takes longer than everything else before the first event of a small capture.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from ctcpmon.fixes.recipe import EvidenceRange, Treats, When, load_recipe

if TYPE_CHECKING:
    from ctcpmon.fixes.recipe import Recipe

FOLDER = Path(__file__).resolve().parent.parent / "python" / "ctcpmon" / "fixes"
HEAD = '''\
"""Ranks and conditions of every recipe, by id. Written by tools/fix_ranks.py from the recipes: edit those."""

from __future__ import annotations

from ctcpmon.fixes.fitting import {names}

__all__ = ["RANKS"]

RANKS: tuple[Ranks, ...] = (
'''


def source(recipes: list[Recipe]) -> str:
    """The file for these recipes, as ruff formats it."""
    used = [
        kind.__name__
        for kind, is_used in (
            (EvidenceRange, any(one.when.evidence for one in recipes)),
            (Treats, True),
            (When, any(one.when != When() for one in recipes)),
        )
        if is_used
    ]
    lines = [HEAD.format(names=", ".join(sorted([*used, "Ranks"])))]
    for recipe in recipes:
        lines += [
            "    Ranks(\n",
            f"        id={text(recipe.id)},\n",
            f"        platform={text(recipe.platform)},\n",
        ]
        lines.append("        treats=(\n")
        lines += [f"            {call(one)},\n" for one in recipe.treats]
        lines.append("        ),\n")
        if recipe.when != When():
            lines.append(f"        when={call(recipe.when)},\n")
        if recipe.is_common:
            lines.append("        is_common=True,\n")
        lines.append("    ),\n")
    return "".join([*lines, ")\n"])


def call(part: msgspec.Struct) -> str:
    """The expression that makes ``part``; fields with their default are left out."""
    given = []
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        if field.required or value != field.default:
            given.append(f"{field.name}={text(value)}")
    return f"{type(part).__name__}({', '.join(given)})"


def text(value: object) -> str:
    """A value as source text."""
    if isinstance(value, msgspec.Struct):
        return call(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(text, value))}{',' if len(value) == 1 else ''})"
    return (
        '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)
    )


def main() -> int:
    """Command line."""
    recipes = [load_recipe(path.read_text("utf-8"), path.name) for path in sorted(FOLDER.glob("*.toml"))]
    wanted, path = source(recipes), FOLDER / "ranks.py"
    if "--check" in sys.argv[1:]:
        is_stale = not path.exists() or path.read_text("utf-8") != wanted
        print(f"fix ranks: {'stale; write them: python tools/fix_ranks.py' if is_stale else 'in step'}")
        return int(is_stale)
    path.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
