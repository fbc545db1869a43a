//! One SPI of one direction at both taps: which sequence numbers wait for their other
//! sighting. Bounded by its owner, which takes every entry out again after a while.

use std::collections::BTreeMap;

use super::EspSighting;
use crate::time::Timestamp;

/// A number this far from the highest is doubted until a second one agrees: one
/// damaged frame must not blind the track (the same window as `ctcp::esp`).
const MAX_JUMP: u64 = 1 << 16;
/// How near the second one must be (guess: a window of reordering).
const AGREES_WITHIN: u64 = 64;
/// Extended numbers start here, so that going back below the first one is no underflow.
const BASE: u64 = 1 << 40;

/// Segments that recognition may have let pass (the longest run in `flow::candidate`).
const RECOGNITION_PKTS: u64 = 8;
/// Sightings before an SPI that only one tap knows is believed: eight bytes inside a
/// stream that was cut anew look like a header, and hardly twice like the same one.
const BELIEVED_AFTER: u32 = 3;

/// Where and when one packet was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Time and session at the client side and at the headend side.
    pub(super) at: [Option<(Timestamp, u64)>; 2],
    /// Payload of the segment that carried it first.
    segment_bytes: u32,
}

/// What a sighting meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// First sighting; the extended number.
    Waits(u64),
    /// The other tap had seen it: times and sessions by side.
    Matched {
        /// Times and sessions by side.
        at: [(Timestamp, u64); 2],
        /// The two segments that carried it differ in length.
        is_recut: bool,
        /// The extended number.
        seq: u64,
    },
    /// This tap had seen it in the same session.
    Repeated,
    /// Decided before: sent again, or out after more than the wait.
    Late,
    /// Far from the numbers in use.
    Doubtful,
    /// This tap saw the number in another session: two sessions share the SPI.
    Collision,
}

/// One SPI.
#[derive(Debug, Default)]
pub(super) struct SpiTrack {
    highest: Option<u64>,
    doubted: Option<u64>,
    waiting: BTreeMap<u64, Seen>,
    decided: Option<u64>,
    sightings: u32,
    is_matched: bool,
    /// By side: first number of the newest session that was recognised late.
    began: [Option<(u64, u64)>; 2],
    /// Newest sighting, by the clock of its tap.
    pub(super) last: Timestamp,
    /// Two sessions share it: nothing can be told.
    pub(super) is_shared: bool,
}

impl SpiTrack {
    /// Takes a sighting at side `side`.
    pub(super) fn take(&mut self, s: &EspSighting) -> Taken {
        let (side, session) = (s.side.index(), s.session);
        self.last = s.ts;
        self.sightings = self.sightings.saturating_add(1);
        let Some(seq) = self.place(s.seq) else {
            return Taken::Doubtful;
        };
        if s.is_late_recognised && self.began[side].is_none_or(|(of, _)| of != session) {
            self.began[side] = Some((session, seq));
        }
        let here = (s.ts, session);
        if let Some(seen) = self.waiting.get_mut(&seq) {
            return match (seen.at[side], seen.at[1 - side]) {
                (Some((_, other)), _) if other != session => Taken::Collision,
                (None, Some(there)) => {
                    seen.at[side] = Some(here);
                    self.is_matched = true;
                    Taken::Matched {
                        at: if side == 0 {
                            [here, there]
                        } else {
                            [there, here]
                        },
                        is_recut: seen.segment_bytes != s.segment_bytes,
                        seq,
                    }
                }
                _ => Taken::Repeated,
            };
        }
        if self.decided.is_some_and(|d| seq <= d) {
            return Taken::Late;
        }
        let mut seen = Seen {
            at: [None; 2],
            segment_bytes: s.segment_bytes,
        };
        seen.at[side] = Some(here);
        self.waiting.insert(seq, seen);
        Taken::Waits(seq)
    }

    /// Takes number `seq` out: its time is over.
    pub(super) fn decide(&mut self, seq: u64) -> Option<Seen> {
        let seen = self.waiting.remove(&seq)?;
        self.decided = Some(self.decided.map_or(seq, |d| d.max(seq)));
        Some(seen)
    }

