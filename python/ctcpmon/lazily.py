"""Names of a package that are loaded on first use, so that a run imports only what it needs.

Imported before the engine starts: no import here, and none of typing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["from_homes"]


def from_homes(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A module's ``__getattr__``: ``homes`` names for each name the module of ``package`` that has it."""

    def get(name: str) -> object:
        import importlib

        home = homes.get(name)
        if home is None:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(importlib.import_module(f"{package}.{home}"), name)

    return get
