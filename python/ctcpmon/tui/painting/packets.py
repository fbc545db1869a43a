"""The packets of a session: rows, the lines of a tree, the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.dissect.lines import bytes_per_line, hex_lines
from ctcpmon.stamps import clock
from ctcpmon.text import pad

if TYPE_CHECKING:
    from ctcpmon.dissect.book import PacketRow
    from ctcpmon.dissect.lines import HexLine, TreeRow
    from ctcpmon.tui.painting.brush import Frame, Line, Role, Span

__all__ = ["field", "heading", "hexadecimal", "remark", "row"]

_ROOMY = 104
_NO = 6


def heading(frame: Frame) -> list[Line]:
    """Column names, in the places the rows use."""
    start = f"    {pad('NO', _NO, right=True)}  {pad('TIME UTC', 12)}  "
    more = f"{pad('+MS', 9, right=True)} {pad('BYTES', 5, right=True)}  " if frame.width >= _ROOMY else ""
    return [((f"{start}{more}  WHAT", "dim"),)]


def row(item: PacketRow, cells: int, *, is_chosen: bool, has_keys: bool) -> Line:
    """One packet; ``!`` stands before one with a remark, the arrow is that of client -> headend."""
    body: Role = "chosen" if is_chosen else ""
    sign: Span = ("! ", "warning") if item.remarks else ("  ", "")
    arrow = "  " if item.is_from_client is None else "> " if item.is_from_client else "< "
    more = f"{item.since_ns / 1e6:>9.1f} {item.length:>5}  " if cells >= _ROOMY else ""
    text = f"{item.number:>{_NO}}  {clock(item.time_ns)}  {more}{arrow}{item.text}"
    return (_cursor(is_chosen=is_chosen, has_keys=has_keys), sign, (text, body))


def remark(text: str, *, is_chosen: bool, has_keys: bool) -> Line:
    """Why this packet is one that proves something."""
    return (_cursor(is_chosen=is_chosen, has_keys=has_keys), ("! ", "warning"), (text, "bold"))


def field(item: TreeRow, *, is_chosen: bool, has_keys: bool) -> Line:
    """A line of the tree: ``+`` is folded, ``-`` is not."""
    sign = ("- " if item.is_open else "+ ") if item.has_children else "  "
    role: Role = "bold" if item.depth == 0 else "chosen" if is_chosen else ""
    text = f"{'  ' * item.depth}{sign}{item.label}"
    return (_cursor(is_chosen=is_chosen, has_keys=has_keys), (text, role))


def hexadecimal(data: bytes, marked: range, frame: Frame) -> list[Line]:
    """The bytes; those of the field in hand are reversed."""
    return [
        _hex(line, marked, bytes_per_line(frame.width))
        for line in hex_lines(data, bytes_per_line(frame.width))
    ]


def _hex(line: HexLine, marked: range, per_line: int) -> Line:
    spans: list[Span] = [(f"{line.at}  ", "dim")]
    for at, number in enumerate(line.numbers):
        place = line.start + at
        gap = "" if at == 0 else "  " if at == 8 else " "
        # The blank between two marked bytes is marked too, so that they read as one.
        joined: Role = "marked" if place in marked and place - 1 in marked and at else ""
        spans += [(gap, joined), (number, "marked" if place in marked else "")]
    missing = per_line - len(line.numbers)
    width = 3 * missing + (1 if per_line > 8 >= len(line.numbers) else 0)
    spans.append((" " * (width + 2), ""))
    for at, char in enumerate(line.characters):
        spans.append((char, "marked" if line.start + at in marked else "dim"))
    return tuple(spans)


def _cursor(*, is_chosen: bool, has_keys: bool) -> Span:
    return ("> " if has_keys else "- ", "chosen") if is_chosen else ("  ", "")
