//! Times, sequence numbers and sums of one half-stream, in 48, 40 or 32 bits each, and counts in
//! 24, 16 or 8. Exact for every value: what does not fit moves to a box that only long streams,
//! and captures with odd times, ever have.

use super::rare::{NOTHING, Rare};
use super::small::{self, Gap, Small};
use super::{LATEST, TtlByKind, mark};
use crate::near::{Near, Origin, Value};
use crate::time::Timestamp;

mod distances;
#[cfg(test)]
mod tests;

/// Times and durations are in ns, sequence numbers unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    // In 48 bits.
    LastTs,
    /// Last segment with payload.
    LastData,
    /// Since when unacknowledged data waits.
    UnackedSince,
    /// When the segment was sent whose ACK is timed; absent: none is.
    TimedAt,
    /// First data segment of the other side since the last packet.
    OppositeSince,
    /// Last packet that repeated the ACK while data waited.
    AckRepeated,
    // In 40 bits: a terabyte, or 18 minutes.
    /// Highest byte seen plus one.
    SndNxt,
    /// Longest and smoothed time between two packets.
    MaxGap,
    MeanGap,
    /// Longest time between two segments with payload.
    MaxDataGap,
    // In 32 bits: four seconds.
    /// Smoothed time from data to ACK.
    AckRtt,
    // Told by their distance to another one; of these only what is far is kept by number.
    SndUna,
    PayloadBytes,
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

const LONG: usize = Number::SndNxt as usize;
const SHORT: usize = Number::AckRtt as usize - LONG;
const NUMBERS: usize = Number::FirstTs as usize + 1;

/// What is counted since something that happens all the time in a healthy stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    // In 16 bits.
    /// New data segments since `UnackedSince`.
    SinceUna,
    /// Packets of the other side that repeated the ACK while data waited.
    AckRepeats,
    /// New data segments since the last empty segment of the other side.
    SinceBare,
    /// Empty ACKs since the last data segment.
    AcksSinceData,
    /// Data segments of the other side since the last data segment of this one.
    OppositeSinceData,
    /// Data segments of the other side since the last packet of this one.
    Opposite,
    /// Data segments since the last move of the ACK.
    Unsettled,
    /// No run: duplicate ACKs in all.
    AllDupAcks,
    // In 8 bits.
    /// Of the repeated ACKs the ones without data.
    BareRepeats,
    // In 4 bits.
    /// Duplicate ACKs in a row.
    DupAcks,
    /// No run: SYN and RST.
    Others,
}

const LONG_RUNS: usize = Run::BareRepeats as usize;
const NIBBLES: usize = Run::DupAcks as usize;
const RUNS: usize = Run::Others as usize + 1;

/// What is counted in 24 bits.
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
/// The same in 32 bits.
const TINY_NONE: u32 = u32::MAX;
const TINY_FAR: u32 = TINY_NONE - 1;
/// A run that is counted in `far`, in 16 bits, 8 and 4.
const FAR_RUN: u16 = u16::MAX;
const FAR_SHORT_RUN: u8 = u8::MAX;
const FAR_NIBBLE: u8 = 15;

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

/// 24 bits of a count.
#[derive(Clone, Copy, Debug)]
struct Count([u8; 3]);

const COUNT_BITS: u32 = 24;

impl Count {
    #[inline]
    fn get(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_le_bytes([a, b, c, 0])
    }

    /// The lower bits of `sum`.
    #[inline]
    fn of(sum: u64) -> Self {
        let [a, b, c, ..] = sum.to_le_bytes();
        Self([a, b, c])
    }
}

/// What is asked for seldom enough to lie in a box where there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Few {
    /// Times between the latest data segments, in turn.
    pub(super) data_gaps: [Gap; LATEST - 1],
    /// The other side's smoothed gap at [`Number::OppositeSince`].
    pub(super) opposite_usual: Gap,
    pub(super) ttl: TtlByKind,
}

/// The box of what few streams have, with the few bytes in whose place it is.
#[derive(Clone, Debug)]
enum Place {
    Few(Few),
    Rare(Box<Rare>),
}

