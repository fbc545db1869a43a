"""What the screens show: frozen data, made by a ``ViewSource``. No textual, no engine, no wording.

Every string here has passed ``ctcpmon.text.clean``. Times are packet times in nanoseconds since
1970; ``None`` means not known, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "MOST_EXPORTED",
    "Counter",
    "Detail",
    "EvidenceLine",
    "EvidenceView",
    "FixView",
    "FlowRow",
    "HeldRow",
    "IncidentRow",
    "Level",
    "Listing",
    "LogLine",
    "Phase",
    "Port",
    "Progress",
    "Query",
    "Reach",
    "Refused",
    "Rows",
    "SessionRow",
    "Situation",
    "Tally",
    "Tap",
    "Trend",
    "View",
]

Level = Literal["critical", "warning", "info", "ok"]
LongList = Literal["sessions", "flows"]
MOST_EXPORTED = 100_000
"""Rows of a long list that go to a file (guess: more than a spreadsheet is fun with; some 30 MB of CSV)."""
Phase = Literal["opening", "reading", "paused", "past", "done", "failed"]
Trust = Literal["ok", "warn", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows of a long list are wanted: a window, wherever its anchor is by then."""

    name: LongList = "sessions"
    order: str = "worst"
    is_reversed: bool = False
    filter: str = ""
    """In the language of ``filters``."""
    offset: int = 0
    height: int = 50
    """0: no rows are wanted, and none are looked for."""
    anchor: str = ""
    """Key of the row that is to stand in line ``line`` of the window; empty: the rows from ``offset`` on."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the rows of a view stand in the long list that was asked for."""

    total: int = 0
    """Rows there are, whether they match or not."""
    matching: int = 0
    offset: int = 0
    """Position of the first row of the view."""
    anchor_at: int | None = None
    """Position of the anchor; None: it is not in the list."""
    progress: float | None = None
    """0 to 1 while the rows are counted for the first time."""
    fault: str = ""
    """Why the filter is none."""
    order_age_s: int = 0
    """How long ago the rows were put in order, once that is worth telling; what they say is of now."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that happened."""

    number: int
    """From 1, in the order in which it was noted."""
    at_ns: int
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """What the user looks at. The source answers it with its next view."""

    incident: str | None = None
    """Key of the selected incident; None: the first one."""
    session: str | None = None
    """Key of the session whose detail is open."""
    reach: Reach = Reach()
    log: int = 0
    """Lines of the log that are wanted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading is. Rates are by the wall clock."""

    phase: Phase
    bytes_read: int = 0
    bytes_total: int | None = None
    """None for a pipe."""
    packets_per_s: float = 0.0
    """Of the last seconds; once done, over the whole run."""
    seconds_left: float | None = None
    seconds_taken: float = 0.0
    speed: float = 0.0
    """0: as fast as possible; 1: the pace of the capture."""
    error: str = ""
    """Why the reading ended early; empty if it did not."""
    is_lost: bool = False
    """It goes on, as far as is known, but is not seen from here any more."""


@dataclass(frozen=True, slots=True)
class Tap:
    """Can the verdicts be trusted: what the tap itself missed."""

    trust: Trust = "unknown"
    gap_ratio: float | None = None
    """0 to 1; None: too little ordinary TCP to measure by."""
    text: str = ""
    """One short statement for the header."""
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """What a full table turned away, or the decoder failed on; not analysed, so not judged."""

    segments: int = 0
    flows_evicted: int = 0
    sessions: int = 0
    incidents: int = 0
    undecoded: int = 0

    @property
    def total(self) -> int:
        """Zero when everything was looked at."""
        return self.segments + self.flows_evicted + self.sessions + self.incidents + self.undecoded


@dataclass(frozen=True, slots=True)
class Tally:
    """Tunnel sessions by state: the state now, or that at their end."""

    total: int = 0
    stalled: int = 0
    at_risk: int = 0
    """At risk or suspect."""
    healthy: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident in the list."""

    key: str
    level: Level
    worst: Level
    """The worst it ever was; differs from ``level`` once it cleared."""
    is_open: bool
    since_ns: int
    sessions: int
    stalled: int
    at_risk: int
    recovered: int
    title: str
    what: str
    client: str
    """``ip:port`` of one session, or the network of several."""
    headend: str
    loss: str
    """Where the loss was relative to the tap, short."""
    fix: str
    """Id of the first fix; empty: none."""
    session: str
    """Key of the session whose finding speaks for the incident."""
    is_old: bool = False
    """It began so long ago that its time of day alone would mislead."""
    is_lost: bool = False
    """Closed because sessions went away, not because they move again."""
    place: str = ""
    """Headend, family of causes and client network: the same after a restart, unlike the key."""
    acked_by: str = ""
    """Who has taken notice. This and what follows is said by people: see ``marking``."""
    muted_until_s: int = 0
    """Seconds since 1970 by the wall clock; 0: not muted."""
    note: str = ""
    held: int = 0
    """Sessions of it of which data are held right now and that are not called stalled."""
    held_s: int = 0
    """The longest of them, whole seconds."""

    @property
    def is_alarm(self) -> bool:
        """Open and not muted."""
        return self.is_open and not self.muted_until_s


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One measured fact."""

    text: str
    at_ns: int | None = None
    frame: int | None = None
    short: str = ""
    """The same for a narrow frame; empty: there is none."""


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """Why the selected incident is one."""

    incident: str
    number: int
    of: int
    loss: str
    stopped: str
    lines: tuple[EvidenceLine, ...]
    story: str
    why: str
    confidence: str
    confidence_reasons: str
    otherwise: tuple[str, ...] = ()
    limits: str = ""
    silence: str = ""
    """In an outage: who is not heard; then there is no place of a loss."""


