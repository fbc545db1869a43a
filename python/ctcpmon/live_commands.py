"""The commands of live capture: live, ifaces, doctor. Options and words only, like ``cli``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from ctcpmon.capture_options import capture_options
from ctcpmon.exits import ExitCode
from ctcpmon.looks_options import can_show_a_screen, looks_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctcpmon.capture_filter import Program
    from ctcpmon.capturing import LiveRequest
    from ctcpmon.config import Settings
    from ctcpmon.engine import Interface
    from ctcpmon.looks import Looks

__all__ = ["doctor", "ifaces", "live"]


@click.command()
@click.argument("interfaces", nargs=-1, required=True, metavar="IFACE...")
@capture_options
@click.option(
    "--keep-mib",
    type=click.IntRange(0, 4_095),
    default=32,
    help="Memory for recent packets of tunnel sessions, MiB; 0: none are kept.",
)
@click.option(
    "--save-dir",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Save the packets of every new critical incident there, as pcapng with comments.",
)
@click.option("--duration", type=click.FloatRange(0.1), metavar="SECONDS", help="End after this time.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["jsonl", "table"]),
    default=None,
    help="Format; default: the screen on a terminal, else jsonl.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "crit"]),
    default=None,
    help="Exit with 1 when an incident reached this level.",
)
@click.option("-v", "--verbose", is_flag=True, help="Counters on stderr at the end.")
@looks_options
@click.option("--no-tui", is_flag=True, help="Plain table on a terminal.")
@click.option("--redact", is_flag=True, help="Show addresses of documentation instead of the real ones.")
def live(interfaces: tuple[str, ...], **options: Any) -> None:
    """Watch interfaces, for example the SPAN port eth2.

    Opens the interfaces, then gives up every right. Sends nothing: not one frame leaves. Ctrl-C or
    SIGTERM ends it; what was received is still judged and written.
    """
    click.get_current_context().exit(_live(interfaces, **options))


def _live(
    interfaces: tuple[str, ...],
    *,
    expression: str | None,
    ring_mib: int,
    rings: int,
    no_promiscuous: bool,
    offload_off: bool,
    user: str | None,
    keep_mib: int,
    save_dir: str | None,
    duration: float | None,
    stats_every: float,
    output: Literal["jsonl", "table"] | None,
    max_flow_mib: int | None,
    fail_on: Literal["warn", "crit"] | None,
    show_groups: bool,
    verbose: bool,
    looks: Looks,
    no_tui: bool,
    redact: bool,
    config: str | None,
) -> int:
    from ctcpmon.capturing import LiveRequest, run
    from ctcpmon.config import settings_with
    from ctcpmon.confining import of_screen, of_stream
    from ctcpmon.rights import account_after_opening
    from ctcpmon.sinks import JsonLinesSink, Sink, TableSink
    from ctcpmon.state_file import prepare

    _need_apart(interfaces)
    if save_dir is not None and keep_mib == 0:
        message = "--save-dir needs --keep-mib above 0"
        raise click.UsageError(message)
    settings = settings_with(config, max_flow_mib=max_flow_mib, show_groups=show_groups)
    is_terminal = sys.stdout.isatty()
    is_screen = output is None and is_terminal and not no_tui and can_show_a_screen()
    account = account_after_opening(user)
    if is_screen and account is not None:
        prepare(account)
    request = LiveRequest(
        interfaces=interfaces,
        settings=settings,
        ring_mib=ring_mib,
        rings=rings,
        is_promiscuous=not no_promiscuous,
        is_offload_off=offload_off,
        filters=None if expression is None else _filters(expression, interfaces),
        account=account,
        keep_mib=keep_mib,
        save_dir=save_dir,
        duration_s=duration,
        stats_every_s=stats_every,
        fail_on=fail_on,
        is_live=sys.stderr.isatty(),
        is_verbose=verbose,
        has_screen=is_screen,
        needs=of_screen(save_dir, account) if is_screen else of_stream(save_dir),
    )
    if is_screen:
        code = _screen(request, settings, looks=looks, redact=redact)
        if code is not None:
            return code
    stream = sys.stdout.buffer
    form = output or ("table" if is_terminal else "jsonl")
    sink: Sink = JsonLinesSink(stream) if form == "jsonl" else TableSink(stream, cells=100)
    if redact:
        from ctcpmon.sinks.redacted import RedactedSink

        sink = RedactedSink(sink)
    return run(request, sink)


def _filters(expression: str, interfaces: tuple[str, ...]) -> dict[int, Program]:
    """Compiled for what the frames of the interfaces begin with."""
    from ctcpmon import engine
    from ctcpmon.capture_filter import program_for

    known = {one.name: one.link_type for one in engine.interfaces()}
    # One interface of each link type: the programs for another would be the same.
    links = {known.get(name): name for name in interfaces}
    return {link: program_for(expression, link, name) for link, name in links.items() if link is not None}


def _need_apart(interfaces: tuple[str, ...]) -> None:
    if len(set(interfaces)) != len(interfaces):
        message = "an interface is given twice"
        raise click.UsageError(message)
    for name in interfaces:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            from ctcpmon.text import clean

            message = (
                f"{clean(name)}: an interface is captured by a name in UTF-8; ip link set dev ... name ..."
            )
            raise click.UsageError(message) from error


def _screen(request: LiveRequest, settings: Settings, *, looks: Looks, redact: bool) -> int | None:
    """Runs the screen; None when its part is not installed."""
    try:
        from ctcpmon.tui.app import run_live
    except ImportError as error:
        from ctcpmon.narration import say

        say(f"no screen ({error}); showing a table. To install it: pip install 'textual>=8.2,<9'")
        return None
    return int(run_live(request, settings=settings, looks=looks, redact=redact))


@click.command(short_help="List the interfaces, and which of them carries frames.")
def ifaces() -> None:
    """List the interfaces, and which of them carries frames at the moment."""
    import time

    from ctcpmon import engine
    from ctcpmon.text import clean

    before = {one.index: one for one in engine.interfaces()}
    time.sleep(_LOOK_S)
    click.echo(f"{'NAME':<16}{'STATE':<10}{'Mbit/s':>8}{'frames/s':>11}{'dropped':>10}  DRIVER")
    for one in engine.interfaces():
        was = before.get(one.index, one)
        rate = max(one.received - was.received, 0) / _LOOK_S
        speed = "" if one.speed_mbit is None else str(one.speed_mbit)
        driver = clean(one.driver or "", 20) + ("" if one.link_type is not None else "  (cannot be decoded)")
        driver += f"  {', '.join(one.merging)} on" if one.merging and _is_ready(one) else ""
        click.echo(
            f"{clean(one.name, 15):<16}{clean(one.state, 9):<10}{speed:>8}{rate:>11,.0f}{one.dropped:>10,}  "
            f"{driver}".rstrip()
        )


_LOOK_S = 1.0
"""Long enough for a rate, short enough to wait for."""


@click.command(short_help="Check what live capture needs on this machine.")
def doctor() -> None:
    """Check what live capture needs on this machine; the exit code is 3 when it cannot start."""
    from ctcpmon import engine
    from ctcpmon.rights import can_capture, lines_to_type, who
    from ctcpmon.text import clean

    click.echo(f"running as      {who()}")
    is_able = can_capture()
    click.echo(f"right to capture  {'yes' if is_able else 'no (CAP_NET_RAW)'}")
    confined = engine.try_confine()
    click.echo(f"confined by       {', '.join(confined.in_force) or 'nothing'}")
    for missing in confined.missing:
        click.echo(f"                  {clean(missing, 60)}")
    for line in _findings():
        click.echo(line)
    if not is_able:
        click.echo("to capture, type one of:")
        for line in lines_to_type(("IFACE",)):
            click.echo(f"  {line}")
        click.get_current_context().exit(ExitCode.CAPTURE)


def _findings() -> Iterator[str]:
    import ctypes.util
    import shutil

    from ctcpmon import engine
    from ctcpmon.offloads import line_to_type
    from ctcpmon.text import clean

    ready = [one for one in engine.interfaces() if _is_ready(one)]
    names = ", ".join(clean(one.name, 15) for one in ready) or "none"
    yield f"interfaces up     {names}"
    for one in ready:
        # The loopback is nobody's tap.
        if one.merging and one.name != "lo":
            yield f"merged segments   {clean(one.name, 15)}: {', '.join(one.merging)} on; to switch it off:"
            yield f"                  {line_to_type(one.name, one.merging)}  (or --offload-off)"
    has_filter = ctypes.util.find_library("pcap") is not None
    yield f"filters (-f)      {'yes' if has_filter else 'no: apt-get install libpcap0.8'}"
    has_tshark = shutil.which("tshark") is not None
    yield f"packet details    {'yes' if has_tshark else 'no: apt-get install tshark'}"


def _is_ready(one: Interface) -> bool:
    return one.link_type is not None and one.state in {"up", "unknown"}
