"""Engine objects, incidents and fixes to the parts of a view. The one place that knows their form.

Pure: no thread, no clock, no textual. Words come from ``ctcpmon.diagnosis`` and
``ctcpmon.explain``; here they are only put in their places, cleaned.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import starmap
from typing import TYPE_CHECKING

from ctcpmon.diagnosis import evidence_words, percent
from ctcpmon.diagnosis.held import held_words
from ctcpmon.explain import explain_finding, explain_incident, timeline
from ctcpmon.fixes import catalogue, render_for_incident
from ctcpmon.fixes.ledger import ledger_lines
from ctcpmon.offloads import merged_remark
from ctcpmon.stamps import is_old, stamp
from ctcpmon.text import clean
from ctcpmon.tui.view import (
    Detail,
    EvidenceLine,
    EvidenceView,
    FixView,
    FlowRow,
    HeldRow,
    IncidentRow,
    Port,
    SessionRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ctcpmon.config import Site
    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import DetectorInfo, Finding, FlowWindow, Held, LivePort, Note, Session
    from ctcpmon.tui.view import Level

__all__ = [
    "detail",
    "ends_of",
    "evidence",
    "fixes",
    "flow_rows",
    "held_row",
    "held_seconds",
    "holding",
    "incident_row",
    "input_name",
    "note_line",
    "port",
    "session_key",
    "session_row",
]

_LOSS = {
    "client": "on the client side of the tap",
    "headend": "on the headend side of the tap",
    "sender": "in the sender itself",
}
_LEVELS: dict[str, Level] = {"critical": "critical", "warning": "warning", "info": "info"}
_SURE = ((0.9, "high"), (0.7, "good"), (0.5, "fair"))
_CERTAINTY = {
    "exact": "trailers exact",
    "loose": "trailers read loosely",
    "head": "known by its head, trailers cut",
    "behaviour": "known by behaviour",
}
_WORD_CELLS = 200


def input_name(names: Sequence[str]) -> str:
    """Short name of the input: the last part of the path; the tap screen has the whole."""
    first = names[0].rpartition("/")[2] or names[0]
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


def session_key(session: Session) -> str:
    """Key of one session in one generation."""
    return f"{clean(session.id, 32)}/{session.generation}"


def incident_row(incident: Incident, now_ns: int | None = None) -> IncidentRow:
    """One incident for the list."""
    lead = incident.lead.session
    one = incident.sessions_total <= 1
    return IncidentRow(
        key=incident.id,
        level=_LEVELS.get(incident.severity, "info"),
        worst=_LEVELS.get(incident.worst_severity, "info"),
        is_open=incident.is_open,
        since_ns=incident.since_ns,
        sessions=incident.sessions_total,
        stalled=incident.sessions_stalled,
        at_risk=incident.sessions_at_risk,
        recovered=incident.sessions_recovered,
        title=clean(incident.cause.title, 60),
        what=clean(incident.what, 60),
        client=_end(lead.client_ip, lead.client_port) if one else _clients(incident),
        headend=clean(incident.headend, 56),
        loss=_place(incident),
        fix=incident.fixes[0] if incident.fixes else "",
        session=session_key(lead),
        is_lost=incident.close_reason == "gone" and incident.sessions_missing > 0,
        place=_identity(incident),
        is_old=is_old(incident.since_ns, now_ns),
    )


def evidence(incident: Incident, number: int, of: int) -> EvidenceView:
    """Why this is an incident: the numbers of its leading finding, then those of the group."""
    lead = incident.lead
    # As it happened; what has no moment of its own comes after, in the detector's order.
    told = sorted(lead.evidence, key=lambda one: (one.ts_ns is None, one.ts_ns or 0))
    lines = [EvidenceLine(_sentence(evidence_words(one)), one.ts_ns, one.packet) for one in told]
    # What the sessions say together stands before the numbers of one of them.
    group = [EvidenceLine(_sentence(one.text), short=one.short) for one in incident.remarks]
    if incident.sessions_total > 1 or incident.sessions_gone:
        group.append(
            EvidenceLine(
                f"{_sessions(incident.sessions_total)}: {incident.counts}",
                short=f"{incident.sessions_total:,}: {incident.counts_short}",
            )
        )
    if incident.moving_since_ns is not None:
        group.append(EvidenceLine("since then the last of them moves again", incident.moving_since_ns))
    lines = [*group, *lines]
    return EvidenceView(
        incident=incident.id,
        number=number,
        of=of,
        loss=_place(incident),
        stopped=_effect(incident),
        lines=tuple(lines),
        story=incident.cause.story,
        why=incident.cause.why,
        confidence=_confidence(incident.confidence),
        confidence_reasons=_reasons(lead),
        otherwise=incident.cause.otherwise,
        limits=incident.cause.limits,
        silence=incident.where if incident.silent_side is not None else "",
    )


def fixes(incident: Incident, site: Site | None = None) -> tuple[FixView, ...]:
    """The fixes of an incident, best first, filled in for the site."""
    views = []
    for name in incident.fixes:
        recipe = catalogue().get(name)
        if recipe is None:
            continue
        fix = render_for_incident(recipe, incident, site)
        views.append(
            FixView(
                id=fix.id,
                title=_sentence(fix.title),
                platform=_sentence("; ".join((*fix.where, fix.platform))),
                why=_sentence(fix.why),
                risk=_sentence(fix.risk),
                config=fix.config,
                text=tuple(clean(line, 400) for line in fix.lines()),
            )
        )
    return tuple(views)


def ends_of(session: Session) -> tuple[str, str]:
    """Client and headend."""
    client = _end(session.client_ip, session.client_port)
    return client, _end(session.headend_ip, session.headend_port)


def held_row(held: Held) -> HeldRow:
    """What is held in a session."""
    return HeldRow(
        key=f"{clean(held.id, 32)}/{held.generation}",
        client=_end(held.client_ip, held.client_port),
        headend=_end(held.headend_ip, held.headend_port),
        held_s=held_seconds(held),
        told=_sentence(held_words(held)),
    )


def held_seconds(held: Held) -> int:
    """For so many whole seconds data are held."""
    return max(held.now_ns - held.since_ns, 0) // 1_000_000_000


def holding(row: IncidentRow, held_s: Sequence[int]) -> IncidentRow:
    """The same incident with its sessions that are held right now."""
    return replace(row, held=len(held_s), held_s=max(held_s)) if held_s else row


def session_row(session: Session, held: Mapping[str, Held] | None = None) -> SessionRow:
    """One session for the list; ``held`` by the keys of sessions."""
    now = (held or {}).get(session_key(session)) if not session.end_reason else None
    both = (session.to_headend, session.to_client)
    product = f" {clean(session.product, 12)}" if session.product else ""
    return SessionRow(
        key=session_key(session),
        state=clean(session.state, 9),
        worst_state=clean(session.worst_state, 9),
        client=_end(session.client_ip, session.client_port),
        headend=_end(session.headend_ip, session.headend_port),
        protocol=clean(session.protocol, 10) + product,
        stalled_at_ns=session.stalled_at_ns,
        last_ns=session.last_ns,
        holes=sum(one.holes_total for one in both),
        missing=sum(one.esp_missing_pkts for one in both),
        ended=clean(session.end_reason, 16).replace("_", " "),
        first_ns=session.first_ns,
        packets=sum(one.packets for one in both),
        retransmissions=sum(one.retransmissions for one in both),
        held_s=None if now is None else held_seconds(now),
    )


def flow_rows(window: FlowWindow) -> tuple[FlowRow, ...]:
    """The conversations of a window."""
    columns = (
        window.ids,
        starmap(_end, window.clients),
        starmap(_end, window.servers),
        window.opener_known,
        window.states,
        window.packets,
        window.payload_bytes,
        window.retransmissions,
        window.dup_acks,
        window.zero_windows,
        window.missing,
        window.first_ns,
        window.last_ns,
        ("" if one is None else f"{clean(one[0], 32)}/{one[1]}" for one in window.sessions),
    )
    return tuple(map(FlowRow, *columns))


def detail(
    session: Session,
    findings: Sequence[Finding],
    incident: Incident | None,
    infos: Iterable[DetectorInfo],
    site: Site | None,
    *,
    held: Held | None = None,
) -> Detail:
    """Everything about one session: what is held right now, facts, time line, ledger, reasoning."""
    path = " -> ".join(ends_of(session))
    lines = [*_facts(session), ""]
    if held is not None:
        lines[:0] = [f"? HELD right now, {held_seconds(held)} s", f"  {held_words(held)}", ""]
    lines += timeline([(f"finding {one.seq}", one) for one in findings])
    last = max(findings, key=lambda one: (one.verdict == "stalled", one.seq), default=None)
    if last is None:
        lines += ["", *ledger_lines(session, None)]
    else:
        info = next((one for one in infos if one.id == last.detector), None)
        lines += ["", *explain_finding(last, event_id=str(last.seq), info=info, site=site)]
    if incident is not None:
        lines += ["", *explain_incident(incident)[:5]]
    return Detail(
        key=session_key(session), title=path, lines=tuple(clean(line, _WORD_CELLS) for line in lines)
    )


def note_line(note: Note, name: str) -> str:
    """One remark about an input."""
    at = f" at byte {note.offset:,}" if note.offset is not None else ""
    return f"{name}: {clean(note.kind, 32)}{at}: {clean(note.text, 160)}"


def _facts(session: Session) -> list[str]:
    state = clean(session.state, 20).replace("_", "-")
    worst = clean(session.worst_state, 20).replace("_", "-")
    end = clean(session.end_reason, 20).replace("_", " ") or "still open"
    lines = [
        "Facts",
        (
            f"  {clean(session.protocol, 20)}, state {state}, worst {worst}, end: {end}; "
            f"id {clean(session.id, 32)} generation {session.generation}"
        ),
        f"  seen {stamp(session.first_ns)} to {stamp(session.last_ns)} UTC",
        f"  recognised: {_CERTAINTY.get(session.certainty, clean(session.certainty, 20))}",
    ]
    if session.stalled_at_ns is not None:
        lines.append(f"  stalled at {stamp(session.stalled_at_ns)} UTC")
    if session.linked_session:
        lines.append(f"  continues session {clean(session.linked_session, 32)}")
    limits = (
        (session.is_one_sided, "only one direction is visible at this tap"),
        (session.is_midstream, "the beginning was not seen"),
        (session.is_cut, "frames were cut, some trailers could not be read"),
        (not session.roles_known, "which side is the client is a guess from the ports"),
    )
    return lines + [f"  limit: {text}" for is_true, text in limits if is_true]


def _identity(incident: Incident) -> str:
    # A digest: it is kept in a file and goes into exports, of redacted screens too.
    nets = "*" if incident.client_nets > 1 else incident.client_net
    text = f"{incident.headend} {incident.cause.family} {nets}"
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _clients(incident: Incident) -> str:
    more = incident.client_nets - 1
    return clean(incident.client_net, 50) + (f" +{more:,} nets" if more else "")


def _sessions(count: int) -> str:
    return f"{count:,} session{'' if count == 1 else 's'}"


def _place(incident: Incident) -> str:
    if incident.silent_side is not None:
        return incident.where
    return _LOSS.get(incident.loss_side or "", "place not known from this tap")


def _effect(incident: Incident) -> str:
    if incident.close_reason is not None:
        return incident.what
    if incident.sessions_stalled or incident.stopped_side is not None:
        return incident.stopped
    return "none yet: data still get through"


def _confidence(value: float) -> str:
    word = next((word for least, word in _SURE if value >= least), "low")
    return f"{word} ({value:.2f})"


def _reasons(finding: Finding) -> str:
    session = finding.session
    gap = finding.tap_gap_ratio
    return ", ".join(
        (
            _CERTAINTY.get(session.certainty, clean(session.certainty, 20)),
            "one direction only" if session.is_one_sided else "both directions seen",
            "tap not measurable" if gap is None else f"tap gaps {percent(gap)}",
            f"{len(finding.ruled_out)} look-alikes ruled out",
        )
    )


def _sentence(text: str) -> str:
    return clean(" ".join(text.split()), 600)


def _end(ip: str, port: int) -> str:
    ip = clean(ip, 45)
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def port(one: LivePort) -> Port:
    """An interface of a live run."""
    return Port(
        name=clean(one.name, 15),
        received=one.received,
        measured=one.taken,
        dropped=one.dropped + one.driver_dropped,
        is_down=one.is_down,
        downs=one.downs,
        merged=clean(merged_remark(one.name, one.merging), 300),
    )
