"""The command that shows packets: packets. Options and words only, like ``cli``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ctcpmon.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctcpmon.dissect.book import PacketBook, PacketRow
    from ctcpmon.engine import Session
    from ctcpmon.slicing import Case

__all__ = ["packets_command"]

_MOST = 2_000
_MOST_BYTES = 1 << 25
"""Of the packets of the session (guess: some minutes of a busy tunnel)."""
_BEFORE = 10
"""Packets shown before the first one with a remark."""
_RANKS = {"stalled": 4, "suspect": 3, "at_risk": 2, "unknown": 1, "healthy": 0}


@click.command("packets", short_help="Show the packets of a session, with remarks.")
@click.argument("reference", metavar="FINDING|SESSION|INCIDENT")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-p", "--packet", type=click.IntRange(1), default=None, help="Only this one, with all fields.")
@click.option(
    "--first", type=click.IntRange(1), default=None, help="Number of the first; default: by a remark."
)
@click.option("--count", type=click.IntRange(1, _MOST), default=100, show_default=True, help="How many.")
@click.option(
    "-o", "--output", type=click.Choice(["jsonl", "table"]), default=None, help="Default: by terminal."
)
@click.option("-c", "--config", type=click.Path(), default=None, help="Configuration file (TOML).")
def packets_command(reference: str, files: tuple[str, ...], output: str | None, **asked: Any) -> None:
    """Show the packets of a session, with the remarks on those that prove a finding.

    Of an incident it is the worst session. --packet N shows one with its bytes and the fields that tshark
    finds in it (through pyshark). Without them times, lengths, remarks and bytes are still shown. Every FILE
    is read twice.
    """
    from ctcpmon.config import settings_with
    from ctcpmon.dissect.dissection import missing
    from ctcpmon.narration import say
    from ctcpmon.slice_commands import need_files
    from ctcpmon.slicing import gather
    from ctcpmon.text import clean

    need_files(files)
    settings = settings_with(asked["config"], max_flow_mib=None, show_groups=False)
    cases, is_whole = gather(files, reference, settings)
    if not cases:
        message = f"nothing in the capture is called {clean(reference)!r}"
        raise click.UsageError(message)
    case = max(cases, key=_badness)
    if len(cases) > 1:
        say(f"the first of the worst of {len(cases):,} sessions; name another one to see its packets")
    book, left_out = _book(files, case)
    numbers = _numbers(book, **asked)
    problem = _dissect(book, numbers)
    is_table = output == "table" or (output is None and sys.stdout.isatty())
    is_one = asked["packet"] is not None
    if is_table:
        lines = _one_as_text(book, numbers[0]) if is_one else _as_text(book, case.session, numbers)
    else:
        lines = (_as_json(book, case.session, number, is_one=is_one) for number in numbers)
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if left_out:
        say(left_out)
    if problem:
        say(problem)
    if not is_whole:
        say("part of the input could not be read")
    code = ExitCode.PART_MISSING if missing() else ExitCode.OK if is_whole else ExitCode.INPUT
    click.get_current_context().exit(code)


def _badness(case: Case) -> int:
    return _RANKS.get(case.lead[1].verdict, 0) if case.lead is not None else -1


def _book(files: tuple[str, ...], case: Case) -> tuple[PacketBook, str]:
    """The packets, and what is not among them."""
    from ctcpmon.dissect.book import PacketBook
    from ctcpmon.dissect.slices import MAX_FRAMES, read_slice
    from ctcpmon.slicing import Bounds, cut_files, order_of

    session, lead = case.session, case.lead
    around_ns = session.last_ns if lead is None else lead[1].since_ns
    order = order_of([case], f"session {session.id} by ctcpmon")
    cut = cut_files(files, order, Bounds(around_ns, MAX_FRAMES, _MOST_BYTES), lambda: True)
    assert cut is not None  # noqa: S101 nobody said to stop
    data, sliced = cut
    book = PacketBook(read_slice(data), (session.client_ip, session.client_port))
    left = ((sliced.before, "before"), (sliced.behind, "after"))
    told = " and ".join(f"{number:,} {where}" for number, where in left if number)
    return book, f"left out: {told} these {sliced.frames:,} packets" if told else ""


def _numbers(book: PacketBook, *, packet: int | None, first: int | None, count: int, **_rest: Any) -> range:
    total = len(book.rows)
    asked = packet or first
    if asked is not None and asked > total:
        message = f"there is no packet {asked:,}; the session has {total:,}"
        raise click.UsageError(message)
    if packet is not None:
        return range(packet, packet + 1)
    start = first if first is not None else max(min(book.proof - _BEFORE, total - count + 1), 1)
    return range(start, min(start + count, total + 1))


def _dissect(book: PacketBook, numbers: range) -> str:
    """Fills in what tshark says; what went wrong."""
    from ctcpmon.dissect.dissection import dissect

    for number in numbers:
        wanted = book.wanted(number)
        if wanted:
            found = dissect(book.cut, wanted)
            book.take(wanted, found)
            if found.problem:
                return found.problem
    return ""


def _as_text(book: PacketBook, session: Session, numbers: range) -> Iterator[str]:
    from ctcpmon.stamps import clock

    total = len(book.rows)
    shown = (
        ""
        if len(numbers) == total
        else f", {numbers.start:,} to {numbers.stop - 1:,} shown (--first, --count)"
    )
    remarked = sum(bool(row.remarks) for row in book.rows)
    yield f"session {session.id}: {total:,} packets, {remarked} with a remark{shown}"
    yield f"{_end(session.client_ip, session.client_port)} > {_end(session.headend_ip, session.headend_port)}"
    yield f"  {'NO':>6}  {'TIME UTC':<12}  {'+MS':>9}  {'BYTES':>5}    WHAT"
    for number in numbers:
        row = book.rows[number - 1]
        sign = "!" if row.remarks else " "
        yield (
            f"{sign} {number:>6}  {clock(row.time_ns)}  {row.since_ns / 1e6:>9.1f}  {row.length:>5}  "
            f"{_arrow(row)} {row.text}".rstrip()
        )
        for remark in row.remarks:
            yield f"          ^ {remark}"


def _one_as_text(book: PacketBook, number: int) -> Iterator[str]:
    from ctcpmon.dissect.lines import hex_lines, tree_rows
    from ctcpmon.stamps import clock

    row, tree = book.rows[number - 1], book.tree(number)
    yield f"packet {number}  {clock(row.time_ns)} UTC  {row.length} bytes  {_arrow(row)} {row.text}".rstrip()
    for remark in row.remarks:
        yield f"  ^ {remark}"
    if tree is not None:
        yield ""
        for one in tree_rows(tree.layers, lambda _key, _node: True):
            yield f"{'  ' * one.depth}{one.label}"
        if tree.is_cut:
            yield "(more fields are not shown)"
    yield ""
    frame = book.frame(number)
    for line in hex_lines(frame.data if frame is not None else b""):
        left, right = " ".join(line.numbers[:8]), " ".join(line.numbers[8:])
        yield f"{line.at}  {left:<23}  {right:<23}  {line.characters}"


def _as_json(book: PacketBook, session: Session, number: int, *, is_one: bool) -> str:
    import msgspec

    from ctcpmon.stamps import rfc3339
    from ctcpmon.text import clean

    row, tree, frame = book.rows[number - 1], book.tree(number), book.frame(number)
    said: dict[str, object] = {
        "session": clean(session.id, 32),
        "number": number,
        "time": rfc3339(row.time_ns),
        "length_bytes": row.length,
        "remarks": row.remarks,
    }
    if row.is_from_client is not None:
        said["from"] = "client" if row.is_from_client else "headend"
    if row.text:
        said["summary"] = row.text
    if is_one and frame is not None:
        said["bytes_hex"] = frame.data.hex()
    if is_one and tree is not None:
        said["layers"] = tree.layers
    return msgspec.json.encode(said).decode()


def _arrow(row: PacketRow) -> str:
    return " " if row.is_from_client is None else ">" if row.is_from_client else "<"


def _end(ip: str, port: int) -> str:
    from ctcpmon.text import clean

    return f"[{clean(ip, 45)}]:{port}" if ":" in ip else f"{clean(ip, 45)}:{port}"
