"""The command line: options, streams and exit codes. Imports click and nothing heavy at the top.

stdout carries data only, stderr everything else. No option here can change a device or send a
packet; there is none to add.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast

import click

from ctcpmon.command_group import CommandGroup
from ctcpmon.errors import EngineMissingError, PartMissingError
from ctcpmon.exits import MEANINGS, ExitCode
from ctcpmon.live_commands import doctor, ifaces, live
from ctcpmon.looks_options import can_show_a_screen, looks_options
from ctcpmon.packet_commands import packets_command
from ctcpmon.plot_commands import plot
from ctcpmon.report_commands import report
from ctcpmon.serve_commands import COMMANDS as SERVE_COMMANDS
from ctcpmon.slice_commands import slice_command

if TYPE_CHECKING:
    from ctcpmon.capture_filter import Program
    from ctcpmon.config import Settings
    from ctcpmon.engine import DetectorInfo
    from ctcpmon.events import TapSide
    from ctcpmon.fixes import Recipe, RenderedFix
    from ctcpmon.looks import Looks
    from ctcpmon.lookup import Found

__all__ = ["cli", "main"]

Output = Literal["jsonl", "table"]
Command = TypeVar("Command", bound=Callable[..., Any])

_FULL_FIXES = 4
"""Fixes printed in full for one incident: guess, about the four fixes of the Cisco note."""
_EXIT_HELP = "Exit codes:\n\n\b\n" + "\n".join(f"{code:>4}  {text}" for code, text in MEANINGS.items())


def _settings_option(command: Command) -> Command:
    return click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")(
        command
    )


def _run_options(command: Command) -> Command:
    options = (
        click.option(
            "-o",
            "--output",
            type=click.Choice(["jsonl", "table"]),
            default=None,
            help="Format; default: the screen on a terminal, else jsonl.",
        ),
        click.option(
            "--speed",
            default="max",
            metavar="max|N",
            callback=_speed,
            help="Pace: max, or N times that of the capture.",
        ),
        click.option(
            "--max-flow-mib",
            type=click.IntRange(1, 1_048_576),
            default=None,
            help="Memory for flows and sessions, MiB; beyond it strangers are refused and counted.",
        ),
        click.option("--batch-frames", type=click.IntRange(0), default=0, hidden=True),
        click.option(
            "--fail-on",
            type=click.Choice(["warn", "crit"]),
            default=None,
            help="Exit with 1 when an incident reached this level.",
        ),
        click.option(
            "--show-groups",
            is_flag=True,
            help="Put VPN group names (sent in clear by aggressive mode) into session events.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Counters on stderr at the end."),
        click.option("--no-tui", is_flag=True, help="Plain table on a terminal."),
        click.option(
            "--redact", is_flag=True, help="Show addresses of documentation instead of the real ones."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return _settings_option(cast("Command", looks_options(command)))


def _filter_option(command: Command) -> Command:
    return click.option(
        "-f",
        "--filter",
        "expression",
        default=None,
        metavar="EXPR",
        help="Analyse only packets that match EXPR, in tcpdump's language; needs libpcap.",
    )(command)


def _speed(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    if value == "max":
        return 0.0
    try:
        speed = float(value)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 1_000_000:
        message = "expected 'max' or a number above 0, for example 1 or 20"
        raise click.BadParameter(message)
    return speed


def _taps(
    _ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[TapSide, str], ...]:
    """Checks that both sides are named, each file once."""
    taps: list[tuple[TapSide, str]] = []
    real: dict[str, str] = {}
    for value in values:
        side, is_given, path = value.partition("=")
        if not is_given or not path:
            message = f"expected client=FILE or headend=FILE, got {_safe(value)!r}"
            raise click.BadParameter(message)
        if side not in {"client", "headend"}:
            message = f"no such tap: {_safe(side)!r}; the two are client and headend (sides of the device)"
            raise click.BadParameter(message)
        same = "-" if path == "-" else os.path.realpath(path)
        if same in real:
            message = f"{_safe(path)!r} is given twice; each capture belongs to one tap"
            raise click.BadParameter(message)
        real[same] = side
        taps.append(("client" if side == "client" else "headend", path))
    missing = {"client", "headend"} - {side for side, _ in taps}
    if taps and missing:
        message = f"two taps are needed; --tap {missing.pop()}=FILE is missing"
        raise click.BadParameter(message)
    return tuple(taps)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_HELP)
@click.version_option(None, "-V", "--version", package_name="ctcpmon", message="%(version)s")
def cli() -> None:
    """Find stalled Cisco cTCP (IPsec over TCP) sessions and say what to do.

    ctcpmon only listens and reads: it sends nothing and configures nothing.
    """


for _command in (live, ifaces, doctor, slice_command, packets_command, plot, report, *SERVE_COMMANDS):
    cli.add_command(_command)


@cli.command(short_help="Analyse capture files, pipes, or one being written.")
@click.argument("files", nargs=-1, metavar="FILE|-...")
@click.option(
    "--tap",
    "taps",
    multiple=True,
    metavar="client|headend=FILE",
    callback=_taps,
    help="A capture from one side of a device; both sides are needed, several files each are allowed.",
)
@click.option(
    "--follow",
    "is_followed",
    is_flag=True,
    help="FILE is being written: go on as it grows. A folder or a quoted pattern: the files of a rotation.",
)
@click.option(
    "--follow-idle",
    "idle_s",
    type=click.FloatRange(0.1, 31_536_000),
    metavar="SECONDS",
    help="With --follow: end when nothing was written for so long.",
)
@_filter_option
@_run_options
def replay(files: tuple[str, ...], taps: tuple[tuple[TapSide, str], ...], **options: Any) -> None:
    """Analyse capture files (pcap, pcapng, compressed or not; - is standard input).

    Several files are merged in time order. On a terminal this opens the screen, otherwise it
    writes JSON Lines.

    With --tap client=A --tap headend=B the two captures were made on both sides of one device: its
    packets are matched by ESP SPI and sequence number, which gives its loss and delay exactly. This
    writes a table on a terminal.

    With --follow the capture is one that tcpdump -w or dumpcap is writing; Ctrl-C or SIGTERM ends it.
    """
    if options["is_followed"] or options["idle_s"] is not None:
        from ctcpmon.replaying import why_not_followed

        message = why_not_followed(files or taps, options["speed"], is_followed=options["is_followed"])
        if message:
            raise click.UsageError(message)
    if bool(files) == bool(taps):
        message = (
            "give either FILEs or --tap client=FILE --tap headend=FILE, not both"
            if files
            else "give a FILE, or --tap client=FILE --tap headend=FILE"
        )
        raise click.UsageError(message)
    sides = tuple(side for side, _ in taps) or None
    paths = files or tuple(path for _, path in taps)
    if paths.count("-") > 1:
        message = "standard input (-) can be read once"
        raise click.UsageError(message)
    click.get_current_context().exit(_replay(paths, sides, **options))


@cli.command()
@_run_options
def demo(**options: Any) -> None:
    """Analyse the capture that is shipped with ctcpmon."""
    capture = Path(__file__).with_name("data") / "demo.pcap"
    if not capture.is_file():
        message = "the demo capture is not part of this installation; in a source tree type: ./x demo"
        raise PartMissingError(message)
    click.get_current_context().exit(_replay((str(capture),), None, **options))


def _replay(
    files: tuple[str, ...],
    taps: tuple[TapSide, ...] | None,
    *,
    output: Output | None,
    speed: float,
    max_flow_mib: int | None,
    batch_frames: int,
    fail_on: Literal["warn", "crit"] | None,
    verbose: bool,
    looks: Looks,
    no_tui: bool,
    show_groups: bool,
    redact: bool,
    config: str | None,
    expression: str | None = None,
    is_followed: bool = False,
    idle_s: float | None = None,
) -> int:
    settings = _settings(config, max_flow_mib, show_groups=show_groups)
    filters = None if expression is None else _filters(expression)
    is_terminal = sys.stdout.isatty()
    # The screen shows what one tap sees.
    if output is None and is_terminal and not no_tui and taps is None and can_show_a_screen():
        followed = {"is_followed": is_followed, "idle_s": idle_s}
        code = _screen(
            files, speed=speed, looks=looks, settings=settings, filters=filters, redact=redact, **followed
        )
        if code is not None:
            return code
    from ctcpmon.replaying import ReplayRequest, run
    from ctcpmon.sinks import JsonLinesSink, Sink, TableSink

    stream = sys.stdout.buffer
    form = output or ("table" if is_terminal else "jsonl")
    sink: Sink = (
        JsonLinesSink(stream)
        if form == "jsonl"
        else TableSink(stream, cells=_columns(is_terminal=is_terminal))
    )
    if redact:
        from ctcpmon.sinks.redacted import RedactedSink

        sink = RedactedSink(sink)
    request = ReplayRequest(
        paths=files,
        settings=settings,
        speed=speed,
        batch_frames=batch_frames,
        fail_on=fail_on,
        taps=taps,
        filters=filters,
        is_followed=is_followed,
        idle_s=idle_s,
        is_live=sys.stderr.isatty(),
        is_verbose=verbose,
    )
    return run(request, sink)


def _filters(expression: str) -> dict[int, Program]:
    from ctcpmon.capture_filter import programs_for

    return programs_for(expression)


def _screen(files: tuple[str, ...], **shown: Any) -> int | None:
    """Runs the screen with the options of ``run_replay``; None when its part is not installed."""
    from ctcpmon import engine  # noqa: F401

    try:
        from ctcpmon.tui.app import run_replay
    except EngineMissingError:
        raise
    except ImportError as error:
        _say(f"no screen ({error}); showing a table. To install it: pip install 'textual>=8.2,<9'")
        return None
    return int(run_replay(list(files), **shown))


@cli.command(short_help="Show the reasoning behind a finding, or a detector's page.")
@click.argument("reference", metavar="FINDING|SESSION|INCIDENT|DETECTOR")
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
@_settings_option
def explain(reference: str, files: tuple[str, ...], config: str | None) -> None:
    """Show the numbers and the reasoning behind a finding, or the page of a detector."""
    from ctcpmon import explain as words
    from ctcpmon.lookup import detectors_named, search

    detectors = detectors_named(reference)
    if detectors and not files:
        pages = [words.explain_detector(one, _detector_info(one)) for one in detectors]
        _print_pages(pages)
        return
    _need_files(reference, files)
    settings = _settings(config, None)
    found = search(files, reference, settings)
    _need_match(found, reference)
    pages = [words.explain_incident(incident) for incident in found.incidents.values()]
    pages += [words.explain_session(event, found.findings) for event in found.sessions]
    if not found.sessions:
        pages += [
            words.explain_finding(
                finding,
                event_id=event_id,
                info=_detector_info(finding.detector),
                site=settings.site,
            )
            for event_id, finding in found.findings
        ]
    for incident in found.incidents.values():
        lead = incident.lead
        pages.append(
            words.explain_finding(
                lead, event_id=incident.id, info=_detector_info(lead.detector), site=settings.site
            )
        )
    _print_pages(pages)


@cli.command(short_help="List the fixes, or print those for a session of a capture.")
@click.argument("reference", required=False, metavar="[FIX|DETECTOR|FINDING|SESSION|INCIDENT]")
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
@click.option("--platform", default=None, help="Only fixes for this platform, for example asa.")
@click.option("--all", "in_full", is_flag=True, help="Print every fix in full, not only the first ones.")
@_settings_option
def fixes(
    reference: str | None,
    files: tuple[str, ...],
    platform: str | None,
    config: str | None,
    *,
    in_full: bool,
) -> None:
    """List the fixes, or print those for a session of a capture, ready to check and type.

    With only a FILE: the fixes for every open incident in it. The first ones are printed in full
    and the others named; with --platform or --all every one is printed. FIX and FILE: that one fix,
    filled in.
    """
    from ctcpmon.fixes import catalogue, fixes_for_detector, listing, render
    from ctcpmon.lookup import detectors_named

    family = _family(platform)
    settings = _settings(config, None)
    recipes = catalogue()
    most = None if in_full or family else _FULL_FIXES
    if reference is None:
        _echo("\n".join(listing(recipes.values(), family)))
        return
    if reference in recipes and not files:
        _print_fixes([("", [render(recipes[reference])])], None)
        return
    if not files and (detectors := detectors_named(reference)):
        chosen = dict.fromkeys(
            recipe.id for one in detectors for recipe in fixes_for_detector(one, settings.site, family)
        )
        _print_fixes([("", [render(recipes[one]) for one in chosen])], most)
        return
    if not files and (reference == "-" or Path(reference).exists()):
        _print_fixes(_fixes_in((reference,), None, family, settings), most)
        return
    _need_files(reference, files)
    if reference in recipes:
        _print_fixes(_fixes_in(files, None, None, settings, only=recipes[reference]), None)
        return
    _print_fixes(_fixes_in(files, reference, family, settings), most)


def _family(platform: str | None) -> str | None:
    from ctcpmon.platforms import PLATFORMS, family_of, nearest_platform

    if platform is None or platform == "any":
        return platform
    family = family_of(platform)
    if family is None:
        near = nearest_platform(platform)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"unknown platform {_safe(platform)!r}{hint} (known: any, {', '.join(PLATFORMS)})"
        raise click.BadParameter(message, param_hint="--platform")
    return family


def _fixes_in(
    files: tuple[str, ...],
    reference: str | None,
    platform: str | None,
    settings: Settings,
    *,
    only: Recipe | None = None,
) -> list[tuple[str, list[RenderedFix]]]:
    from ctcpmon.fixes import fixes_for, render_for_incident, render_for_session
    from ctcpmon.lookup import search

    found = search(files, reference, settings)
    if reference is not None:
        _need_match(found, reference)
    groups: list[tuple[str, list[RenderedFix]]] = []
    for incident in found.incidents.values():
        if reference is None and not incident.is_open:
            continue
        is_outage = incident.is_headend_outage
        recipes = (
            (only,)
            if only
            else fixes_for(incident.lead, settings.site, platform, is_headend_outage=is_outage)
        )
        head = f"Incident {incident.id}: {incident.what}\n  {incident.path}"
        groups.append((head, [render_for_incident(recipe, incident, settings.site) for recipe in recipes]))
    raised = [finding for _, finding in found.findings if finding.verdict != "healthy"]
    if raised:
        worst = next((one for one in raised if one.verdict == "stalled"), raised[-1])
        recipes = (only,) if only else fixes_for(worst, settings.site, platform)
        rendered = [render_for_session(recipe, worst.session, worst, settings.site) for recipe in recipes]
        groups.append((f"Session {worst.session.id}", rendered))
    if not groups:
        _say("nothing to fix: no open incident and no finding for this reference")
    return groups


@cli.command()
def schema() -> None:
    """Print the JSON Schema of one output line."""
    from ctcpmon.events import schema as event_schema

    click.echo(event_schema(), nl=False)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Also the versions of the parts.")
def version(*, as_json: bool) -> None:
    """Print the version."""
    import ctcpmon

    if not as_json:
        click.echo(ctcpmon.__version__)
        return
    import json
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    parts: dict[str, str] = {"ctcpmon": ctcpmon.__version__, "event_schema": "v1"}
    try:
        from ctcpmon import engine

        parts["engine"] = engine.__version__
    except EngineMissingError:
        pass
    parts["python"] = ".".join(map(str, sys.version_info[:3]))
    for name in ("click", "msgspec", "textual", "pyshark"):
        try:
            parts[name] = version_of(name)
        except PackageNotFoundError:
            continue
    click.echo(json.dumps(parts))


@cli.command(short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell; load it with eval or from a file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        message = f"no completion for {shell}"
        raise click.UsageError(message)
    click.echo(kind(cli, {}, "ctcpmon", "_CTCPMON_COMPLETE").source())


def _settings(config: str | None, max_flow_mib: int | None = None, *, show_groups: bool = False) -> Settings:
    from ctcpmon.config import settings_with

    return settings_with(config, max_flow_mib=max_flow_mib, show_groups=show_groups)


def _detector_info(detector: str) -> DetectorInfo | None:
    try:
        from ctcpmon import engine
    except EngineMissingError:
        return None
    return next((info for info in engine.DETECTORS if info.id == detector), None)


def _need_files(reference: str, files: tuple[str, ...]) -> None:
    if not files:
        message = (
            f"{_safe(reference)!r} is no detector, fix or file; for a finding, session or incident "
            "name the capture too"
        )
        raise click.UsageError(message)


def _need_match(found: Found, reference: str) -> None:
    if found.is_empty:
        message = f"nothing in the capture is called {_safe(reference)!r}"
        raise click.UsageError(message)
    if found.left_out:
        _say(f"{found.left_out} more matches not shown; use a longer reference")


def _print_pages(pages: list[tuple[str, ...]]) -> None:
    _echo("\n\n".join("\n".join(page).rstrip() for page in pages))


def _print_fixes(groups: list[tuple[str, list[RenderedFix]]], most: int | None) -> None:
    """Prints ``most`` fixes of each group in full (None: all) and names the others."""
    is_terminal = sys.stdout.isatty()
    cells = min(max(_columns(is_terminal=True), 60), 100) - 1 if is_terminal else 79
    for head, rendered in groups:
        if head:
            _echo(f"{head}\n")
        for number, fix in enumerate(rendered[:most], 1):
            _echo(f"FIX {number} of {len(rendered)}: {fix.text(cells)}\n")
        if others := rendered[len(rendered) if most is None else most :]:
            _echo("Other fixes (print one: ctcpmon fixes ID FILE; all of them: --all)")
            _echo("\n".join(f"  {fix.id:<24}{fix.title}" for fix in others) + "\n")


def _echo(text: str) -> None:
    from ctcpmon.text import clean

    for line in text.split("\n"):
        click.echo(clean(line, 1_000))


def _columns(*, is_terminal: bool) -> int:
    if not is_terminal:
        return 100
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def _safe(text: str) -> str:
    from ctcpmon.text import clean

    return clean(text)


def _say(text: str) -> None:
    from ctcpmon.narration import say

    say(text)


def main() -> NoReturn:
    """Runs the command of ``sys.argv``; ``start`` is the way in."""
    from ctcpmon.failures import settled

    try:
        cli(prog_name="ctcpmon")
    except SystemExit as end:
        raise SystemExit(settled(end.code if isinstance(end.code, int) else 0)) from None
    except OSError:
        # click found something wrong and could not say it.
        raise SystemExit(settled(ExitCode.USAGE)) from None
    raise SystemExit(ExitCode.OK)
