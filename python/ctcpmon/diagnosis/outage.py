"""Headend-wide outage: several clients of one headend fall silent together, without a loss before.

Watches findings of silence and says which of them belong together. It judges by clients, not sessions:
three sessions behind one address are one client (NAT rebinding looks like that). Bounded by headend and
by findings kept for each.
"""

from __future__ import annotations

from ctcpmon.diagnosis.reconnects import had_loss
from ctcpmon.lean import deque
from ctcpmon.records import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ctcpmon.engine import Finding, Session

    Side = Literal["headend", "client"]

__all__ = ["RULE", "OutageWatch", "Silence", "silence_of"]

MIN_CLIENTS = 3
"""Guess: two clients may be chance."""
HEADEND_WITHIN_NS = 10 * 10**9
"""Guess: clients notice a dead headend with their next packet, keepalives come every 5 s."""
CLIENTS_WITHIN_NS = 2 * 10**9
"""Guess: clients that are cut off together stop at once; people who leave do not."""
REMEMBERED_NS = 60 * 10**9
"""Silence is judged up to this long after it began (usual gaps of 10 s and three missed beats)."""
MAX_REMEMBERED = 64
MAX_CLIENTS = 4_096
"""Clients of one headend that are counted; beyond that the share is that of the first."""

RULE = (
    f"Named by the grouping, not by a detector of the engine: at least {MIN_CLIENTS} clients whose silence "
    f"began within {HEADEND_WITHIN_NS // 10**9} s when the headend is not heard, or within "
    f"{CLIENTS_WITHIN_NS // 10**9} s when the clients are not heard; at least half of the clients of that "
    "headend with any finding; no loss before. All of these numbers are guesses."
)


class Silence(Record, frozen=True):
    """One client's side of the story."""

    client_ip: str
    side: Side
    """Who is not heard any more."""
    since_ns: int
    finding: Finding


class _Outage(Record):
    side: Side
    """Who fell silent."""
    first_ns: int
    last_ns: int
    affected: set[str]
    unharmed: set[str] = field(default_factory=set)
    """Clients of sessions that went on through it; known once they end."""


class _Headend(Record):
    clients: dict[str, None] = field(default_factory=dict)
    """Clients with any finding that did not end since."""
    recent: deque[Silence] | None = None
    outage: _Outage | None = None


def silence_of(finding: Finding) -> Silence | None:
    """The silence a finding tells of, unless a loss explains it."""
    detector = finding.detector
    if detector not in {"ctcp.silent_death", "ctcp.ike_unanswered"}:
        return None
    if finding.verdict not in {"stalled", "suspect"} or had_loss(finding):
        return None
    side: Side
    if detector == "ctcp.silent_death":
        side = "client" if finding.stopped_side == "client" else "headend"
    else:
        side = "headend" if finding.stopped_side == "client" else "client"
    began = next((item.ts_ns for item in finding.evidence if item.ts_ns is not None), None)
    if detector == "ctcp.ike_unanswered":
        # The first question without an answer comes up to a beat of DPD after the silence began.
        session = finding.session
        heard = session.to_client.last_ns if side == "headend" else session.to_headend.last_ns
        began = heard if heard is not None and heard < finding.since_ns else began
    return Silence(finding.session.client_ip, side, began or finding.since_ns, finding)


