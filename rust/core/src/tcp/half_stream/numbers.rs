//! Times, sequence numbers and sums of one half-stream, in 48 or 40 bits each, and counts in
//! 32 or 16. Exact for every value: what does not fit moves to a box that only long streams,
//! and captures with odd times, ever have.

use super::rare::{NOTHING, Rare};
use super::small::{self, Gap, Small};
use crate::near::{Near, Origin, Value};
use crate::time::Timestamp;

/// Times and durations are in ns, sequence numbers unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    // In 48 bits.
    /// Highest byte seen plus one.
    SndNxt,
    LastTs,
    /// Last segment with payload.
    LastData,
    /// Highest ACK seen.
    SndUna,
    /// Since when unacknowledged data waits.
    UnackedSince,
    /// When the segment was sent whose ACK is timed; absent: none is.
    TimedAt,
    /// First data segment of the other side since the last packet.
    OppositeSince,
    /// Last packet that repeated the ACK while data waited.
    AckRepeated,
    // In 40 bits: a terabyte, or 18 minutes.
    PayloadBytes,
    /// Longest and smoothed time between two packets.
    MaxGap,
    MeanGap,
    /// Longest time between two segments with payload.
    MaxDataGap,
    /// Smoothed time from data to ACK.
    AckRtt,
    FirstTs,
}

/// Those of [`Number`] that are times.
const TIMES: [Number; 6] = [
    Number::LastTs,
    Number::LastData,
    Number::UnackedSince,
    Number::TimedAt,
    Number::OppositeSince,
    Number::AckRepeated,
];

/// The origin of a stream that lasts for days follows it in steps of 19 hours, 2^14 ticks; for
/// seven months, as they are counted in a byte.
const MOVE_BITS: u32 = 14;

const LONG: usize = Number::PayloadBytes as usize;
const NUMBERS: usize = Number::FirstTs as usize + 1;
const SHORT: usize = NUMBERS - LONG;

/// What is counted in 16 bits: since something that happens all the time in a healthy stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// New data segments since `UnackedSince`.
    SinceUna,
    /// Packets of the other side that repeated the ACK while data waited.
    AckRepeats,
    /// Of those the ones without data.
    BareRepeats,
    /// New data segments since the last empty segment of the other side.
    SinceBare,
    /// Duplicate ACKs in a row.
    DupAcks,
    /// Empty ACKs since the last data segment.
    AcksSinceData,
    /// Data segments of the other side since the last data segment of this one.
    OppositeSinceData,
    /// Data segments of the other side since the last packet of this one.
    Opposite,
    /// Data segments since the last move of the ACK.
    Unsettled,
    /// No run: SYN and RST.
    Others,
    /// No run: duplicate ACKs in all.
    AllDupAcks,
}

const RUNS: usize = Run::AllDupAcks as usize + 1;

/// What is counted in 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tally {
    DataSegments,
    PureAcks,
    /// Empty segments of the other side while data waited, up to the last move of its ACK.
    BareAcks,
    /// Tunnel packets that end in a trailer.
    Trailers,
}

const TALLIES: usize = Tally::Trailers as usize + 1;

/// Marks of a number that is not set, and of one that is too large (see `far`), in 40 bits.
const SHORT_NONE: u64 = (1 << 40) - 1;
const SHORT_FAR: u64 = SHORT_NONE - 1;
/// A run that is counted in `far`.
const LONG_RUN: u16 = u16::MAX;

/// 40 bits.
#[derive(Clone, Copy, Debug)]
struct Short([u8; 5]);

impl Short {
    const NONE: Self = Self([u8::MAX; 5]);

    #[inline]
    fn value(self) -> Value {
        let [a, b, c, d, high] = self.0;
        match u64::from(u32::from_le_bytes([a, b, c, d])) | u64::from(high) << 32 {
            bits if bits < SHORT_FAR => Value::Is(bits),
            SHORT_NONE => Value::Absent,
            _ => Value::Far,
        }
    }

    #[inline]
    fn of(value: u64) -> Self {
        let [a, b, c, d, high, ..] = value.min(SHORT_FAR).to_le_bytes();
        Self([a, b, c, d, high])
    }
}

/// What outgrew its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Far {
    numbers: [u64; NUMBERS],
    /// Upper halves of the counts.
    tallies: [u32; TALLIES],
    runs: [u32; RUNS],
}

/// The numbers of one half-stream.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// Times count from here.
    origin: Origin,
    tallies: [u32; TALLIES],
    /// What few streams have, `far` among it.
    pub(super) rare: Option<Box<Rare>>,
    runs: [u16; RUNS],
    long: [Near; LONG],
    short: [Short; SHORT],
    // In the bytes that are left of the last word.
    /// What [`super::mark`] names.
    pub(super) marks: u8,
    pub(super) small: Small,
    /// Largest run of [`Run::Opposite`], saturated: nobody asks beyond 200.
    pub(super) max_opposite_run: u8,
    /// The other side's smoothed gap at [`Number::OppositeSince`].
    pub(super) opposite_usual: Gap,
    /// How many steps the origin was moved, see [`MOVE_BITS`].
    moves: u8,
}

