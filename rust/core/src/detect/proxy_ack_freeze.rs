//! S-c: a device that terminates TCP asks for a segment that never comes again.

use super::evidence::EvidenceName as E;
use super::signals::{self, BareAcks, Frozen};
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::time::NANOS_PER_SECOND;

/// Shortest freeze that is judged: a true TCP repairs a loss well within it.
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// Duplicate ACKs in a row; three start fast retransmit in RFC 5681 section 3.2.
const MIN_DUP_ACKS: u32 = 3;
/// Segments sent into the freeze.
const MIN_SEGMENTS: u32 = 3;
/// Data segments a side must have sent before the lack of them means something.
const MIN_DATA: u64 = 20;
/// Its empty ACKs since, and data segments of the other side (guess: a busy session).
const MIN_ACKS: u32 = 20;
/// Silence of data under continuing ACKs (guess: more than twice the other silence,
/// because the side is plainly alive and its user may only be reading).
const ONLY_ACKS_NS: i64 = 15 * NANOS_PER_SECOND;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.proxy_ack_freeze",
    name: "Proxy froze the ACK",
    signature: "S-c",
    severity: "critical",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
Pure duplicate ACKs at one number while new data goes on, with marks that no cTCP endpoint makes: \
SACK blocks, retransmissions, a window that closes to less than a segment, segments cut anew.

## Why it stalls
A proxy, load balancer or inspection engine runs a real TCP. It waits for the lost bytes, asks for \
them with duplicate ACKs, and delivers nothing beyond the hole. A cTCP sender never answers.

## Evidence
Duplicate ACKs and SACK segments since the ACK stood still, segments sent on, the window.

## What else looks like this
Ordinary TCP recovery (the hole is filled: never on cTCP), a slow reader (its ACK reaches the end \
of the data and the sender stops), forged ACKs (need a second mark here), mirror copies (dropped \
before analysis), a cTCP endpoint that repeats a bare ACK (no second mark).

## Limits by position of the tap
On the leg where the loss is the device asks for it. On the other leg the direction falls silent, or \
only empty ACKs of the device go on; its TCP is known there by segments cut anew, by resent segments \
or by a window that moves.

## Fixes
Take the flow out of the proxy or inspection; otherwise as for a stateful drop.",
    thresholds: &[
        Threshold {
            name: "dup_acks",
            value: MIN_DUP_ACKS as f64,
            unit: "count",
            origin: "RFC 5681 section 3.2: fast retransmit starts at the third",
        },
        Threshold {
            name: "min_freeze_ms",
            value: signals::ms(MIN_FREEZE_NS),
            unit: "ms",
            origin: "guess: twice the initial RTO of RFC 6298",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    (0..2)
        .filter_map(|dir| signals::frozen(session, dir, ctx.now))
        .find_map(|f| judge(session, &f))
        .or_else(|| (0..2).find_map(|dir| behind(session, dir, ctx)))
}

/// On the leg where the loss is: the device asks for it.
fn judge(session: &Session, f: &Frozen) -> Option<Judgement> {
    if f.heard_ns < MIN_FREEZE_NS || f.segments < MIN_SEGMENTS {
        return None;
    }
    let h = &session.half[f.dir];
    let answers = &session.half[1 - f.dir];
    let tcp = signals::tcp_marks(session, 1 - f.dir);
    let sacked = h.sack_run() >= 1;
    let (_, widest) = h.peer_window_range;
    let window = h.peer_window().unwrap_or(u16::MAX);
    let average = h
        .payload_bytes()
        .checked_div(h.data_segments())
        .unwrap_or(0);
    let closed = u64::from(window) < average && window < widest / 4;
    let asks_each = signals::bare_acks(session, f) == BareAcks::ForEverySegment;
    let marks = [sacked, tcp.recut, tcp.resent, closed, asks_each]
        .iter()
        .filter(|m| **m)
        .count();
    let asks = h.dup_ack_run() >= MIN_DUP_ACKS || (closed && f.repeats >= MIN_DUP_ACKS);
    if !asks || marks == 0 {
        return None;
    }
    let confidence = if marks >= 2 || sacked { 0.92 } else { 0.75 };
    let mut j = Judgement::new(Verdict::Stalled, confidence, f.since)
        .stopped(signals::side(f.dir))
        .lost(signals::loss_side(session, f.dir))
        .with(
            E::DupAcks
                .is(f64::from(h.dup_ack_run()))
                .at(h.ack_repeated()),
        )
        .with(E::AckFrozen.is(signals::ms(f.age_ns)).at(f.since))
        .with(E::SegmentsAfterFreeze.is(f64::from(f.segments)))
        .with(E::Unacked.is(f.unacked as f64));
    if sacked {
        j = j.with(E::SackSegments.is(f64::from(h.sack_run())));
    }
    if tcp.resent {
        j = j.with(E::RetransmissionsByDevice.is(answers.retransmissions() as f64));
    }
    if tcp.recut {
        j = j.with(E::UntrailedSegments.is(session.framing(1 - f.dir).without_trailer as f64));
    }
    if closed {
        j = j.with(E::WindowRemainder.is(f64::from(window)));
    }
    Some(
        j.not("tcp_recovery: the hole was never filled")
            .not("slow_receiver: the sender did not stop")
            .not("bare_repeats: marks of a real TCP stand beside the duplicate ACKs"),
    )
}

/// On the other leg: the device's own TCP goes on (or not even that), and no tunnel
/// packet of that side comes any more.
fn behind(session: &Session, dir: usize, ctx: &Context) -> Option<Judgement> {
    let marks = signals::tcp_marks(session, dir);
    if !marks.any() || session.close_in_force(dir).is_some() {
        return None;
    }
    let h = &session.half[dir];
    let last = h.last_data_ts()?;
    let age = ctx.now.since(last);
    let only_acks = h.data_segments() >= MIN_DATA
        && age >= ONLY_ACKS_NS.max(h.max_data_gap_ns().saturating_mul(signals::GAP_FACTOR))
        && h.acks_since_data() >= MIN_ACKS
        && h.opposite_since_data() >= MIN_ACKS
        && h.last_ts().is_some_and(|t| ctx.now.since(t) < age / 2);
    let j = if only_acks {
        Judgement::new(Verdict::Stalled, 0.7, last)
            .with(E::AckRepeats.is(f64::from(h.acks_since_data())))
            .with(E::OppositeSegments.is(f64::from(h.opposite_since_data())))
            .not("vanished_peer: its ACKs go on")
    } else {
        let s = signals::silence(session, dir, ctx.now).filter(|s| !s.is_trickle)?;
        Judgement::new(Verdict::Stalled, 0.65, s.opposite_since)
            .with(E::OppositeSegments.is(f64::from(s.opposite)))
    };
    let mut j = j
        .stopped(signals::side(dir))
        .lost(Some(signals::sender_side(dir)))
        .with(E::Silence.is(signals::ms(age)).at(last))
        .with(E::UsualGap.is(signals::ms(h.max_data_gap_ns())));
    if marks.recut {
        j = j.with(E::UntrailedSegments.is(session.framing(dir).without_trailer as f64));
    }
    if marks.resent {
        j = j.with(E::RetransmissionsByDevice.is(h.retransmissions() as f64));
    }
    Some(j.not("one_way_user: this side sent data regularly before"))
}
