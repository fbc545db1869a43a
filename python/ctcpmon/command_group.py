"""The group of all commands: what goes wrong in one is words on stderr and an exit code. Knows no command."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CommandGroup"]


class CommandGroup(click.Group):
    """Maps what goes wrong to one line on stderr and an exit code."""

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        """Here ``--help`` and ``--version`` of the program itself are printed."""
        with _told():
            return super().make_context(*given, **more)

    def invoke(self, ctx: click.Context) -> object:
        """The command itself; what it wrote must have arrived."""
        with _told():
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        from ctcpmon.text import clean

        # Names of files may be among the words (a pattern of the shell), and click repeats some as they are.
        text = error.format_message()
        safe = "\n".join(clean(line, 1_000) for line in text.split("\n"))
        if safe == text:
            raise
        raise click.UsageError(safe, error.ctx) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
        raise
    # BaseException: a panic of the engine does not derive from Exception.
    except BaseException as error:  # noqa: BLE001
        from ctcpmon.failures import told

        raise click.exceptions.Exit(told(error)) from None
