//! Ticks of an interface to nanoseconds: exact or saturated for every value that
//! `if_tsresol` and `if_tsoffset` can hold.

use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};

/// What one tick is in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Ticks are this many nanoseconds.
    Times(u64),
    /// This many ticks are one nanosecond.
    Over(u64),
    /// One second is two to the power of this many ticks.
    Binary(u32),
    /// Every 64-bit tick count is less than a nanosecond.
    Vanishing,
}

/// Clock of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    scale: Scale,
    /// `if_tsoffset` in nanoseconds; an `i64` of seconds fits.
    offset: i128,
}

impl Default for Clock {
    /// Microseconds, as the pcapng draft has it where no resolution is stated.
    fn default() -> Self {
        Self::new(6, 0)
    }
}

impl Clock {
    /// From the option values (pcapng draft section 4.2): in `resolution` the top
    /// bit chooses base 2 over base 10 and the other seven are the negative
    /// exponent; `offset` is in seconds.
    pub(crate) fn new(resolution: u8, offset: i64) -> Self {
        let exponent = u32::from(resolution & 0x7f);
        let scale = if resolution & 0x80 != 0 {
            // 2^64 ticks * 10^9 stay below 2^94.
            if exponent < 94 {
                Scale::Binary(exponent)
            } else {
                Scale::Vanishing
            }
        } else if exponent <= 9 {
            Scale::Times(10_u64.pow(9 - exponent))
        } else {
            10_u64
                .checked_pow(exponent - 9)
                .map_or(Scale::Vanishing, Scale::Over)
        };
        Self {
            scale,
            offset: i128::from(offset) * i128::from(NANOS_PER_SECOND),
        }
    }

    /// Time of a tick count, rounded down; the flag says that it was saturated.
    pub(crate) fn time(&self, ticks: u64) -> (Timestamp, bool) {
        // The case of nearly every capture: micro- or nanoseconds since 1970.
        if self.offset == 0
            && let Scale::Times(factor) = self.scale
            && let Some(nanos) = ticks.checked_mul(factor)
            && let Ok(nanos) = i64::try_from(nanos)
        {
            return (Timestamp(nanos), false);
        }
        let nanos = match self.scale {
            Scale::Times(factor) => i128::from(ticks) * i128::from(factor),
            Scale::Over(divisor) => i128::from(ticks / divisor),
            Scale::Binary(shift) => (i128::from(ticks) * i128::from(NANOS_PER_SECOND)) >> shift,
            Scale::Vanishing => 0,
        } + self.offset;
        match i64::try_from(nanos) {
            Ok(nanos) => (Timestamp(nanos), false),
            Err(_) if nanos < 0 => (Timestamp(i64::MIN), true),
            Err(_) => (Timestamp(i64::MAX), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use proptest::prelude::*;

    proptest! {
        // The exact value by big rationals: floor(ticks * 10^9 / base^exponent).
        #[test]
        fn every_resolution_is_exact(resolution: u8, ticks: u64, offset: i64) {
            let base: u32 = if resolution & 0x80 == 0 { 10 } else { 2 };
            let mut nanos = i128::from(ticks) * 1_000_000_000;
            for _ in 0..resolution & 0x7f {
                // Dividing step by step floors to the same value as dividing once.
                nanos /= i128::from(base);
            }
            nanos += i128::from(offset) * 1_000_000_000;
            let wanted = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            let (time, saturated) = Clock::new(resolution, offset).time(ticks);
            prop_assert_eq!(i128::from(time.0), wanted);
            prop_assert_eq!(saturated, wanted != nanos);
        }
    }

    #[test]
    fn extremes_saturate() {
        for resolution in 0..=255 {
            for offset in [i64::MIN, -1, 0, 1, i64::MAX] {
                for ticks in [0, 1, u64::from(u32::MAX), u64::MAX] {
                    let _ = Clock::new(resolution, offset).time(ticks);
                }
            }
        }
        assert_eq!(
            Clock::new(6, i64::MAX).time(0),
            (super::Timestamp(i64::MAX), true)
        );
        assert_eq!(
            Clock::new(6, i64::MIN).time(u64::MAX),
            (super::Timestamp(i64::MIN), true)
        );
        assert_eq!(
            Clock::new(0x9f, 0).time(1 << 31),
            (super::Timestamp(1_000_000_000), false)
        );
    }
}
