//! S-b in its other form: a device that reassembles holds everything behind a hole.

use super::evidence::EvidenceName as E;
use super::freeze::{describe, is_judged};
use super::signals::{self, BareAcks, Frozen};
use super::{Context, Detector, Judgement, Threshold, Verdict, handshakes};
use crate::ctcp::wireguard::Run;
use crate::session::Session;
use crate::time::NANOS_PER_SECOND;

/// Freeze that is judged: longer than the release timers (ASA 4 s, IOS 5 s).
const MIN_FREEZE_NS: i64 = signals::MIN_SILENCE_NS;
/// The same when all that speaks for the stall is the receiver's constant window.
const HABIT_FREEZE_NS: i64 = 7 * NANOS_PER_SECOND;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.inspection_queue_freeze",
    name: "Inspection holds everything behind a hole",
    signature: "S-b",
    severity: "critical",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
One side goes on sending new data, the other side is heard, but its ACK stands still for longer than \
any release timer, and there is a reason to believe that nothing arrives: the receiver stepped over \
holes before, or it used to answer data with empty ACKs and stopped, or DPD requests that were \
always answered are not, or handshakes of WireGuard inside fail, or udp2raw goes back to the ACK \
again and again, or it offers the constant full window of the stacks that step over holes.

## Why it stalls
An inspection engine (ASA with inspection or IPS, IOS zone-based firewall with an IPS, Palo Alto \
under content inspection) puts segments in order before it looks at them. The hole is never filled; \
what lies behind it stays in the queue (3, 16 or 64 segments) and is then dropped.

## Evidence
Time and number of segments since the ACK stood still, what the receiver did before.

## What else looks like this
A receiver that never steps over a hole while the data do arrive: without one of the reasons above \
the session is only at risk (ctcp.unfilled_hole names the frozen ACK). A queue that gives up after its timer: waited for, and withdrawn. \
A path that is out for a moment: the same.

## Limits by position of the tap
Behind the device the direction falls silent at the hole: see ctcp.silent_death.

## Fixes
Take the flow out of inspection or bypass state for it; IPsec over UDP or NAT-T; find the loss.",
    thresholds: &[
        Threshold {
            name: "min_freeze_ms",
            value: signals::ms(MIN_FREEZE_NS),
            unit: "ms",
            origin: "measured: an inspection queue released after 5 s and the flow went on",
        },
        Threshold {
            name: "habit_freeze_ms",
            value: signals::ms(HABIT_FREEZE_NS),
            unit: "ms",
            origin: "guess: a second more where the receiver's habit is only inferred",
        },
        Threshold {
            name: "min_segments",
            value: super::freeze::MIN_SEGMENTS as f64,
            unit: "segments",
            origin: "guess: above what is in flight on any path",
        },
        Threshold {
            name: "handshakes",
            value: handshakes::MANY as f64,
            unit: "count",
            origin: "guess: three that failed and one more; WireGuard begins anew after 5 s",
        },
        Threshold {
            name: "restarts",
            value: signals::RESTARTS as f64,
            unit: "count",
            origin: "guess: udp2raw heals its ACK with the first restart that arrives",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    (0..2)
        .filter_map(|dir| signals::frozen(session, dir, ctx.now))
        .filter_map(|f| judge(session, &f, ctx))
        .max_by_key(|j| (j.verdict, (j.confidence * 1000.0) as u32))
}

fn judge(session: &Session, f: &Frozen, ctx: &Context) -> Option<Judgement> {
    let h = &session.half[f.dir];
    let long = f.unproven_ns >= MIN_FREEZE_NS.max(h.ack_rtt_ns().saturating_mul(2));
    if f.repeats < 2 || !long {
        return None;
    }
    // What goes back brings no new bytes.
    if signals::restarts_fail(session, f.dir) {
        return Some(
            describe(session, f, Verdict::Stalled, 0.85)
                .with(E::Restarts.is(f64::from(h.restarts_at_una())))
                .not("frozen_ack_receiver: it moves with the first restart that arrives"),
        );
    }
    if f.segments < super::freeze::MIN_SEGMENTS {
        return None;
    }
    let told = |confidence| describe(session, f, Verdict::Stalled, confidence);
    Some(match nothing_arrives(session, f, ctx)? {
        Reason::DpdUnanswered => told(0.88)
            .with(E::IkeRequests.is(f64::from(session.ike().dpd(f.dir).pending)))
            .not("frozen_ack_receiver: DPD requests do not arrive either"),
        Reason::HandshakesFail(failing) => told(0.88)
            .with(E::Handshakes.is(f64::from(failing.initiations)))
            .not("frozen_ack_receiver: handshakes of WireGuard fail as well"),
        Reason::StepsOver => told(0.9)
            .with(E::ReceiverStepsOver.is(f64::from(h.holes_stepped_over())))
            .not("frozen_ack_receiver: this receiver stepped over holes before"),
        Reason::BareAcksStopped => told(0.85)
            .with(E::SegmentsSinceBareAck.is(f64::from(h.segments_since_bare())))
            .not("frozen_ack_receiver: it used to answer data with empty ACKs and stopped"),
        Reason::FullWindow if f.unproven_ns < HABIT_FREEZE_NS => return None,
        Reason::FullWindow => told(0.6),
    })
}

/// Why an ACK that stands still means that nothing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nor do DPD requests that were always answered.
    DpdUnanswered,
    /// Nor do handshakes of `WireGuard` inside lead to anything.
    HandshakesFail(Run),
    /// The receiver stepped over holes before.
    StepsOver,
    /// It used to answer data with empty ACKs and stopped.
    BareAcksStopped,
    /// It offers the constant full window of stacks that step over holes.
    FullWindow,
}

impl Reason {
    /// How long the ACK must stand still before that is called a stall, ns.
    pub(super) fn patience_ns(self) -> i64 {
        match self {
            Self::FullWindow => HABIT_FREEZE_NS,
            _ => MIN_FREEZE_NS,
        }
    }
}

/// The best reason there is, whatever the freeze has lasted.
pub(super) fn nothing_arrives(session: &Session, f: &Frozen, ctx: &Context) -> Option<Reason> {
    if signals::dpd_unanswered_since(session, f.dir, f.since, ctx.now) {
        return Some(Reason::DpdUnanswered);
    }
    if let Some(failing) = handshakes::fail(&session.handshakes(), f.dir, f.since) {
        return Some(Reason::HandshakesFail(failing));
    }
    if !is_judged(session, f) {
        return None;
    }
    if signals::receiver_steps_over(session, f.dir, ctx) {
        return Some(Reason::StepsOver);
    }
    match signals::bare_acks(session, f) {
        BareAcks::Stopped => Some(Reason::BareAcksStopped),
        // Something answers each segment: the data arrive there.
        BareAcks::AsBefore => None,
        BareAcks::NoHabit | BareAcks::ForEverySegment => {
            // A request answered beyond the freeze shows that this receiver does stand
            // still while data arrive: its window says nothing about it any more.
            let is_refuted = f.unproven_ns < f.heard_ns;
            let full = signals::window_is_constant_full(&session.half[f.dir]) && !is_refuted;
            full.then_some(Reason::FullWindow)
        }
    }
}
