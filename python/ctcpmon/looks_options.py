"""The options of ``replay``, ``live`` and ``attach`` that say how a screen is to look and be used."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from ctcpmon.looks import Looks, can_show_a_screen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["can_show_a_screen", "looks_options"]

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
