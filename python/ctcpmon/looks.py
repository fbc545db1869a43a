"""How a screen is to look and be used. No textual, no command line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DUMB", "PLAIN", "Looks", "can_show_a_screen"]

DUMB = "this terminal says of itself that it cannot show a screen (TERM=dumb)"
_DRAWN = "─█░▁▼⡇"
"""Of the kinds of characters that screens draw with."""


@dataclass(frozen=True)
class Looks:
    """What the user wants of a screen."""

    is_ascii: bool = False
    is_wallboard: bool = False
    has_mouse: bool = True
    history: str | None = None
    """File of a history to look into."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys by action, checked (``keys``)."""
    is_redacted: bool = False
    """Others may see it: what people wrote, who they are and what is kept elsewhere is not shown."""

    def with_keys(self, keys: Mapping[str, str]) -> Looks:
        """The same with the keys of a configuration."""
        return replace(self, keys=keys)

    def fitting(self, encoding: str | None) -> Looks:
        """The same, in ASCII where the terminal's encoding has no lines to draw with."""
        try:
            _DRAWN.encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return replace(self, is_ascii=True)
        return self

    def redacted(self) -> Looks:
        """The same for a screen that others may see."""
        return replace(self, history=None, is_redacted=True)


PLAIN = Looks()
"""As it is by itself."""


def can_show_a_screen(environment: Mapping[str, str] = os.environ) -> bool:
    """False where no cursor can be moved, as in a shell inside an editor."""
    return environment.get("TERM", "").lower() not in {"dumb", "unknown"}
