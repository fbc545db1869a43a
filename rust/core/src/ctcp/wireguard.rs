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

/// Initiations of one side in a row, each soon after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many.
    pub initiations: u8,
    /// Responses since the first of them.
    pub responses: u8,
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

    /// The last run of side `dir`, which may be over.
    pub fn run(&self, dir: usize) -> Option<Run> {
        let of = &self.by[dir];
        let (since, last) = of.since.get().zip(of.last.get())?;
        Some(Run {
            initiations: of.run,
            responses: of.responses,
            since,
            last,
        })
    }

    /// True when some side's last initiation repeats another.
    pub fn is_repeating(&self) -> bool {
        self.by.iter().any(|of| of.run > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_run_ends_when_the_next_one_is_late_or_the_capture_has_a_gap() {
        let at = |ms: i64| Timestamp(ms * NANOS_PER_SECOND / 1_000);
        let mut h = Handshakes::default();
        assert_eq!(h.run(0), None);
        h.on_message(0, Handshake::Initiation, at(0));
        h.on_message(0, Handshake::Initiation, at(11_000));
        h.on_message(1, Handshake::Response, at(11_050));
        let run = Run {
            initiations: 2,
            responses: 1,
            since: at(0),
            last: at(11_000),
        };
        assert_eq!((h.run(0), h.run(1)), (Some(run), None));
        assert!(h.is_repeating());
        let mut after_a_gap = h;
        after_a_gap.on_capture_gap();
        assert!(!after_a_gap.is_repeating());
        h.on_message(0, Handshake::Initiation, at(22_001));
        assert!(!h.is_repeating());
        assert_eq!(
            h.run(0).map(|run| (run.initiations, run.since)),
            Some((1, at(22_001)))
        );
    }
}
