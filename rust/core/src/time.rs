//! Packet time. The core has no clock: every instant here came with a frame.

/// Nanoseconds since 1970-01-01T00:00:00Z, as the capture stated them.
///
/// Saturating by construction: a capture may claim any time, and arithmetic on
/// a claimed time must not wrap (bug classes B5 and B21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Builds a time from whole seconds and nanoseconds; saturates.
    pub const fn from_parts(seconds: i64, nanos: i64) -> Self {
        Self(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos),
        )
    }

    /// Nanoseconds from `earlier` to `self`; negative when `self` is before it.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by `nanos`, saturating.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// A time that may be absent, in the eight bytes of a [`Timestamp`]. The lowest time of
/// all stands for absent; a capture that states it is taken to mean the one after.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaybeTime(i64);

impl MaybeTime {
    /// Absent.
    pub const NONE: Self = Self(i64::MIN);

    /// The time, if there is one.
    #[inline]
    pub const fn get(self) -> Option<Timestamp> {
        if self.0 == i64::MIN {
            None
        } else {
            Some(Timestamp(self.0))
        }
    }

    /// Sets the time unless there is one.
    pub fn set_if_absent(&mut self, ts: Timestamp) {
        if *self == Self::NONE {
            *self = ts.into();
        }
    }
}

impl From<Timestamp> for MaybeTime {
    #[inline]
    fn from(ts: Timestamp) -> Self {
        Self(ts.0.max(i64::MIN + 1))
    }
}

impl Default for MaybeTime {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for MaybeTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// Nanoseconds in one second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in one millisecond.
pub const NANOS_PER_MILLI: i64 = 1_000_000;
