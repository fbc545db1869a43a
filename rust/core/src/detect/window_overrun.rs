//! At risk without any loss: more data in flight than the receiver's window.

use super::evidence::EvidenceName as E;
use super::signals;
use super::{Context, Detector, Judgement, Threshold, Verdict};
use crate::session::Session;
use crate::time::NANOS_PER_SECOND;

/// The overrun must last: a burst that is acknowledged within a second harms nobody.
const MIN_AGE_NS: i64 = NANOS_PER_SECOND;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.window_overrun",
    name: "Window overrun",
    signature: "S-a",
    severity: "warning",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
One side has sent more bytes than the other side's window without an acknowledgement.

## Why it stalls
cTCP has no flow control; its ACKs ride on reverse data, and a one-way burst gets none. A device \
that tracks the window drops what lies beyond it, at the latest after two windows.

## Evidence
Bytes in flight and the window.

## What else looks like this
A fast path with window scaling whose SYN was not seen (scaling is assumed absent only on proven cTCP).

## Limits by position of the tap
Needs both directions.

## Fixes
As for a stateful drop; a steady stream of reverse packets (keepalives) also helps.",
    thresholds: &[Threshold {
        name: "min_age_ms",
        value: signals::ms(MIN_AGE_NS),
        unit: "ms",
        origin: "guess: longer than any round trip in the field",
    }],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    if session.is_one_sided() {
        return None;
    }
    for dir in 0..2 {
        let Some(f) = signals::frozen(session, dir, ctx.now) else {
            continue;
        };
        let h = &session.half[dir];
        let Some(window) = h.window_bytes(session.half[1 - dir].window_scale()) else {
            continue;
        };
        if f.age_ns >= MIN_AGE_NS && f.unacked > window && h.rst().is_none() {
            return Some(
                Judgement::new(Verdict::AtRisk, 0.7, f.since)
                    .with(E::Unacked.is(f.unacked as f64))
                    .with(E::Window.is(window as f64))
                    .with(E::AckFrozen.is(signals::ms(f.age_ns)).at(f.since)),
            );
        }
    }
    None
}
