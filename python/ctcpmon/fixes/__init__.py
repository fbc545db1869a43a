"""Fixes: text recipes (``<id>.toml``), their loader, choice and rendering. Display only.

Nothing in this package opens a connection or starts a process, and no recipe field could. Names are
loaded on first use: a run that only names fixes reads no recipe.
"""

from __future__ import annotations

from ctcpmon.lazily import from_homes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.fixes.choose import fix_ids_for, fixes_for, fixes_for_detector
    from ctcpmon.fixes.layout import NOTICE, listing
    from ctcpmon.fixes.placeholders import Target
    from ctcpmon.fixes.recipe import PLANNED_DETECTORS, Recipe, catalogue, load_recipe
    from ctcpmon.fixes.rendering import (
        RenderedFix,
        RenderedStep,
        render,
        render_for_incident,
        render_for_session,
    )

__all__ = [
    "NOTICE",
    "PLANNED_DETECTORS",
    "Recipe",
    "RenderedFix",
    "RenderedStep",
    "Target",
    "catalogue",
    "fix_ids_for",
    "fixes_for",
    "fixes_for_detector",
    "listing",
    "load_recipe",
    "render",
    "render_for_incident",
    "render_for_session",
]

__getattr__ = from_homes(
    __name__,
    {
        "NOTICE": "layout",
        "PLANNED_DETECTORS": "recipe",
        "Recipe": "recipe",
        "RenderedFix": "rendering",
        "RenderedStep": "rendering",
        "Target": "placeholders",
        "catalogue": "recipe",
        "fix_ids_for": "choose",
        "fixes_for": "choose",
        "fixes_for_detector": "choose",
        "listing": "layout",
        "load_recipe": "recipe",
        "render": "rendering",
        "render_for_incident": "rendering",
        "render_for_session": "rendering",
    },
)
