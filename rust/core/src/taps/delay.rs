//! Delays in bounded memory: bins that widen with the distance from the first value.
//!
//! The clock offset is known only at the end, so what is kept are raw differences of
//! two clocks; the offset is taken off when figures are made.

use std::collections::BTreeMap;

/// Distance from the first value below which all falls into one bin, 1 us: finer than
/// the clock of most captures.
const FINEST_NS: u64 = 1_000;
/// Bins per doubling: a value is known within 1/16 of its distance from the first.
const BINS_PER_OCTAVE: u64 = 8;

/// Differences of one direction. At most about 2 x 54 x 8 bins, whatever comes.
#[derive(Clone, Debug, Default)]
pub struct DelayHistogram {
    anchor: i64,
    count: u64,
    min: i64,
    max: i64,
    bins: BTreeMap<i32, u64>,
}

/// What a histogram says, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayFigures {
    /// Smallest, exact.
    pub min_ns: i64,
    /// Half are below, within 1/16 of the distance from the first value.
    pub median_ns: i64,
    /// 95 % are below, likewise.
    pub p95_ns: i64,
    /// Largest, exact.
    pub max_ns: i64,
}

impl DelayHistogram {
    /// Takes one difference.
    pub fn add(&mut self, raw_ns: i64) {
        if self.count == 0 {
            (self.anchor, self.min, self.max) = (raw_ns, raw_ns, raw_ns);
        }
        self.count += 1;
        self.min = self.min.min(raw_ns);
        self.max = self.max.max(raw_ns);
        *self
            .bins
            .entry(bin_of(raw_ns.saturating_sub(self.anchor)))
            .or_default() += 1;
    }

    /// Values taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Smallest and largest raw difference.
    pub fn range(&self) -> Option<(i64, i64)> {
        (self.count > 0).then_some((self.min, self.max))
    }

    /// Figures with `offset_ns` taken off; `None` without values.
    pub fn figures(&self, offset_ns: i64) -> Option<DelayFigures> {
        let (min, max) = self.range()?;
        let at = |share: u64| {
            let want = self.count.saturating_mul(share).div_ceil(100).max(1);
            let mut below = 0;
            for (bin, n) in &self.bins {
                below += n;
                if below >= want {
                    return self.anchor.saturating_add(middle_of(*bin)).clamp(min, max);
                }
            }
            max
        };
        let off = |raw: i64| raw.saturating_sub(offset_ns);
        Some(DelayFigures {
            min_ns: off(min),
            median_ns: off(at(50)),
            p95_ns: off(at(95)),
            max_ns: off(max),
        })
    }
}

/// Bin of a distance; negative distances mirror the positive ones.
fn bin_of(distance: i64) -> i32 {
    let size = distance.unsigned_abs();
    if size < FINEST_NS {
        return 0;
    }
    let octave = u64::from((size / FINEST_NS).ilog2());
    let base = FINEST_NS << octave;
    let part = u128::from(size - base) * u128::from(BINS_PER_OCTAVE) / u128::from(base);
    let bin = (octave * BINS_PER_OCTAVE) as i32 + part as i32 + 1;
    if distance < 0 { -bin } else { bin }
}

/// Middle of a bin, as a distance.
fn middle_of(bin: i32) -> i64 {
    if bin == 0 {
        return 0;
    }
    let number = u64::from(bin.unsigned_abs() - 1);
    let base = FINEST_NS << (number / BINS_PER_OCTAVE);
    let part = number % BINS_PER_OCTAVE;
    let low = base + base / BINS_PER_OCTAVE * part;
    let size = (low + base / BINS_PER_OCTAVE / 2) as i64;
    if bin < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_within_a_sixteenth_and_the_ends_exact() {
        let mut h = DelayHistogram::default();
        for i in 0..1_000_i64 {
            h.add(5_000_000 + i * 10_000);
        }
        let f = h.figures(1_000_000).expect("values");
        assert_eq!((f.min_ns, f.max_ns), (4_000_000, 13_990_000));
        assert!((f.median_ns - 9_000_000).abs() < 400_000, "{f:?}");
        assert!((f.p95_ns - 13_500_000).abs() < 700_000, "{f:?}");
    }

    #[test]
    fn a_bin_holds_its_own_middle() {
        for bin in -420..420 {
            assert_eq!(bin_of(middle_of(bin)), bin);
        }
    }

    #[test]
    fn any_value_fits_and_the_number_of_bins_is_bounded() {
        let mut h = DelayHistogram::default();
        for shift in 0..63 {
            for value in [1_i64 << shift, -(1_i64 << shift), (1_i64 << shift) + 12_345] {
                h.add(value);
            }
        }
        h.add(i64::MIN);
        h.add(i64::MAX);
        assert!(h.bins.len() <= 2 * 54 * 8 + 1, "{}", h.bins.len());
        assert!(h.figures(0).is_some());
    }
}
