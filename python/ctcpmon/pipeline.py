"""One run from the engine to numbered events. No output and no terminal: callers write.

Order of events: findings and ended sessions as the engine made them, each followed by the incidents
it changes; at the end of the input what the incident book still says, then the counters. A poll
hands over findings before ended sessions and stops where a finding would follow a session, so the
order does not depend on how the polls fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ctcpmon.diagnosis import Incident, IncidentBook
from ctcpmon.envelopes import EventFactory
from ctcpmon.fixes import fixes_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctcpmon import events
    from ctcpmon.config import Settings
    from ctcpmon.engine import Batch, Finding, Session, Stats

__all__ = ["Item", "Pipeline", "Source", "new_book"]


class Source(Protocol):
    """The part of ``engine.Replay`` that a run needs."""

    def poll(self, timeout_ms: int, max_items: int = ...) -> Batch:
        """Findings and ended sessions."""

    def stats(self) -> Stats:
        """Counters."""


@dataclass(frozen=True, slots=True)
class Item:
    """An event and the object it was made from, when it is still at hand."""

    event: events.Event
    finding: Finding | None = None
    incident: Incident | None = None
    session: Session | None = None


def new_book(settings: Settings) -> IncidentBook:
    """An incident book that knows the fixes for the site."""

    def choose(finding: Finding, /, *, is_headend_outage: bool) -> tuple[str, ...]:
        chosen = fixes_for(finding, settings.site, is_headend_outage=is_headend_outage)
        return tuple(recipe.id for recipe in chosen)

    return IncidentBook(settings.limits, choose)


class Pipeline:
    """Drives one run. ``book`` holds the incidents and may be read at any time."""

    def __init__(self, source: Source, settings: Settings, *, version: str) -> None:
        self._source = source
        self._settings = settings
        self._factory = EventFactory(
            version=version, sensor=settings.sensor, show_groups=settings.show_groups
        )
        self.book = new_book(settings)

    def batches(self, timeout_ms: int = 200) -> Iterator[tuple[Item, ...]]:
        """Yields the items of each poll, in event order; an empty tuple while the engine works.

        ``timeout_ms`` is how long one poll may wait. Ends after the statistics event.
        """
        is_done = False
        while not is_done:
            batch = self._source.poll(timeout_ms)
            yield (*self._judge(batch.findings), *self._end(batch.sessions))
            is_done = batch.done
        yield tuple(self._incident(incident) for incident in self.book.finish())
        stats = self._factory.stats(self._source.stats(), self.book.counters)
        yield (Item(self._factory.number(stats)),)

    def _end(self, sessions: tuple[Session, ...]) -> Iterator[Item]:
        for session in sessions:
            yield Item(self._factory.number(self._factory.session(session)), session=session)
            yield from map(self._incident, self.book.end(session))

    def _judge(self, findings: tuple[Finding, ...]) -> Iterator[Item]:
        for finding in findings:
            before = self.book.incident_of(finding.session)
            changed = self.book.add(finding)
            fixes = tuple(recipe.id for recipe in fixes_for(finding, self._settings.site))
            event = self._factory.finding(
                finding,
                # A finding that clears the last session belongs to the incident it closes.
                incident=self.book.incident_of(finding.session) or before,
                fixes=() if finding.verdict == "healthy" else fixes,
            )
            yield Item(self._factory.number(event), finding=finding)
            yield from map(self._incident, changed)

    def _incident(self, incident: Incident) -> Item:
        return Item(self._factory.number(self._factory.incident(incident)), incident=incident)
