//! Since when and how far one tap has been watching, in its own packet time.

use std::collections::VecDeque;

use crate::time::{NANOS_PER_SECOND, Timestamp};

/// A tap that records nothing at all for this long may be off, or its clock was set
/// forward; either way it proves nothing about that time (guess: longer than the
/// keepalives of IOS, 5 s, leave a tap with one idle session silent).
const SILENCE_NS: i64 = 6 * NANOS_PER_SECOND;
/// Silences remembered (guess: packets wait about ten seconds, so that two would do).
const MAX_SILENCES: usize = 64;

/// The time a tap has covered.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    first: Timestamp,
    now: Timestamp,
    silences: VecDeque<(Timestamp, Timestamp)>,
}

impl Watch {
    pub(super) fn new(first: Timestamp, now: Timestamp) -> Self {
        Self {
            first,
            now,
            silences: VecDeque::new(),
        }
    }

    /// The tap has reached `now`.
    pub(super) fn reach(&mut self, now: Timestamp) {
        if now.since(self.now) > SILENCE_NS {
            if self.silences.len() >= MAX_SILENCES {
                self.silences.pop_front();
            }
            self.silences.push_back((self.now, now));
        }
        self.now = now;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// True when the tap went on for `wait_ns` after `due`, counted from the end of its
    /// last silence: a clock that was set forward must not make everything overdue.
    pub(super) fn has_passed(&self, due: Timestamp, wait_ns: i64) -> bool {
        let from = self.silences.back().map_or(due, |(_, to)| due.max(*to));
        self.now.since(from) > wait_ns
    }

    /// True when the tap was watching at `due`.
    pub(super) fn covers(&self, due: Timestamp) -> bool {
        due >= self.first && !self.silences.iter().any(|(a, b)| *a < due && due < *b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_parts(s, 0)
    }

    #[test]
    fn a_silence_covers_nothing_and_starts_the_wait_anew() {
        let mut w = Watch::new(at(100), at(100));
        for s in (101..=110).chain(140..=145) {
            w.reach(at(s));
        }
        assert!(!w.covers(at(99)));
        assert!(w.covers(at(105)) && !w.covers(at(120)) && w.covers(at(142)));
        assert!(!w.has_passed(at(105), 10 * NANOS_PER_SECOND));
        w.reach(at(151));
        assert!(w.has_passed(at(105), 10 * NANOS_PER_SECOND));
    }

    #[test]
    fn memory_is_bounded() {
        let mut w = Watch::new(at(0), at(0));
        for s in 1..1_000 {
            w.reach(at(s * 60));
        }
        assert_eq!(w.silences.len(), MAX_SILENCES);
    }
}
