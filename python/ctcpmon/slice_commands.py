"""The command that cuts captures: slice. Options and words only, like ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ctcpmon.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.engine import Sliced

__all__ = ["exists", "need_files", "slice_command"]


@click.command("slice", short_help="Cut the packets of a session out of captures.")
@click.argument("reference", metavar="FINDING|SESSION|INCIDENT")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-w", "--write", "out", required=True, metavar="OUT|-", help="The slice; - is standard output.")
@click.option("--force", is_flag=True, help="Replace OUT when it is there.")
@click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")
def slice_command(
    reference: str, files: tuple[str, ...], out: str, config: str | None, *, force: bool
) -> None:
    """Cut the packets of a session out of captures, as pcapng with comments (Wireshark: frame.comment).

    Both directions of the session a reference means, from its first packet to its last; of an incident
    its first sessions. A comment stands on every packet that proves a finding. Every FILE is read twice.
    """
    from ctcpmon.config import settings_with
    from ctcpmon.slicing import MAX_SESSIONS, gather, order_of, slice_files
    from ctcpmon.text import clean
    from ctcpmon.whole_file import whole_file

    need_files(files, out)
    if out != "-" and not force and Path(out).exists():
        exists(out)
    cases, is_whole = gather(files, reference, settings_with(config, max_flow_mib=None, show_groups=False))
    if not cases:
        message = f"nothing in the capture is called {clean(reference)!r}"
        raise click.UsageError(message)
    left_out = len(cases) - MAX_SESSIONS
    del cases[MAX_SESSIONS:]
    order = order_of(cases, f"slice of {reference} by ctcpmon")
    if out == "-":
        sliced = slice_files(files, None, order)
    else:
        try:
            with whole_file(out, may_replace=force) as part:
                sliced = slice_files(files, part, order)
        except FileExistsError:
            exists(out)
    _tell(sliced, len(cases), left_out)
    if not is_whole:
        from ctcpmon.narration import say

        say("part of the input could not be read")
        click.get_current_context().exit(ExitCode.INPUT)


def need_files(files: Sequence[str], out: str = "-") -> None:
    """They are read twice, and are not what is written. Raises ``UsageError``."""
    for path in files:
        if path == "-" or (Path(path).exists() and not Path(path).is_file()):
            message = "a capture is read twice here, so it must be a file, not a pipe"
            raise click.UsageError(message)
        if out != "-" and Path(out).exists() and Path(path).exists() and Path(out).samefile(path):
            message = "the slice would replace the capture it is cut from"
            raise click.UsageError(message)


def exists(out: str) -> NoReturn:
    """Leaves with the words for a file that is there."""
    from ctcpmon.text import clean

    place = Path(out)
    if place.is_file() and not place.is_symlink():
        message = f"{clean(out)!r} is there already; --force replaces it"
    else:
        message = f"{clean(out)!r} is there and no regular file"
    raise click.UsageError(message)


def _tell(sliced: Sliced, sessions: int, left_out: int) -> None:
    from ctcpmon.narration import say

    words = "1 session" if sessions == 1 else f"{sessions} sessions"
    say(f"{sliced.frames:,} packets of {words}, {sliced.remarks:,} comments")
    if left_out > 0:
        say(f"{left_out:,} more sessions not written; name one of them")
    if sliced.unplaced:
        say(f"{sliced.unplaced:,} comments found no packet to stand on")