@dataclass(frozen=True, slots=True)
class FixView:
    """One fix, filled in for the selected incident."""

    id: str
    title: str
    platform: str
    why: str
    risk: str
    config: str
    """The text to type; empty for advice."""
    text: tuple[str, ...]
    """The whole fix."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One tunnel session in the list."""

    key: str
    state: str
    worst_state: str
    client: str
    headend: str
    protocol: str
    stalled_at_ns: int | None
    last_ns: int
    holes: int
    missing: int
    """ESP packets missing, both directions."""
    ended: str
    """Why it ended; empty while open."""
    first_ns: int = 0
    packets: int = 0
    retransmissions: int = 0
    held_s: int | None = None
    """For so many whole seconds data are held, and no stall is called yet; None: nothing is held."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A session of which data are held right now: a measurement that goes when data go on, no verdict."""

    key: str
    client: str
    headend: str
    held_s: int
    told: str
    """What stands still, and when it is called a stall; a sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One TCP conversation; pairs are client, then server."""

    key: str
    client: str
    server: str
    opener_known: bool
    """False: the lower port is taken for the server's."""
    state: str
    packets: tuple[int, int]
    payload_bytes: tuple[int, int]
    """Of the streams, by sequence numbers: each byte once."""
    retransmissions: int
    """At most 65,535, as the next three."""
    dup_acks: int
    zero_windows: int
    missing: int
    """Segments that the tap did not deliver."""
    first_ns: int
    last_ns: int
    session: str = ""
    """Key of the tunnel session in it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A whole long list, filtered and in order, for a file. At most ``MOST_EXPORTED`` rows."""

    matching: int = 0
    """Rows there are; more than those here when there was no room for all."""
    sessions: tuple[SessionRow, ...] = ()
    flows: tuple[FlowRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything about one session, as plain lines."""

    key: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter with its meaning."""

    name: str
    value: int
    doc: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The answer when there is no incident to show: a headline, the proof, what to check."""

    level: Level
    headline: str
    facts: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """An interface that is captured; frames since the start."""

    name: str
    received: int
    """By the kernel, behind a filter; those it dropped among them."""
    measured: int
    dropped: int
    """By kernel or driver: lost to every verdict."""
    is_down: bool = False
    downs: int = 0
    merged: str = ""
    """What merges segments before they are seen, and what to do; empty: nothing does."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The last hour in steps, oldest first; all three are as long."""

    step_s: int = 1
    packets: tuple[int, ...] = ()
    """A second."""
    stalls: tuple[int, ...] = ()
    """In the step."""
    lost: tuple[int, ...] = ()
    """A second: frames dropped by kernel or driver, and what the tap missed of ordinary TCP."""


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the run."""

    query: Query
    """The query it answers."""
    name: str
    """Name of the input."""
    inputs: tuple[str, ...]
    progress: Progress
    tap: Tap
    refused: Refused
    tally: Tally
    situation: Situation
    packets: int = 0
    tcp_packets: int = 0
    conversations: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    notes: tuple[str, ...] = ()
    notes_incomplete: int = 0
    """Of the notes, those that say the input could not be read whole."""
    incidents: tuple[IncidentRow, ...] = ()
    held: tuple[HeldRow, ...] = ()
    """The longest held first, some of them."""
    held_total: int = 0
    held_is_full: bool = False
    """There are ``held_total`` at least."""
    evidence: EvidenceView | None = None
    fixes: tuple[FixView, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    """Those of the window that was asked for, see ``listing``."""
    flows: tuple[FlowRow, ...] = ()
    """The same when flows were asked for."""
    listing: Listing = Listing()
    log: tuple[LogLine, ...] = ()
    """The newest lines, oldest first; as many as were asked for."""
    detail: Detail | None = None
    counters: tuple[Counter, ...] = ()
    ports: tuple[Port, ...] = ()
    """Of a live run; empty for captures."""
    trend: Trend = Trend()

    @property
    def is_live(self) -> bool:
        """True for interfaces, false for captures."""
        return bool(self.ports)

    @property
    def dropped(self) -> int:
        """Frames that kernel or driver dropped before they could be looked at."""
        return sum(port.dropped for port in self.ports)

    @property
    def critical(self) -> int:
        """Open critical incidents that are not muted."""
        return sum(row.is_alarm and row.level == "critical" for row in self.incidents)

    @property
    def warning(self) -> int:
        """Open warnings that are not muted."""
        return sum(row.is_alarm and row.level == "warning" for row in self.incidents)

    @property
    def acked(self) -> int:
        """Open incidents that somebody has taken notice of, and that are not muted."""
        return sum(row.is_alarm and bool(row.acked_by) for row in self.incidents)

    @property
    def muted(self) -> int:
        """Open incidents that raise no alarm for now."""
        return sum(row.is_open and not row.is_alarm for row in self.incidents)
