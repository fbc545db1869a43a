"""How a screen is to look and be used: options of ``replay``, ``live`` and ``attach``. No textual."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PLAIN", "Looks", "looks_options"]


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

_OPTIONS = (
    click.option("--ascii", "ascii_only", is_flag=True, help="No line drawing on the screen."),
    click.option(
        "--wallboard",
        is_flag=True,
        help="For a wall: only the answers, in big type, changing by themselves.",
    ),
    click.option("--no-mouse", is_flag=True, help="The screen leaves the mouse to the terminal."),
    click.option(
        "--history",
        "history_file",
        type=click.Path(),
        default=None,
        metavar="FILE",
        help="History of serve to look into on the screen.",
    ),
)


def looks_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command gets ``looks``."""

    @wraps(command)
    def run(
        *words: Any,
        ascii_only: bool,
        wallboard: bool,
        no_mouse: bool,
        history_file: str | None,
        **options: Any,
    ) -> Any:
        looks = Looks(ascii_only, wallboard, not no_mouse, history_file)
        return command(*words, looks=looks, **options)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run
