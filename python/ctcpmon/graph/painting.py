"""A graph as lines of text: title, plot with axes, legend, and the values under the cursor. Pure.

Time goes right, sequence numbers go up. Data are dots; the line below them is what the other side has
acknowledged. While a tunnel works the two lie together; a stall is where they part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ctcpmon.graph.canvas import ASCII, Canvas, Style
from ctcpmon.graph.looking import BOTH
from ctcpmon.graph.scale import Scale, amount, nice_step, seconds, ticks
from ctcpmon.graph.subject import SIDES
from ctcpmon.stamps import clock, rfc3339
from ctcpmon.text import clean, cut, pad, width

if TYPE_CHECKING:
    from ctcpmon.engine import Drawing, Packet
    from ctcpmon.graph.looking import Look
    from ctcpmon.graph.subject import Subject
    from ctcpmon.tui.painting.brush import Line, Role, Span

__all__ = [
    "LEAST_HEIGHT",
    "Room",
    "Style",
    "beginning",
    "columns_of",
    "drawn_scale",
    "paint",
    "values",
    "verdict",
]

LEAST_HEIGHT = 6
_LABEL = 10
"""Cells of the sequence axis."""
_REACH = 4
"""An ACK that is away from the data by more than so many times their height is not drawn."""
_SPLIT_HEIGHT = 16
"""Both directions need so many lines; below that the busier one is shown alone."""
_MARK_NAMES = {
    "syn": "SYN",
    "fin": "FIN",
    "rst": "RST",
    "again": "seen before",
    "late": "fills a hole",
    "beyond": "beyond a hole",
    "duplicate_ack": "duplicate ACK",
    "zero_window": "zero window",
    "copy": "copy of the mirror",
}
_EVENT_SIGNS = {
    "syn": "syn",
    "fin": "fin",
    "reset": "reset",
    "reset_by_other": "reset",
    "zero_window": "zero",
}
_LEGEND = (
    ("onset", "\N{MULTIPLICATION SIGN}", "x", "hole"),
    ("again", "R", "R", "again"),
    ("late", "O", "O", "late"),
    ("ack", "─", "-", "ACK"),
    ("duplicate", "d", "d", "dup ACK"),
    ("sack", "s", "s", "SACK"),
    ("window", "╌", "~", "window"),
    ("zero", "Z", "Z", "zero window"),
    ("reset", "X", "X", "reset"),
)


class Room(NamedTuple):
    """How much there is of it, and what the terminal can show."""

    cells: int
    lines: int
    style: Style


def columns_of(cells: int) -> int:
    """Cells of the plot in a frame that is ``cells`` wide."""
    return max(cells - _LABEL - 1, 8)


def paint(subject: Subject, look: Look, room: Room) -> list[Line]:
    """A graph that fills the room: one direction, or both when there is enough of it."""
    if look.side == BOTH and room.lines >= _SPLIT_HEIGHT:
        half = room.lines // 2
        return [
            *_direction(subject, look, "client", room._replace(lines=half)),
            *_direction(subject, look, "headend", room._replace(lines=room.lines - half)),
        ]
    return _direction(subject, look, subject.main_side if look.side == BOTH else look.side, room)


def values(subject: Subject, look: Look, cells: int) -> list[Line]:
    """Two lines: the packet under the cursor, and what is known about that moment."""
    packet = subject.series.packet(look.place)
    there = "client -> headend" if packet.side == "client" else "headend -> client"
    parts = [
        (0, f"{'frame' if subject.cut.numbers else 'packet'} {subject.number(packet.index):,}"),
        (3, rfc3339(packet.ts_ns)[11:26]),
        (5, f"+{(packet.ts_ns - subject.first_ns) / 1e9:.6f} s"),
        (6, there),
        (0, f"seq {packet.seq:,}"),
        (2, f"len {packet.length:,}"),
    ]
    if packet.ack is not None:
        parts.append((0, f"ack {packet.ack:,}"))
    parts.append((1, f"win {packet.window:,}"))
    parts += [(4, f"SACK {left:,}-{right:,}") for left, right in packet.sack[:2]]
    told = _told(packet)
    text = "  ".join(part for _, part in parts)
    # What is known from elsewhere, or needed least, goes first.
    while width(text) + (width(told) + 2 if told else 0) + 1 > cells and max(parts)[0]:
        parts.remove(max(parts))
        text = "  ".join(part for _, part in parts)
    first: Line = ((f" {text}", ""), (f"  {told}" if told else "", "warning"))
    return [first, ((f" {cut(_near(subject, look), cells - 1)}", "dim"),)]


def _told(packet: Packet) -> str:
    return ", ".join(_MARK_NAMES[name] for name in packet.marks if name in _MARK_NAMES)


def _near(subject: Subject, look: Look) -> str:
    """The words of the evidence that belong to the moment under the cursor, or the finding."""
    at = look.cursor_ns(subject)
    close = (look.until_ns - look.from_ns) // 40
    near = [(abs(one - at), text) for one, text in subject.cut.marks if abs(one - at) <= close]
    if near:
        return min(near)[1]
    return subject.cut.story or "no detector raised on this session"


def _direction(subject: Subject, look: Look, side: str, room: Room) -> list[Line]:
    cells, style = room.cells, room.style
    other = SIDES[1 - SIDES.index(side)]
    plot = Canvas(columns_of(cells), max(room.lines - 3, 1), style)
    drawn = subject.series.drawing(side, look.from_ns, look.until_ns, plot.columns)
    across = Scale(look.from_ns, look.until_ns, plot.columns)
    up = drawn_scale(drawn, plot.rows, plot.rows // plot.height)
    _draw(plot, drawn, across, up, last_ns=subject.last_ns)
    moments = _moments(subject, plot, across)
    title: list[Span] = [(f"DATA OF THE {side.upper()}", "title")]
    ends = f"  {subject.end(side)} -> {subject.end(other)}"
    if width(ends) <= cells - 60:
        title.append((ends, ""))
    if drawn.acks:
        words = f"  and what the {other} acknowledged" if cells >= 72 else f"  ACK of the {other}"
        title.append((words, "dim"))
    far = [ack for _, ack, _, _ in drawn.acks[-1:] if not up.holds(ack)]
    if far:
        title.append((f"  ACK {far[0]:,} is {'below' if far[0] < up.low else 'above'}", "good"))
    if not drawn.acks:
        title.append((f"  no ACK of the {other} seen", "warning"))
    if not drawn.spans:
        title.append((f"  nothing sent here by the {side}", "warning"))
    body: list[Line] = [(*title,)]
    labels = _labels(up, plot.height)
    at = look.cursor_ns(subject)
    cursor = across.place(at) * plot.width // plot.columns if across.holds(at) else None
    axis = "|" if style == ASCII else "│"
    for row in range(plot.height):
        spans = plot.line(row, cursor)
        if row == 0 and moments:
            spans = _over(spans, moments, plot.width)
        body.append(((pad(labels.get(row, ""), _LABEL, right=True), "dim"), (axis, "dim"), *spans))
    body.append(_time_axis(subject, look, plot, style))
    body.append(_legend(cells, drawn, style))
    return body


def drawn_scale(drawn: Drawing, rows: int, free: int) -> Scale:
    """From the lowest to the highest number of data, holes and ACKs: the window edge may lie far above.

    The ``free`` upper rows are for labels.
    """
    lows = [low for _, low, _, _, _ in drawn.spans]
    highs = [high for _, _, high, _, _ in drawn.spans]
    for _, _, low, high, _ in drawn.holes:
        lows.append(low)
        highs.append(high)
    acks = [ack for _, ack, _, _ in drawn.acks]
    if not lows:
        lows = acks or [0]
        highs = acks or [1]
    # One that is far away would press the data flat; the title says where it is.
    reach = _REACH * max(max(highs) - min(lows), 1)
    lowest, highest = min(lows) - reach, max(highs) + reach
    near = [ack for ack in acks if lowest <= ack <= highest]
    lows, highs = lows + near, highs + near
    low, high = min(lows), max(highs)
    free = min(free, rows // 4) + 1
    room = max((high - low) * free // max(rows - free, 1), 1)
    return Scale(low, high + room, rows)


def _draw(plot: Canvas, drawn: Drawing, across: Scale, up: Scale, *, last_ns: int) -> None:
    end = across.place(min(last_ns, across.high))
    _draw_holes(plot, drawn, across, up, end)
    _draw_acks(plot, drawn, across, up, end)
    for ts, low, high, kind, _ in drawn.spans:
        column, bottom = across.place(ts), up.place(low)
        top = max(up.place(high - 1), bottom)
        if kind == "data":
            plot.dots(column, bottom, top)
        else:
            plot.up(kind, column, bottom, top)
    for ts, seq, kind, _ in drawn.events:
        plot.sign(_EVENT_SIGNS[kind], across.place(ts), up.place(seq))


def _draw_holes(plot: Canvas, drawn: Drawing, across: Scale, up: Scale, end: int) -> None:
    for since, until, low, high, _ in drawn.holes:
        first = across.place(max(since, across.low))
        last = across.place(min(until, across.high)) if until is not None else end
        for row in range(up.place(low), max(up.place(high - 1), up.place(low)) + 1):
            plot.across("hole", first, last, row)
            if across.holds(since):
                plot.sign("onset", first, row)


def _draw_acks(plot: Canvas, drawn: Drawing, across: Scale, up: Scale, end: int) -> None:
    """Level lines until the next step: the last one goes on for as long as packets were seen."""
    steps = [(across.place(max(ts, across.low)), ts, *rest) for ts, *rest in drawn.acks]
    for at, (first, ts, ack, edge, duplicates) in enumerate(steps):
        after = steps[at + 1] if at + 1 < len(steps) else None
        last = max(after[0] if after else end, first)
        if up.holds(edge):
            plot.across("window", first, last, up.place(edge))
        if up.holds(ack):
            plot.across("ack", first, last, up.place(ack))
            if duplicates and ts >= across.low:
                plot.sign("duplicate", first, up.place(ack))
        if after and after[2] != ack:
            low, high = sorted((up.place(ack), up.place(after[2])))
            plot.up("rise", last, low, high)
    for ts, left, right in drawn.bands:
        if up.holds(left):
            plot.up("sack", across.place(ts), up.place(left), up.place(right - 1))


def _moments(subject: Subject, plot: Canvas, across: Scale) -> list[tuple[int, str, Role]]:
    """Upright lines where the finding says that something happened, and their labels."""
    found: list[tuple[int, str, Role]] = []
    shown: tuple[tuple[int | None, str, str, Role], ...] = (
        (subject.cut.since_ns, "moment", beginning(subject), "dim"),
        (subject.cut.judged_ns, "stall", verdict(subject), "warning"),
    )
    for at, name, label, role in shown:
        if at is not None and across.holds(at):
            column = across.place(at)
            plot.up(name, column, 0, plot.rows - 1)
            found.append((column * plot.width // plot.columns, label, role))
    return found


def beginning(subject: Subject) -> str:
    """What happened first, in a word."""
    first = [text for at, text in subject.cut.marks if at == subject.cut.since_ns]
    if any("hole" in text for text in first):
        return "hole"
    if any("nothing seen" in text for text in first):
        return "silence"
    return "ACK stops" if any("ACK" in text for text in first) else "begins"


def verdict(subject: Subject) -> str:
    """``STALLED`` of ``finding 7: stalled, Stateful drop after loss, ...``."""
    return clean(subject.cut.story.partition(": ")[2].partition(",")[0].upper(), 20) or "JUDGED"


def _over(spans: list[Span], moments: list[tuple[int, str, Role]], cells: int) -> list[Span]:
    """Labels over the top row, right of their line or left of it where there is no room."""
    chars = [(char, role) for text, role in spans for char in text]
    free = 0
    for at, (cell, label, role) in enumerate(moments):
        end = moments[at + 1][0] if at + 1 < len(moments) and moments[at + 1][0] > cell else cells
        start = cell + 1
        if start + len(label) > end and cell - len(label) >= free:
            start, end = cell - len(label), cell
        for place, char in enumerate(label[: max(end - start, 0)], start):
            chars[place] = (char, role)
        free = max(cell, start + len(label)) + 1
    return _joined(chars)


def _joined(chars: list[Span]) -> list[Span]:
    spans: list[Span] = []
    for char, role in chars:
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + char, role)
        else:
            spans.append((char, role))
    return spans


def _labels(up: Scale, height: int) -> dict[int, str]:
    """Round sequence numbers by row from the top."""
    per_cell = max(up.places // height, 1)
    return {
        height - 1 - up.place(one) // per_cell: amount(one)
        for one in ticks(up.low, up.high, max(min(height // 3, 8), 1))
    }


def _time_axis(subject: Subject, look: Look, plot: Canvas, style: Style) -> Line:
    """Times since the first packet of the session; the clock where the window begins."""
    line = list(" " * plot.width)
    low, high = look.from_ns - subject.first_ns, look.until_ns - subject.first_ns
    most = max(plot.width // 14, 1)
    step = nice_step(high - low, most)
    across = Scale(low, high, plot.width)
    tick = "+" if style == ASCII else "┴"
    free = 0
    for one in ticks(low, high, most):
        at = across.place(one)
        label = tick + seconds(one, step)
        if at >= free and at + len(label) <= plot.width:
            line[at : at + len(label)] = label
            free = at + len(label) + 1
    return ((pad(clock(look.from_ns)[:_LABEL], _LABEL, right=True), "dim"), (" ", ""), ("".join(line), "dim"))


def _legend(cells: int, drawn: Drawing, style: Style) -> Line:
    """What is on the plot, and only that."""
    there = {kind for _, _, _, kind, _ in drawn.spans}
    there |= {"onset"} if drawn.holes else set()
    there |= {"duplicate"} if any(one[3] for one in drawn.acks) else set()
    there |= {"sack"} if drawn.bands else set()
    there |= {"ack", "window"} if drawn.acks else set()
    kinds = {kind for _, _, kind, _ in drawn.events}
    there |= {"zero"} if "zero_window" in kinds else set()
    there |= {"reset"} if kinds & {"reset", "reset_by_other"} else set()
    dot = "#" if style == ASCII else "⡇" if style == "braille" else "▌"
    parts = [f"{dot} data"] if drawn.spans else []
    parts += [
        f"{plain if style == ASCII else sign} {text}" for name, sign, plain, text in _LEGEND if name in there
    ]
    if drawn.merged:
        parts.append(f"({drawn.merged:,} more drawn as one with others)")
    return ((cut(" " * (_LABEL + 1) + "  ".join(parts), cells), "dim"),)
