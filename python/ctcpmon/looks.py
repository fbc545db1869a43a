"""How a screen is to look and be used. No textual, no command line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLAIN", "Looks"]


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

    def redacted(self) -> Looks:
        """The same for a screen that others may see."""
        return replace(self, history=None, is_redacted=True)


PLAIN = Looks()
"""As it is by itself."""
