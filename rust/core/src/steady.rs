//! Capture time that goes on when the clock of the machine is set.
//!
//! Frames of a live source carry the time of day, and that may be set while they come: an
//! hour back, or forward. Silence and order are then what the clock says, not what happened.
//! A source that knows how far the time of day is ahead of a clock that nobody sets hands the
//! difference to [`Steady`] for every block of frames; it takes the steps out again. Times of
//! a run so go on as they began: after a step they differ from the time of day by its size.

use crate::frame::FrameMeta;
use crate::time::Timestamp;

/// A difference that changed by more than this was a step: a clock that is only corrected
/// loses or gains far less between two blocks (guess; the timers here are quarters of a
/// second).
const STEP_NS: i64 = 100_000_000;
/// A frame is not stamped after it was read; but for what reading two clocks takes.
const FUTURE_NS: i64 = 1_000_000;
/// Frames from before a step have all been handed over after this: a block is, every 50 ms.
const SETTLED_NS: i64 = 1_000_000_000;

/// Takes the steps of the clock out of the times of one source's frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    /// Difference at the start, and as it is now.
    first: Option<i64>,
    now: i64,
    /// Before the newest step, while frames of that time may come, and when that was seen on
    /// the clock that nobody sets.
    before: Option<(i64, i64)>,
    /// Steps so far.
    pub steps: u64,
}

impl Steady {
    /// How far the time of day is ahead of where it would be without the steps.
    pub fn ahead_ns(&self) -> i64 {
        self.now.saturating_sub(self.first.unwrap_or(self.now))
    }

    /// Looks at the clocks: the time of day, and one that nobody sets, at the same moment.
    /// Returns true when the former was set since the last look.
    pub fn look(&mut self, time_of_day: Timestamp, unset_ns: i64) -> bool {
        let difference = time_of_day.0.saturating_sub(unset_ns);
        if self.first.is_none() {
            (self.first, self.now) = (Some(difference), difference);
            return false;
        }
        let is_settled = |(_, seen): &(i64, i64)| unset_ns.saturating_sub(*seen) > SETTLED_NS;
        if self.before.as_ref().is_some_and(is_settled) {
            self.before = None;
        }
        if difference.saturating_sub(self.now).saturating_abs() <= STEP_NS {
            return false;
        }
        self.before = Some((self.now, unset_ns));
        self.now = difference;
        self.steps += 1;
        true
    }

    /// Corrects the times of frames in the order of their capture, all stamped before the last
    /// [`Steady::look`], which was at `unset_ns` of the clock that nobody sets.
    pub fn correct(&mut self, frames: &mut [FrameMeta], unset_ns: i64) {
        let Some(first) = self.first else { return };
        let latest = unset_ns.saturating_add(FUTURE_NS);
        for meta in frames {
            if let Some((before, _)) = self.before {
                // What a time would be on the clock that nobody sets, were it from after the
                // step or from before it. A time that has not come yet is the wrong reading.
                let (after, earlier) = (
                    meta.ts.0.saturating_sub(self.now),
                    meta.ts.0.saturating_sub(before),
                );
                let is_before = if self.now < before {
                    after > latest
                } else {
                    earlier <= latest
                };
                if is_before {
                    meta.ts = Timestamp(earlier.saturating_add(first));
                    continue;
                }
                self.before = None;
            }
            meta.ts = meta.ts.plus(-self.ahead_ns());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::LinkType;

    const HOUR: i64 = 3_600_000_000_000;
    /// The time of day when the other clock began.
    const DAY: i64 = 1_700_000_000_000_000_000;
    const MS: i64 = 1_000_000;

    fn frame(ns: i64) -> FrameMeta {
        FrameMeta {
            ts: Timestamp(ns),
            offset: 0,
            captured_len: 0,
            original_len: 0,
            link: LinkType(1),
            tap: 0,
        }
    }

    /// Frames every 7 ms, taken in blocks of 50 ms that are read `lag_ms` late; the clock is
    /// set by `step` after `at_ms`. What the engine would see, in milliseconds.
    fn seen(step: i64, at_ms: i64, lag_ms: i64, silent_ms: (i64, i64)) -> (Vec<i64>, Steady) {
        let mut steady = Steady::default();
        steady.look(Timestamp(DAY), 0);
        let mut seen = Vec::new();
        let is_silent = |ms: i64| (silent_ms.0..silent_ms.1).contains(&ms);
        for block in 0..80 {
            let mut frames: Vec<FrameMeta> = (block * 50..(block + 1) * 50)
                .filter(|ms| ms % 7 == 0 && !is_silent(*ms))
                .map(|ms| frame(DAY + ms * MS + if ms > at_ms { step } else { 0 }))
                .collect();
            let read = ((block + 1) * 50 + lag_ms) * MS;
            let is_set = read > at_ms * MS;
            steady.look(Timestamp(DAY + read + if is_set { step } else { 0 }), read);
            steady.correct(&mut frames, read);
            seen.extend(frames.iter().map(|meta| (meta.ts.0 - DAY) / MS));
        }
        (seen, steady)
    }

    #[test]
    fn a_step_is_not_seen_in_the_times() {
        for step in [HOUR, -HOUR, 30_000 * MS, -30_000 * MS, 400 * MS, -400 * MS] {
            for at_ms in [1_003, 1_049, 1_050, 1_051, 1_070] {
                for silent in [(0, 0), (300, 1_060), (1_040, 3_000)] {
                    let (times, steady) = seen(step, at_ms, 20, silent);
                    let (want, calm) = seen(0, at_ms, 20, silent);
                    assert_eq!(times, want, "step {step} at {at_ms} ms, silent {silent:?}");
                    assert_eq!((steady.steps, calm.steps), (1, 0));
                    assert_eq!(steady.ahead_ns(), step);
                }
            }
        }
    }

    #[test]
    fn a_clock_that_is_corrected_slowly_makes_no_step() {
        let mut steady = Steady::default();
        // 500 parts in a million, the most that NTP does, looked at twice a second.
        for look in 0..1_000_i64 {
            let unset = look * 500 * MS;
            assert!(!steady.look(Timestamp(DAY + unset + look * 10_000), unset));
        }
    }

    /// The reader is further behind than the step is wide: times may be off by the step for
    /// that long, and are right again after it.
    #[test]
    fn a_reader_far_behind_recovers() {
        let (times, steady) = seen(-400 * MS, 1_003, 900, (0, 0));
        let (want, _) = seen(0, 1_003, 900, (0, 0));
        assert_eq!(steady.steps, 1);
        let off: Vec<_> = times.iter().zip(&want).filter(|(a, b)| a != b).collect();
        assert!(off.iter().all(|(a, b)| (*a - *b).abs() <= 400));
        assert_eq!(times.last(), want.last());
    }
}
