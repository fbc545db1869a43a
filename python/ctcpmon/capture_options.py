"""Options of every command that captures from interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = TypeVar("Command", bound=Callable[..., Any])

__all__ = ["capture_options"]

_OPTIONS = (
    click.option(
        "-f", "--filter", "expression", metavar="EXPR", help="Only packets that match, in tcpdump's language."
    ),
    click.option(
        "--ring-mib",
        type=click.IntRange(2, 65_536),
        default=64,
        help="Memory of the rings of the kernel, MiB.",
    ),
    click.option(
        "--rings",
        type=click.IntRange(1, 64),
        default=1,
        help="Rings and threads for each interface (fanout).",
    ),
    click.option("--no-promiscuous", is_flag=True, help="Only frames to this machine."),
    click.option("--offload-off", is_flag=True, help="Switch GRO and LRO off until the end (CAP_NET_ADMIN)."),
    click.option(
        "--user", metavar="NAME", help="As root: go on as this user (default: who called sudo, nobody)."
    ),
    click.option(
        "--stats-every",
        type=click.FloatRange(0.1, 86_400),
        default=10.0,
        metavar="SECONDS",
        help="Time between two events of counters.",
    ),
    click.option(
        "--max-flow-mib",
        type=click.IntRange(1, 1_048_576),
        default=None,
        help="Memory for flows and sessions, MiB; beyond it strangers are refused and counted.",
    ),
    click.option("--show-groups", is_flag=True, help="Put VPN group names into session events."),
    click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML)."),
)


def capture_options(command: Command) -> Command:
    """Adds them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
