//! S-b: a device that tracks TCP state drops a direction after a loss.

use super::evidence::EvidenceName as E;
use super::freeze::{describe, is_judged};
use super::signals::{self, BareAcks, Frozen, LimitReached};
use super::verdict::LossSide;
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Time without copies that is judged when the limit of strict tracking was reached.
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// Data segments without a copy behind the device.
const COPIES_MISSED: u32 = 5;

/// Share of the allowance beyond which a stall is called.
const BEYOND_LIMIT_PCT: u64 = 110;
/// And from which on it is, where the sender has slowed down.
const STUCK_AT_LIMIT_PCT: u64 = 90;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.stateful_drop",
    name: "Stateful drop after loss",
    signature: "S-b",
    severity: "critical",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
One side goes on sending new data. The other side is heard, but its ACK stands still, until \
more data lie beyond it than strict tracking lets pass. Or, from behind the device: the side fell \
silent just when that limit was reached. Or the mirror shows both ports of a device, and the \
copies behind the device stop.

## Why it stalls
A packet was lost. cTCP never sends it again. A device that tracks TCP state lets a limited \
amount of data pass beyond the last acknowledgement it accepted; Linux connection tracking lets \
min(2 x window, 66 to 71 kB) pass. Then it drops every further packet of that direction, without \
a word to anybody.

## Evidence
Time and number of segments since the ACK stood still, bytes beyond it against the window and \
against what strict tracking allows, whether the tap saw the hole.

## What else looks like this
A receiver that never steps over a hole while the data do arrive: its ACK stands still for ever, \
with or without a device. Below the limit no stall is called here; a DPD request that is answered \
beyond the limit shows that nothing enforces it. A path that is out for some seconds: waited for.

## Limits by position of the tap
In front of the device the stall is dated by the limit, so a device with another one is found \
early or late. Next to the receiver (no router between) what the tap sees has passed.

