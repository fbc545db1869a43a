"""Reconnect cycles (S-d): one client, one headend, connection after connection that stalls.

A new connection continues a row when it carries the cookies of the one before (``linked_session``) or
comes from the same address after the stall. The same SPI under a new port is NAT rebinding: the same
connection, no reconnect. An address with several open rows is shared (NAT): there only links count.

Bounded: rows by address, oldest address out first; what is forgotten is counted.
"""

from __future__ import annotations

from ctcpmon.diagnosis.wording import duration
from ctcpmon.lean import deque
from ctcpmon.records import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ctcpmon.engine import Finding, Session

    Step = Literal["first", "next", "rebound"]
    """First connection of a row, a further one, or the same one on a new port."""

__all__ = ["Cycle", "Place", "Reconnects", "Row", "had_loss", "place_of", "tell_cycle"]

MIN_CONNECTIONS = 3
"""Guess: two stalls of one client may be two losses, three in a row are a cycle."""
NEXT_WITHIN_NS = 600 * 10**9
"""Guess: the client gives up after 90 s (its DPD default) and the user dials again within minutes."""
REGULAR = 0.10
REGULAR_MS = 2_000.0
"""Guess: the larger of both is how far lifetimes of a timer may lie from their middle."""
MAX_ROWS = 8
"""Rows kept of one address; more users behind one address are not told apart."""
MAX_LIVES = 16
"""Last lifetimes kept of one row."""
_LOSS = ("hole_to_stall_ms", "hole_bytes")

Place = tuple[str, str, int]
"""Client address, headend address, headend port."""


def place_of(session: Session) -> Place:
    """Where a session belongs: its client and its headend, without the client's port."""
    return (session.client_ip, session.headend_ip, session.headend_port)


def had_loss(finding: Finding) -> bool:
    """True when a loss came before the stall."""
    measured = finding.measured
    return any(measured.get(name, 0.0) > 0.0 for name in _LOSS)


class Row(Record):
    """Connections of one client that stalled one after the other."""

    session_id: str
    """The last connection."""
    stalled_ns: int
    spis: frozenset[int]
    connections: int = 1
    lifetimes_ms: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LIVES))
    losses: int = 0
    """Connections that stalled after a loss."""


class Cycle(Record, frozen=True):
    """Reconnect cycles in one incident."""

    clients: int
    """Clients with at least three stalled connections in a row."""
    sessions: int
    """Connections of them all."""
    reconnects: int
    """The most that one client reconnected."""
    lifetime_ms: int | None
    """Middle of the lifetimes, from the first packet to the stall."""
    is_timer: bool
    """Lifetimes are equal and no loss came before: idle, rekey or DPD timer, not this fault."""
    text: str
    """One sentence."""
    short: str
    """The same in few cells."""


class Reconnects:
    """Rows of stalled connections by client. ``forgotten`` counts addresses dropped to make room."""

    def __init__(self, max_places: int) -> None:
        self._max_places = max_places
        self.rows: dict[Place, list[Row]] = {}
        """By client and headend; empty while nobody stalled."""
        self.forgotten = 0

    def stalled(self, finding: Finding) -> tuple[Row, Step]:
        """Notes that a session stalled; returns its row and what it is in it."""
        session = finding.session
        place = place_of(session)
        rows = self.rows.pop(place, [])
        rows = [row for row in rows if session.first_ns - row.stalled_ns <= NEXT_WITHIN_NS]
        self.rows[place] = rows
        if len(self.rows) > self._max_places:
            del self.rows[next(iter(self.rows))]
            self.forgotten += 1
        spis = frozenset(
            spi for spi in (session.to_headend.esp_spi, session.to_client.esp_spi) if spi is not None
        )
        row, is_rebound = _continued(session, rows, spis)
        step: Step = "rebound" if is_rebound else "first" if row is None else "next"
        if row is None:
            row = Row(session.id, finding.since_ns, spis)
            del rows[: max(len(rows) + 1 - MAX_ROWS, 0)]
            rows.append(row)
        else:
            row.connections += not is_rebound
            row.session_id, row.stalled_ns, row.spis = session.id, finding.since_ns, spis
        if not is_rebound:
            row.losses += had_loss(finding)
            if not session.is_midstream:
                row.lifetimes_ms.append(max(finding.since_ns - session.first_ns, 0) / 1e6)
        return row, step

    def moved(self, place: Place, first_ns: int) -> None:
        """A connection from there, begun at ``first_ns``, lived on without a stall: its client's row ends."""
        rows = self.rows.get(place)
        if rows is not None and len(rows) == 1 and rows[0].stalled_ns <= first_ns:
            del self.rows[place]


def _continued(session: Session, rows: list[Row], spis: frozenset[int]) -> tuple[Row | None, bool]:
    """The row that ``session`` continues, and whether it is the same connection on a new port."""
    if session.linked_session is not None:
        for row in rows:
            if row.session_id == session.linked_session:
                return row, bool(row.spis & spis)
        # Without IKE of its own only the SPI can have linked it.
        if session.initiator_cookie is None:
            return None, True
    if len(rows) == 1 and rows[0].stalled_ns <= session.first_ns:
        return rows[0], False
    return None, False


def tell_cycle(rows: list[Row]) -> Cycle | None:
    """The cycles among the rows of one incident, in words; None when there are none."""
    cycling = [row for row in rows if row.connections >= MIN_CONNECTIONS]
    if not cycling:
        return None
    lives = sorted(life for row in cycling for life in row.lifetimes_ms)
    most = max(row.connections for row in cycling) - 1
    middle = lives[len(lives) // 2] if lives else None
    is_regular = middle is not None and all(
        abs(life - middle) <= max(REGULAR_MS, REGULAR * middle) for life in (lives[0], lives[-1])
    )
    is_timer = is_regular and len(lives) >= MIN_CONNECTIONS and not any(row.losses for row in cycling)
    many = len(cycling) > 1
    who = f"{len(cycling)} clients reconnected up to" if many else "one client reconnected"
    text = f"{who} {most} times"
    if middle is not None and is_regular:
        text += f", each connection lived about {duration(middle)}"
    elif middle is not None:
        text += f", the connections lived {duration(lives[0])} to {duration(lives[-1])}"
    short = text + (": a timer" if is_timer else "")
    if is_timer:
        text += "; equal lifetimes without a loss are a timer (idle, rekey or DPD), not this fault"
    return Cycle(
        clients=len(cycling),
        sessions=sum(row.connections for row in cycling),
        reconnects=most,
        lifetime_ms=round(middle) if middle is not None else None,
        is_timer=is_timer,
        text=text,
        short=short,
    )
