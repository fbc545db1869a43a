"""What a report says, as blocks without a format. Words come from the view and get their places. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctcpmon.graph import Look, Room, Subject, paint
from ctcpmon.graph.painting import values
from ctcpmon.graph.svg import svg
from ctcpmon.stamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.view import EvidenceView, FixView, IncidentRow, View

__all__ = ["Block", "Code", "Document", "Facts", "Graph", "Heading", "Items", "Parts", "Prose", "document"]

_SEVERITIES = {"critical": "CRITICAL", "warning": "WARNING", "info": "INFO", "ok": "OK"}
_MOST_FIXES = 4
"""In full, as ``ctcpmon fixes`` prints them; the rest by name."""
_PLOT = Room(96, 26, "ascii")
"""Of the text form: what every viewer of Markdown shows in one font."""


@dataclass(frozen=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Rows of a name and a text."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Text to type, or to read line by line."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A graph: SVG, and lines of text."""

    svg: str
    lines: tuple[str, ...]


Block = Heading | Prose | Facts | Items | Code | Graph


@dataclass(frozen=True)
class Document:
    """A report."""

    title: str
    blocks: tuple[Block, ...]

    def mapped(self, change: Callable[[str], str]) -> Document:
        """The same with every text changed."""
        return Document(change(self.title), tuple(_mapped(block, change) for block in self.blocks))


def _mapped(block: Block, change: Callable[[str], str]) -> Block:
    match block:
        case Facts():
            return Facts(tuple((change(name), change(text)) for name, text in block.rows))
        case Items():
            return Items(tuple(map(change, block.texts)))
        case Code():
            return Code(tuple(map(change, block.lines)))
        case Graph():
            return Graph(change(block.svg), tuple(map(change, block.lines)))
        case Heading():
            return Heading(change(block.text))
        case Prose():
            return Prose(change(block.text))


@dataclass(frozen=True)
class Parts:
    """What a report is made of. Every string is clean."""

    row: IncidentRow
    evidence: EvidenceView
    view: View
    """Of the run: tap, inputs, what had no room."""
    packets: Packets | None
    no_graph: str
    """Why there are no packets."""
    version: str
    command: str


def document(parts: Parts) -> Document:
    """The report."""
    row, facts = parts.row, parts.evidence
    level = _SEVERITIES[row.level] if row.is_open else "CLEARED"
    subject = None if parts.packets is None else Subject.of(parts.packets)
    blocks: list[Block] = [
        Facts(_summary(parts, level)),
        Heading("What happened"),
        Prose(facts.story),
        Prose(facts.why),
        Heading("Evidence"),
        Facts(_evidence(facts, subject)),
        Heading("The session that shows it best"),
        *_graph(parts, subject),
        Heading("What else it could be"),
        Items(facts.otherwise or ("nothing that the detector knows of",)),
        *([Prose(f"Not known: {facts.limits}")] if facts.limits else []),
        Heading("What to do"),
        *_fixes(parts.view.fixes),
        Heading("Can this be trusted"),
        *_trust(parts.view),
        Heading("How this was made"),
        Facts(
            (
                ("program", f"ctcpmon {parts.version}"),
                ("command", parts.command),
                ("input", ", ".join(parts.view.inputs)),
                ("seen", _span(parts.view)),
                ("nothing sent", "ctcpmon only reads: no packet was sent, no device was logged in to"),
            )
        ),
    ]
    return Document(f"{level}: {row.what}", tuple(blocks))


def _summary(parts: Parts, level: str) -> tuple[tuple[str, str], ...]:
    row, facts = parts.row, parts.evidence
    where = facts.silence or f"loss {row.loss}"
    counts = (
        f"{row.sessions:,}: {row.stalled:,} stalled, {row.at_risk:,} at risk, {row.recovered:,} moving again"
    )
    first = parts.view.fixes[0] if parts.view.fixes else None
    return (
        ("severity", level if row.level == row.worst else f"{level} (was {_SEVERITIES[row.worst]})"),
        ("since", f"{rfc3339(row.since_ns)} (UTC, packet time)"),
        ("who", f"{row.client} -> {row.headend}"),
        ("sessions", counts),
        ("where", where),
        ("effect", facts.stopped),
        ("confidence", f"{facts.confidence}; {facts.confidence_reasons}"),
        ("do first", f"{first.title} ({first.id})" if first else "no shipped fix fits this finding"),
        ("incident", row.key),
    )


