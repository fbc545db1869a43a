//! Offset between the clocks of the two taps, from the packets of both directions.
//!
//! A packet cannot leave before it entered, so a difference of one direction bounds
//! the offset from one side and the other direction from the other (the argument of
//! NTP, RFC 5905 section 8): with `out` the smallest headend time minus client time of
//! packets to the headend and `back` the smallest client time minus headend time of
//! packets to the client, the headend's clock is ahead by something in
//! `-back ..= out`. The middle is the estimate, half the width its uncertainty.

use crate::session::{TO_CLIENT, TO_HEADEND};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Matched packets each direction needs (guess: the smallest of ten delays is near
/// the delay of an empty queue).
pub const MIN_MATCHED: u64 = 10;
/// Length of the spans that are looked at apart, packet time: a clock that drifts by
/// 50 ppm moves half a millisecond in it.
const SPAN_NS: i64 = 10 * NANOS_PER_SECOND;

/// A constant offset that explains every difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The clock of the headend-side tap is ahead by this.
    pub offset_ns: i64,
    /// And may be so by this much more or less.
    pub uncertainty_ns: i64,
}

/// Why no offset, and so no delay, is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too few packets to the headend were seen at both taps.
    FewToHeadend,
    /// Too few packets to the client were seen at both taps.
    FewToClient,
    /// No constant offset fits: a clock drifts or was set during the capture.
    NotConstant,
    /// Packets leave before they enter, by the same amount at all times.
    Swapped,
    /// Every packet was seen at the same time at both: one capture twice, or two taps
    /// on one wire.
    Identical,
}

impl Refusal {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::FewToHeadend => "few_matched_to_headend",
            Self::FewToClient => "few_matched_to_client",
            Self::NotConstant => "offset_not_constant",
            Self::Swapped => "taps_swapped",
            Self::Identical => "taps_identical",
        }
    }

    /// True when the two taps do not stand where they are said to stand: then not even
    /// the counts say anything about a device.
    pub fn is_about_the_taps(self) -> bool {
        matches!(self, Self::Swapped | Self::Identical)
    }
}

/// Collects differences of both directions.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    count: [u64; 2],
    min: [Option<i64>; 2],
    max: [i64; 2],
    span: [Option<i64>; 2],
    latest: [Option<i64>; 2],
    span_start: Option<Timestamp>,
    spans_possible: u64,
    spans_impossible: u64,
}

fn lower(slot: &mut Option<i64>, value: i64) {
    *slot = Some(slot.map_or(value, |old| old.min(value)));
}

impl ClockOffset {
    /// Takes one matched packet: time at the tap it left by minus time at the tap it
    /// entered by, raw; `entered` is its time at the latter.
    pub fn add(&mut self, dir: usize, entered: Timestamp, raw_ns: i64) {
        // Spans follow one clock, that of the packets to the headend where they enter.
        let at = if dir == TO_HEADEND {
            entered
        } else {
            entered.plus(raw_ns)
        };
        let start = *self.span_start.get_or_insert(at);
        if at.since(start).saturating_abs() >= SPAN_NS {
            self.close_span();
            self.span_start = Some(at);
        }
        self.count[dir] += 1;
        self.max[dir] = if self.min[dir].is_none() {
            raw_ns
        } else {
            self.max[dir].max(raw_ns)
        };
        lower(&mut self.min[dir], raw_ns);
        lower(&mut self.span[dir], raw_ns);
        self.latest[dir] = Some(raw_ns);
    }

    fn close_span(&mut self) {
        if let [Some(out), Some(back)] = self.span {
            if out.saturating_add(back) >= 0 {
                self.spans_possible += 1;
            } else {
                self.spans_impossible += 1;
            }
        }
        self.span = [None; 2];
    }

    /// Raw difference to expect of a packet in direction `dir`: the latest one, so that
    /// a clock that was set is followed at once; from the other direction when this one
    /// never got a packet across.
    pub fn expected(&self, dir: usize) -> Option<i64> {
        self.latest[dir].or_else(|| self.latest[1 - dir].map(i64::saturating_neg))
    }

    /// The offset, or why there is none.
    pub fn estimate(&self) -> Result<Estimate, Refusal> {
        if self.count[TO_HEADEND] < MIN_MATCHED {
            return Err(Refusal::FewToHeadend);
        }
        if self.count[TO_CLIENT] < MIN_MATCHED {
            return Err(Refusal::FewToClient);
        }
        let [Some(out), Some(back)] = self.min else {
            return Err(Refusal::FewToHeadend);
        };
        let width = out.saturating_add(back);
        if width == 0 && self.max == [out, back] {
            return Err(Refusal::Identical);
        }
        if width < 0 {
            let mut last = self.clone();
            last.close_span();
            return Err(if last.spans_possible == 0 {
                Refusal::Swapped
            } else {
                Refusal::NotConstant
            });
        }
        Ok(Estimate {
            offset_ns: out.saturating_sub(back) / 2,
            uncertainty_ns: width / 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delays of 2 ms and 4 ms through the device, headend clock ahead by `offset(t)`.
    fn fed(offset: impl Fn(i64) -> i64) -> ClockOffset {
        let mut clock = ClockOffset::default();
        for i in 0..400_i64 {
            let t = Timestamp(i * 250_000_000);
            let jitter = i % 7 * 100_000;
            clock.add(TO_HEADEND, t, 2_000_000 + jitter + offset(i));
            let there = t.plus(offset(i));
            clock.add(TO_CLIENT, there, 4_000_000 + jitter - offset(i));
        }
        clock
    }

    #[test]
    fn a_constant_offset_is_found_within_its_uncertainty() {
        for offset in [0, 3_700_000_000, -86_400_000_000_000] {
            let e = fed(|_| offset).estimate().expect("constant");
            assert_eq!(e.uncertainty_ns, 3_000_000);
            assert!((e.offset_ns - offset).abs() <= e.uncertainty_ns, "{e:?}");
        }
    }

    #[test]
    fn drift_and_steps_are_refused() {
        // 200 ppm: 20 ms over the hundred seconds.
        assert_eq!(fed(|i| i * 50_000).estimate(), Err(Refusal::NotConstant));
        let step = |i| if i < 200 { 0 } else { 1_000_000_000 };
        assert_eq!(fed(step).estimate(), Err(Refusal::NotConstant));
    }

    #[test]
    fn swapped_taps_are_named() {
        let mut clock = ClockOffset::default();
        for i in 0..400_i64 {
            let t = Timestamp(i * 250_000_000);
            clock.add(TO_HEADEND, t, -2_000_000);
            clock.add(TO_CLIENT, t, -4_000_000);
        }
        assert_eq!(clock.estimate(), Err(Refusal::Swapped));
    }

    #[test]
    fn one_capture_twice_is_named_even_with_another_clock() {
        for offset in [0, 3_700_000_000] {
            let mut clock = ClockOffset::default();
            for i in 0..50 {
                clock.add(TO_HEADEND, Timestamp(i), offset);
                clock.add(TO_CLIENT, Timestamp(i), -offset);
            }
            assert_eq!(clock.estimate(), Err(Refusal::Identical));
        }
    }

    #[test]
    fn one_direction_is_not_enough() {
        let mut clock = ClockOffset::default();
        for i in 0..400_i64 {
            clock.add(TO_HEADEND, Timestamp(i), 1);
        }
        assert_eq!(clock.estimate(), Err(Refusal::FewToClient));
        assert_eq!(clock.expected(TO_CLIENT), Some(-1));
    }
}
