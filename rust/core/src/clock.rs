//! The engine's notion of now, made from capture times alone.
//!
//! Capture times lie: single records stamped 1970 or 2106, clocks stepped back,
//! taps merged with skew. Timers run on a high-water mark that a single odd
//! stamp cannot move far (reliability goal R24).

use crate::time::{NANOS_PER_SECOND, Timestamp};

/// A stamp this much below the mark is a step back, not tap skew (guess: one
/// second is far above the 50 ms skew allowance of two taps).
const BACK_STEP_NS: i64 = NANOS_PER_SECOND;
/// A stamp this much above the mark waits for confirmation (guess: no live tap
/// is silent for a minute; a capture with such a gap is confirmed by what follows).
const FORWARD_STEP_NS: i64 = 60 * NANOS_PER_SECOND;
/// Frames that must agree with a forward step before the mark follows it.
const CONFIRMATIONS: u8 = 3;

/// Frames in a row that must agree with a step back before the mark follows it.
/// More than forward: until then nothing is lost but time (guess).
const BACK_CONFIRMATIONS: u8 = 16;

/// What one frame time did to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// The mark moved forward, or stayed, in the ordinary way.
    Ordinary,
    /// The stamp lies more than a second below the mark; the mark stays.
    SteppedBack,
    /// The stamp lies far above the mark and is not confirmed yet.
    Pending,
    /// A step was confirmed by the frames behind it, this many nanoseconds forward
    /// (or back, when negative). Nothing can be said about the time between.
    Jumped(i64),
}

/// High-water mark over frame times.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketClock {
    mark: Option<Timestamp>,
    pending: Option<(Timestamp, u8)>,
    back: Option<(Timestamp, u8)>,
}

impl PacketClock {
    /// The current mark; `None` before the first frame.
    pub fn now(&self) -> Option<Timestamp> {
        self.mark
    }

    /// A frame before this and not before the mark does no more than move it, as long as no other frame
    /// has come between; see [`PacketClock::goes_on`].
    pub fn calm_until(&self) -> Timestamp {
        match (self.mark, self.pending, self.back) {
            (Some(mark), None, None) => mark.plus(FORWARD_STEP_NS),
            _ => Timestamp(i64::MIN),
        }
    }

    /// Takes the time of the next frame where that moves the mark and nothing else; false where it does not, and
    /// nothing is taken then. `until` is what [`PacketClock::calm_until`] said, or less.
    #[inline]
    pub fn goes_on(&mut self, ts: Timestamp, until: Timestamp) -> bool {
        let goes_on = ts < until && self.mark.is_some_and(|mark| mark <= ts);
        if goes_on {
            self.mark = Some(ts);
        }
        goes_on
    }

    /// Moves the mark to `ts`, where the source says that time has passed.
    pub fn step_to(&mut self, ts: Timestamp) {
        *self = Self {
            mark: Some(ts),
            ..Self::default()
        };
    }

    /// Takes the time of the next frame.
    pub fn observe(&mut self, ts: Timestamp) -> Tick {
        let Some(mark) = self.mark else {
            self.mark = Some(ts);
            return Tick::Ordinary;
        };
        let ahead = ts.since(mark);
        if ahead < -BACK_STEP_NS {
            return self.step_back(ts, ahead);
        }
        self.back = None;
        if ahead <= 0 {
            return Tick::Ordinary;
        }
        if ahead <= FORWARD_STEP_NS {
            self.mark = Some(ts);
            self.pending = None;
            return Tick::Ordinary;
        }
        let confirmations = match self.pending {
            Some((first, n)) if ts.since(first).saturating_abs() <= FORWARD_STEP_NS => n + 1,
            _ => {
                self.pending = Some((ts, 0));
                return Tick::Pending;
            }
        };
        if confirmations >= CONFIRMATIONS {
            self.mark = Some(ts);
            self.pending = None;
            return Tick::Jumped(ahead);
        }
        self.pending = self.pending.map(|(first, _)| (first, confirmations));
        Tick::Pending
    }

