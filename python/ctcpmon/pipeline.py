"""One run from the engine to numbered events. No output and no terminal: callers write.

Order of events: findings and ended sessions as the engine made them, each followed by the incidents
it changes; at the end of the input what the incident book still says, then the counters. A poll
hands over findings before ended sessions before device reports and stops where the order would
break, so it does not depend on how the polls fall.

A run with two taps keeps one incident book per tap: both see the same sessions, and a session that
counted twice would make an incident look twice its size.
"""

from __future__ import annotations

from ctcpmon.diagnosis import Incident, IncidentBook
from ctcpmon.envelopes import EventFactory, tap_of
from ctcpmon.fixes.choose import fix_ids_for
from ctcpmon.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Protocol

    from ctcpmon.defaults import AnySettings
    from ctcpmon.engine import Batch, DevicePair, Finding, Session, Stats
    from ctcpmon.events import Event, TapSide

    class Source(Protocol):
        """The part of ``engine.Replay`` that a run needs."""

        def poll(self, timeout_ms: int, max_items: int = ...) -> Batch:
            """Findings and ended sessions."""

        def stats(self) -> Stats:
            """Counters."""


__all__ = ["TAP_SIDES", "Item", "Pipeline", "new_book"]

TAP_SIDES: dict[int, TapSide] = {1: "client", 2: "headend"}
"""Observation points of a run with two taps, as the engine numbers them."""
_TOGETHER = 50
"""Rows taken from the engine at once, so that the next ones get the memory of their lines. Those of a
thousand sessions that end together are 2 MB, page by page from the kernel: 4.3 ms at the end of a run of 80
instead of 3.6."""


class Item(Record, frozen=True):
    """An event as a line of JSON, and the object it was made from, when it is still at hand."""

    line: bytes
    finding: Finding | None = None
    incident: Incident | None = None
    session: Session | None = None
    device: DevicePair | None = None

    @property
    def event(self) -> Event:
        """The line read back. Most runs only write it."""
        from ctcpmon.events import decode

        return decode(self.line)

    @property
    def id(self) -> str:
        """Id of the event."""
        return self.event.id


def new_book(settings: AnySettings) -> IncidentBook:
    """An incident book that knows the fixes for the site."""
    return IncidentBook(settings.limits, _Fixes(settings).choose)


class _Fixes:
    """Fix ids for the site. The last answer is kept: a finding that opens an incident asks twice."""

    def __init__(self, settings: AnySettings) -> None:
        self._site = settings.site
        self._last: tuple[Finding, tuple[str, ...]] | None = None

    def choose(self, finding: Finding, /, *, is_headend_outage: bool = False) -> tuple[str, ...]:
        """Best first."""
        if is_headend_outage:
            return fix_ids_for(finding, self._site, is_headend_outage=True)
        if self._last is None or self._last[0] is not finding:
            self._last = (finding, fix_ids_for(finding, self._site))
        return self._last[1]


class Pipeline:
    """Drives one run. ``book`` holds the incidents and may be read at any time.

    With two taps ``book`` is that of the tap on the client side.
    """

    def __init__(
        self,
        source: Source,
        settings: AnySettings,
        *,
        version: str,
        has_two_taps: bool = False,
        boot: str = "replay",
        outputs: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        """``boot`` names the run in ids of events; ``outputs`` gives the counters of what writes them."""
        self._source = source
        self._outputs = outputs
        taps = TAP_SIDES if has_two_taps else {}
        self._factory = EventFactory(
            version=version, sensor=settings.sensor, boot=boot, taps=taps, show_groups=settings.show_groups
        )
        self._fixes = _Fixes(settings)
        books = [IncidentBook(settings.limits, self._fixes.choose) for _ in taps or (None,)]
        self.book = books[0]
        self._books: dict[int | None, IncidentBook] = dict(zip(taps, books, strict=False))

    def batches(self, timeout_ms: int = 200) -> Iterator[tuple[Item, ...]]:
        """Yields the items of each poll, in event order; an empty tuple while the engine works.

        ``timeout_ms`` is how long one poll may wait. Ends after the statistics event.
        """
        is_done = False
        while not is_done:
            batch = self._source.poll(timeout_ms, _TOGETHER)
            yield (
                *self._judge(batch.findings),
                *self._end(batch.sessions),
                *map(self._device, batch.devices),
            )
            is_done = batch.done
        yield from self.conclusion()

    def conclusion(self) -> Iterator[tuple[Item, ...]]:
        """What is still owed: the last word of every incident that is open, then the statistics event.

        Also of a run that ends in an error, when polling has raised it.
        """
        books = self._books or {None: self.book}
        for tap, book in books.items():
            yield tuple(self._incident(incident, tap) for incident in book.finish())
        yield (self.stats(),)

    def stats(self) -> Item:
        """The counters so far; of a live run now and then, of every run at its end."""
        counters: dict[str, int] = {}
        for book in (self._books or {None: self.book}).values():
            for name, number in book.counters.items():
                counters[name] = counters.get(name, 0) + number
        outputs = None if self._outputs is None else self._outputs()
        return Item(self._factory.stats(self._source.stats(), counters, outputs))

    def _device(self, pair: DevicePair) -> Item:
        return Item(self._factory.device(pair), device=pair)

    def _end(self, sessions: tuple[Session, ...]) -> Iterator[Item]:
        # Most end without an incident behind them; their lines are written in one go.
        begin = 0
        for end, session in enumerate(sessions, 1):
            announced = self._book_at(session).end(session)
            if announced:
                yield from self._ended(sessions[begin:end])
                begin = end
                for incident in announced:
                    yield self._incident(incident, tap_of(session))
        yield from self._ended(sessions[begin:])

    def _ended(self, sessions: tuple[Session, ...]) -> Iterator[Item]:
        lines = self._factory.sessions(sessions)
        for line, session in zip(lines, sessions, strict=True):
            yield Item(line, session=session)

    def _judge(self, findings: tuple[Finding, ...]) -> Iterator[Item]:
        for finding in findings:
            book = self._book_at(finding.session)
            before = book.incident_of(finding.session)
            changed = book.add(finding)
            line = self._factory.finding(
                finding,
                # A finding that clears the last session belongs to the incident it closes.
                incident=book.incident_of(finding.session) or before,
                fixes=() if finding.verdict == "healthy" else self._fixes.choose(finding),
            )
            yield Item(line, finding=finding)
            for incident in changed:
                yield self._incident(incident, tap_of(finding.session))

    def _book_at(self, session: Session) -> IncidentBook:
        return self._books.get(tap_of(session), self.book) if self._books else self.book

    def _incident(self, incident: Incident, tap: int | None) -> Item:
        return Item(self._factory.incident(incident, tap), incident=incident)
