//! Times, sequence numbers and sums of one half-stream, in 48 bits each, and plain counts
//! in 32. Exact for every value: what does not fit moves to a box that only long streams,
//! and captures with odd times, ever have.

use crate::time::Timestamp;

/// What is held in 48 bits. Times and durations are in ns, sequence numbers unwrapped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Highest byte seen plus one.
    SndNxt,
    /// Highest ACK seen.
    SndUna,
    /// Since when unacknowledged data waits.
    UnackedSince,
    /// Last packet that repeated the ACK while data waited.
    AckRepeated,
    /// End of the segment whose ACK is timed; absent: none is.
    TimedEnd,
    /// When that segment was sent.
    TimedAt,
    PayloadBytes,
    FirstTs,
    LastTs,
    /// Newest packet kept for the copy test.
    NewestRemembered,
    /// Last segments with payload.
    Data0,
    Data1,
    Data2,
    Data3,
    /// Longest time between two of them.
    MaxDataGap,
    /// Longest and smoothed time between two packets.
    MaxGap,
    MeanGap,
    /// First data segment of the other side since the last packet.
    OppositeSince,
    /// The other side's smoothed gap then.
    OppositeUsual,
    /// Smoothed time from data to ACK.
    AckRtt,
}

const NUMBERS: usize = Number::AckRtt as usize + 1;

/// What is counted in 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tally {
    Packets,
    DataSegments,
    PureAcks,
    /// Empty segments of the other side while data waited, up to the last move of its ACK.
    BareAcks,
    /// Data segments up to that move.
    Settled,
    DupAcks,
    /// Tunnel packets that end in a trailer.
    Trailers,
}

const TALLIES: usize = Tally::Trailers as usize + 1;

/// Not set.
const NONE: u64 = (1 << 48) - 1;
/// Too large: see `far`.
const FAR: u64 = NONE - 1;

/// Ticks of the origin: 2^32 ns, so that any time of 64 bits has one.
const ORIGIN_SHIFT: u32 = 32;

/// 48 bits, as one read of four bytes and one of two.
#[derive(Clone, Copy, Debug)]
struct Near {
    low: [u16; 2],
    high: u16,
}

impl Near {
    const NONE: Self = Self {
        low: [u16::MAX; 2],
        high: u16::MAX,
    };

    #[inline]
    fn get(self) -> u64 {
        let [low, middle] = self.low;
        u64::from(u32::from(low) | u32::from(middle) << 16) | u64::from(self.high) << 32
    }

    #[inline]
    fn of(value: u64) -> Self {
        Self {
            low: [value as u16, (value >> 16) as u16],
            high: (value >> 32) as u16,
        }
    }
}

/// What outgrew its place.
#[derive(Clone, Debug, Default)]
struct Far {
    numbers: [u64; NUMBERS],
    /// Upper halves of the counts.
    tallies: [u32; TALLIES],
}

/// The numbers of one half-stream.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    near: [Near; NUMBERS],
    tallies: [u32; TALLIES],
    /// Times count from here: 78 hours of them fit.
    origin: i32,
    far: Option<Box<Far>>,
}

impl Numbers {
    /// Nothing set, for a stream that begins about `first`.
    pub(super) fn new(first: Timestamp) -> Self {
        Self {
            near: [Near::NONE; NUMBERS],
            tallies: [0; TALLIES],
            // One tick early: packets of two taps may come out of order by a second.
            origin: ((first.0 >> ORIGIN_SHIFT) as i32).saturating_sub(1),
            far: None,
        }
    }

