"""The reasoning behind a finding as plain text: numbers, thresholds, look-alikes, time line.

Pure: objects in, lines out. Everything returned is safe for a terminal.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ctcpmon.diagnosis import (
    OUTAGE_RULE,
    VERDICT_WORDS,
    Cause,
    Incident,
    cause_of,
    duration,
    evidence_words,
    loss_words,
    percent,
    quantity,
    stopped_words,
)
from ctcpmon.fixes import fixes_for, fixes_for_detector
from ctcpmon.fixes.choose import HEADEND_OUTAGE
from ctcpmon.fixes.ledger import ledger_lines
from ctcpmon.stamps import clock, rfc3339
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ctcpmon.config import Site
    from ctcpmon.engine import DetectorInfo, Finding, Session
    from ctcpmon.events import SessionEvent

__all__ = ["explain_detector", "explain_finding", "explain_incident", "explain_session", "timeline"]

_CELLS = 200
_PROSE_CELLS = 78
_PARAGRAPH_CELLS = 4_000


def explain_detector(detector: str, info: DetectorInfo | None) -> tuple[str, ...]:
    """The page of a detector; ``info`` is None when the engine is not built."""
    cause = cause_of(detector)
    label = f"  {cause.signature}" if cause.signature else ""
    lines = [f"{cause.title}  [{cause.detector}]{label}", "", *_cause_lines(cause)]
    if detector == HEADEND_OUTAGE:
        lines += ["Rule", *_prose(OUTAGE_RULE)]
    elif info is None:
        lines.append("Thresholds: not shown, the engine is not built")
    else:
        lines += [*_threshold_lines(info), "", *_foreign(info.docs)]
    fixes = fixes_for_detector(detector)
    lines += ["", "Fixes, best first", *(f"  {recipe.id}: {recipe.title}" for recipe in fixes)]
    return tuple(lines)


def explain_finding(
    finding: Finding, *, event_id: str, info: DetectorInfo | None, site: Site | None = None
) -> tuple[str, ...]:
    """One finding: what was measured, against what, and what was ruled out."""
    cause = cause_of(finding.detector)
    verdict = VERDICT_WORDS.get(finding.verdict, clean(finding.verdict, 20))
    lines = [
        (
            f"Finding {clean(event_id, 80)}: {cause.title}, {verdict}, "
            f"confidence {quantity(finding.confidence, 'count')}"
        ),
        _session_line(finding.session),
        f"  since {rfc3339(finding.since_ns)}, judged {rfc3339(finding.ts_ns)}",
        f"  where the loss was: {loss_words(finding.loss_side)}",
        f"  effect: {_effect(finding)}",
        "",
        "Measured",
    ]
    for item in finding.evidence:
        stamp = f"{clock(item.ts_ns)}  " if item.ts_ns is not None else ""
        frame = f"  (frame {item.packet})" if item.packet is not None else ""
        lines.append(f"  {stamp}{evidence_words(item)}{frame}")
    lines += [
        "  tap: no ordinary TCP to measure its own loss by"
        if finding.tap_gap_ratio is None
        else f"  tap: ordinary TCP suggests that the tap itself missed {percent(finding.tap_gap_ratio)}",
        "",
    ]
    if info is not None:
        lines += [*_threshold_lines(info), ""]
    if finding.ruled_out:
        lines += ["Ruled out", *(f"  {clean(text, _CELLS)}" for text in finding.ruled_out), ""]
    lines += _cause_lines(cause)
    lines += [*ledger_lines(finding.session, finding), "", "Fixes, best first"]
    lines += [f"  {recipe.id}: {recipe.title}" for recipe in fixes_for(finding, site)]
    return tuple(lines)


def explain_session(event: SessionEvent, findings: Sequence[tuple[str, Finding]]) -> tuple[str, ...]:
    """One ended session: its end state, time line and loss ledger."""
    data = event.data
    ctcp = data.ctcp
    lines = [
        (
            f"Session {ctcp.session}, generation {ctcp.generation}: {data.network.protocol} "
            f"{_end(data.source.ip, data.source.port)} to "
            f"{_end(data.destination.ip, data.destination.port)}"
        ),
        f"  state at the end {ctcp.state}, worst {ctcp.worst_state}; ended by {ctcp.end_reason}",
        f"  {data.event.start} to {data.event.end} ({duration(ctcp.duration_ms)})",
        (
            f"  client sent {data.source.packets:,} packets, {data.source.bytes:,} bytes; "
            f"headend sent {data.destination.packets:,} packets, {data.destination.bytes:,} bytes"
        ),
        f"  recognised by: {ctcp.certainty}",
    ]
    limits = [
        words
        for is_true, words in (
            (ctcp.is_one_sided, "only one direction is visible at this tap"),
            (ctcp.is_midstream, "the beginning was not seen: no window scale, no first sequence"),
            (ctcp.is_cut, "frames were cut: some trailers could not be read"),
            (not ctcp.roles_known, "which side is the client is a guess from the ports"),
        )
        if is_true
    ]
    lines += [f"  limit: {text}" for text in limits]
    mine = [
        entry
        for entry in findings
        if (entry[1].session.id, entry[1].session.generation) == (ctcp.session, ctcp.generation)
    ]
    lines += ["", *timeline(mine)]
    if mine:
        last = mine[-1][1]
        lines += ["", *ledger_lines(last.session, last)]
    return tuple(lines)


def explain_incident(incident: Incident) -> tuple[str, ...]:
    """One incident: its counts and the words of its cause."""
    state = "open" if incident.is_open else f"closed ({incident.close_reason})"
    lines = (
        f"Incident {incident.id}: {incident.cause.title}, {incident.worst_severity}, {state}",
        f"  {incident.path}, since {rfc3339(incident.since_ns)}",
        f"  {incident.what}",
        f"  {incident.sessions_total:,} sessions: {incident.counts}",
        _moving_line(incident),
        f"  {_where_label(incident)}: {incident.where}",
        f"  effect: {incident.stopped}",
        *(line for remark in incident.remarks for line in _prose(remark.text, "  all together: ", "    ")),
        f"  first sessions: {', '.join(clean(one, 32) for one in incident.session_ids)}",
        "",
        *_cause_lines(incident.cause),
    )
    return tuple(line for line in lines if line is not None)


def _moving_line(incident: Incident) -> str | None:
    if incident.moving_since_ns is None:
        return None
    return f"  moving again since {rfc3339(incident.moving_since_ns)} (the last of them)"


def _where_label(incident: Incident) -> str:
    return "who is silent" if incident.silent_side is not None else "where the loss was"


def timeline(findings: Iterable[tuple[str, Finding]]) -> tuple[str, ...]:
    """One line for each change of a verdict, with the time since the one before."""
    lines = ["Time line (UTC)"]
    before: int | None = None
    for event_id, finding in findings:
        gap = "" if before is None else f"  +{duration((finding.ts_ns - before) / 1e6)}"
        before = finding.ts_ns
        verdict = VERDICT_WORDS.get(finding.verdict, clean(finding.verdict, 20))
        first = f": {evidence_words(finding.evidence[0])}" if finding.evidence else ""
        title = cause_of(finding.detector).title
        lines.append(f"  {clock(finding.ts_ns)}{gap}  {verdict}, {title}{first}  [{clean(event_id, 80)}]")
    if before is None:
        lines.append("  no detector raised")
    return tuple(lines)


def _effect(finding: Finding) -> str:
    if finding.verdict == "stalled" or finding.stopped_side is not None:
        return stopped_words(finding.stopped_side)
    return "none yet: data still get through"


def _cause_lines(cause: Cause) -> list[str]:
    lines = ["What happened", *_prose(cause.story), ""]
    if cause.why:
        lines += ["Why", *_prose(cause.why), ""]
    if cause.otherwise:
        lines.append("What else it could be")
        for text in cause.otherwise:
            lines += _prose(text, "  - ", "    ")
        lines.append("")
    if cause.limits:
        lines += ["What this tap cannot tell", *_prose(cause.limits), ""]
    return lines


def _prose(text: str, first: str = "  ", rest: str = "  ") -> list[str]:
    return textwrap.wrap(text, _PROSE_CELLS, initial_indent=first, subsequent_indent=rest)


def _threshold_lines(info: DetectorInfo) -> list[str]:
    return [
        "Thresholds",
        *(
            f"  {clean(one.name, 40)}: {quantity(one.value, one.unit)}  ({clean(one.origin, 120)})"
            for one in info.thresholds
        ),
    ]


def _foreign(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.strip().splitlines():
        lines += _prose(clean(line, _PARAGRAPH_CELLS), "", "") or [""]
    return lines


def _session_line(session: Session) -> str:
    return (
        f"  session {clean(session.id, 32)} generation {session.generation}: "
        f"{clean(session.protocol, 20)} {_end(session.client_ip, session.client_port)} to "
        f"{_end(session.headend_ip, session.headend_port)}"
    )


def _end(ip: str, port: int) -> str:
    ip = clean(ip, 45)
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
