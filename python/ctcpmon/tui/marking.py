"""Puts marks onto a view: who has taken notice, what is muted, notes. Pure.

A muted incident sinks to the end of the list and is no alarm any more, but it stays there and is counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from ctcpmon.stamps import rfc3339
from ctcpmon.tui.view import EvidenceLine

if TYPE_CHECKING:
    from ctcpmon.tui.marks import Mark, MarkBook
    from ctcpmon.tui.view import EvidenceView, IncidentRow, View

__all__ = ["SOMEBODY", "marked"]

SOMEBODY = "somebody"
_HIDDEN = "not shown on a redacted screen, nor in its reports and exports"


def marked(view: View, marks: MarkBook, now: float, *, is_redacted: bool = False) -> View:
    """The view with what people said of its incidents; the same view when they said nothing.

    ``is_redacted``: that there is a note, and that somebody has taken notice, but not what or who.
    """
    said = {row.key: mark for row in view.incidents if (mark := marks.of(row.place)) is not None}
    if is_redacted:
        said = {key: _redacted(mark) for key, mark in said.items()}
    if not said:
        return view
    rows = [_row(row, said[row.key], now) if row.key in said else row for row in view.incidents]
    rows.sort(key=lambda row: row.muted_until_s > 0)
    return replace(view, incidents=tuple(rows), evidence=_evidence(view.evidence, rows, said))


def _row(row: IncidentRow, mark: Mark, now: float) -> IncidentRow:
    return replace(
        row,
        acked_by=mark.acked_by if mark.acks(row, now) else "",
        muted_until_s=mark.muted_until if mark.mutes(row, now) else 0,
        note=mark.note,
    )


def _redacted(mark: Mark) -> Mark:
    return msgspec.structs.replace(
        mark, acked_by=SOMEBODY, note_by=SOMEBODY, note=_HIDDEN if mark.note else ""
    )


def _evidence(
    facts: EvidenceView | None, rows: list[IncidentRow], said: dict[str, Mark]
) -> EvidenceView | None:
    if facts is None:
        return None
    at = next((at for at, row in enumerate(rows) if row.key == facts.incident), facts.number - 1)
    lines = facts.lines
    if facts.incident in said:
        lines = (*_lines(rows[at], said[facts.incident]), *lines)
    return replace(facts, number=at + 1, lines=lines)


def _lines(row: IncidentRow, mark: Mark) -> list[EvidenceLine]:
    lines = []
    if row.note:
        lines.append(EvidenceLine(f"NOTE by {mark.note_by}, {_time(mark.note_at)}: {row.note}"))
    said = [
        f"acked by {row.acked_by}, {_time(mark.acked_at)}" if row.acked_by else "",
        f"muted until {_time(row.muted_until_s)}, unless it gets worse" if row.muted_until_s else "",
    ]
    if any(said):
        lines.append(EvidenceLine("; ".join(one for one in said if one)))
    return lines


def _time(seconds: int) -> str:
    return rfc3339(seconds * 10**9)[:16].replace("T", " ") + " UTC"
