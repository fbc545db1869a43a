//! Judging: each detector is a pure function over a read-only session and the
//! time. Nothing here stores a packet, changes a session or reads a clock.
//!
//! To add a detector: one file with a `DETECTOR`, its line in [`DETECTORS`], a
//! case that raises it and a twin that stays silent in `tests/cases`.

mod evidence;
mod freeze;
mod handshakes;
mod held;
mod ike_unanswered;
mod inspection_queue_freeze;
mod proxy_ack_freeze;
mod reset_after_loss;
pub mod signals;
mod silent_death;
mod stateful_drop;
mod unfilled_hole;
mod verdict;
mod window_overrun;

pub use evidence::{EVIDENCE, Evidence, EvidenceInfo, EvidenceName};
pub(crate) use held::held;
pub use held::{Held, HeldKind};
pub use verdict::{Judgement, LossSide, Side, Verdict};

use crate::session::Session;
use crate::time::{MaybeTime, NANOS_PER_SECOND, Timestamp};

/// What a detector may know besides the session.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Packet time of the judgement.
    pub now: Timestamp,
    /// Estimated share of segments the tap itself missed, from ordinary TCP;
    /// `None` when there was no ordinary TCP to measure by.
    pub tap_gap_ratio: Option<f64>,
    /// Holes of all tunnel sessions of this tap that outlived the reorder window.
    pub tunnel_holes: u64,
    /// Holes of all tunnel sessions that an ACK proved to be the tap's own loss.
    pub tunnel_gaps: u64,
}

/// A threshold with its origin, for documentation and `explain`.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    /// Name.
    pub name: &'static str,
    /// Value, made of the constant that the detector judges by.
    pub value: f64,
    /// Unit.
    pub unit: &'static str,
    /// Where the value comes from, or that it is a guess.
    pub origin: &'static str,
}

/// One detector.
#[derive(Clone, Copy)]
pub struct Detector {
    /// Stable dotted id.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Signature letter in the field guide.
    pub signature: &'static str,
    /// `critical` or `warning`.
    pub severity: &'static str,
    /// Names how a session ended, and so may speak beside the detector that named the stall.
    pub tells_the_end: bool,
    /// Finds nothing in a session that is calm ([`signals::is_calm`]), and is not asked then.
    pub needs_unrest: bool,
    /// Page in fixed sections, markdown.
    pub docs: &'static str,
    /// Thresholds.
    pub thresholds: &'static [Threshold],
    /// The judgement; `None` when nothing is found.
    pub check: fn(&Session, &Context) -> Option<Judgement>,
    /// True where `check` finds *at risk* again, told without its evidence; false where only `check`
    /// can tell. A session stays at risk for minutes and is asked in every round.
    pub is_at_risk_still: Option<fn(&Session, &Context) -> bool>,
}

/// Every detector in evaluation order: of several that explain one stall, the
/// first names it.
pub const DETECTORS: [Detector; 8] = [
    reset_after_loss::DETECTOR,
    proxy_ack_freeze::DETECTOR,
    stateful_drop::DETECTOR,
    inspection_queue_freeze::DETECTOR,
    silent_death::DETECTOR,
    ike_unanswered::DETECTOR,
    window_overrun::DETECTOR,
    unfilled_hole::DETECTOR,
];

/// How long a detector must find nothing before its verdict is withdrawn. Guess:
/// longer than any release timer in the field (ASA 4 s, IOS 5 s), so that a queue
/// that drips does not flap.
pub const CLEAR_AFTER_NS: i64 = 6 * NANOS_PER_SECOND;

/// The first stall of a session, kept for its record.
#[derive(Clone, Copy, Debug)]
pub struct FirstStall {
    /// Index in [`DETECTORS`].
    pub detector: u8,
    /// When it began.
    pub at: Timestamp,
    /// Whose data no longer get through.
    pub stopped: Option<Side>,
    /// Where the loss was.
    pub loss: Option<LossSide>,
    /// Confidence, 0 to 1.
    pub confidence: f32,
}

/// What all detectors hold about one session between two checks, by index in [`DETECTORS`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DetectorStates {
    /// Verdicts in force; side by side, because every round looks at all of them.
    pub verdicts: [Verdict; DETECTORS.len()],
    /// Since when the condition of a verdict is not met any more.
    pub quiet_since: [MaybeTime; DETECTORS.len()],
    /// Worst verdict ever in force.
    pub worst: Verdict,
    /// First stall.
    pub stall: Option<FirstStall>,
}

/// Nothing found, ever.
pub static ALL_HEALTHY: DetectorStates = DetectorStates {
    verdicts: [Verdict::Healthy; DETECTORS.len()],
    quiet_since: [MaybeTime::NONE; DETECTORS.len()],
    worst: Verdict::Healthy,
    stall: None,
};

impl DetectorStates {
    /// Worst verdict in force.
    pub fn current(&self) -> Verdict {
        self.verdicts.iter().copied().max().unwrap_or_default()
    }
}

/// State of a session in the words of the event contract.
pub fn session_state(session: &Session) -> Verdict {
    match session.detectors().current() {
        Verdict::Healthy if session.is_one_sided() && session.never_retransmits() => {
            Verdict::Unknown
        }
        v => v,
    }
}

/// Worst state of a session.
pub fn worst_state(session: &Session) -> Verdict {
    session.detectors().worst.max(session_state(session))
}
