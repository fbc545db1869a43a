"""Finds what a reference means: a detector, or a finding, incident or session of a capture.

A reference is what the output shows: an event id (or its last number), an incident id, a session
id (at least four of its first digits), a detector id (also without ``ctcp.``) or a signature
label such as ``S-b``. Memory is bounded: only what matches is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctcpmon.diagnosis import CAUSES, Incident
from ctcpmon.events import SessionEvent
from ctcpmon.pipeline import Item, Pipeline

if TYPE_CHECKING:
    from ctcpmon.config import Settings
    from ctcpmon.engine import Finding

__all__ = ["Found", "detectors_named", "search"]

_MAX_KEPT = 1_000
_MIN_PREFIX = 4


@dataclass(slots=True)
class Found:
    """What a reference matched. ``findings`` are those of the finding, session or incident."""

    findings: list[tuple[str, Finding]] = field(default_factory=list)
    """Event id and finding, in order."""
    sessions: list[SessionEvent] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    """Last state of each incident, by id."""
    left_out: int = 0
    """Matches not kept because there were too many."""

    @property
    def is_empty(self) -> bool:
        """True when nothing matched."""
        return not (self.findings or self.sessions or self.incidents)


def detectors_named(reference: str) -> tuple[str, ...]:
    """Detector ids that ``reference`` names."""
    wanted = reference.strip().lower()
    return tuple(
        cause.detector
        for cause in CAUSES
        if wanted in {cause.detector, cause.detector.partition(".")[2], cause.signature.lower()}
    )


def search(paths: tuple[str, ...], reference: str | None, settings: Settings) -> Found:
    """Replays ``paths`` and keeps what ``reference`` names; None keeps the incidents only."""
    from ctcpmon import engine

    found = Found()
    limits = settings.limits
    with engine.open_replay(
        paths,
        max_flow_mib=limits.max_flow_mib,
        max_sessions=limits.max_sessions,
        max_pending=limits.max_pending,
    ) as replay:
        pipeline = Pipeline(replay, settings, version=engine.__version__)
        for items in pipeline.batches():
            for item in items:
                _keep(found, item, reference)
    return found


def _keep(found: Found, item: Item, reference: str | None) -> None:
    if item.incident is not None and reference in {None, item.incident.id}:
        if item.incident.id in found.incidents or len(found.incidents) < _MAX_KEPT:
            found.incidents[item.incident.id] = item.incident
        else:
            found.left_out += 1
    if reference is None:
        return
    if item.finding is not None and _names_finding(item, item.finding, reference):
        if len(found.findings) < _MAX_KEPT:
            found.findings.append((item.id, item.finding))
        else:
            found.left_out += 1
    if item.session is not None and (item.id == reference or _names_session(item.session.id, reference)):
        event = item.event
        if isinstance(event, SessionEvent) and len(found.sessions) < _MAX_KEPT:
            found.sessions.append(event)
        else:
            found.left_out += 1


def _names_finding(item: Item, finding: Finding, reference: str) -> bool:
    return (
        item.id == reference
        or (reference.isdecimal() and item.id.rpartition(".")[2] == reference)
        or _names_session(finding.session.id, reference)
    )


def _names_session(session_id: str, reference: str) -> bool:
    return len(reference) >= _MIN_PREFIX and session_id.startswith(reference.lower())
