//! `WireGuard`'s handshake, in clear inside fake TCP: the one thing in there that says whether
//! packets arrive, whatever the ACK says.
//!
//! An initiator that gets no response, or none that it could use, sends an initiation anew
//! after 5 s and gives up after 90 s (whitepaper section 6.1, Rekey-Timeout and
//! Rekey-Attempt-Time). In a tunnel that works there is one in two minutes.

use crate::time::{MaybeTime, NANOS_PER_SECOND, Timestamp};

/// Message types and their fixed lengths (whitepaper section 5.4).
const INITIATION: (u8, u32) = (1, 148);
const RESPONSE: (u8, u32) = (2, 92);

/// An initiation within this time repeats the last one: two retries of 5 s and their jitter of
/// a third of a second each, so that one that the tap missed is no end.
const RETRY_NS: i64 = 11 * NANOS_PER_SECOND;
/// Initiations in a row that mean something (guess: three handshakes that failed; at one packet
/// lost in ten each way that happens to one in 150).
pub const MANY_HANDSHAKES: u8 = 4;
/// From the first of them to the last (guess: two retries of 5 s, so that copies do not count).
const MIN_RUN_NS: i64 = 10 * NANOS_PER_SECOND;

/// A handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// First message, of the initiator.
    Initiation,
    /// The answer.
    Response,
}

/// Reads the type of a payload of which `wire_len` bytes were on the wire.
pub fn handshake(payload: &[u8], wire_len: u32) -> Option<Handshake> {
    match (payload, wire_len) {
        ([t, 0, 0, 0, ..], len) if (*t, len) == INITIATION => Some(Handshake::Initiation),
        ([t, 0, 0, 0, ..], len) if (*t, len) == RESPONSE => Some(Handshake::Response),
        _ => None,
    }
}

/// Initiations of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    /// In a row, each within [`RETRY_NS`] of the one before.
    run: u8,
    /// Responses since the first of them.
    responses: u8,
    since: MaybeTime,
    last: MaybeTime,
}

/// Initiations that repeat without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How many.
    pub initiations: u8,
    /// First of them.
    pub since: Timestamp,
    /// Last of them.
    pub last: Timestamp,
}

/// Handshakes of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshakes {
    by: [Attempts; 2],
}

impl Handshakes {
    /// Takes a message sent in direction `dir`.
    pub fn on_message(&mut self, dir: usize, message: Handshake, ts: Timestamp) {
        match message {
            Handshake::Response => {
                let of = &mut self.by[1 - dir];
                of.responses = of.responses.saturating_add(1);
            }
            Handshake::Initiation => {
                let of = &mut self.by[dir];
                let is_again = of
                    .last
                    .get()
                    .is_some_and(|last| ts.since(last).abs() <= RETRY_NS);
                if !is_again {
                    of.run = 0;
                    of.responses = 0;
                    of.since = ts.into();
                }
                of.run = of.run.saturating_add(1);
                of.last = ts.into();
            }
        }
    }

    /// A gap in the capture: what was begun anew may have worked.
    pub fn on_capture_gap(&mut self) {
        for of in &mut self.by {
            (of.run, of.responses) = (0, 0);
        }
    }

    fn failing(&self, dir: usize) -> Option<Failing> {
        let of = &self.by[dir];
        let (since, last) = of.since.get().zip(of.last.get())?;
        (of.run >= MANY_HANDSHAKES && last.since(since) >= MIN_RUN_NS).then_some(Failing {
            initiations: of.run,
            since,
            last,
        })
    }

    /// Initiations of side `dir` that nobody answers.
    pub fn unanswered(&self, dir: usize) -> Option<Failing> {
        self.failing(dir).filter(|_| self.by[dir].responses == 0)
    }

    /// Initiations of side `dir` that are answered at the tap, all but the newest, and repeated
    /// all the same: what the other side sends does not arrive.
    pub fn answered_in_vain(&self, dir: usize) -> Option<Failing> {
        let of = &self.by[dir];
        self.failing(dir).filter(|_| of.responses + 1 >= of.run)
    }

    /// True when some side's handshake fails.
    pub fn wait(&self) -> bool {
        (0..2).any(|dir| self.failing(dir).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(t: i64) -> Timestamp {
        Timestamp(t * NANOS_PER_SECOND)
    }

    #[test]
    fn types_have_one_length_each() {
        let initiation = [1, 0, 0, 0, 9];
        assert_eq!(handshake(&initiation, 148), Some(Handshake::Initiation));
        assert_eq!(handshake(&[2, 0, 0, 0], 92), Some(Handshake::Response));
        assert_eq!(handshake(&initiation, 149), None);
        assert_eq!(handshake(&[4, 0, 0, 0], 148), None);
        assert_eq!(handshake(&[1, 0, 0], 148), None);
    }

    #[test]
    fn one_in_two_minutes_is_no_failure() {
        let mut h = Handshakes::default();
        for n in 0..20 {
            h.on_message(0, Handshake::Initiation, s(n * 120));
            h.on_message(1, Handshake::Response, s(n * 120));
            assert!(!h.wait());
        }
        assert_eq!((h.unanswered(0), h.answered_in_vain(0)), (None, None));
    }

    #[test]
    fn repeated_ones_tell_which_way_fails() {
        let mut h = Handshakes::default();
        h.on_message(0, Handshake::Initiation, s(0));
        h.on_message(1, Handshake::Response, s(0));
        let mut vain = h;
        for n in 0..4 {
            assert!(h.unanswered(0).is_none() && vain.answered_in_vain(0).is_none());
            h.on_message(0, Handshake::Initiation, s(100 + 5 * n));
            vain.on_message(0, Handshake::Initiation, s(100 + 5 * n));
            if n < 3 {
                vain.on_message(1, Handshake::Response, s(100 + 5 * n));
            }
        }
        let failing = Some(Failing {
            initiations: 4,
            since: s(100),
            last: s(115),
        });
        assert_eq!((h.unanswered(0), h.answered_in_vain(0)), (failing, None));
        assert_eq!(
            (vain.unanswered(0), vain.answered_in_vain(0)),
            (None, failing)
        );
        vain.on_capture_gap();
        assert_eq!(vain.answered_in_vain(0), None);
    }
}
