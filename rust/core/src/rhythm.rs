//! When the frames of a run came, in packet time: a few points, for who draws a rate over time.
//!
//! A capture is read in less time than passes between two looks at its counters. What a look
//! finds could then only be spread evenly over all of it.

use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Points kept. A trend has at most 60 steps (`python/ctcpmon/tui/trend.py`); with twice as many
/// points there is one for each step at least.
const MOST: usize = 128;
/// As wide as a step of that trend becomes.
const WIDEST_NS: i64 = 64 * NANOS_PER_SECOND;

/// Sums of a run at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Packet time.
    pub at: Timestamp,
    /// Frames until then.
    pub frames: u64,
    /// Segments of ordinary conversations that the tap had missed until then.
    pub missed: u64,
}

/// Points of the last hour or two, a second apart at first.
#[derive(Debug)]
pub(crate) struct Rhythm {
    points: Vec<Point>,
    apart_ns: i64,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            // All of it now: a packet of a known flow allocates nothing.
            points: Vec::with_capacity(MOST),
            apart_ns: NANOS_PER_SECOND,
        }
    }
}

impl Rhythm {
    /// Takes `now` in, if it is time for a point; times do not go back.
    pub(crate) fn note(&mut self, now: Point) {
        if !self.is_due(now) {
            return;
        }
        if self.points.len() >= MOST {
            if self.apart_ns >= WIDEST_NS {
                self.points.remove(0);
            } else {
                self.widen();
                if !self.is_due(now) {
                    return;
                }
            }
        }
        self.points.push(now);
    }

    fn is_due(&self, now: Point) -> bool {
        let last = self.points.last();
        last.is_none_or(|last| now.at.since(last.at) >= self.apart_ns)
    }

    /// Keeps the earlier one of each two.
    fn widen(&mut self) {
        self.apart_ns *= 2;
        let mut is_kept = false;
        self.points.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: i64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for quarter in 0..seconds * 4 {
            rhythm.note(Point {
                at: Timestamp(quarter * NANOS_PER_SECOND / 4),
                frames: quarter as u64,
                missed: 0,
            });
        }
        rhythm
    }

    #[test]
    fn points_are_a_second_apart_at_first_and_never_too_many() {
        let times = |r: &Rhythm| -> Vec<i64> {
            let seconds = r.points().iter().map(|p| p.at.0 / NANOS_PER_SECOND);
            seconds.collect()
        };
        assert_eq!(times(&run(5)), [0, 1, 2, 3, 4]);
        for seconds in [130, 600, 3_600, 20_000] {
            let rhythm = run(seconds);
            let times = times(&rhythm);
            assert!((MOST / 2..=MOST).contains(&times.len()));
            let apart = rhythm.apart_ns / NANOS_PER_SECOND;
            assert!(
                times.windows(2).all(|pair| pair[1] - pair[0] == apart),
                "{times:?}"
            );
            // The newest is there, and the oldest within what is remembered.
            assert!(times.last().is_some_and(|last| seconds - last <= apart));
            assert!(times[0] == 0 || apart == WIDEST_NS / NANOS_PER_SECOND);
        }
    }
}
