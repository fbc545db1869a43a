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

    def with_keys(self, keys: Mapping[str, str]) -> Looks:
        """The same with the keys of a configuration."""
        return replace(self, keys=keys)

    def without_history(self) -> Looks:
        """The same, and past incidents are not shown."""
        return replace(self, history=None)


PLAIN = Looks()
"""As it is by itself."""
