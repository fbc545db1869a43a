//! S-d: the session is torn down by a RST or FIN that follows a freeze or a loss.

use super::evidence::EvidenceName as E;
use super::signals;
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// A teardown this long after the freeze or loss began is tied to it (domain guide,
/// table 8: within 60 s).
const TIE_NS: i64 = 60 * NANOS_PER_SECOND;
/// A freeze must have lasted this long at the teardown.
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// Segments sent into the freeze before the teardown.
const MIN_SEGMENTS: u32 = 3;
/// How long the closer is given to go on itself before data after its close count
/// (guess: twice the 2 s after which an ignored close is taken back).
const CLOSE_WAIT_NS: i64 = 4 * NANOS_PER_SECOND;
/// Data sent on after the other side's RST or FIN shows that it was not agreed on.
const DATA_AFTER: u32 = 3;
/// An IKE delete just before a RST makes it an orderly end (QuickSec: 0.5 s).
const DELETE_BEFORE_NS: i64 = 3 * NANOS_PER_SECOND;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.reset_after_loss",
    name: "Reset after loss",
    signature: "S-d",
    severity: "critical",
    tells_the_end: true,
    needs_unrest: true,
    docs: "\
## What it sees
A RST or FIN ends the connection while an ACK stood still below data, or one side sends data on \
after it. A RST whose TTL is that of no other packet of its sender was made by a device, and is tied \
to a loss without any wait.

## Why it stalls
A firewall that rejects instead of dropping answers a packet it calls invalid with a RST to the \
sender of that packet only. The other end hears nothing and sends on to a dead peer. A proxy closes \
both legs when its own timer runs out.

## Evidence
Time from the freeze to the RST, segments sent into the freeze, data sent after the close.

## What else looks like this
A normal logout: the IKE delete comes just before the RST, and both sides are quiet afterwards. \
The last words of a talk, which nobody acknowledges for want of anything to say, and then a close.

## Limits by position of the tap
The RST is often visible on one side of the device only; on the other side the direction falls \
silent.

## Fixes
As for a stateful drop.",
    thresholds: &[
        Threshold {
            name: "tie_ms",
            value: signals::ms(TIE_NS),
            unit: "ms",
            origin: "guess: one DPD cycle of common headends",
        },
        Threshold {
            name: "min_freeze_ms",
            value: signals::ms(MIN_FREEZE_NS),
            unit: "ms",
            origin: "guess: several round trips of any path in the field",
        },
        Threshold {
            name: "data_after",
            value: DATA_AFTER as f64,
            unit: "segments",
            origin: "guess: more than what is in flight when a RST passes",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, _ctx: &Context) -> Option<Judgement> {
    if session.is_one_sided() {
        return None;
    }
    (0..2).find_map(|closer| judge(session, closer))
}

/// Judges a close sent by side `closer`.
fn judge(session: &Session, closer: usize) -> Option<Judgement> {
    let at = session.close_in_force(closer)?;
    // The side that was told: its data are what the close cut off.
    let dir = 1 - closer;
    let is_foreign = signals::reset_is_foreign(&session.half[closer]);
    let least = if is_foreign { 0 } else { MIN_FREEZE_NS };
    let deleted = session
        .ike()
        .last_informational(closer)
        .is_some_and(|t| (0..DELETE_BEFORE_NS).contains(&at.since(t)));
    let freeze_in = |dir| freeze_before(session, dir, at, least, deleted);
    let freeze = freeze_in(dir).or_else(|| freeze_in(closer));
    let after = session.data_after_close(dir);
    // A close that both ends ignore is known for one only when its sender goes on.
    let wait = CLOSE_WAIT_NS.max(session.half[closer].max_data_gap_ns().saturating_mul(2));
    let goes_on = after >= DATA_AFTER
        && session.half[dir]
            .last_data_ts()
            .is_some_and(|t| t.since(at) >= wait);
    let lossy = session.half.iter().any(|h| {
        h.last_loss()
            .is_some_and(|t| (0..TIE_NS).contains(&at.since(t)))
    });
    let (since, confidence) = match (freeze, goes_on) {
        (Some(since), true) => (since, 0.95),
        (Some(since), false) => (since, 0.85),
        (None, _) if lossy && is_foreign => (at, 0.8),
        (None, true) if lossy && !deleted => (at, 0.8),
        (None, true) if !deleted => (at, 0.65),
        _ => return None,
    };
    let frozen_dir = if freeze_in(dir).is_some() {
        dir
    } else {
        closer
    };
    let told = if freeze.is_some() { frozen_dir } else { dir };
    let stopped = freeze.map_or(dir, |_| stopped_side(session, frozen_dir));
    // Its own packets were lost before they came to the tap.
    let lost = if stopped == told {
        signals::loss_side(session, told)
    } else {
        Some(signals::sender_side(stopped))
    };
    let mut j = Judgement::new(
        Verdict::Stalled,
        confidence,
        if freeze.is_some() { at } else { since },
    )
    .stopped(signals::side(stopped))
    .lost(lost)
    .with(E::RstAfter.is(signals::ms(at.since(since))).at(at))
    .with(E::SegmentsAfterFreeze.is(f64::from(session.half[told].segments_since_una())));
    if is_foreign {
        j = j.not("reset_by_the_end: its TTL is that of no other packet of this side");
    }
    if after > 0 {
        j = j.with(E::DataAfterReset.is(f64::from(after)));
    }
    Some(j.not("logout: no IKE delete came just before, or data waited"))
}

/// Whose data stopped when the ACK for direction `dir` stood still: those of `dir` where
/// packets repeated the ACK. Where none came, the ACK stood still for want of packets.
fn stopped_side(session: &Session, dir: usize) -> usize {
    let receiver = 1 - dir;
    match session.half[receiver].last_ts() {
        Some(last) if session.half[dir].ack_repeats() == 0 => {
            signals::stopped_by_silence(session, receiver, last)
        }
        _ => dir,
    }
}

/// Since when the ACK for direction `dir` stood still at the time of the close, if for
/// `least_ns` at least.
///
/// ACKs ride on the other side's data alone (QuickSec, phantun), so the last words of a talk
/// stay without one until somebody has something to say: a user who reads and then logs out.
/// Where no packet repeated the ACK as late as that, data must have been sent into the silence for as long,
/// and who said goodbye must have given up a session that had stalled.
fn freeze_before(
    session: &Session,
    dir: usize,
    at: Timestamp,
    least_ns: i64,
    deleted: bool,
) -> Option<Timestamp> {
    let h = &session.half[dir];
    let since = h.unacked_since()?;
    let asked_ns = h.last_data_ts().map_or(0, |last| last.since(since));
    let may_be = !deleted || session.detectors().current() == Verdict::Stalled;
    // What was under way when the last packets were sent repeats their ACK, too.
    let is_repeated = h.ack_repeats() > 0 && h.ack_repeated().since(since) >= least_ns;
    let stood = is_repeated || (asked_ns >= least_ns && may_be);
    let age = at.since(since);
    (h.segments_since_una() >= MIN_SEGMENTS && age >= least_ns && stood).then_some(since)
}
