//! Numbers that are nearly always small in 48 bits: the words are the same for all who keep
//! many of them, where what does not fit goes is theirs to say.

use crate::time::Timestamp;

/// Marks of a number that is not set, and of one that is too large.
const NONE: u64 = (1 << 48) - 1;
const FAR: u64 = NONE - 1;

/// What a [`Near`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Not set.
    Absent,
    /// Kept elsewhere.
    Far,
    /// This.
    Is(u64),
}

/// 48 bits, as one read of four bytes and one of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    low: [u16; 2],
    high: u16,
}

impl Near {
    pub(crate) const NONE: Self = Self {
        low: [u16::MAX; 2],
        high: u16::MAX,
    };

    #[inline]
    fn bits(self) -> u64 {
        let [low, middle] = self.low;
        u64::from(u32::from(low) | u32::from(middle) << 16) | u64::from(self.high) << 32
    }

    #[inline]
    pub(crate) fn value(self) -> Value {
        match self.bits() {
            bits if bits < FAR => Value::Is(bits),
            NONE => Value::Absent,
            _ => Value::Far,
        }
    }

    /// `value`, or the mark of one that is too large.
    #[inline]
    pub(crate) fn of(value: u64) -> Self {
        let value = value.min(FAR);
        Self {
            low: [value as u16, (value >> 16) as u16],
            high: (value >> 32) as u16,
        }
    }
}

/// Ticks of an origin: 2^32 ns, so that any time of 64 bits has one.
const SHIFT: u32 = 32;

/// Where times count from: 78 hours of them fit into a [`Near`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(i32);

impl Origin {
    pub(crate) const ZERO: Self = Self(0);

    /// So many ticks later.
    pub(crate) fn moved(self, ticks: i32) -> Option<Self> {
        self.0.checked_add(ticks).map(Self)
    }

    /// Ticks from here to `ts`.
    pub(crate) fn ticks_to(self, ts: Timestamp) -> i64 {
        (ts.0 >> SHIFT) - i64::from(self.0)
    }

    /// So many ticks in ns.
    pub(crate) const fn ticks_ns(ticks: u64) -> u64 {
        ticks << SHIFT
    }

    /// One tick before `first`: packets of two taps may come out of order by a second.
    pub(crate) fn before(first: Timestamp) -> Self {
        Self(((first.0 >> SHIFT) as i32).saturating_sub(1))
    }

    #[inline]
    fn ns(self) -> i64 {
        i64::from(self.0) << SHIFT
    }

    /// Times before the origin wrap to numbers far above it, and so do not fit.
    #[inline]
    pub(crate) fn offset(self, ts: Timestamp) -> u64 {
        ts.0.wrapping_sub(self.ns()) as u64
    }

    #[inline]
    pub(crate) fn plus(self, offset: u64) -> Timestamp {
        Timestamp(self.ns().wrapping_add(offset as i64))
    }
}
