//! Numbers of a few bits, and times that are only compared.

/// Where a number lies in a [`Small`]: first bit and mask.
pub(super) type Field = (u8, u8);

/// Shift that the SYN of this side offered, at most 14.
pub(super) const SCALE: Field = (0, 15);
/// Shift of a SYN without the option.
pub(super) const NO_SCALE: u8 = 15;
/// Which of the times between data is the longest ago.
pub(super) const GAP_AT: Field = (4, 3);
/// How far the SYN's number is behind the first one.
pub(super) const ISS_BEHIND: Field = (6, 3);
/// The largest [`ISS_BEHIND`]: it is kept elsewhere.
pub(super) const ISS_IS_RARE: u8 = 3;

/// Three numbers in a byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Small(u8);

impl Small {
    /// With this scale, all else 0.
    pub(super) fn new(scale: u8) -> Self {
        Self(scale & SCALE.1)
    }

    #[inline]
    pub(super) fn get(self, (at, mask): Field) -> u8 {
        self.0 >> at & mask
    }

    /// Sets a number, at most to its largest.
    #[inline]
    pub(super) fn set(&mut self, (at, mask): Field, to: u8) {
        self.0 = self.0 & !(mask << at) | to.min(mask) << at;
    }
}

/// A time between two packets, in three bytes: a number of single precision without its last
/// eight bits, so off by less than one part in 2^15. It is held against thresholds that are
/// guesses, and not told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap([u8; 3]);

/// Bits left out.
const LEFT_OUT: u32 = 8;

impl Gap {
    pub(super) const NONE: Self = Self([0; 3]);

    /// Of `ns`, below zero where times do not rise.
    #[inline]
    pub(super) fn of(ns: i64) -> Self {
        let [a, b, c, _] = ((ns as f32).to_bits() >> LEFT_OUT).to_le_bytes();
        Self([a, b, c])
    }

    pub(super) fn ns(self) -> i64 {
        let [a, b, c] = self.0;
        f32::from_bits(u32::from_le_bytes([a, b, c, 0]) << LEFT_OUT) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_in_a_byte_do_not_touch_each_other() {
        let mut s = Small::new(15);
        s.set(GAP_AT, 2);
        s.set(ISS_BEHIND, 200);
        assert_eq!((s.get(SCALE), s.get(GAP_AT), s.get(ISS_BEHIND)), (15, 2, 3));
        s.set(SCALE, 7);
        s.set(GAP_AT, 0);
        assert_eq!((s.get(SCALE), s.get(GAP_AT), s.get(ISS_BEHIND)), (7, 0, 3));
    }

    #[test]
    fn a_gap_may_be_anything() {
        assert_eq!(Gap::of(0).ns(), 0);
        assert!(Gap::of(i64::MAX).ns() > i64::MAX / 2);
        assert!(Gap::of(i64::MIN).ns() < i64::MIN / 2);
    }

    proptest! {
        #[test]
        fn a_gap_is_hardly_off(ns in any::<i64>(), shift in 1u32..64) {
            let ns = ns >> shift;
            let off = (ns - Gap::of(ns).ns()).abs();
            prop_assert!(off <= (ns.abs() >> 15) + 1, "{off} of {ns}");
        }
    }
}
