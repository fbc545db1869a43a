//! When a session is looked at again, in four bytes: rounds of judgement are all that asks.

use crate::engine::TICK_NS;
use crate::time::Timestamp;

/// Number of a round of judgement, from any beginning: they are compared over hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recheck(u32);

impl Recheck {
    /// Never; no round has this number.
    pub(crate) const NONE: Self = Self(0);

    fn round(number: i64) -> Self {
        Self((number as u32).max(1))
    }

    /// In the first round at or after `ts`.
    pub(crate) fn at(ts: Timestamp) -> Self {
        Self::round(-(ts.0.saturating_neg().div_euclid(TICK_NS)))
    }

    /// In any round at or after `now`.
    pub(crate) fn by(now: Timestamp) -> Self {
        Self::round(now.0.div_euclid(TICK_NS))
    }

    /// True in a round at `now` when it is time.
    pub(crate) fn is_due(self, now: Timestamp) -> bool {
        self != Self::NONE && Self::by(now).0.wrapping_sub(self.0) as i32 >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_due_in_the_first_round_that_is_not_earlier() {
        for first in [-TICK_NS * 7, 0, 1_795_402_680_000_000_000] {
            let round = |n: i64| Timestamp(first + n * TICK_NS);
            let soon = Recheck::at(round(4).plus(1));
            assert!(!soon.is_due(round(4)) && soon.is_due(round(5)));
            assert!(Recheck::at(round(4)).is_due(round(4)));
            let last = round(4).plus(7);
            assert!(Recheck::by(last).is_due(last));
        }
        assert!(!Recheck::NONE.is_due(Timestamp(i64::MAX)));
        assert!(Recheck::by(Timestamp(i64::MAX)).is_due(Timestamp(i64::MAX)));
    }
}
