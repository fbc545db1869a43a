"""Fixes: text recipes (``<id>.toml``), their loader, choice and rendering. Display only.

Nothing in this package opens a connection or starts a process, and no recipe field could.
"""

from ctcpmon.fixes.choose import fixes_for, fixes_for_detector
from ctcpmon.fixes.layout import NOTICE, listing
from ctcpmon.fixes.placeholders import Target
from ctcpmon.fixes.recipe import PLANNED_DETECTORS, Recipe, catalogue, load_recipe
from ctcpmon.fixes.render import (
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
    "fixes_for",
    "fixes_for_detector",
    "listing",
    "load_recipe",
    "render",
    "render_for_incident",
    "render_for_session",
]
