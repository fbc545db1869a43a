//! Dead-peer detection as far as it is visible: requests, answers, and what they prove.

use crate::time::{MaybeTime, NANOS_PER_MILLI, Timestamp};

/// An informational message of the other side within this time answers one of this
/// side; a later one is a question of its own (guess: above every round trip, below
/// the shortest DPD retry in the field, ASA's 2 s).
const DPD_ANSWER_NS: i64 = 1_900 * NANOS_PER_MILLI;

/// DPD of one direction (RFC 3706): the only thing inside cTCP that the far end always
/// answers, and so the only proof that data arrive which does not depend on TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DpdMeter {
    /// Requests.
    pub asked: u32,
    /// Requests that were answered.
    pub answered: u32,
    /// Requests since the last answer.
    pub pending: u32,
    /// First of them.
    pub pending_since: MaybeTime,
    /// First request of all.
    pub first_asked: MaybeTime,
    /// Last request.
    pub last_asked: MaybeTime,
    /// Longest time to an answer, ns; an answer comes within [`DPD_ANSWER_NS`].
    pub rtt_max_ns: u32,
    /// When the last request that was answered was sent: it arrived.
    pub arrived: MaybeTime,
    /// Most bytes beyond the receiver's ACK at which a request was sent that was answered;
    /// saturates far above any window.
    pub arrived_beyond: u32,
    pub(super) asked_beyond: u32,
}

impl DpdMeter {
    /// True when requests of this direction used to be answered.
    pub fn is_answered(&self) -> bool {
        // Of the requests before the ones now waiting nine in ten (guess: loss on both
        // ways below five per cent).
        let settled = self.asked.saturating_sub(self.pending);
        self.answered >= 3 && self.answered * 10 >= settled * 9
    }

    /// Mean time between requests, ns; `None` before three of them.
    pub fn every_ns(&self) -> Option<i64> {
        let (first, last) = self.first_asked.get().zip(self.last_asked.get())?;
        (self.asked >= 3).then(|| last.since(first) / i64::from(self.asked - 1))
    }

    /// Time since the last request, ns.
    pub fn since_asked_ns(&self, now: Timestamp) -> i64 {
        now.since(self.last_asked.get().unwrap_or_default())
    }

    pub(super) fn ask(&mut self, ts: Timestamp, beyond: u64) {
        if self.asked == 0 {
            self.first_asked = ts.into();
        }
        self.asked = self.asked.saturating_add(1);
        self.pending = self.pending.saturating_add(1);
        self.pending_since.set_if_absent(ts);
        self.last_asked = ts.into();
        self.asked_beyond = u32::try_from(beyond).unwrap_or(u32::MAX);
    }

    /// True when a message of the other side at `ts` answers a request of this one.
    pub(super) fn answer(&mut self, ts: Timestamp) -> bool {
        let rtt = self.since_asked_ns(ts);
        if self.pending == 0 || rtt > DPD_ANSWER_NS {
            return false;
        }
        self.answered = self.answered.saturating_add(1);
        self.pending = 0;
        self.pending_since = MaybeTime::NONE;
        self.rtt_max_ns = self.rtt_max_ns.max(u32::try_from(rtt).unwrap_or(0));
        self.arrived = self.last_asked;
        self.arrived_beyond = self.arrived_beyond.max(self.asked_beyond);
        true
    }
}
