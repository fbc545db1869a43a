"""The incident list: heading, rows at three widths."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ctcpmon.stamps import day
from ctcpmon.text import pad, width
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.brush import line_width

if TYPE_CHECKING:
    from ctcpmon.tui.painting.brush import Frame, Line, Role, Span
    from ctcpmon.tui.view import IncidentRow, View

__all__ = ["WIDE", "heading", "row", "row_lines", "summary"]

WIDE = 150
"""From this many cells on, an incident is one line."""
_NARROW = 78
_RULE_CELLS = 3
_WHAT_CELLS = 54
_PATH_CELLS = 47
_INDENT = 2 + words.SEVERITY_CELLS + 1


def summary(view: View, frame: Frame) -> list[Line]:
    """Is anything broken, who and how many. What does not fit is left out from the least important on."""
    tally = view.tally
    still_open = sum(row.is_open for row in view.incidents)
    cleared = len(view.incidents) - still_open
    left: list[Span] = [(f"INCIDENTS {still_open}", "title")]
    if view.critical:
        left += [("  ", ""), (f"{view.critical} CRIT !", "critical")]
    if view.warning:
        left += [("  ", ""), (f"{view.warning} WARN *", "warning")]
    said = [f"{number} {word}" for number, word in ((view.acked, "acked"), (view.muted, "muted")) if number]
    if said:
        left += [("  ", ""), (", ".join(said), "bold")]
    right: list[Line] = [
        ((f"SESSIONS {tally.total:,}", "title"),),
        (("  ", ""), (f"{tally.stalled:,} stalled", "critical" if tally.stalled else "dim")),
        (("  ", ""), (f"{tally.at_risk:,} at risk", "warning" if tally.at_risk else "dim")),
        ((f"  {tally.healthy:,} ok", "good"),),
    ]
    if tally.unknown:
        right.append(((f"  {tally.unknown:,} unknown", "dim"),))
    room = frame.width - line_width(left) - _RULE_CELLS
    while right and sum(map(line_width, right)) > room:
        right.pop()
    room -= sum(map(line_width, right))
    gone: Span = (f"  {cleared} cleared", "dim")
    if cleared and width(gone[0]) <= room:
        left.append(gone)
    return [frame.rule(tuple(left), tuple(chain.from_iterable(right)))]


def heading(frame: Frame) -> list[Line]:
    """Column names, in the places the rows use."""
    start = f"  {pad('SEV', words.SEVERITY_CELLS)} {pad('SINCE', 8)} {pad('SESS', 5, right=True)}  "
    if frame.width >= WIDE:
        rest = f"{pad('WHAT HAPPENED', _WHAT_CELLS)} {pad('WHERE: client -> headend', _PATH_CELLS)} DO FIRST"
    elif frame.width >= _NARROW:
        rest = "WHAT HAPPENED, WHERE (client -> headend), DO FIRST"
    else:
        rest = "WHAT HAPPENED, WHERE"
    return [((start + rest, "dim"),)]


def row_lines(cells: int) -> int:
    """Lines of one row at this width."""
    return 1 if cells >= WIDE else 2


def row(item: IncidentRow, cells: int, *, is_chosen: bool) -> tuple[Line, ...]:
    """One incident. Client, headend and what happened are never cut for addresses of IPv4."""
    mark: Span = (("> " if is_chosen else "  "), "chosen")
    body: Role = "chosen" if is_chosen else ("" if item.is_alarm else "dim")
    since = f"{day(item.since_ns):<8}" if item.is_old else words.moment(item.since_ns)
    start: Line = (mark, words.severity(item), (f" {since} {item.sessions:>5,}  ", body))
    path = f"{item.client} -> {item.headend}"
    said = _said(item)
    if cells >= WIDE:
        where = pad(path, max(_PATH_CELLS, width(path)))
        text = f"{pad(said + item.what, _WHAT_CELLS)} {where} {item.fix or '-'}"
        return ((*start, (text, body)),)
    if cells < _NARROW:
        return ((*start, (said + item.title, body)), ((f"    {path}", body),))
    first = f"  {item.fix}" if item.fix else ""
    fill = cells - _INDENT - width(path) - width(first)
    if fill < 0:
        # Long IPv6 paths: the place goes before the fix, which stands in full below the list.
        return ((*start, (said + item.what, body)), ((f"    {path}{first}", body),))
    return ((*start, (said + item.what, body)), ((f"{' ' * _INDENT}{path}{' ' * fill}", body), (first, body)))


def _said(item: IncidentRow) -> str:
    """What is held right now, and what people said of it, before what happened."""
    many = f"{item.held:,} " if item.held > 1 else ""
    words_said = [
        f"? {many}HELD {item.held_s}s" if item.held else "",
        "MUTED" if item.muted_until_s else "",
        "ACK" if item.acked_by else "",
        "NOTE" if item.note else "",
    ]
    told = " ".join(word for word in words_said if word)
    return f"[{told}] " if told else ""