class OutageWatch:
    """Knows for each headend who fell silent when. ``forgotten`` counts headends dropped for room."""

    def __init__(self, max_headends: int) -> None:
        self._max_headends = max_headends
        self._headends: dict[tuple[str, int], _Headend] = {}
        self.forgotten = 0
        self._has_named = False
        """An outage was named in this run."""

    def add(self, finding: Finding) -> tuple[Side, tuple[Silence, ...]] | None:
        """The outage ``finding`` belongs to: the silent side and the silences to gather there."""
        here = self._at(finding.session)
        client = finding.session.client_ip
        if finding.verdict != "healthy" and len(here.clients) < MAX_CLIENTS:
            here.clients[client] = None
        silence = silence_of(finding)
        if silence is None:
            if finding.verdict == "healthy" and here.recent:
                kept = [one for one in here.recent if not _is_taken_back(one.finding, finding)]
                here.recent = deque(kept, maxlen=MAX_REMEMBERED)
            return None
        if here.outage is not None:
            return _joined(here.outage, silence)
        # Most headends never fall silent.
        recent = here.recent
        if recent is None:
            recent = here.recent = deque(maxlen=MAX_REMEMBERED)
        while recent and finding.ts_ns - recent[0].since_ns > REMEMBERED_NS:
            recent.popleft()
        recent.append(silence)
        within = HEADEND_WITHIN_NS if silence.side == "headend" else CLIENTS_WITHIN_NS
        together = _together([one for one in recent if one.side == silence.side], silence, within)
        clients = {one.client_ip for one in together}
        if len(clients) < MIN_CLIENTS or 2 * len(clients) < len(here.clients):
            return None
        moments = [one.since_ns for one in together]
        here.outage = _Outage(silence.side, min(moments), max(moments), clients)
        self._has_named = True
        here.recent = None
        return silence.side, tuple(together)

    def ended(self, session: Session) -> bool:
        """Notes an ended session; True when it shows that the outage was not headend-wide."""
        is_over = session.end_reason != "end_of_input"
        if not self._headends or not (is_over or self._has_named):
            return False
        here = self._headends.get((session.headend_ip, session.headend_port))
        if here is None:
            return False
        client = session.client_ip
        if is_over:
            here.clients.pop(client, None)
        outage = here.outage
        if outage is None or client in outage.affected or session.worst_state == "stalled":
            return False
        if session.first_ns < outage.first_ns and session.last_ns > outage.last_ns + HEADEND_WITHIN_NS:
            if len(outage.unharmed) < MAX_CLIENTS:
                outage.unharmed.add(client)
            return len(outage.unharmed) > len(outage.affected)
        return False

    def over(self, headend_ip: str, headend_port: int) -> None:
        """The outage of a headend is closed; the next one is found anew."""
        self._headends.pop((headend_ip, headend_port), None)

    def _at(self, session: Session) -> _Headend:
        key = (session.headend_ip, session.headend_port)
        here = self._headends.get(key)
        if here is None:
            if len(self._headends) >= self._max_headends:
                del self._headends[next(iter(self._headends))]
                self.forgotten += 1
            here = self._headends[key] = _Headend()
        return here


def _joined(outage: _Outage, silence: Silence) -> tuple[Side, tuple[Silence, ...]] | None:
    """A further client of an outage that is named already."""
    side, first, last = outage.side, outage.first_ns, outage.last_ns
    within = HEADEND_WITHIN_NS if side == "headend" else CLIENTS_WITHIN_NS
    if silence.side != side or not last - within <= silence.since_ns <= first + within:
        return None
    if len(outage.affected) < MAX_CLIENTS:
        outage.affected.add(silence.client_ip)
    outage.first_ns, outage.last_ns = min(first, silence.since_ns), max(last, silence.since_ns)
    return side, (silence,)


def _together(silences: list[Silence], newest: Silence, within_ns: int) -> list[Silence]:
    """The largest group around ``newest`` that began within ``within_ns``."""
    ordered = sorted(silences, key=lambda one: one.since_ns)
    best: list[Silence] = []
    for start in ordered:
        if newest.since_ns - within_ns <= start.since_ns <= newest.since_ns:
            group = [one for one in ordered if 0 <= one.since_ns - start.since_ns <= within_ns]
            if len(group) > len(best):
                best = group
    return best


def _is_taken_back(earlier: Finding, healthy: Finding) -> bool:
    one, other = earlier.session, healthy.session
    return (one.id, one.generation, earlier.detector) == (other.id, other.generation, healthy.detector)