const _: () = assert!(size_of::<Numbers>() == 136);

impl Numbers {
    /// Nothing set, for a stream that begins about `first`.
    pub(super) fn new(first: Timestamp) -> Self {
        Self {
            long: [Near::NONE; LONG],
            short: [Short::NONE; SHORT],
            tallies: [0; TALLIES],
            runs: [0; RUNS],
            origin: Origin::before(first),
            rare: None,
            marks: 0,
            small: Small::new(small::NO_SCALE),
            max_opposite_run: 0,
            opposite_usual: Gap::default(),
            moves: 0,
        }
    }

    /// The rare part, made when it is first needed.
    #[cold]
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    fn far(&self) -> Option<&Far> {
        self.rare.as_ref()?.far.as_deref()
    }

    fn far_mut(&mut self) -> &mut Far {
        self.rare_mut().far.get_or_insert_default()
    }

    #[inline]
    pub(super) fn get(&self, n: Number) -> Option<u64> {
        let at = n as usize;
        let value = if at < LONG {
            self.long[at].value()
        } else {
            self.short[at - LONG].value()
        };
        match value {
            Value::Is(value) => Some(value),
            Value::Absent => None,
            Value::Far => self.far().map(|far| far.numbers[at]),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, n: Number, value: u64) {
        let at = n as usize;
        let is_far = if at < LONG {
            self.long[at] = Near::of(value);
            self.long[at].value() == Value::Far
        } else {
            self.short[at - LONG] = Short::of(value);
            self.short[at - LONG].value() == Value::Far
        };
        if is_far {
            self.set_far(n, value);
        }
    }

    #[cold]
    fn set_far(&mut self, n: Number, value: u64) {
        self.far_mut().numbers[n as usize] = value;
    }

    /// A run, 0 at first.
    #[inline]
    pub(super) fn run(&self, r: Run) -> u32 {
        match self.runs[r as usize] {
            LONG_RUN => self.far().map_or(0, |far| far.runs[r as usize]),
            run => u32::from(run),
        }
    }

    /// One more in a run; saturates.
    #[inline]
    pub(super) fn extend(&mut self, r: Run) {
        let run = &mut self.runs[r as usize];
        if *run < LONG_RUN - 1 {
            *run += 1;
        } else {
            self.extend_long(r);
        }
    }

    #[cold]
    fn extend_long(&mut self, r: Run) {
        let sum = self.run(r).saturating_add(1);
        self.far_mut().runs[r as usize] = sum;
        self.runs[r as usize] = LONG_RUN;
    }

    /// Ends a run; how long it was.
    #[inline]
    pub(super) fn end(&mut self, r: Run) -> u32 {
        let run = self.run(r);
        self.runs[r as usize] = 0;
        run
    }

    #[inline]
    pub(super) fn clear(&mut self, n: Number) {
        let at = n as usize;
        if at < LONG {
            self.long[at] = Near::NONE;
        } else {
            self.short[at - LONG] = Short::NONE;
        }
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
    pub(super) fn time(&self, n: Number) -> Option<Timestamp> {
        self.get(n).map(|offset| self.origin.plus(offset))
    }

    #[inline]
    pub(super) fn set_time(&mut self, n: Number, ts: Timestamp) {
        let offset = self.origin.offset(ts);
        if Near::of(offset).value() == Value::Far {
            self.set_far_time(n, ts);
        } else {
            self.set(n, offset);
        }
    }

    #[cold]
    fn set_far_time(&mut self, n: Number, ts: Timestamp) {
        self.move_origin(ts);
        self.set(n, self.origin.offset(ts));
    }

    /// Moves the origin to within two steps before `ts`, where that can be counted. A time that
    /// is left behind and still means something is kept in `far`.
    fn move_origin(&mut self, ts: Timestamp) {
        let steps = (self.origin.ticks_to(ts) >> MOVE_BITS) - 1;
        let Ok(steps @ 1..) = u8::try_from(steps) else {
            return;
        };
        let moved = self.origin.moved(i32::from(steps) << MOVE_BITS);
        let Some((moves, origin)) = self.moves.checked_add(steps).zip(moved) else {
            return;
        };
        (self.moves, self.origin) = (moves, origin);
        let by = Origin::ticks_ns(u64::from(steps) << MOVE_BITS);
        for n in TIMES {
            let Some(offset) = self.get(n) else { continue };
            let offset = offset.wrapping_sub(by);
            let matters = match n {
                Number::OppositeSince => self.run(Run::Opposite) > 0,
                Number::AckRepeated => self.run(Run::AckRepeats) > 0,
                _ => true,
            };
            if matters || Near::of(offset).value() != Value::Far {
                self.set(n, offset);
            } else {
                self.clear(n);
            }
        }
    }

    /// Where `FirstTs` counts from, however far the origin has moved since.
    fn first_origin(&self) -> Origin {
        let by = -(i32::from(self.moves) << MOVE_BITS);
        self.origin.moved(by).unwrap_or(self.origin)
    }

    pub(super) fn set_first(&mut self, ts: Timestamp) {
        self.set(Number::FirstTs, self.first_origin().offset(ts));
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        let offset = self.get(Number::FirstTs)?;
        Some(self.first_origin().plus(offset))
    }

    #[inline]
    pub(super) fn tally(&self, t: Tally) -> u64 {
        let high = self.far().map_or(0, |far| far.tallies[t as usize]);
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
        let high = &mut self.far_mut().tallies[t as usize];
        *high = high.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ODD_TIMES: [i64; 6] = [0, 1, -1, i64::MIN, i64::MAX, 1_795_402_680_000_000_000];

    #[test]
    fn every_time_comes_back_as_it_was() {
        for first in ODD_TIMES {
            let mut n = Numbers::new(Timestamp(first));
            assert_eq!(n.time(Number::LastTs), None);
            for at in ODD_TIMES {
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
        n.set_first(first.plus(-1_000_000_000));
        n.set_time(Number::LastTs, first.plus(77 * 3_600 * 1_000_000_000));
        n.add(Tally::PureAcks, u32::MAX);
        assert!(n.rare.is_none());
        n.count(Tally::PureAcks);
        assert_eq!(n.tally(Tally::PureAcks), 1 << 32);
    }

    #[test]
    fn a_stream_of_months_needs_no_box_either() {
        let first = Timestamp(1_795_402_680_123_456_789);
        let mut n = Numbers::new(first);
        n.set_first(first);
        n.set_time(Number::AckRepeated, first);
        for hours in 1..24 * 150 {
            let now = first.plus(hours * 3_600_000_000_000);
            n.set_time(Number::LastTs, now);
            n.set_time(Number::LastData, now.plus(-3_600_000_000_000));
            assert_eq!(n.time(Number::LastTs), Some(now));
            assert_eq!(n.first(), Some(first));
        }
        assert!(n.rare.is_none());
        assert_eq!(n.time(Number::AckRepeated), None, "no run, no time");
    }

    #[test]
    fn a_long_run_is_counted_on() {
        let mut n = Numbers::new(Timestamp(0));
        for length in 1..200_000 {
            n.extend(Run::AckRepeats);
            assert_eq!(n.run(Run::AckRepeats), length);
            assert_eq!(n.far().is_some(), length >= u32::from(LONG_RUN));
        }
        assert_eq!(n.run(Run::BareRepeats), 0);
        assert_eq!(n.end(Run::AckRepeats), 199_999);
        assert_eq!(n.run(Run::AckRepeats), 0);
    }

    proptest! {
        /// Whatever the times are, and however often the origin moves.
        #[test]
        fn times_of_days_come_back_as_they_were(
            steps in prop::collection::vec((0..TIMES.len(), 0i64..1 << 48, 20u32..48), 1..60),
            back in 0usize..60,
        ) {
            let first = Timestamp(1_795_402_680_123_456_789);
            let mut n = Numbers::new(first);
            n.set_first(first);
            n.extend(Run::Opposite);
            n.extend(Run::AckRepeats);
            let mut plain = [None; TIMES.len()];
            let mut now = first;
            for (i, (which, step, shift)) in steps.into_iter().enumerate() {
                let step = step >> (48 - shift);
                now = now.plus(if i == back { -step } else { step });
                n.set_time(TIMES[which], now);
                plain[which] = Some(now);
                prop_assert_eq!(TIMES.map(|t| n.time(t)), plain);
                prop_assert_eq!(n.first(), Some(first));
            }
        }

        #[test]
        fn every_number_comes_back_as_it_was(values in prop::collection::vec(any::<u64>(), 1..20)) {
            let mut n = Numbers::new(Timestamp(0));
            for v in values {
                for v in [v, v >> 16, v >> 24, v >> 30] {
                    for number in [Number::SndNxt, Number::MaxGap] {
                        n.set(number, v);
                        prop_assert_eq!(n.get(number), Some(v));
                    }
                    prop_assert_eq!(n.get(Number::SndUna), None);
                    prop_assert_eq!(n.get(Number::MeanGap), None);
                }
            }
        }
    }
}
