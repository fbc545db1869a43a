//! The rhythm of one side's packets: how long it usually pauses, and how often it paused
//! nearly that long. A silence means something only against both.

use crate::time::{NANOS_PER_MILLI, Timestamp};

/// Gaps are counted by powers of two from this on.
const SMALLEST_GAP_NS: i64 = 16 * NANOS_PER_MILLI;
/// Classes: 16 ms to 16 min and above.
const CLASSES: usize = 17;
/// Classes that are counted: that of the longest gap and the four below it. The longest
/// gap never shrinks, so what falls below is never asked for again.
const COUNTED: usize = 5;

fn class(gap_ns: i64) -> usize {
    let units = (gap_ns / SMALLEST_GAP_NS).max(1);
    (units.ilog2() as usize).min(CLASSES - 1)
}

/// How many gaps were about as long as the longest one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GapClasses([u16; COUNTED]);

impl GapClasses {
    /// Takes a gap; `longest_ns` is the longest one before it.
    #[inline]
    pub(super) fn take(&mut self, gap_ns: i64, longest_ns: i64) {
        let (mut top, of) = (class(longest_ns), class(gap_ns));
        if of > top {
            // The counts of the classes in between are those of no gap yet.
            let by = (of - top).min(COUNTED);
            self.0.copy_within(..COUNTED - by, by);
            self.0[..by].fill(0);
            top = of;
        }
        if let Some(count) = self.0.get_mut(top - of) {
            *count = count.saturating_add(1);
        }
    }
}

/// Spacing of one side's packets, learned while it is regular.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spacing {
    /// Packets seen from this side.
    pub packets: u32,
    /// Longest time between two of them, ns.
    pub max_gap_ns: i64,
    /// Smoothed time between two of them, ns (weight 1/8).
    pub mean_gap_ns: i64,
    /// Most data segments the other side sent between two of them, at most 255.
    pub max_opposite_run: u32,
    /// Data segments the other side has sent since the last one.
    pub opposite_run: u32,
    /// First data segment of `opposite_run`.
    pub opposite_since: Timestamp,
    /// The other side's spacing of data when `opposite_run` began, ns.
    pub opposite_usual_ns: i64,
    pub(super) classes: GapClasses,
}

impl Spacing {
    /// Pauses of the same kind as the longest one, and their mean, ns: those not shorter
    /// than about a sixteenth of it. What is shorter lies within a burst.
    pub fn pauses(&self) -> (u32, i64) {
        let top = class(self.max_gap_ns);
        let (mut n, mut sum) = (0, 0);
        for (below, count) in self.classes.0.iter().enumerate().take(top + 1) {
            n += u32::from(*count);
            // The middle of the class.
            sum += i64::from(*count) * (SMALLEST_GAP_NS << (top - below)) * 3 / 2;
        }
        (n, sum / i64::from(n.max(1)))
    }

    /// The beat of a clock: the longest pause is at most half as long again as the mean.
    pub fn is_steady(&self) -> bool {
        self.max_gap_ns / 3 <= self.mean_gap_ns / 2
    }
}

/// The smoothed gap after one of `gap_ns`; 0 stands for none before.
#[inline]
pub(super) fn smoothed(mean_ns: i64, gap_ns: i64) -> i64 {
    match mean_ns {
        0 => gap_ns,
        mean => mean + (gap_ns - mean) / 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(gaps_ns: impl IntoIterator<Item = i64>) -> Spacing {
        let mut s = Spacing::default();
        for gap_ns in gaps_ns {
            s.classes.take(gap_ns, s.max_gap_ns);
            s.max_gap_ns = s.max_gap_ns.max(gap_ns);
            s.mean_gap_ns = smoothed(s.mean_gap_ns, gap_ns);
        }
        s
    }

    fn after_ms(gaps_ms: &[i64]) -> Spacing {
        after(gaps_ms.iter().map(|ms| ms * NANOS_PER_MILLI))
    }

    #[test]
    fn tells_pauses_from_bursts() {
        let s = after_ms(&[20, 30, 2_600, 5_200, 2_100, 100, 7_900]);
        assert_eq!(s.max_gap_ns, 7_900 * NANOS_PER_MILLI);
        let (n, mean) = s.pauses();
        assert_eq!(n, 4, "7.9, 5.2, 2.6 and 2.1 s, not what lies within bursts");
        assert!((4_000..5_500).contains(&(mean / NANOS_PER_MILLI)), "{mean}");
        assert!(!s.is_steady());
    }

    #[test]
    fn a_clock_is_steady() {
        let s = after_ms(&[
            20, 90, 8_000, 7_900, 8_200, 8_000, 7_800, 8_100, 8_000, 8_000, 8_000, 8_000,
        ]);
        assert!(s.is_steady());
    }

    proptest! {
        /// The classes that are kept give what counting every class would.
        #[test]
        fn agrees_with_all_classes(gaps in prop::collection::vec((0_u32..44, 0_i64..1_000), 1..60)) {
            let gaps: Vec<i64> = gaps.iter().map(|(shift, n)| n << shift).collect();
            let mut all = [0_u32; CLASSES];
            for gap in &gaps {
                all[class(*gap)] += 1;
            }
            let from = class(gaps.iter().copied().max().unwrap_or(0)).saturating_sub(4);
            let (n, sum) = (from..CLASSES).fold((0, 0), |(n, sum), i| {
                (n + all[i], sum + i64::from(all[i]) * (SMALLEST_GAP_NS << i) * 3 / 2)
            });
            prop_assert_eq!(after(gaps).pauses(), (n, sum / i64::from(n.max(1))));
        }
    }
}