const _: () = assert!(size_of::<Place>() == 16);

/// What outgrew its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Far {
    numbers: [u64; NUMBERS],
    /// Upper parts of the counts.
    tallies: [u32; TALLIES],
    runs: [u32; RUNS],
}

/// The numbers of one half-stream.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    place: Place,
    /// Times count from here.
    origin: Origin,
    /// Smoothed time from data to ACK.
    rtt: u32,
    /// Lower half of the end of the segment whose ACK is timed, where one is.
    pub(super) timed_end: u32,
    /// First sequence number seen; before any that of the SYN.
    pub(super) first_seq: u32,
    /// Lower half of the highest ACK seen.
    una: u32,
    /// Lower 32 bits of the first time; the one above is [`mark::FIRST_HIGH`].
    first: u32,
    runs: [u16; LONG_RUNS],
    long: [Near; LONG],
    /// [`Run::BareRepeats`], and both that take half a byte.
    short_runs: u8,
    nibbles: u8,
    short: [Short; SHORT],
    /// Payload bytes less the distance from the first number to `SndNxt`.
    payload: [u8; 3],
    tallies: [Count; TALLIES],
    // In the bytes that are left of the last word.
    /// Window that the other side offered last.
    pub(super) last_window: u16,
    /// Packets before there was a session.
    pub(super) before: u8,
    /// What [`super::mark`] names.
    pub(super) marks: u8,
    pub(super) small: Small,
    /// Largest run of [`Run::Opposite`], saturated: nobody asks beyond 200.
    pub(super) max_opposite_run: u8,
    /// How many steps the origin was moved, see [`MOVE_BITS`].
    moves: u8,
}

const _: () = assert!(size_of::<Numbers>() == 136);

impl Numbers {
    /// Nothing set, for a stream that begins about `first`.
    pub(super) fn new(first: Timestamp) -> Self {
        Self {
            place: Place::Few(Few::default()),
            origin: Origin::before(first),
            rtt: TINY_NONE,
            timed_end: 0,
            first_seq: 0,
            una: 0,
            first: u32::MAX,
            runs: [0; LONG_RUNS],
            long: [Near::NONE; LONG],
            short_runs: 0,
            nibbles: 0,
            short: [Short::NONE; SHORT],
            payload: [0; 3],
            tallies: [Count([0; 3]); TALLIES],
            last_window: 0,
            before: 0,
            marks: mark::FIRST_HIGH,
            small: Small::new(small::NO_SCALE),
            max_opposite_run: 0,
            moves: 0,
        }
    }

    /// What few streams have, `far` among it.
    #[inline]
    pub(super) fn rare(&self) -> Option<&Rare> {
        match &self.place {
            Place::Few(_) => None,
            Place::Rare(rare) => Some(rare),
        }
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn rare_if_there(&mut self) -> Option<&mut Rare> {
        match &mut self.place {
            Place::Few(_) => None,
            Place::Rare(rare) => Some(rare),
        }
    }

    /// The same, made when it is first needed.
    #[inline]
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        if let Place::Few(few) = self.place {
            self.make_rare(few);
        }
        match &mut self.place {
            Place::Rare(rare) => rare,
            Place::Few(_) => unreachable!("it was just made"),
        }
    }

    #[cold]
    fn make_rare(&mut self, few: Few) {
        self.place = Place::Rare(Box::new(Rare {
            few,
            ..NOTHING.clone()
        }));
    }

    #[inline]
    pub(super) fn few(&self) -> &Few {
        match &self.place {
            Place::Few(few) => few,
            Place::Rare(rare) => &rare.few,
        }
    }

    #[inline]
    pub(super) fn few_mut(&mut self) -> &mut Few {
        match &mut self.place {
            Place::Few(few) => few,
            Place::Rare(rare) => &mut rare.few,
        }
    }

    fn far(&self) -> Option<&Far> {
        self.rare()?.far.as_deref()
    }

    fn far_mut(&mut self) -> &mut Far {
        self.rare_mut().far.get_or_insert_default()
    }

