"""The commands of a run without a screen: serve, attach, history. Options and words only, like ``cli``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctcpmon.capture_options import capture_options
from ctcpmon.looks_options import looks_options

if TYPE_CHECKING:
    from ctcpmon.config import Settings
    from ctcpmon.looks import Looks
    from ctcpmon.output_settings import Outputs
    from ctcpmon.serving import ServeRequest

__all__ = ["COMMANDS", "default_socket"]


@click.command(short_help="Watch interfaces without a screen: events go to outputs.")
@click.argument("interfaces", nargs=-1, metavar="[IFACE]...")
@capture_options
@click.option(
    "--replay",
    "files",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Capture files, not interfaces.",
)
@click.option(
    "--speed", type=click.FloatRange(0), default=0.0, help="Pace of --replay; 0: as fast as possible."
)
@click.option("--stay", is_flag=True, help="With --replay: go on for screens and scrapers at its end.")
@click.option("--file", "path", metavar="PATH", help="JSON Lines to a file; see [outputs.file].")
@click.option("--history", metavar="PATH", help="Events to SQLite; see [outputs.history].")
@click.option("--metrics", metavar="ADDR:PORT", help="Prometheus endpoint; see [outputs.metrics].")
@click.option("--listen", "socket", metavar="PATH", help="Socket for attach (default: see ctcpmon attach).")
@click.option("--no-listen", is_flag=True, help="No socket for attach.")
def serve(interfaces: tuple[str, ...], **options: Any) -> None:
    """Watch interfaces without a screen: events go to the outputs of the configuration.

    SIGTERM and Ctrl-C end it in order: no event of what was received is lost. SIGHUP reopens files.
    ctcpmon attach shows the screen.
    """
    click.get_current_context().exit(_serve(interfaces, **options))


def _serve(
    interfaces: tuple[str, ...],
    *,
    files: tuple[str, ...],
    speed: float,
    stay: bool,
    expression: str | None,
    path: str | None,
    history: str | None,
    metrics: str | None,
    socket: str | None,
    no_listen: bool,
    ring_mib: int,
    rings: int,
    no_promiscuous: bool,
    offload_off: bool,
    user: str | None,
    stats_every: float,
    max_flow_mib: int | None,
    show_groups: bool,
    config: str | None,
) -> int:
    if bool(interfaces) == bool(files):
        message = "give interfaces, or capture files with --replay"
        raise click.UsageError(message)
    from ctcpmon.config import settings_with
    from ctcpmon.serving import ServeRequest, run

    settings = settings_with(config, max_flow_mib=max_flow_mib, show_groups=show_groups)
    outputs = _outputs(settings.outputs, path=path, history=history, metrics=metrics)
    _need_receiver(outputs)
    where = None if no_listen else socket or default_socket()
    if files:
        request = _of_files(files, settings, speed=speed, expression=expression)
    else:
        from ctcpmon.capturing import LiveRequest
        from ctcpmon.confining import of_outputs
        from ctcpmon.live_commands import _filters, _need_apart
        from ctcpmon.rights import account_after_opening

        _need_apart(interfaces)
        request = ServeRequest(
            settings=settings,
            outputs=settings.outputs,
            live=LiveRequest(
                interfaces=interfaces,
                settings=settings,
                ring_mib=ring_mib,
                rings=rings,
                is_promiscuous=not no_promiscuous,
                is_offload_off=offload_off,
                filters=None if expression is None else _filters(expression, interfaces),
                account=account_after_opening(user),
                needs=of_outputs(outputs, where),
            ),
        )
    return run(
        ServeRequest(
            settings=settings,
            outputs=outputs,
            live=request.live,
            replay=request.replay,
            socket=where,
            stay=stay and bool(files),
            stats_every_s=stats_every,
        )
    )


def _of_files(
    files: tuple[str, ...], settings: Settings, *, speed: float, expression: str | None
) -> ServeRequest:
    from ctcpmon.capture_filter import programs_for
    from ctcpmon.replaying import ReplayRequest
    from ctcpmon.serving import ServeRequest

    filters = None if expression is None else programs_for(expression)
    replay = ReplayRequest(paths=files, settings=settings, speed=speed, filters=filters)
    return ServeRequest(settings=settings, outputs=settings.outputs, replay=replay)


def _outputs(outputs: Outputs, *, path: str | None, history: str | None, metrics: str | None) -> Outputs:
    """What the configuration says, with what the command line says on top."""
    import msgspec

    from ctcpmon.text import clean

    on_top: dict[str, Any] = {}
    for name, key, value in (
        ("file", "path", path),
        ("history", "path", history),
        ("metrics", "address", metrics),
    ):
        if value is not None:
            before = getattr(outputs, name)
            known = {} if before is None else msgspec.structs.asdict(before)
            on_top[name] = {**known, key: value}
    try:
        return msgspec.convert({**msgspec.to_builtins(outputs), **on_top}, type(outputs))
    except msgspec.ValidationError as error:
        message = clean(str(error), 300)
        raise click.UsageError(message) from error


def _need_receiver(outputs: Outputs) -> None:
    """Raises ``SettingsError`` for a webhook whose URL names nobody."""
    if outputs.webhook is None:
        return
    from ctcpmon.errors import SettingsError
    from ctcpmon.sinks.webhook import need_receiver
    from ctcpmon.text import clean

    try:
        need_receiver(outputs.webhook.url)
    except ValueError as error:
        message = f"webhook: {clean(outputs.webhook.url, 200)}: {clean(str(error), 200)}"
        raise SettingsError(message) from error


@click.command(short_help="Show the screen of a running ctcpmon serve.")
@click.argument("socket", required=False, type=click.Path(), metavar="[SOCKET]")
@looks_options
@click.option("--redact", is_flag=True, help="Show addresses of documentation instead of the real ones.")
@click.option(
    "-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML), for its keys."
)
def attach(socket: str | None, *, looks: Looks, redact: bool, config: str | None) -> None:
    """Show the screen of a running ctcpmon serve; leaving it leaves the run alone.

    Over SSH: ssh -t HOST ctcpmon attach
    """
    from ctcpmon.errors import PartMissingError

    try:
        from ctcpmon.tui.app import run_remote
    except ImportError as error:
        message = f"no screen ({error}); type: pip install 'textual>=8.2,<9'"
        raise PartMissingError(message) from error
    from ctcpmon.config import load_settings

    looks = looks.with_keys(load_settings(config).keys)
    path = socket or _socket_that_is_there()
    click.get_current_context().exit(run_remote(path, looks=looks, redact=redact))


_SERVICE_SOCKET = "/run/ctcpmon/serve.sock"


def default_socket() -> str:
    """Where others cannot put a socket of their own: the folder of the session, or of the service."""
    return _SERVICE_SOCKET if os.geteuid() == 0 else _session_socket() or _SERVICE_SOCKET


def _session_socket() -> str | None:
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    return f"{session}/ctcpmon.sock" if session.startswith("/") else None


def _socket_that_is_there() -> str:
    """That of our own session before that of the service."""
    ours = _session_socket()
    return ours if ours is not None and Path(ours).exists() else _SERVICE_SOCKET


@click.command(short_help="Find events in the history of ctcpmon serve.")
@click.argument("path", required=False, type=click.Path(), metavar="[FILE]")
@click.option("--since", metavar="TIME", help="2h, 7d, 2026-11-23 or 2026-11-23T02:58 (UTC).")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--type", "kind", type=click.Choice(["finding", "incident", "session", "device"]), default=None)
@click.option("--session", metavar="ID", help="Only events of this session.")
@click.option("--incident", metavar="ID", help="Only the incident and its findings.")
@click.option("--min-severity", type=click.Choice(["info", "warning", "critical"]), default=None)
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.option(
    "-o", "--output", type=click.Choice(["jsonl", "table"]), default=None, help="Default: by terminal."
)
@click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")
def history(path: str | None, output: str | None, config: str | None, **asked: Any) -> None:
    """Find events in the history of ctcpmon serve, by time, type, session and incident.

    FILE is [outputs.history] of the configuration unless it is named. It may be read while serve writes.
    """
    import sys

    from ctcpmon.config import load_settings
    from ctcpmon.history import HistoryQuery, moment, read, row

    if path is None:
        stored = load_settings(config).outputs.history
        if stored is None:
            message = "name the FILE, or a configuration with [outputs.history]"
            raise click.UsageError(message)
        path = stored.path
    for name in ("since", "until"):
        asked[name] = None if asked[name] is None else moment(asked[name])
    is_table = output == "table" or (output is None and sys.stdout.isatty())
    out = sys.stdout.buffer
    for line in read(path, HistoryQuery(**asked)):
        out.write((row(line).encode("utf-8") if is_table else line) + b"\n")
    out.flush()


COMMANDS: tuple[click.Command, ...] = (serve, attach, history)
