"""The command that writes the report of an incident: report. Options and words only, like ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctcpmon.exits import ExitCode
from ctcpmon.plot_commands import cut_first, gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.diagnosis import Incident
    from ctcpmon.report import Document, Parts
    from ctcpmon.slicing import Gathered
    from ctcpmon.tui.packets import Packets

__all__ = ["report"]

_FORMS = {".html": "html", ".htm": "html", ".md": "markdown"}


@click.command(short_help="Write the report of an incident, HTML or Markdown.")
@click.argument("reference", metavar="INCIDENT|FINDING|SESSION")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-w",
    "--write",
    "outs",
    required=True,
    multiple=True,
    metavar="OUT",
    help="Ends in .html or .md; repeatable.",
)
@click.option("--redact", is_flag=True, help="Replace addresses by those of documentation (RFC 5737, 3849).")
@click.option("--force", is_flag=True, help="Replace OUT when it is there.")
@click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")
def report(
    reference: str,
    files: tuple[str, ...],
    outs: tuple[str, ...],
    config: str | None,
    *,
    redact: bool,
    force: bool,
) -> None:
    """Write the report of an incident: what, who, since when, the proof with its graph, and what to do.

    One file that stands alone: no script, nothing from outside. The same captures give the same bytes.
    """
    from ctcpmon.redacting import Redactor
    from ctcpmon.report import document

    forms = [(out, _form(out)) for out in outs]
    for out in outs:
        _need_free(out, files, force=force)
    found = gathered(files, reference, config)
    if found.incident is None:
        message = "no incident was opened for this, so there is nothing to report; ctcpmon plot draws it"
        raise click.UsageError(message)
    packets, no_graph = _packets(files, found)
    parts = _parts(files, found, found.incident, packets, no_graph=no_graph, config=config)
    page = document(parts)
    if redact:
        page = page.mapped(Redactor().text)
    for out, form in forms:
        _write(out, page, form, force=force)
    if not found.is_whole:
        from ctcpmon.narration import say

        say("part of the input could not be read")
        click.get_current_context().exit(ExitCode.INPUT)


def _form(out: str) -> Callable[[Document], str]:
    from ctcpmon import report as writing
    from ctcpmon.text import clean

    name = _FORMS.get(Path(out).suffix.lower())
    if name is None:
        message = f"{clean(out)!r}: a report is HTML or Markdown, so the name must end in .html or .md"
        raise click.UsageError(message)
    form: Callable[[Document], str] = getattr(writing, name)
    return form


def _need_free(out: str, files: tuple[str, ...], *, force: bool) -> None:
    from ctcpmon.slice_commands import exists, need_files

    need_files(files, out)
    if not force and Path(out).exists():
        exists(out)


def _packets(files: tuple[str, ...], found: Gathered) -> tuple[Packets | None, str]:
    from ctcpmon.tui.packets import PacketsError

    try:
        return cut_first(files, found), ""
    except PacketsError as error:
        return None, str(error)


def _parts(
    files: tuple[str, ...],
    found: Gathered,
    incident: Incident,
    packets: Packets | None,
    *,
    no_graph: str,
    config: str | None,
) -> Parts:
    from ctcpmon import engine
    from ctcpmon.config import settings_with
    from ctcpmon.report import Parts
    from ctcpmon.text import clean
    from ctcpmon.tui import presenting
    from ctcpmon.tui.assurance import judge_tap
    from ctcpmon.tui.view import Progress, Query, Situation, Tally, View
    from ctcpmon.tui.viewmaking import refused

    stats = found.stats
    site = settings_with(config, max_flow_mib=None, show_groups=False).site
    inputs = tuple(clean(path, 400) for path in files)
    names = dict(zip(files, inputs, strict=True))
    row = presenting.incident_row(incident)
    evidence = presenting.evidence(incident, 1, 1)
    view = View(
        query=Query(),
        name=presenting.input_name(inputs),
        inputs=inputs,
        progress=Progress("done"),
        tap=judge_tap(stats),
        refused=refused(stats, found.book_counters),
        tally=Tally(),
        situation=Situation("info", ""),
        packets=stats.packets,
        first_ns=stats.first_ns,
        last_ns=stats.last_ns,
        notes=tuple(
            presenting.note_line(note, names.get(note.input, clean(note.input))) for note in stats.notes
        ),
        incidents=(row,),
        evidence=evidence,
        fixes=presenting.fixes(incident, site),
    )
    command = f"ctcpmon report {row.key} {' '.join(inputs)}"
    return Parts(row, evidence, view, packets, no_graph, engine.__version__, clean(command, 600))


def _write(out: str, page: Document, form: Callable[[Document], str], *, force: bool) -> None:
    from ctcpmon.narration import say
    from ctcpmon.slice_commands import exists
    from ctcpmon.text import clean
    from ctcpmon.whole_file import whole_file

    text = form(page)
    try:
        with whole_file(out, may_replace=force) as part:
            Path(part).write_text(text, "utf-8", newline="\n")
    except FileExistsError:
        exists(out)
    say(f"wrote {clean(out, 200)}: {len(text.encode()):,} bytes")
