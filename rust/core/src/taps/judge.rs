//! Judgement over what two taps counted. Proof, not inference: a packet that entered
//! and did not leave was lost inside. What can still be wrong is a tap, so the share
//! of packets that the far tap missed weakens what rests on single losses.

use std::cmp::Ordering;

use super::pair::{Flow, STOP_PKTS};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Delay beyond the smallest one from which the device is said to hold packets
/// (guess: far above any queue of a forwarding device, below the release timers of
/// inspection, 4 s and 5 s).
pub const HELD_NS: i64 = NANOS_PER_SECOND;

/// What the device did with one direction; ordered from innocent to guilty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceVerdict {
    /// Nothing decided.
    Undecided,
    /// Everything that entered left.
    Forwarded,
    /// Everything left, some of it after a long time inside.
    Held,
    /// Those that entered last had not left when the input ended: it may hold them or
    /// have stopped.
    Overdue,
    /// The stream left in other segments, and packets that entered were not recognised
    /// in them: they may be inside, glued to others or split.
    Recut,
    /// Single packets did not leave.
    Lossy,
    /// Forwarding stopped and went on.
    Interrupted,
    /// Nothing has left since a certain packet.
    Stopped,
}

impl DeviceVerdict {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Forwarded => "forwarded",
            Self::Held => "held",
            Self::Overdue => "overdue",
            Self::Recut => "recut",
            Self::Lossy => "lossy",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
        }
    }

    /// True when packets were lost inside.
    pub fn names_the_device(self) -> bool {
        self >= Self::Lossy
    }
}

/// Verdict on one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceJudgement {
    /// Verdict.
    pub verdict: DeviceVerdict,
    /// 0 to 1.
    pub confidence: f32,
    /// When it stopped forwarding, by the clock of the tap where packets enter.
    pub stopped_at: Option<Timestamp>,
}

/// Nothing can be said.
pub const UNDECIDED: DeviceJudgement = DeviceJudgement {
    verdict: DeviceVerdict::Undecided,
    confidence: 0.0,
    stopped_at: None,
};

/// Packets that a tap missed, of those it should have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapMissed {
    /// Seen leaving the device, not entering it at this tap.
    pub missed: u64,
    /// Seen leaving the device.
    pub of: u64,
}

impl TapMissed {
    fn ratio(self) -> f64 {
        if self.of == 0 {
            0.0
        } else {
            self.missed as f64 / self.of as f64
        }
    }
}

/// Judges one direction; `far` is what the tap behind the device missed of the other
/// direction, where it is the first to see the packets.
pub fn judge(flow: &Flow, far: TapMissed) -> DeviceJudgement {
    let (verdict, confidence, stopped_at) = if let Some(stop) = flow.stop() {
        // A tap that misses one packet in ten still does not miss five in a row over
        // two seconds while others arrive. A stream that was cut anew may hide packets.
        let confidence = if flow.recut > 0 { 0.95 } else { 0.99 };
        let confidence = if far.ratio() > 0.1 { 0.8 } else { confidence };
        (DeviceVerdict::Stopped, confidence, Some(stop.first.at))
    } else if let Some(outage) = flow.outage {
        (DeviceVerdict::Interrupted, 0.97, Some(outage.first.at))
    } else if flow.lost > 0 && flow.recut > 0 {
        (DeviceVerdict::Recut, 0.7, None)
    } else if flow.lost > 0 {
        let by_the_tap = far.ratio() * flow.matched as f64;
        let share = 1.0 - by_the_tap / flow.lost as f64;
        (DeviceVerdict::Lossy, share.clamp(0.3, 0.99) as f32, None)
    } else if flow.matched > 0 && flow.overdue >= STOP_PKTS {
        (DeviceVerdict::Overdue, 0.5, None)
    } else if flow.matched == 0 {
        (DeviceVerdict::Undecided, 0.0, None)
    } else if flow
        .delay
        .range()
        .is_some_and(|(min, max)| max.saturating_sub(min) >= HELD_NS)
    {
        (DeviceVerdict::Held, 0.95, None)
    } else {
        (DeviceVerdict::Forwarded, 0.99, None)
    };
    DeviceJudgement {
        verdict,
        confidence,
        stopped_at,
    }
}

/// The verdict on the device: that of the worse direction.
pub fn overall(directions: &[DeviceJudgement; 2]) -> DeviceJudgement {
    let [a, b] = *directions;
    match a.verdict.cmp(&b.verdict) {
        Ordering::Less => b,
        Ordering::Greater => a,
        Ordering::Equal => DeviceJudgement {
            // Guilty if one direction is proven, innocent only if both are.
            confidence: if a.verdict.names_the_device() {
                a.confidence.max(b.confidence)
            } else {
                a.confidence.min(b.confidence)
            },
            stopped_at: a.stopped_at.into_iter().chain(b.stopped_at).min(),
            ..a
        },
    }
}
