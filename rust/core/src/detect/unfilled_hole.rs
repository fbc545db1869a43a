//! S-a: something was lost and nobody sends it again; data still get through.

use super::evidence::EvidenceName as E;
use super::signals;
use super::verdict::LossSide;
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::tcp::half_stream::HalfStream;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// How long a loss keeps a session at risk.
const MEMORY_NS: i64 = 300 * NANOS_PER_SECOND;
/// Freeze of the ACK that shows a loss beyond the tap.
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// Segments sent into that freeze.
const MIN_SEGMENTS: u32 = 3;
/// One proven tap gap for this many holes: the holes are put down to the tap.
const GAPS_PER_HOLES: u64 = 5;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.unfilled_hole",
    name: "Hole never filled",
    signature: "S-a",
    severity: "warning",
    tells_the_end: false,
    needs_unrest: false,
    docs: "\
## What it sees
A hole in the TCP sequence space that is never filled and a gap in the ESP sequence numbers that \
agrees with it; or an ACK that stands still below data, which shows a loss beyond the tap.

## Why it stalls
It does not, by itself. But the next stateful device that waits for those bytes will hold or drop \
what follows.

## Evidence
Open holes and their bytes, missing ESP packets and the loss ratio.

## What else looks like this
Loss at the tap: an ACK on the far edge of a hole proves that the receiver has the bytes; holes of a \
session with such gaps, or on a tap that loses ordinary TCP segments, are put down to the tap. \
Reordering closes its holes within 200 ms. udp2raw goes back in sequence space by itself and stands \
still until it has: counted from its second restart at one ACK.

## Limits by position of the tap
A loss beyond the tap is invisible when the receiver steps over holes.

## Fixes
Find the loss.",
    thresholds: &[
        Threshold {
            name: "memory_ms",
            value: signals::ms(MEMORY_NS),
            unit: "ms",
            origin: "guess: Linux keeps unacknowledged entries 300 s",
        },
        Threshold {
            name: "tap_gap_limit",
            value: signals::TAP_GAP_LIMIT,
            unit: "ratio",
            origin: "guess: at one lost segment in a thousand a hole is as likely the tap's",
        },
    ],
    check,
    is_at_risk_still: Some(is_at_risk_still),
};

/// Segments that an ACK proved to have passed the tap unseen.
fn gaps(session: &Session) -> u64 {
    let gaps = session.half.iter().map(|h| u64::from(h.gaps_proven()));
    gaps.sum()
}

/// Direction and moment of a loss that is remembered and that the tap is not to blame for.
fn recent_loss(session: &Session, ctx: &Context) -> Option<(usize, Timestamp)> {
    let recent = |dir: usize| {
        let lost = session.half[dir].last_loss();
        lost.filter(|t| ctx.now.since(*t) < MEMORY_NS)
    };
    let found = (0..2).find_map(|dir| Some((dir, recent(dir)?)))?;
    let holes: u64 = session.half.iter().map(HalfStream::holes_total).sum();
    let tap_to_blame = gaps(session) * GAPS_PER_HOLES >= holes.max(1)
        || ctx.tunnel_gaps * GAPS_PER_HOLES >= ctx.tunnel_holes.max(1)
        || ctx.tap_gap_ratio.is_some_and(|r| {
            r > signals::TAP_GAP_LIMIT && !session.half.iter().any(frozen_at_hole)
        });
    Some(found).filter(|_| !tap_to_blame)
}

fn is_at_risk_still(session: &Session, ctx: &Context) -> bool {
    recent_loss(session, ctx).is_some()
}

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    if let Some((dir, since)) = recent_loss(session, ctx) {
        let side = signals::sender_side(dir);
        return Some(describe(session, dir, since, Some(side)));
    }
    for dir in 0..2 {
        if let Some(f) = signals::frozen(session, dir, ctx.now)
            && f.heard_ns >= MIN_FREEZE_NS
            && f.segments >= MIN_SEGMENTS
            && f.repeats >= 2
            && !heals_itself(session, dir)
        {
            let j = describe(session, dir, f.since, signals::loss_side(session, dir));
            return Some(j.with(E::AckFrozen.is(signals::ms(f.age_ns)).at(f.since)));
        }
    }
    for dir in (0..2).filter(|_| !signals::goes_back(session)) {
        let h = &session.half[dir];
        if let Some(since) = h.last_pause().filter(|t| ctx.now.since(*t) < MEMORY_NS) {
            return Some(describe(session, dir, since, None));
        }
    }
    for dir in 0..2 {
        let (received, missing) = session.esp(dir).totals();
        let h = &session.half[dir];
        let is_alone = h.holes_total() == 0 && h.holes().is_empty() && gaps(session) == 0;
        if missing > 0 && received > 20 && is_alone && signals::esp_is_whole(session, dir) {
            let since = h.last_data_ts().unwrap_or(session.last);
            return Some(describe(session, dir, since, Some(LossSide::Sender)));
        }
    }
    None
}

/// udp2raw stands still without any loss: its sender goes back by itself when equal ACKs come
/// close together, and its receiver does not move for a segment that begins before its ACK.
/// Then the next restart moves it on; a second one says that the first was lost.
fn heals_itself(session: &Session, dir: usize) -> bool {
    signals::goes_back(session) && session.half[dir].restarts_at_una() < 2
}

fn frozen_at_hole(h: &HalfStream) -> bool {
    h.hole_at_una() && h.segments_since_una() >= MIN_SEGMENTS
}

fn describe(session: &Session, dir: usize, since: Timestamp, loss: Option<LossSide>) -> Judgement {
    let h = &session.half[dir];
    let (received, missing) = session.esp(dir).totals();
    let mut j = Judgement::new(Verdict::AtRisk, 0.7, since)
        .lost(loss)
        .with(E::HolesTotal.is(h.holes_total() as f64))
        .with(E::OpenHoles.is(h.holes().len() as f64))
        .with(E::HoleBytes.is(h.hole_bytes_total() as f64))
        .with(E::EspMissing.is(missing as f64));
    if received > 0 {
        j = j.with(E::EspLoss.is(100.0 * missing as f64 / (received + missing) as f64));
    }
    j
}
