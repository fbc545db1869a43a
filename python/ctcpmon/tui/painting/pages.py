"""Whole pages of text: a fix, a session, the counters, the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.stamps import clock, day
from ctcpmon.tui.painting import words
from ctcpmon.tui.painting.fold import fold, prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.tui.painting.brush import Frame, Line, Role
    from ctcpmon.tui.view import Detail, FixView, LogLine, View

__all__ = ["counters", "detail", "fix", "fix_row", "help_page", "log_row"]

_PROSE_HEADINGS = {"Treats", "Why it works", "Risk"}
"""Sections of a fix whose text may be filled anew."""


def fix_row(item: tuple[int, FixView], cells: int, *, is_chosen: bool) -> tuple[Line, ...]:
    """One fix in the list."""
    number, one = item
    tail = f"  {one.platform}" if cells >= 100 else ""
    text = f"{number}  {one.id:<24} {one.title}"
    return ((("> " if is_chosen else "  ", "chosen"), (text, "chosen" if is_chosen else ""), (tail, "dim")),)


def fix(one: FixView, frame: Frame) -> list[Line]:
    """The whole text of a fix: prose filled anew, text to type kept line by line."""
    lines: list[Line] = []
    flowing: list[str] = []
    is_prose = False
    for text in (*one.text, ""):
        if is_prose and text.startswith("  "):
            flowing.append(text)
            continue
        if flowing:
            pieces = prose(" ".join(flowing), frame.width - 1, first="  ", rest="  ")
            lines += [((piece, ""),) for piece in pieces]
            flowing.clear()
        is_heading = bool(text) and not text.startswith(" ")
        is_prose = is_heading and text in _PROSE_HEADINGS
        if text.startswith("    ") or not text:
            lines += [((piece, ""),) for piece in fold(text, frame.width - 1)]
        else:
            indent = " " * (len(text) - len(text.lstrip()))
            pieces = prose(text, frame.width - 1, first=indent, rest=indent + "  ")
            lines += [((piece, "bold" if is_heading else ""),) for piece in pieces]
    return lines


def detail(one: Detail, frame: Frame) -> list[Line]:
    """Everything about one session."""
    lines: list[Line] = []
    for text in one.lines:
        is_heading = bool(text) and not text.startswith(" ")
        indent = " " * (len(text) - len(text.lstrip()))
        pieces = prose(text, frame.width - 1, first=indent, rest=indent + "  ") if text.strip() else [""]
        lines += [((piece, "bold" if is_heading else ""),) for piece in pieces]
    return lines


def log_row(item: LogLine, cells: int, *, is_chosen: bool) -> tuple[Line, ...]:  # noqa: ARG001
    """One line of the log."""
    sign, look = words.sign_of(item.level)
    text = f"  {item.text}"
    body: Role = "chosen" if is_chosen else ""
    return (
        (
            ("> " if is_chosen else "  ", "chosen"),
            (f"{day(item.at_ns)} {clock(item.at_ns)[:8]}  ", body),
            (sign, look),
            (text, body),
        ),
    )


def counters(view: View, frame: Frame) -> list[Line]:
    """Can this be trusted: the tap, the inputs, every counter that moved."""
    lines: list[Line] = [frame.rule((("TAP", "title"),))]
    lines += [((f"  {view.tap.text}", "bold"),)]
    for text in view.tap.advice:
        lines += [((piece, ""),) for piece in prose(text, frame.width - 1, first="  ", rest="  ")]
    lines.append(frame.rule((("INPUT", "title"),)))
    for port in view.ports:
        lost = f"{port.dropped:,} DROPPED" if port.dropped else "none dropped"
        state = "  DOWN" if port.is_down else ""
        downs = f"  down {words.count(port.downs, 'time')} so far" if port.downs else ""
        text = f"{port.name}: {port.received:,} received, {port.measured:,} measured, {lost}{downs}{state}"
        role: Role = "critical" if port.dropped or port.is_down else ""
        lines += [((piece, role),) for piece in prose(text, frame.width - 1, first="  ", rest="    ")]
        if port.merged:
            pieces = prose(port.merged, frame.width - 1, first="  * ", rest="    ")
            lines += [((piece, "warning" if not at else ""),) for at, piece in enumerate(pieces)]
    for name in () if view.is_live else view.inputs:
        lines += [((piece, ""),) for piece in fold(f"  {name}", frame.width - 1)]
    lines.append(((f"  {words.span(view.first_ns, view.last_ns)}", ""),))
    if not view.notes:
        lines.append((("  no remarks: read to the last whole record", "dim"),))
    for note in view.notes:
        pieces = prose(note, frame.width - 1, first="  * ", rest="    ")
        lines += [((piece, "warning" if not at else ""),) for at, piece in enumerate(pieces)]
    lines += _not_judged(view, frame)
    lines.append(frame.rule((("COUNTERS", "title"), ("  those that are not 0", ""))))
    for one in view.counters:
        if one.value:
            start = f"  {one.name:<28} {one.value:>13,}  "
            room = frame.width - len(start) - 1
            if room < 20:
                lines.append(((start, ""),))
                continue
            pieces = prose(one.doc, room)
            lines.append(((start, ""), (pieces[0], "dim")))
            lines += [((" " * len(start) + piece, "dim"),) for piece in pieces[1:]]
    return lines


def _not_judged(view: View, frame: Frame) -> list[Line]:
    refused = view.refused
    lines: list[Line] = [frame.rule((("NO ROOM (not judged)", "title"),))]
    text = (
        f"  {refused.segments:,} segments, {refused.flows_evicted:,} flows evicted, "
        f"{refused.sessions:,} sessions, {refused.incidents:,} incidents"
    )
    lines.append(((text, "warning" if refused.total > refused.undecoded else "dim"),))
    if refused.undecoded:
        failed = words.count(refused.undecoded, "packet")
        lines.append(((f"  the decoder failed on {failed}, a bug: see the remark above", "warning"),))
    return lines


def help_page(
    keys: Sequence[tuple[str, str]],
    columns: Sequence[tuple[str, str]],
    filters: Sequence[tuple[str, str]],
    frame: Frame,
) -> list[Line]:
    """The keys that work here, what the columns mean, how a filter is written."""
    lines: list[Line] = [frame.rule((("KEYS", "title"),))]
    lines += _pairs(keys, frame)
    lines.append(frame.rule((("COLUMNS AND WORDS", "title"),)))
    lines += _pairs(columns, frame)
    lines.append(frame.rule((("FILTER", "title"), ("  terms side by side must all hold", ""))))
    lines += _pairs(filters, frame, 20)
    return lines


def _pairs(pairs: Sequence[tuple[str, str]], frame: Frame, cells: int = 15) -> list[Line]:
    lines: list[Line] = []
    for name, text in pairs:
        for at, piece in enumerate(prose(text, frame.width - cells - 4)):
            lines.append(((f"  {name if not at else '':<{cells}} ", "key"), (piece, "")))
    return lines
