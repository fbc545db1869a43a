//! S-b: a device that tracks TCP state drops a direction after a loss.

use super::evidence::EvidenceName as E;
use super::signals::{self, Frozen};
use super::verdict::LossSide;
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::time::NANOS_PER_SECOND;

/// Shortest freeze that is judged.
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// Segments sent into a freeze before it is judged.
const MIN_SEGMENTS: u32 = 5;
/// Freeze after which an ACK that stands still is called a stall without knowing
/// the receiver's habit.
const LONG_FREEZE_NS: i64 = 10 * NANOS_PER_SECOND;
/// Segments sent into such a freeze.
const LONG_SEGMENTS: u32 = 7;
/// Freeze that is enough when the receiver is known to step over holes.
const PROVEN_FREEZE_NS: i64 = 3 * NANOS_PER_SECOND;
/// Data segments without a copy behind the device.
const COPIES_MISSED: u32 = 5;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.stateful_drop",
    name: "Stateful drop after loss",
    signature: "S-b",
    severity: "critical",
    docs: "\
## What it sees
One side goes on sending new data. The other side is heard, but its ACK stands still, and it \
stays still: nothing of the new data arrives any more. Or the mirror shows both ports of a \
device, and the copies behind the device stop.

## Why it stalls
A packet was lost. cTCP never sends it again. A device that tracks TCP state lets a limited \
amount of data pass beyond the last acknowledgement it accepted; Linux connection tracking lets \
min(2 x window, 66 to 71 kB) pass. Then it drops every further packet of that direction, without \
a word to anybody.

## Evidence
Time and number of segments since the ACK stood still, bytes beyond it against the window and \
against what strict tracking allows, whether the tap saw the hole.

## What else looks like this
A receiver that never steps over a hole while the data do arrive (the ACK stands still for ever). \
From in front of the device both look alike; the confidence says so, and where the tap stands next \
to the receiver no stall is called on this evidence alone.

## Limits by position of the tap
Behind the device the direction simply falls silent: see ctcp.silent_death.

## Fixes
State bypass for the flow, IPsec over UDP or NAT-T, a client that uses TLS, and finding the loss.",
    thresholds: &[
        Threshold {
            name: "min_freeze_ms",
            value: 2_000.0,
            unit: "ms",
            origin: "guess: several round trips of any path in the field",
        },
        Threshold {
            name: "allowance_bytes",
            value: 66_000.0,
            unit: "bytes",
            origin: "measured: Linux 6.18 nf_conntrack dropped from 66.0 to 71.2 kB at window 65535",
        },
        Threshold {
            name: "long_freeze_ms",
            value: 10_000.0,
            unit: "ms",
            origin: "guess: twice the longest release timer known (IOS 5 s)",
        },
        Threshold {
            name: "long_segments",
            value: 7.0,
            unit: "segments",
            origin: "guess: more than a pause in one direction leaves unanswered",
        },
    ],
    check,
};

fn check(session: &Session, ctx: &Context) -> Judgement {
    (0..2)
        .filter_map(|dir| signals::frozen(session, dir, ctx.now))
        .map(|f| judge(session, &f, ctx))
        .max_by_key(|j| (j.verdict, (j.confidence * 1000.0) as u32))
        .unwrap_or(Judgement::HEALTHY)
}

fn judge(session: &Session, f: &Frozen, ctx: &Context) -> Judgement {
    let h = &session.half[f.dir];
    if f.segments < MIN_SEGMENTS {
        return Judgement::HEALTHY;
    }
    if let Some((missed, last)) = signals::forwarded_copies(h) {
        // The tap sees both ports of the device: its copies decide, not the ACK.
        let stopped = missed >= COPIES_MISSED && ctx.now.since(last) >= MIN_FREEZE_NS;
        return if stopped {
            describe(session, f, Verdict::Stalled, 0.95)
                .with(E::CopiesStopped.is(f64::from(missed)).at(last))
                .lost(signals::loss_side(session, f.dir).or(Some(LossSide::Device)))
                .not("frozen_ack_receiver: data stopped leaving the device")
        } else {
            Judgement::HEALTHY
        };
    }
    // A freeze lasts as long as the receiver is heard to repeat the old ACK; what
    // follows its last word is silence, not a freeze.
    if f.repeats < 2 || f.heard_ns < MIN_FREEZE_NS.max(2 * h.ack_rtt_ns) {
        return Judgement::HEALTHY;
    }
    if signals::receiver_steps_over(session, f.dir, ctx) {
        return if f.heard_ns >= PROVEN_FREEZE_NS {
            describe(session, f, Verdict::Stalled, 0.9)
                .with(E::ReceiverStepsOver.is(f64::from(h.holes_stepped_over)))
                .not("frozen_ack_receiver: this receiver stepped over holes before")
        } else {
            Judgement::HEALTHY
        };
    }
    if signals::tap_is_at_receiver(session, f.dir) {
        // Data that pass here reach the receiver's wire. Its ACK alone proves nothing.
        return Judgement::HEALTHY;
    }
    let allowance = signals::allowance(session, f.dir).unwrap_or(u64::MAX);
    if f.unacked > allowance + allowance / 10 {
        let crossed = Frozen {
            since: ctx.now,
            ..*f
        };
        return describe(session, &crossed, Verdict::Stalled, 0.8);
    }
    if f.heard_ns >= LONG_FREEZE_NS && f.segments >= LONG_SEGMENTS {
        return describe(session, f, Verdict::Stalled, 0.6);
    }
    if f.heard_ns >= LONG_FREEZE_NS / 2 {
        return describe(session, f, Verdict::Suspect, 0.4);
    }
    Judgement::HEALTHY
}

fn describe(session: &Session, f: &Frozen, verdict: Verdict, confidence: f32) -> Judgement {
    let h = &session.half[f.dir];
    let mut j = Judgement::new(verdict, confidence, f.since)
        .stopped(signals::side(f.dir))
        .lost(signals::loss_side(session, f.dir))
        .with(E::AckFrozen.is(signals::ms(f.age_ns)).at(f.since))
        .with(E::SegmentsAfterFreeze.is(f64::from(f.segments)))
        .with(E::Unacked.is(f.unacked as f64))
        .with(E::AckRepeats.is(f64::from(f.repeats)));
    if let Some(window) = h.window_bytes(session.half[1 - f.dir].offer.window_scale) {
        j = j.with(E::Window.is(window as f64));
    }
    if let Some(allowance) = signals::allowance(session, f.dir) {
        j = j.with(E::Allowance.is(allowance as f64));
    }
    if let Some(hole) = h.snd_una.and_then(|una| h.holes.at_or_from(una)) {
        j = j.with(E::HoleBytes.is(hole.bytes() as f64).at(hole.opened));
    }
    j.not("slow_receiver: the sender did not stop")
        .not("vanished_peer: the receiver is heard")
        .not("tcp_recovery: nothing was sent again")
}
