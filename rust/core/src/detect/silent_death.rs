//! S-e, and S-b seen from behind the device: one side falls silent while the other
//! goes on sending.

use super::evidence::EvidenceName as E;
use super::signals::{self, Silence};
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.silent_death",
    name: "Silent death",
    signature: "S-e",
    severity: "critical",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
A side that was regular sends nothing any more, for longer than its habit allows, while the other \
side goes on and gets no acknowledgement. No FIN, no RST.

## Why it stalls
Either a device in front of the tap drops the silent side's packets (the session is stalled and \
both ends still send), or that side is gone: crashed, rebooted, moved behind another address. From \
one tap these look alike; a loss shortly before the silence speaks for the device.

## Evidence
Length of the silence against the longest gap before, data segments sent into it.

## What else looks like this
A one-way user (never regular, so never judged), a tap that sees one direction only (never judged), \
a user who fetches something when the tunnel comes up and then reads (a side watched for less than ten \
seconds is judged only when it has sent ten tunnel packets and the other side goes on at its pace), \
a release after an inspection timer of 4 or 5 seconds (waited for), a path that is out as long under a \
slow beat (waited for, and one usual gap more), an idle session (both quiet).

## Limits by position of the tap
Between the sender and the device the sender's data go on: see ctcp.stateful_drop. A side that only \
answered with empty ACKs and stopped is not what stopped: the data it answered do not arrive. The same \
holds for a side that fell silent right behind a hole of the other side's data.

## Fixes
As for a stateful drop when a loss came first; otherwise look at the silent side itself first.",
    thresholds: &[
        Threshold {
            name: "min_silence_ms",
            value: signals::ms(signals::MIN_SILENCE_NS),
            unit: "ms",
            origin: "measured: an inspection queue released after 5 s and the flow went on",
        },
        Threshold {
            name: "gap_factor",
            value: signals::GAP_FACTOR as f64,
            unit: "ratio",
            origin: "guess: three missed beats",
        },
        Threshold {
            name: "min_opposite_segments",
            value: signals::MIN_OPPOSITE as f64,
            unit: "segments",
            origin: "guess: three DPD requests and two more packets",
        },
        Threshold {
            name: "rhythm_packets",
            value: signals::RHYTHM_PACKETS as f64,
            unit: "pkts",
            origin: "guess: more than an IKE handshake sends",
        },
        Threshold {
            name: "watched_ms",
            value: signals::ms(signals::WATCHED_NS),
            unit: "ms",
            origin: "guess: longer than what programs fetch when a tunnel comes up",
        },
        Threshold {
            name: "only_acks",
            value: signals::ONLY_ACKS as f64,
            unit: "pkts",
            origin: "guess: more empty packets than a pause between two DPD answers has",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    if session.is_one_sided() {
        return rebound(session, ctx);
    }
    (0..2)
        .filter(|dir| session.close_in_force(*dir).is_none())
        .find_map(|dir| signals::silence(session, dir, ctx.now).map(|s| judge(session, &s)))
}

fn judge(session: &Session, s: &Silence) -> Judgement {
    let h = &session.half[s.dir];
    let after_loss = signals::lost_near(session, s.dir, s.since, signals::RECENT_LOSS_NS);
    let other = &session.half[1 - s.dir];
    let other_frozen = other.unacked_bytes().unwrap_or(0);
    let confidence = 0.65
        + if after_loss { 0.2 } else { 0.0 }
        + if s.age_ns > 3 * signals::MIN_SILENCE_NS {
            0.05
        } else {
            0.0
        };
    let ike = session.ike();
    let asks = ike.unanswered(1 - s.dir) >= 3
        && ike.unanswered_since(1 - s.dir).is_some_and(|t| t > s.since);
    let verdict = if s.is_trickle && !asks && !after_loss {
        Verdict::Suspect
    } else {
        Verdict::Stalled
    };
    let stopped = signals::stopped_by_silence(session, s.dir, s.since);
    // A hole shows on which side of the tap it was; data without one went on from here.
    let is_seen = signals::lost_near(session, stopped, s.since, signals::MIN_SILENCE_NS);
    let lost = if is_seen { stopped } else { s.dir };
    let mut j = Judgement::new(verdict, confidence, s.opposite_since)
        .stopped(signals::side(stopped))
        .lost(Some(signals::sender_side(lost)))
        .with(E::Silence.is(signals::ms(s.age_ns)).at(s.since))
        .with(E::UsualGap.is(signals::ms(s.usual_gap_ns)))
        .with(E::OppositeSegments.is(f64::from(s.opposite)))
        .with(E::Unacked.is(other_frozen as f64));
    if after_loss {
        j = j.with(E::HolesTotal.is(h.holes_total() as f64));
        if let Some(lost) = h.last_loss() {
            j = j.with(E::HoleToStall.is(signals::ms(s.since.since(lost))));
        }
    }
    j.not("idle: the other side goes on sending")
        .not("one_way_user: this side was regular")
        .not("one_way_span: this side was seen")
        .not("orderly_end: no FIN and no RST")
}

/// A session that continues another one on new ports (NAT rebinding) and is never
/// answered, while the tap did see the other direction of the old one.
fn rebound(session: &Session, ctx: &Context) -> Option<Judgement> {
    session.linked()?;
    let dir = (0..2).find(|d| session.half[*d].is_seen())?;
    let h = &session.half[dir];
    let (first, last) = h.first_ts().zip(h.last_data_ts())?;
    let age = ctx.now.since(first);
    if age < signals::MIN_SILENCE_NS
        || last.since(first) < signals::MIN_SILENCE_NS / 2
        || h.data_segments() < u64::from(signals::MIN_OPPOSITE)
    {
        return None;
    }
    Some(
        Judgement::new(Verdict::Stalled, 0.75, first)
            .stopped(signals::side(dir))
            .with(E::Silence.is(signals::ms(age)).at(first))
            .with(E::OppositeSegments.is(h.data_segments() as f64))
            .not("one_way_span: the tap saw the answers to this session on its old ports"),
    )
}