## Fixes
State bypass for the flow, IPsec over UDP or NAT-T, a client that uses TLS, and finding the loss.",
    thresholds: &[
        Threshold {
            name: "copies_stopped_ms",
            value: signals::ms(MIN_FREEZE_NS),
            unit: "ms",
            origin: "guess: several round trips of any path in the field",
        },
        Threshold {
            name: "copies_held_ms",
            value: signals::ms(signals::MIN_SILENCE_NS),
            unit: "ms",
            origin: "measured: an inspection queue released after 5 s; for data short of the limit",
        },
        Threshold {
            name: "allowance_bytes",
            value: signals::TRACKING_ALLOWANCE_BYTES as f64,
            unit: "bytes",
            origin: "measured: Linux 6.18 nf_conntrack dropped from 66.0 to 71.2 kB at window 65535",
        },
        Threshold {
            name: "limit_freeze_ms",
            value: signals::ms(signals::MIN_SILENCE_NS),
            unit: "ms",
            origin: "measured: pauses of 5.3 s end by themselves (inspection queue released after 5 s)",
        },
        Threshold {
            name: "limit_silence_ms",
            value: signals::ms(signals::LIMIT_SILENCE_NS),
            unit: "ms",
            origin: "guess: several round trips; the limit itself was measured",
        },
        Threshold {
            name: "beyond_limit_pct",
            value: BEYOND_LIMIT_PCT as f64,
            unit: "pct",
            origin: "guess: a device counts from the last ACK it took, the tap from the last it saw",
        },
        Threshold {
            name: "stuck_at_limit_pct",
            value: STUCK_AT_LIMIT_PCT as f64,
            unit: "pct",
            origin: "guess: traffic that waits for answers stops within a segment or two of the limit",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    (0..2)
        .filter_map(|dir| {
            copies_stopped(session, dir, ctx.now)
                .or_else(|| beyond_limit(session, dir, ctx))
                .or_else(|| behind(session, dir, ctx.now))
        })
        .max_by_key(|j| (j.verdict, (j.confidence * 1000.0) as u32))
}

/// The tap sees both ports of the device: its copies decide, not the ACK.
fn copies_stopped(session: &Session, dir: usize, now: Timestamp) -> Option<Judgement> {
    let stopped = stopped_copies(session, dir, now)?;
    let is_long = stopped.for_ns >= stopped.patience_ns;
    is_long.then(|| {
        describe(session, &stopped.frozen, Verdict::Stalled, 0.95)
            .with(
                E::CopiesStopped
                    .is(f64::from(stopped.missed))
                    .at(stopped.last),
            )
            .lost(signals::loss_side(session, dir).or(Some(LossSide::Device)))
            .not("frozen_ack_receiver: data stopped leaving the device")
    })
}

/// Data that a device took and does not hand on, as a mirror of both its ports shows.
pub(super) struct StoppedCopies {
    pub(super) frozen: Frozen,
    /// Data segments without a copy.
    missed: u32,
    /// The last copy.
    last: Timestamp,
    /// For how long both have been so, ns.
    pub(super) for_ns: i64,
    /// After how long that is called a stall, ns.
    pub(super) patience_ns: i64,
}

/// Whether that is so in direction `dir`, whatever it has lasted.
pub(super) fn stopped_copies(
    session: &Session,
    dir: usize,
    now: Timestamp,
) -> Option<StoppedCopies> {
    let (missed, last) = signals::forwarded_copies(&session.half[dir])?;
    let f = signals::frozen(session, dir, now)?;
    let h = &session.half[dir];
    let average = h
        .payload_bytes()
        .checked_div(h.data_segments())
        .unwrap_or(0);
    let passed = f.unacked.saturating_sub(average * u64::from(missed));
    let at_limit = signals::allowance(session, dir)
        .is_some_and(|a| signals::LIMIT_PCT.contains(&(passed * 100 / a.max(1))));
    // Short of the limit an inspection queue may hold them, and let them go.
    let patience_ns = if at_limit {
        MIN_FREEZE_NS
    } else {
        signals::MIN_SILENCE_NS
    };
    (missed >= COPIES_MISSED && f.segments >= COPIES_MISSED).then(|| StoppedCopies {
        missed,
        last,
        for_ns: now.since(last).min(f.age_ns),
        patience_ns,
        frozen: f,
    })
}

/// In front of the device: more lies beyond the ACK than strict tracking lets pass.
fn beyond_limit(session: &Session, dir: usize, ctx: &Context) -> Option<Judgement> {
    let f = signals::frozen(session, dir, ctx.now)?;
    let rtt = session.half[dir].ack_rtt_ns();
    let is_long = f.unproven_ns >= signals::MIN_SILENCE_NS.max(rtt.saturating_mul(2));
    (f.repeats >= 2 && is_long && is_beyond_limit(session, &f, ctx)).then(|| {
        let crossed = Frozen {
            since: ctx.now,
            ..f
        };
        describe(session, &crossed, Verdict::Stalled, 0.8)
    })
}

/// True when more lies beyond the ACK than a device that tracks lets pass and nothing shows
/// that it arrives, whatever the freeze has lasted.
pub(super) fn is_beyond_limit(session: &Session, f: &Frozen, ctx: &Context) -> bool {
    let Some(allowance) = signals::allowance(session, f.dir) else {
        return false;
    };
    let limit = allowance * BEYOND_LIMIT_PCT / 100;
    // Traffic that waits for answers stops at the limit: it never gets far beyond.
    let stuck_at_limit = f.unacked * 100 >= allowance * STUCK_AT_LIMIT_PCT
        && signals::has_slowed(session, f.dir, ctx.now);
    (f.unacked > limit || stuck_at_limit)
        && is_judged(session, f)
        // A request sent beyond the limit was answered: nothing on this path enforces it.
        && u64::from(session.ike().dpd(f.dir).arrived_beyond) <= limit
        && signals::bare_acks(session, f) != BareAcks::AsBefore
        && !signals::dpd_will_tell(session, f, ctx.now)
}

/// Behind the device: the direction fell silent when the limit was reached.
fn behind(session: &Session, dir: usize, now: Timestamp) -> Option<Judgement> {
    let LimitReached {
        frozen,
        since,
        silence_ns,
        opposite,
    } = signals::silent_at_limit(session, dir, now)?;
    let at = Frozen { since, ..frozen };
    let j = describe(session, &at, Verdict::Stalled, 0.88)
        .with(E::Silence.is(signals::ms(silence_ns)).at(since))
        .with(E::OppositeSegments.is(f64::from(opposite)));
    Some(j.not("idle: it fell silent at the limit of strict tracking, not at any time"))
}
