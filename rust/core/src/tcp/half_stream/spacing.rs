//! The rhythm of one side's packets: how long it usually pauses, and how often it paused
//! nearly that long. A silence means something only against both.

use crate::time::{NANOS_PER_MILLI, Timestamp};

/// Gaps are counted by powers of two from this on.
const SMALLEST_GAP_NS: i64 = 16 * NANOS_PER_MILLI;
/// Classes: 16 ms to 16 min and above.
const CLASSES: usize = 17;

/// Spacing of one side's packets, learned while it is regular.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spacing {
    /// Packets seen from this side.
    pub packets: u32,
    /// Longest time between two of them, ns.
    pub max_gap_ns: i64,
    /// Smoothed time between two of them, ns (weight 1/8).
    pub mean_gap_ns: i64,
    /// Most data segments the other side sent between two of them.
    pub max_opposite_run: u32,
    /// Data segments the other side has sent since the last one.
    pub opposite_run: u32,
    /// First data segment of `opposite_run`.
    pub opposite_since: Timestamp,
    /// The other side's spacing of data when `opposite_run` began, ns.
    pub opposite_usual_ns: i64,
    gaps: [u16; CLASSES],
}

fn class(gap_ns: i64) -> usize {
    let units = (gap_ns / SMALLEST_GAP_NS).max(1);
    (units.ilog2() as usize).min(CLASSES - 1)
}

impl Spacing {
    /// Takes the time since the packet before.
    pub fn on_gap(&mut self, gap_ns: i64) {
        self.max_gap_ns = self.max_gap_ns.max(gap_ns);
        self.mean_gap_ns = match self.mean_gap_ns {
            0 => gap_ns,
            mean => mean + (gap_ns - mean) / 8,
        };
        let count = &mut self.gaps[class(gap_ns)];
        *count = count.saturating_add(1);
    }

    /// Pauses of the same kind as the longest one, and their mean, ns: those not shorter
    /// than about a sixteenth of it. What is shorter lies within a burst.
    pub fn pauses(&self) -> (u32, i64) {
        let from = class(self.max_gap_ns).saturating_sub(4);
        let (mut n, mut sum) = (0, 0);
        for (i, count) in self.gaps.iter().enumerate().skip(from) {
            n += u32::from(*count);
            // The middle of the class.
            sum += i64::from(*count) * (SMALLEST_GAP_NS << i) * 3 / 2;
        }
        (n, sum / i64::from(n.max(1)))
    }

    /// The beat of a clock: the longest pause is at most half as long again as the mean.
    pub fn is_steady(&self) -> bool {
        self.max_gap_ns / 3 <= self.mean_gap_ns / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_pauses_from_bursts() {
        let mut s = Spacing::default();
        for gap_ms in [20, 30, 2_600, 5_200, 2_100, 100, 7_900] {
            s.on_gap(gap_ms * NANOS_PER_MILLI);
        }
        assert_eq!(s.max_gap_ns, 7_900 * NANOS_PER_MILLI);
        let (n, mean) = s.pauses();
        assert_eq!(n, 4, "7.9, 5.2, 2.6 and 2.1 s, not what lies within bursts");
        assert!((4_000..5_500).contains(&(mean / NANOS_PER_MILLI)), "{mean}");
        assert!(!s.is_steady());
    }

    #[test]
    fn a_clock_is_steady() {
        let mut s = Spacing::default();
        for gap_ms in [
            20, 90, 8_000, 7_900, 8_200, 8_000, 7_800, 8_100, 8_000, 8_000, 8_000, 8_000,
        ] {
            s.on_gap(gap_ms * NANOS_PER_MILLI);
        }
        assert!(s.is_steady());
    }
}
