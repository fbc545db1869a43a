"""A ``ViewSource`` with made-up views, for ``preview`` and for tests. No engine, no thread."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from ctcpmon.tui.packets import Packets, fail
from ctcpmon.tui.view import (
    MOST_EXPORTED,
    Counter,
    Detail,
    EvidenceLine,
    EvidenceView,
    FixView,
    FlowRow,
    HeldRow,
    IncidentRow,
    Listing,
    LogLine,
    Port,
    Progress,
    Query,
    Reach,
    Refused,
    Rows,
    SessionRow,
    Situation,
    Tally,
    Tap,
    Trend,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.view import Level

__all__ = ["SCENES", "FakeSource", "aftermath", "busy", "held", "listening", "live", "no_tunnel", "quiet"]

_T0_NS = 1_795_487_891_402_000_000
_SECOND_NS = 1_000_000_000
_TAP_OK = Tap("ok", 0.0, "tap OK  gaps 0.00 %", ("Measured on ordinary TCP only.",))
_DONE = Progress("done", 29_500_000, 29_500_000, 412_000.0, None, 3.2, 0.0)
_READING = Progress("reading", 12_400_000, 29_500_000, 412_000.0, 12.0, 1.3, 0.0)
_TREND = Trend(
    step_s=16,
    packets=tuple(1_000 + 350 * (step % 7) + 20 * step for step in range(56)),
    stalls=(*(0 for _ in range(40)), 1, 2, 7, 4, 1, *(0 for _ in range(11))),
    lost=(0,) * 56,
)
_COUNTERS = (
    Counter("frames", 1_204_000, "Frames taken from the source."),
    Counter("frames_tcp", 1_198_211, "A TCP segment, handed to the flow table."),
    Counter("flows_evicted", 0, "Conversations dropped to make room."),
)


class FakeSource:
    """Answers queries on a fixed view at once and writes down what it was told."""

    def __init__(self, base: View) -> None:
        self.base = base
        self.told: list[str] = []
        self.cut: Packets | str | None = "no packets were made up for this session"
        """What asking for packets gives: these, the reason why not, or nothing until it is set (None)."""
        self._view = base
        self._show(base.query)

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        reach = query.reach
        self.told.append(f"ask {query.incident} {query.session} {reach.name} {reach.order} {reach.filter}")
        self._show(query)

    def view(self) -> View:
        """See ``ViewSource``."""
        return self._view

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """See ``ViewSource``."""
        self.told.append(f"paused {paused}")
        self._progress(replace(self.base.progress, phase="paused" if paused else "reading"))

    def set_speed(self, speed: float) -> None:
        """See ``ViewSource``."""
        self.told.append(f"speed {speed:g}")
        self._progress(replace(self.base.progress, speed=speed))

    def packets(self, session: str) -> Future[Packets]:
        """See ``ViewSource``."""
        self.told.append(f"packets {session}")
        answer: Future[Packets] = Future()
        if isinstance(self.cut, str):
            fail(answer, self.cut)
        elif self.cut is not None:
            answer.set_result(self.cut)
        return answer

    def rows(self, reach: Reach) -> Future[Rows]:
        """See ``ViewSource``."""
        self.told.append(f"rows {reach.name} {reach.order} {reach.filter}")
        whole = replace(reach, offset=0, height=MOST_EXPORTED, anchor="")
        found = self._flows(self.base, whole) if reach.name == "flows" else self._sessions(self.base, whole)
        answer: Future[Rows] = Future()
        answer.set_result(Rows(found.listing.matching, found.sessions, found.flows))
        return answer

    def step(self) -> None:
        """See ``ViewSource``."""
        self.told.append("step")
        last_ns = (self.base.last_ns or 0) + _SECOND_NS
        self.put(replace(self.base, last_ns=last_ns, progress=replace(self.base.progress, phase="paused")))

    def to_next_incident(self) -> None:
        """See ``ViewSource``."""
        self.told.append("next incident")
        self._progress(replace(self.base.progress, phase="paused"))

    def put(self, base: View) -> None:
        """Another moment of the run."""
        self.base = base
        self._show(self._view.query)

    def _progress(self, progress: Progress) -> None:
        self.put(replace(self.base, progress=progress))

    def _show(self, query: Query) -> None:
        rows = self.base.incidents
        at = next((at for at, row in enumerate(rows) if row.key == query.incident), 0)
        view = replace(self.base, query=query, detail=_detail(query.session))
        view = replace(view, log=self.base.log[-query.log :] if query.log else ())
        if query.reach.name == "flows":
            view = self._flows(view, query.reach)
        else:
            view = self._sessions(view, query.reach)
        if rows:
            told = self.base.evidence if at == 0 else None
            told = told or _evidence(rows[at], at + 1, len(rows))
            view = replace(view, evidence=told, fixes=_fixes(rows[at]))
        self._view = view

    def _sessions(self, view: View, reach: Reach) -> View:
        """By key where the order is not the worst, and by the words of the filter."""
        wanted = reach.filter.rpartition("=")[2]
        rows = [
            row
            for row in self.base.sessions
            if wanted in (row.state, "") or wanted in f"{row.client} {row.headend}"
        ]
        if reach.order != "worst":
            rows.sort(key=lambda row: row.last_ns - int(row.key.split("/")[0], 16), reverse=True)
        rows = rows[::-1] if reach.is_reversed else rows
        keys = [row.key for row in rows]
        at = keys.index(reach.anchor) if reach.anchor in keys else None
        offset = _offset(reach, at, len(rows))
        listing = Listing(self.base.tally.total, len(rows), offset, at)
        return replace(view, sessions=tuple(rows[offset : offset + reach.height]), flows=(), listing=listing)

    def _flows(self, view: View, reach: Reach) -> View:
        """Any number of rows, each made when it is asked for: the key is the place."""
        total = self.base.conversations
        numbers = range(total)[::-1] if reach.is_reversed else range(total)
        at = numbers.index(int(reach.anchor, 16)) if reach.anchor else None
        offset = _offset(reach, at, total)
        listing = Listing(total, total, offset, at)
        rows = tuple(map(_flow, numbers[offset : offset + reach.height]))
        return replace(view, sessions=(), flows=rows, listing=listing)


def _offset(reach: Reach, at: int | None, matching: int) -> int:
    wanted = reach.offset if at is None else max(at - reach.line, 0)
    return min(wanted, max(matching - reach.height, 0))


def busy() -> View:
    """Three incidents while reading."""
    rows = (
        _row(1, "critical", 12, "10.1.0.0/24", "asa-tcp-state-bypass"),
        _row(
            2, "critical", 3, "10.7.0.0/24", "ipsec-over-udp-nat-t", what="a proxy froze the ACK at the hole"
        ),
        _row(
            3,
            "warning",
            1,
            "192.0.2.17:1061",
            "find-the-loss",
            what="lost segment never resent, stream alive",
        ),
    )
    sessions = tuple(_session(number) for number in range(40))
    return replace(
        quiet(),
        progress=_READING,
        tally=Tally(212, 15, 9, 186, 2),
        incidents=rows,
        evidence=_evidence(rows[0], 1, 3),
        fixes=_fixes(rows[0]),
        sessions=sessions,
        log=tuple(_log_line(number) for number in range(1, 41)),
    )


def aftermath() -> View:
    """An outage, and what became of two incidents after a fix."""
    down = replace(
        _row(1, "critical", 112, "10.1.0.0/24 +7 nets", "check-the-headend"),
        title="Headend-wide outage",
        what="headend or the device in front of it went away",
        loss="headend silent, clients still ask",
    )
    cured = replace(
        _row(2, "critical", 12, "10.7.0.0/24", "linux-be-liberal"),
        is_open=False,
        stalled=0,
        recovered=12,
        what="cleared: 12 of 12 sessions moving again for 6.0 s",
    )
    lost = replace(
        _row(3, "critical", 3, "10.8.0.0/24", "asa-tcp-state-bypass"),
        is_open=False,
        is_lost=True,
        stalled=0,
        what="not cured: 3 of 3 sessions ended, not seen again",
    )
    lines = (
        EvidenceLine(
            "8 client networks at once: look first at what they share, the side of the headend",
            short="8 client networks at once: look first at the side of the headend",
        ),
        EvidenceLine(
            "112 sessions: 100 stalled, 0 at risk, 2 moving again, 10 ended (4 reconnected)",
            short="112: 100 stalled, 0 at risk, 2 moving, 10 ended",
        ),
        EvidenceLine("since then the last of them moves again", _T0_NS + 400 * _SECOND_NS),
        EvidenceLine("nothing seen of the silent side for 6.2 s", _T0_NS + 360 * _SECOND_NS),
    )
    evidence = replace(_evidence(down, 1, 3), lines=lines, silence=down.loss)
    return replace(busy(), incidents=(down, cured, lost), evidence=evidence, fixes=_fixes(down))


def held() -> View:
    """Data of two sessions are held right now; one of them had lost a segment before."""
    row = _row(
        3, "warning", 1, "10.1.4.25:1076", "find-the-loss", what="lost segment never resent, stream alive"
    )
    row = replace(row, held=1, held_s=3)
    told = (
        "the ACK of the headend has stood at 1233158770 for 3.2 s while the client sent 14 segments; no "
        "stall yet: called one at 6 s, because an inspection queue may let go by itself until 5.3 s"
    )
    silent = (
        "nothing has come from the headend for 12.4 s (never longer than 8.0 s before) while the client sent "
        "9 segments; no stall yet: called one at 24 s, because an inspection queue may let go by itself "
        "until 5.3 s"
    )
    rows = tuple(_session(number) for number in range(15, 40))
    first, second = replace(rows[0], held_s=3), replace(rows[5], held_s=12)
    return replace(
        busy(),
        tally=Tally(25, 0, 5, 20, 0),
        incidents=(row,),
        evidence=_evidence(row, 1, 1),
        fixes=_fixes(row),
        held=tuple(
            HeldRow(one.key, one.client, one.headend, one.held_s or 0, text)
            for one, text in ((second, silent), (first, told))
        ),
        held_total=2,
        sessions=(first, *rows[1:5], second, *rows[6:]),
    )


def quiet() -> View:
    """Nothing wrong."""
    return View(
        query=Query(),
        name="site-a.pcapng",
        inputs=("/captures/site-a.pcapng",),
        progress=_DONE,
        tap=_TAP_OK,
        refused=Refused(),
        tally=Tally(4, 0, 0, 4, 0),
        situation=Situation("ok", "NO INCIDENTS", ("4 tunnel sessions, all moving.",)),
        packets=1_204_000,
        tcp_packets=1_198_211,
        conversations=1_840,
        first_ns=_T0_NS,
        last_ns=_T0_NS + 900 * _SECOND_NS,
        sessions=tuple(replace(_session(20 + number), ended="fin") for number in range(4)),
        counters=_COUNTERS,
        trend=_TREND,
    )


def no_tunnel() -> View:
    """No tunnel, bad tap, input cut off, tables full."""
    return replace(
        quiet(),
        tap=Tap("bad", 0.031, "TAP GAPS 3.10 % - verdicts limited", ("Check the SPAN session.",)),
        refused=Refused(1_200, 3, 0, 0),
        tally=Tally(),
        sessions=(),
        situation=Situation(
            "warning",
            "NO VPN SESSION seen: no cTCP, no other IPsec or fake-TCP tunnel.",
            ("1,204,000 packets looked at.", "On the cTCP port, but something else: 12 TLS."),
            ("does the traffic to the headend pass this SPAN?", "are both directions mirrored?"),
        ),
        notes=("site-a.pcapng: truncated at byte 29,499,112: the last record is cut off",),
        notes_incomplete=1,
    )


def live() -> View:
    """A SPAN port whose ring was too small, and one that is down."""
    return replace(
        busy(),
        name="eth2, eth3",
        inputs=("eth2", "eth3"),
        progress=Progress("reading", packets_per_s=812_000.0, seconds_taken=903.0),
        tap=Tap(
            "bad", 0.0, "SENSOR DROPS 1.66 % - verdicts limited", ("The sensor cannot keep up: more memory.",)
        ),
        ports=(
            Port("eth2", 1_224_400, 1_204_000, 20_400),
            Port("eth3", 0, 0, 0, is_down=True, downs=1),
        ),
    )


def listening() -> View:
    """A SPAN port on which nothing has come yet."""
    return replace(
        quiet(),
        name="eth2",
        inputs=("eth2",),
        progress=Progress("reading", seconds_taken=3.0),
        tap=Tap("unknown", None, "tap not measured"),
        tally=Tally(),
        sessions=(),
        situation=Situation("info", "Waiting for the first packet.", (), ("is it the SPAN port?",)),
        packets=0,
        tcp_packets=0,
        conversations=0,
        first_ns=None,
        last_ns=None,
        counters=(),
        trend=Trend(),
        ports=(Port("eth2", 0, 0, 0),),
    )


SCENES: dict[str, Callable[[], View]] = {
    "live": live,
    "listening": listening,
    "aftermath": aftermath,
    "busy": busy,
    "held": held,
    "quiet": quiet,
    "no-tunnel": no_tunnel,
}
"""By name, for ``preview``."""


def _row(number: int, level: str, sessions: int, client: str, fix: str, *, what: str = "") -> IncidentRow:
    is_critical = level == "critical"
    return IncidentRow(
        key=f"i-{number:010x}",
        level="critical" if is_critical else "warning",
        worst="critical" if is_critical else "warning",
        is_open=True,
        since_ns=_T0_NS + number * 360 * _SECOND_NS,
        sessions=sessions,
        stalled=sessions if is_critical else 0,
        at_risk=0 if is_critical else sessions,
        recovered=0,
        title="Stateful drop after loss",
        what=what or "lost segment never resent, a device holds the stream",
        client=client,
        headend="198.51.100.9:10000",
        loss="on the client side of the tap",
        fix=fix,
        session=f"{number:012x}/1",
    )


def _evidence(row: IncidentRow, number: int, of: int) -> EvidenceView:
    return EvidenceView(
        incident=row.key,
        number=number,
        of=of,
        loss=row.loss,
        stopped="data of the client no longer get through",
        lines=(
            EvidenceLine(
                f"{row.stalled} of {row.stalled} sessions stopped about 4.1 s after the loss: consistent "
                "with the out-of-order buffer timeout of an ASA (4 s by default)",
                short=f"{row.stalled} of {row.stalled} stopped 4.1 s after the loss: fits an ASA (4 s)",
            ),
            EvidenceLine("hole of 96 bytes that nobody filled", row.since_ns, 18_221),
            EvidenceLine("the ACK of the other side has stood still for 4.0 s", row.since_ns + 53_000_000),
            EvidenceLine("30 segments sent after the ACK stopped"),
            EvidenceLine(
                f"{row.sessions} sessions: {row.stalled} stalled, {row.at_risk} at risk, 0 moving again"
            ),
        ),
        story="A segment was lost and data of one direction no longer get through.",
        why="A device on the path keeps real TCP state and waits for the missing segment.",
        confidence="high (0.94)",
        confidence_reasons="trailers exact, both directions seen, tap gaps 0.00 %",
        otherwise=("the sender went away: then both directions would have stopped at once",),
        limits="Which device it is cannot be read from one tap.",
    )


def _fixes(row: IncidentRow) -> tuple[FixView, ...]:
    config = (
        f"access-list CTCPMON-1 extended permit tcp host 10.1.4.17 host 198.51.100.9 eq 10000\n! {row.key}"
    )
    first = FixView(
        id=row.fix,
        title="ASA: TCP state bypass for this stream",
        platform="Cisco ASA, 8.2(1) and later",
        why="The ASA passes this stream much like UDP: a hole has no effect on what follows.",
        risk="No TCP normaliser and no inspection for the matched stream.",
        config=config,
        text=("ASA: TCP state bypass", "", "Risk", "  No normaliser.", "", "Step 1", *_indented(config)),
    )
    last = replace(first, id="anyconnect-ikev2", title="Move to IKEv2", config="", text=("Move to IKEv2",))
    return (first, last)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]


def _session(number: int) -> SessionRow:
    state = "stalled" if number < 15 else "at_risk" if number < 20 else "healthy"
    return SessionRow(
        key=f"{number + 1:012x}/1",
        state=state,
        worst_state=state,
        client=f"10.1.4.{number + 10}:{1061 + number}",
        headend="198.51.100.9:10000",
        protocol="ctcp",
        stalled_at_ns=_T0_NS + number * _SECOND_NS if state == "stalled" else None,
        last_ns=_T0_NS + 900 * _SECOND_NS,
        holes=2 if state != "healthy" else 0,
        missing=2 if state != "healthy" else 0,
        ended="",
        first_ns=_T0_NS,
        packets=4_120 + number,
        retransmissions=number % 3,
    )


def _log_line(number: int) -> LogLine:
    level: Level = ("critical", "warning", "info", "ok")[number % 4]
    text = f"stalled: Stateful drop after loss, 10.1.4.{number}:1061 -> 198.51.100.9:10000"
    return LogLine(number, _T0_NS + number * _SECOND_NS, level, text)


def _flow(number: int) -> FlowRow:
    sent = max(9_870_000_000 // (number + 1), 120)
    return FlowRow(
        key=f"{number:016x}",
        client=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:{40_000 + number % 20_000}",
        server=f"192.0.2.{number % 200 + 1}:{(443, 80, 22, 10_000)[number % 4]}",
        opener_known=number % 5 != 4,
        state=("open", "open", "closed", "one_way", "opening")[number % 5],
        packets=(sent // 1_400 + 3, sent // 700 + 2),
        payload_bytes=(sent // 9, sent),
        retransmissions=min(sent // 90_000, 65_535),
        dup_acks=sent // 150_000,
        zero_windows=number % 3,
        missing=number % 7,
        first_ns=_T0_NS + number % 900 * _SECOND_NS,
        last_ns=_T0_NS + 900 * _SECOND_NS,
        session="000000000001/1" if number % 4 == 3 else "",
    )


def _detail(key: str | None) -> Detail | None:
    if key is None:
        return None
    lines = ["Facts", f"  session {key}", "", "Time line (UTC)"]
    return Detail(key, f"session {key}", (*lines, *(f"  line {number}" for number in range(60))))
