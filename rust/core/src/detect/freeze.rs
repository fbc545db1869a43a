//! What the detectors of a frozen ACK share: when a freeze is worth judging, and how
//! it is told.

use super::evidence::EvidenceName as E;
use super::signals::{self, Frozen};
use super::{Judgement, Verdict};
use crate::session::Session;

/// Segments sent into a freeze before it is judged (guess: above what is in flight on
/// any path, so that a late ACK is not a freeze).
pub(super) const MIN_SEGMENTS: u32 = 5;

/// True when the freeze may say something about the data at this tap: enough was sent
/// into it, the mirror does not show better evidence, and the data do not pass here on
/// their last wire to the receiver.
pub(super) fn is_judged(session: &Session, f: &Frozen) -> bool {
    let h = &session.half[f.dir];
    // A few copies are no rule, but one since the ACK stood still shows that data pass.
    let passes =
        h.forwarded_copies() > 0 && h.last_copy() > f.since && h.data_since_copy() < MIN_SEGMENTS;
    f.segments >= MIN_SEGMENTS
        && !passes
        && signals::forwarded_copies(h).is_none()
        && !signals::tap_is_at_receiver(session, f.dir)
}

/// The judgement with the numbers of the freeze.
pub(super) fn describe(
    session: &Session,
    f: &Frozen,
    verdict: Verdict,
    confidence: f32,
) -> Judgement {
    let h = &session.half[f.dir];
    let mut j = Judgement::new(verdict, confidence, f.since)
        .stopped(signals::side(f.dir))
        .lost(signals::loss_side(session, f.dir))
        .with(E::AckFrozen.is(signals::ms(f.age_ns)).at(f.since))
        .with(E::SegmentsAfterFreeze.is(f64::from(f.segments)))
        .with(E::Unacked.is(f.unacked as f64))
        .with(E::AckRepeats.is(f64::from(f.repeats)));
    if let Some(window) = h.window_bytes(session.half[1 - f.dir].window_scale()) {
        j = j.with(E::Window.is(window as f64));
    }
    if let Some(allowance) = signals::allowance(session, f.dir) {
        j = j.with(E::Allowance.is(allowance as f64));
    }
    if let Some(hole) = h.snd_una().and_then(|una| h.holes().at_or_from(una)) {
        j = j.with(E::HoleBytes.is(hole.bytes() as f64).at(hole.opened));
    }
    j.not("slow_receiver: the sender did not stop")
        .not("vanished_peer: the receiver is heard")
        .not("tcp_recovery: nothing was sent again")
}
