"""The report of the incident in hand, written to files; for a thread beside the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon import __version__
from ctcpmon.report import Parts, document, html, markdown
from ctcpmon.tui.clipboard import save_text

if TYPE_CHECKING:
    from pathlib import Path

    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.view import EvidenceView, IncidentRow, View

__all__ = ["reportable", "save_report"]


def reportable(view: View) -> tuple[IncidentRow, EvidenceView] | None:
    """The incident that the view tells about."""
    facts = view.evidence
    row = next((row for row in view.incidents if facts and row.key == facts.incident), None)
    return None if row is None or facts is None else (row, facts)


def save_report(
    view: View, row: IncidentRow, facts: EvidenceView, packets: Packets | None, no_graph: str
) -> tuple[Path, ...]:
    """New files here, or in the temporary folder: HTML and Markdown. Raises ``OSError``."""
    command = f"key R on the screen of ctcpmon {'live' if view.is_live else 'replay'}"
    page = document(Parts(row, facts, view, packets, no_graph, __version__, command))
    stem = f"ctcpmon-report-{row.key}"
    return (save_text(stem, html(page), "html"), save_text(stem, markdown(page), "md"))