    fn step_back(&mut self, ts: Timestamp, ahead: i64) -> Tick {
        let confirmations = match self.back {
            Some((first, n)) if ts.since(first).saturating_abs() <= FORWARD_STEP_NS => n + 1,
            _ => 0,
        };
        if confirmations >= BACK_CONFIRMATIONS {
            *self = Self {
                mark: Some(ts),
                ..Self::default()
            };
            return Tick::Jumped(ahead);
        }
        self.back = Some((ts, confirmations));
        Tick::SteppedBack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_parts(s, 0)
    }

    #[test]
    fn one_stamp_far_ahead_moves_nothing() {
        let mut clock = PacketClock::default();
        clock.observe(at(100));
        assert_eq!(clock.observe(at(4_000_000_000)), Tick::Pending);
        assert_eq!(clock.observe(at(101)), Tick::Ordinary);
        assert_eq!(clock.now(), Some(at(101)));
    }

    /// Times at both ends of the range do not agree with each other.
    #[test]
    fn stamps_centuries_apart_confirm_nothing() {
        let mut clock = PacketClock::default();
        clock.observe(Timestamp(i64::MAX));
        for _ in 0..20 {
            clock.observe(Timestamp(0));
            clock.observe(Timestamp(i64::MIN));
        }
        assert_eq!(clock.now(), Some(Timestamp(i64::MAX)));
    }

    #[test]
    fn a_confirmed_gap_is_followed_and_named() {
        let mut clock = PacketClock::default();
        clock.observe(at(0));
        assert_eq!(clock.observe(at(1000)), Tick::Pending);
        assert_eq!(clock.observe(at(1001)), Tick::Pending);
        assert_eq!(clock.observe(at(1002)), Tick::Pending);
        assert!(matches!(clock.observe(at(1003)), Tick::Jumped(_)));
        assert_eq!(clock.now(), Some(at(1003)));
    }

    #[test]
    fn a_step_back_that_stays_is_followed() {
        let mut clock = PacketClock::default();
        clock.observe(at(4_000_000_000));
        let ticks: Vec<_> = (0..40).map(|i| clock.observe(at(100 + i))).collect();
        assert_eq!(
            ticks
                .iter()
                .filter(|t| matches!(t, Tick::Jumped(_)))
                .count(),
            1
        );
        assert_eq!(clock.now(), Some(at(139)));
    }

    #[test]
    fn a_step_back_leaves_the_mark() {
        let mut clock = PacketClock::default();
        clock.observe(at(100));
        assert_eq!(clock.observe(at(0)), Tick::SteppedBack);
        assert_eq!(clock.now(), Some(at(100)));
    }

    proptest! {
        /// The short way is the long way.
        #[test]
        fn going_on_is_observing(
            steps in prop::collection::vec((0usize..6, 0i64..3_000_000_000), 1..200),
            limit in 1i64..100,
        ) {
            let (mut long, mut short) = (PacketClock::default(), PacketClock::default());
            let mut until = Timestamp(i64::MIN);
            let mut ts = at(1_000);
            for (kind, by) in steps {
                ts = match kind {
                    0 => Timestamp(ts.0 - by),
                    1 => Timestamp(ts.0 + by * 40),
                    2 => at(1_000),
                    _ => Timestamp(ts.0 + by / 100),
                };
                let tick = long.observe(ts);
                if short.goes_on(ts, until) {
                    prop_assert_eq!(tick, Tick::Ordinary);
                } else {
                    prop_assert_eq!(short.observe(ts), tick);
                    // Somebody may want to be asked sooner.
                    until = short.calm_until().min(ts.plus(limit * NANOS_PER_SECOND));
                }
                prop_assert_eq!(format!("{long:?}"), format!("{short:?}"));
            }
        }
    }
}