    /// True when both taps know this SPI.
    pub(super) fn is_matched(&self) -> bool {
        self.is_matched
    }

    /// True when one tap alone is enough to believe in this SPI.
    pub(super) fn is_believed(&self) -> bool {
        self.is_matched || self.sightings >= BELIEVED_AFTER
    }

    /// True when the tap at `side` may have let number `seq` pass while it did not know
    /// the session yet.
    pub(super) fn may_have_passed_unnoted(&self, side: usize, seq: u64) -> bool {
        self.began[side]
            .is_some_and(|(_, began)| (1..=RECOGNITION_PKTS).contains(&began.saturating_sub(seq)))
    }

    /// True when no number waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The 64-bit number nearest to the highest one (RFC 4303 appendix A2.2 in spirit:
    /// the high half is not sent); `None` while it is doubted.
    fn place(&mut self, seq: u32) -> Option<u64> {
        let Some(highest) = self.highest else {
            let first = BASE + u64::from(seq);
            self.highest = Some(first);
            return Some(first);
        };
        let step = i64::from(seq.wrapping_sub(highest as u32) as i32);
        let placed = highest.saturating_add_signed(step);
        if step.unsigned_abs() > MAX_JUMP {
            let agrees = self
                .doubted
                .is_some_and(|d| d != placed && d.abs_diff(placed) <= AGREES_WITHIN);
            self.doubted = Some(placed);
            if !agrees {
                return None;
            }
            self.doubted = None;
            self.highest = Some(placed);
            // What was decided before a jump back is another count.
            self.decided = self.decided.filter(|d| *d < placed);
            return Some(placed);
        }
        self.highest = Some(highest.max(placed));
        Some(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Side;
    use super::*;
    use crate::segment::Endpoint;

    fn seen(side: usize, seq: u32, session: u64) -> EspSighting {
        EspSighting {
            side: Side::ALL[side],
            dir: 0,
            spi: 0x1000,
            seq,
            ts: Timestamp(1),
            segment_bytes: 100,
            session,
            is_late_recognised: false,
            ends: (Endpoint::default(), Endpoint::default()),
        }
    }

    fn take(track: &mut SpiTrack, side: usize, seq: u32) -> Taken {
        track.take(&seen(side, seq, 7 + side as u64))
    }

    #[test]
    fn the_wrap_is_followed() {
        let mut t = SpiTrack::default();
        for seq in [u32::MAX - 1, u32::MAX, 0, 1] {
            assert!(matches!(take(&mut t, 0, seq), Taken::Waits(_)), "{seq}");
        }
        for seq in [0, u32::MAX, u32::MAX - 1, 1] {
            assert!(
                matches!(take(&mut t, 1, seq), Taken::Matched { .. }),
                "{seq}"
            );
        }
    }

    #[test]
    fn one_wild_number_is_doubted_and_two_that_agree_are_not() {
        let mut t = SpiTrack::default();
        take(&mut t, 0, 5);
        assert_eq!(take(&mut t, 0, 0x7000_0000), Taken::Doubtful);
        assert_eq!(take(&mut t, 0, 0x7000_0000), Taken::Doubtful);
        assert!(matches!(take(&mut t, 0, 6), Taken::Waits(_)));
        assert_eq!(take(&mut t, 0, 0x0100_0000), Taken::Doubtful);
        assert!(matches!(take(&mut t, 0, 0x0100_0001), Taken::Waits(_)));
    }

    #[test]
    fn a_decided_number_does_not_come_back() {
        let mut t = SpiTrack::default();
        let Taken::Waits(seq) = take(&mut t, 0, 5) else {
            panic!("first sighting");
        };
        assert!(t.decide(seq).is_some());
        assert_eq!(take(&mut t, 1, 5), Taken::Late);
        assert!(t.is_idle());
    }

    #[test]
    fn the_same_number_in_another_session_is_a_collision() {
        let mut t = SpiTrack::default();
        t.take(&seen(0, 5, 1));
        assert_eq!(t.take(&seen(0, 5, 1)), Taken::Repeated);
        assert_eq!(t.take(&seen(0, 5, 2)), Taken::Collision);
    }
}
