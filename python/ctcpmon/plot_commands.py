"""The command that draws a session: plot. Options and words only, like ``cli``."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from ctcpmon.exits import ExitCode

if TYPE_CHECKING:
    from ctcpmon.slicing import Case, Gathered
    from ctcpmon.tui.packets import Packets

__all__ = ["cut_first", "gathered", "plot"]

_CELLS, _LINES = 100, 30
"""Of a plot that goes nowhere near a terminal."""
_LEAST_CELLS, _MOST_CELLS = 40, 1_000


@click.command(short_help="Draw the time-sequence graph of a session.")
@click.argument("reference", metavar="FINDING|SESSION|INCIDENT")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--side",
    type=click.Choice(["client", "headend", "both"]),
    default=None,
    help="Whose data; default: the side that stopped.",
)
@click.option("--all", "is_whole", is_flag=True, help="The whole session, not only around the finding.")
@click.option(
    "--dots",
    type=click.Choice(["braille", "block", "ascii"]),
    default=None,
    help="What to draw with; default: braille where the output can show it.",
)
@click.option("--ascii", "ascii_only", is_flag=True, help="The same as --dots ascii.")
@click.option("--width", type=click.IntRange(_LEAST_CELLS, _MOST_CELLS), default=None, help="Cells.")
@click.option("--height", type=click.IntRange(10, 500), default=None, help="Lines.")
@click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")
def plot(reference: str, files: tuple[str, ...], config: str | None, **options: Any) -> None:
    """Draw the time-sequence graph of a session: data go up, and the line below is what was acknowledged.

    A stall is where the two part. Signs as in tcptrace: R sent again, O out of order, S SYN, X reset.
    Every FILE is read twice.
    """
    found = gathered(files, reference, config)
    packets = cut_first(files, found)
    _draw(packets, **options)
    if packets.left_out:
        _say(packets.left_out)
    if not found.is_whole:
        _say("part of the input could not be read")
        click.get_current_context().exit(ExitCode.INPUT)


def _draw(
    packets: Packets,
    *,
    side: str | None,
    dots: Literal["braille", "block", "ascii"] | None,
    width: int | None,
    height: int | None,
    is_whole: bool,
    ascii_only: bool,
) -> None:
    from dataclasses import replace

    from ctcpmon.graph import Look, Room, Subject, paint
    from ctcpmon.graph.ansi import text_of
    from ctcpmon.graph.painting import values

    subject = Subject.of(packets)
    look = Look.first(subject)
    if is_whole:
        look = look.whole(subject)
    if side is not None:
        look = replace(look, side=side)
    style = dots or ("ascii" if ascii_only or not _has_braille() else "braille")
    is_terminal = sys.stdout.isatty()
    there = shutil.get_terminal_size((_CELLS, _LINES))
    cells = width or (min(max(there.columns, _LEAST_CELLS), _MOST_CELLS) if is_terminal else _CELLS)
    lines = height or (max(there.lines - 1, 10) if is_terminal else _LINES)
    painted = paint(subject, look, Room(cells, lines - 2, style)) + values(subject, look, cells)
    has_colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    text = text_of(painted, cells, has_colour=has_colour)
    if style == "ascii":
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    click.echo(text, nl=False, color=has_colour)


def gathered(files: tuple[str, ...], reference: str, config: str | None) -> Gathered:
    """Judges the captures; nothing found is wrong usage."""
    from ctcpmon.config import settings_with
    from ctcpmon.slice_commands import need_files
    from ctcpmon.slicing import gather_all
    from ctcpmon.text import clean

    need_files(files, "-")
    found = gather_all(files, reference, settings_with(config, max_flow_mib=None, show_groups=False))
    if not found.cases:
        message = f"nothing in the capture is called {clean(reference)!r}"
        raise click.UsageError(message)
    return found


def cut_first(files: tuple[str, ...], found: Gathered) -> Packets:
    """The packets of the session that speaks for all, said on stderr when there are more."""
    from ctcpmon.tui.packets import cut_case

    case = _speaker(found)
    if len(found.cases) > 1:
        _say(f"session {case.session.id}, the first of {len(found.cases)}; name another one to see that")
    packets = cut_case(files, f"{case.session.id}/{case.session.generation}", case)
    if packets is None:
        raise click.Abort
    return packets


def _speaker(found: Gathered) -> Case:
    """That of the incident's leading finding, else the first one."""
    lead = None if found.incident is None else found.incident.lead.session
    for case in found.cases:
        if lead is not None and (case.session.id, case.session.generation) == (lead.id, lead.generation):
            return case
    return found.cases[0]


def _has_braille() -> bool:
    try:
        "⡇─".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _say(text: str) -> None:
    from ctcpmon.narration import say

    say(text)