def _evidence(facts: EvidenceView, subject: Subject | None) -> tuple[tuple[str, str], ...]:
    rows = []
    for one in facts.lines:
        number = one.frame if one.frame is not None else _frame_at(subject, one.at_ns)
        frame = f" (frame {number:,})" if number is not None else ""
        rows.append((rfc3339(one.at_ns) if one.at_ns is not None else "", one.text + frame))
    return tuple(rows)


def _frame_at(subject: Subject | None, at_ns: int | None) -> int | None:
    """The first packet of the session at or after a moment of its own evidence."""
    if subject is None or at_ns is None or not subject.cut.numbers:
        return None
    if all(at != at_ns for at, _ in subject.cut.marks):
        return None
    return subject.number(subject.series.packet(subject.series.place_at(at_ns)).index)


def _graph(parts: Parts, subject: Subject | None) -> list[Block]:
    if parts.packets is None or subject is None:
        return [Prose(f"No graph: {parts.no_graph}")]
    look = Look.first(subject)
    side = subject.main_side
    lines = [*paint(subject, look, _PLOT), *values(subject, look, _PLOT.cells)]
    text = tuple("".join(part for part, _ in line).rstrip() for line in lines)
    told: list[Block] = [
        Prose(
            f"{subject.end('client')} -> {subject.end('headend')}: {subject.series.count:,} packets in "
            f"{(subject.last_ns - subject.first_ns) / 1e9:,.1f} s. Numbers are relative, as in Wireshark. "
            "While a tunnel works, data and ACK lie together; a stall is where they part."
        ),
        Graph(svg(subject, look, side), text),
    ]
    numbers = parts.packets.numbers
    if numbers:
        told.append(
            Prose(
                f"Frames {numbers[0]:,} to {numbers[-1]:,} of the capture; ctcpmon slice writes them, with "
                "the proof as comments."
            )
        )
    if parts.packets.left_out:
        told.append(Prose(f"Of a long session, {parts.packets.left_out}."))
    return told


def _fixes(fixes: tuple[FixView, ...]) -> list[Block]:
    if not fixes:
        return [Prose("No shipped fix fits this finding.")]
    blocks: list[Block] = [
        Prose("Best first. Check every line before it is typed; ctcpmon sends nothing to any device."),
    ]
    for number, fix in enumerate(fixes[:_MOST_FIXES], 1):
        blocks += [
            Facts(((f"fix {number}", f"{fix.title} ({fix.id})"), ("for", fix.platform))),
            Code(fix.text),
        ]
    if len(fixes) > _MOST_FIXES:
        blocks.append(Prose("Also: " + ", ".join(fix.id for fix in fixes[_MOST_FIXES:])))
    return blocks


def _trust(view: View) -> list[Block]:
    refused = view.refused
    rows = [("tap", view.tap.text), *(("", text) for text in view.tap.advice)]
    if view.ports:
        rows.append(("dropped", f"{view.dropped:,} frames by kernel or driver"))
    rows.append(
        (
            "no room",
            f"{refused.segments:,} segments, {refused.flows_evicted:,} flows, {refused.sessions:,} sessions, "
            f"{refused.incidents:,} incidents" + ("" if refused.total else ": everything was judged"),
        )
    )
    rows += [("remark", text) for text in view.notes]
    return [Facts(tuple(rows))]


def _span(view: View) -> str:
    if view.first_ns is None or view.last_ns is None:
        return "no packet"
    return f"{view.packets:,} packets, {rfc3339(view.first_ns)} to {rfc3339(view.last_ns)}"