    #[inline]
    pub(super) fn get(&self, n: Number) -> Option<u64> {
        match self.near[n as usize].get() {
            NONE => None,
            FAR => self.far.as_ref().map(|far| far.numbers[n as usize]),
            value => Some(value),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, n: Number, value: u64) {
        let held = if value < FAR {
            value
        } else {
            self.set_far(n, value);
            FAR
        };
        self.near[n as usize] = Near::of(held);
    }

    #[cold]
    fn set_far(&mut self, n: Number, value: u64) {
        self.far.get_or_insert_default().numbers[n as usize] = value;
    }

    #[inline]
    pub(super) fn clear(&mut self, n: Number) {
        self.near[n as usize] = Near::NONE;
    }

    /// A number that is 0 until it is set.
    #[inline]
    pub(super) fn sum(&self, n: Number) -> u64 {
        self.get(n).unwrap_or(0)
    }

    /// A duration, 0 until it is set.
    #[inline]
    pub(super) fn ns(&self, n: Number) -> i64 {
        self.sum(n) as i64
    }

    #[inline]
    fn origin_ns(&self) -> i64 {
        i64::from(self.origin) << ORIGIN_SHIFT
    }

    #[inline]
    pub(super) fn time(&self, n: Number) -> Option<Timestamp> {
        let offset = self.get(n)?;
        Some(Timestamp(self.origin_ns().wrapping_add(offset as i64)))
    }

    /// Times before the origin wrap to numbers far above it, and so do not fit.
    #[inline]
    pub(super) fn set_time(&mut self, n: Number, ts: Timestamp) {
        self.set(n, ts.0.wrapping_sub(self.origin_ns()) as u64);
    }

    #[inline]
    pub(super) fn tally(&self, t: Tally) -> u64 {
        let high = self.far.as_ref().map_or(0, |far| far.tallies[t as usize]);
        u64::from(high) << 32 | u64::from(self.tallies[t as usize])
    }

    #[inline]
    pub(super) fn count(&mut self, t: Tally) {
        self.add(t, 1);
    }

    #[inline]
    pub(super) fn add(&mut self, t: Tally, n: u32) {
        let low = &mut self.tallies[t as usize];
        let (sum, is_over) = low.overflowing_add(n);
        *low = sum;
        if is_over {
            self.carry(t);
        }
    }

    #[cold]
    fn carry(&mut self, t: Tally) {
        let high = &mut self.far.get_or_insert_default().tallies[t as usize];
        *high = high.saturating_add(1);
    }

    /// Sets a count anew; only for numbers below 2^32 that were counted here.
    pub(super) fn recount(&mut self, t: Tally, n: u32) {
        self.tallies[t as usize] = n;
    }

    /// Makes one count equal to another.
    #[inline]
    pub(super) fn copy(&mut self, from: Tally, to: Tally) {
        self.tallies[to as usize] = self.tallies[from as usize];
        if let Some(far) = &mut self.far {
            far.tallies[to as usize] = far.tallies[from as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMES: [i64; 6] = [0, 1, -1, i64::MIN, i64::MAX, 1_795_402_680_000_000_000];

    #[test]
    fn every_time_comes_back_as_it_was() {
        for first in TIMES {
            let mut n = Numbers::new(Timestamp(first));
            assert_eq!(n.time(Number::LastTs), None);
            for at in TIMES {
                for near in [-5_000_000_000, -1, 0, 1, 1 << 47, 1 << 48, (1 << 48) - 2] {
                    let ts = Timestamp(at.wrapping_add(near));
                    n.set_time(Number::LastTs, ts);
                    assert_eq!(n.time(Number::LastTs), Some(ts), "from {first}");
                }
            }
            n.clear(Number::LastTs);
            assert_eq!(n.time(Number::LastTs), None);
        }
    }

    #[test]
    fn an_ordinary_stream_needs_no_box() {
        let first = Timestamp(1_795_402_680_123_456_789);
        let mut n = Numbers::new(first);
        n.set_time(Number::FirstTs, first.plus(-1_000_000_000));
        n.set_time(Number::LastTs, first.plus(77 * 3_600 * 1_000_000_000));
        n.add(Tally::Packets, u32::MAX);
        assert!(n.far.is_none());
        n.count(Tally::Packets);
        n.copy(Tally::Packets, Tally::Settled);
        assert_eq!(n.tally(Tally::Packets), 1 << 32);
        assert_eq!(n.tally(Tally::Settled), 1 << 32);
    }

    proptest! {
        #[test]
        fn every_number_comes_back_as_it_was(values in prop::collection::vec(any::<u64>(), 1..20)) {
            let mut n = Numbers::new(Timestamp(0));
            for v in values {
                for v in [v, v >> 16, v >> 30] {
                    n.set(Number::SndNxt, v);
                    prop_assert_eq!(n.get(Number::SndNxt), Some(v));
                    prop_assert_eq!(n.get(Number::SndUna), None);
                }
            }
        }
    }
}
