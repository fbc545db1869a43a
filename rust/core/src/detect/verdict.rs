//! The outcome of a judgement.

use super::evidence::Evidence;
use crate::time::Timestamp;

/// Verdict, in rising order of severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing found.
    #[default]
    Healthy,
    /// Cannot be told from here (one direction only, capture gaps).
    Unknown,
    /// Something was lost; data still get through.
    AtRisk,
    /// Signs of a stall that are not proof.
    Suspect,
    /// Data no longer get through.
    Stalled,
}

impl Verdict {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::AtRisk => "at_risk",
            Self::Suspect => "suspect",
            Self::Stalled => "stalled",
        }
    }
}

/// A side of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's data.
    Client,
    /// The headend's data.
    Headend,
    /// Both.
    Both,
}

impl Side {
    /// The side that sends in direction `dir` (0 to the headend).
    pub fn of(dir: usize) -> Self {
        if dir == 0 {
            Self::Client
        } else {
            Self::Headend
        }
    }

    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Headend => "headend",
            Self::Both => "both",
        }
    }
}

/// Where a packet was lost, relative to the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossSide {
    /// Between the client and the tap.
    Client,
    /// Between the tap and the headend.
    Headend,
    /// Inside the sender, before encapsulation (case D: ESP gap, no sequence hole).
    Sender,
    /// In the device both of whose sides the tap sees.
    Device,
}

impl LossSide {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Headend => "headend",
            Self::Sender => "sender",
            Self::Device => "device",
        }
    }
}

/// Numbers one judgement may carry; more are dropped by construction.
const MAX_EVIDENCE: usize = 12;
/// Look-alikes one judgement may name.
const MAX_RULED_OUT: usize = 6;

/// What a detector says.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// 0 to 1.
    pub confidence: f32,
    /// When what it describes began.
    pub since: Timestamp,
    /// Whose data no longer get through.
    pub stopped: Option<Side>,
    /// Where the loss was.
    pub loss: Option<LossSide>,
    evidence: [Option<Evidence>; MAX_EVIDENCE],
    ruled_out: [&'static str; MAX_RULED_OUT],
}

impl Judgement {
    /// Nothing found.
    pub const HEALTHY: Self = Self::new(Verdict::Healthy, 0.0, Timestamp(0));

    /// A judgement without evidence yet.
    pub const fn new(verdict: Verdict, confidence: f32, since: Timestamp) -> Self {
        Self {
            verdict,
            confidence,
            since,
            stopped: None,
            loss: None,
            evidence: [None; MAX_EVIDENCE],
            ruled_out: [""; MAX_RULED_OUT],
        }
    }

    /// Adds one number.
    #[must_use]
    #[inline]
    pub fn with(mut self, evidence: Evidence) -> Self {
        if let Some(slot) = self.evidence.iter_mut().find(|e| e.is_none()) {
            *slot = Some(evidence);
        }
        self
    }

    /// Names a look-alike that was excluded, and by what.
    #[must_use]
    #[inline]
    pub fn not(mut self, look_alike: &'static str) -> Self {
        if let Some(slot) = self.ruled_out.iter_mut().find(|r| r.is_empty()) {
            *slot = look_alike;
        }
        self
    }

    /// Names the side whose data stopped.
    #[must_use]
    #[inline]
    pub fn stopped(mut self, side: Side) -> Self {
        self.stopped = Some(side);
        self
    }

    /// Names where the loss was.
    #[must_use]
    #[inline]
    pub fn lost(mut self, side: Option<LossSide>) -> Self {
        self.loss = side;
        self
    }

    /// The numbers.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter().flatten()
    }

    /// The look-alikes excluded.
    pub fn ruled_out(&self) -> impl Iterator<Item = &'static str> {
        self.ruled_out.iter().copied().filter(|r| !r.is_empty())
    }
}