    #[inline]
    pub(super) fn get(&self, n: Number) -> Option<u64> {
        let at = n as usize;
        let value = if at < LONG {
            self.long[at].value()
        } else if at < LONG + SHORT {
            self.short[at - LONG].value()
        } else {
            debug_assert_eq!(at, Number::AckRtt as usize);
            match self.rtt {
                TINY_NONE => Value::Absent,
                TINY_FAR => Value::Far,
                ns => Value::Is(ns.into()),
            }
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
        } else if at < LONG + SHORT {
            self.short[at - LONG] = Short::of(value);
            self.short[at - LONG].value() == Value::Far
        } else {
            self.rtt = value.min(TINY_FAR.into()) as u32;
            self.rtt == TINY_FAR
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
        let at = r as usize;
        let run = if at < LONG_RUNS {
            Some(self.runs[at]).filter(|run| *run != FAR_RUN)
        } else {
            let (run, far) = self.short_run(at);
            (run != far).then_some(u16::from(run))
        };
        match run {
            None => self.far().map_or(0, |far| far.runs[at]),
            Some(run) => u32::from(run),
        }
    }

    /// One more in a run; saturates.
    #[inline]
    pub(super) fn extend(&mut self, r: Run) {
        let at = r as usize;
        if at < LONG_RUNS {
            let run = &mut self.runs[at];
            if *run < FAR_RUN - 1 {
                *run += 1;
                return;
            }
        } else {
            let (run, far) = self.short_run(at);
            if run < far - 1 {
                self.set_short_run(at, run + 1);
                return;
            }
        }
        self.extend_far(r);
    }

    #[cold]
    fn extend_far(&mut self, r: Run) {
        let sum = self.run(r).saturating_add(1);
        self.far_mut().runs[r as usize] = sum;
        self.set_run(r, FAR_RUN, FAR_SHORT_RUN);
    }

    #[inline]
    fn set_run(&mut self, r: Run, long: u16, short: u8) {
        let at = r as usize;
        if at < LONG_RUNS {
            self.runs[at] = long;
        } else {
            self.set_short_run(at, short);
        }
    }

    /// A run of less than 16 bits, and what stands there for one in `far`.
    #[inline]
    fn short_run(&self, at: usize) -> (u8, u8) {
        if at < NIBBLES {
            (self.short_runs, FAR_SHORT_RUN)
        } else {
            (self.nibbles >> (4 * (at - NIBBLES)) & 15, FAR_NIBBLE)
        }
    }

    #[inline]
    fn set_short_run(&mut self, at: usize, to: u8) {
        if at < NIBBLES {
            self.short_runs = to;
        } else {
            let shift = 4 * (at - NIBBLES);
            self.nibbles = self.nibbles & !(15 << shift) | (to & 15) << shift;
        }
    }

    /// Ends a run; how long it was.
    #[inline]
    pub(super) fn end(&mut self, r: Run) -> u32 {
        let run = self.run(r);
        self.set_run(r, 0, 0);
        run
    }

    #[inline]
    pub(super) fn clear(&mut self, n: Number) {
        let at = n as usize;
        if at < LONG {
            self.long[at] = Near::NONE;
        } else if at < LONG + SHORT {
            self.short[at - LONG] = Short::NONE;
        } else {
            self.rtt = TINY_NONE;
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

    #[inline]
    pub(super) fn tally(&self, t: Tally) -> u64 {
        let high = self.far().map_or(0, |far| far.tallies[t as usize]);
        u64::from(high) << COUNT_BITS | u64::from(self.tallies[t as usize].get())
    }

    #[inline]
    pub(super) fn count(&mut self, t: Tally) {
        self.add(t, 1);
    }

    #[inline]
    pub(super) fn add(&mut self, t: Tally, n: u32) {
        let low = &mut self.tallies[t as usize];
        let sum = u64::from(low.get()) + u64::from(n);
        *low = Count::of(sum);
        if sum >> COUNT_BITS != 0 {
            self.carry(t, (sum >> COUNT_BITS) as u32);
        }
    }

    #[cold]
    fn carry(&mut self, t: Tally, by: u32) {
        let high = &mut self.far_mut().tallies[t as usize];
        *high = high.saturating_add(by);
    }
}
