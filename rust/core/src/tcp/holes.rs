//! Holes in the sequence space of one half-stream, bounded.
//!
//! A *hole* is a range below the highest byte seen that was not seen. Most
//! monitors keep only a high-water mark; here the hole is the subject.
//!
//! ```text
//!   seen     hole        seen      hole   seen
//! |-------|.........|------------|......|--------> snd_nxt
//!          start  end
//! ```

use std::collections::VecDeque;

use crate::prefetch::prefetch;
use crate::time::Timestamp;

/// Open holes kept per half-stream. At the limit the oldest is dropped from the
/// list (its bytes stay counted) and `overflowed` rises. Guess: 24 holes are
/// beyond what any queue in the field waits for (the largest known is 64 segments).
pub const MAX_HOLES: usize = 24;

/// One range not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First missing byte, unwrapped.
    pub start: u64,
    /// One past the last missing byte, unwrapped.
    pub end: u64,
    /// When the first segment beyond it was seen.
    pub opened: Timestamp,
    /// An ACK from the other side equalled `end` or fell inside: the receiver
    /// had these bytes, so the tap missed them (a *gap* in Zeek's sense).
    pub is_gap: bool,
    /// An ACK from the other side passed `end`.
    pub is_acked: bool,
    /// Outlived the reorder window and was counted as a loss.
    pub is_counted: bool,
}

impl Hole {
    /// Missing bytes.
    pub fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// The open holes of a half-stream in sequence order.
///
/// Invariant: sorted by `start`, disjoint, none empty.
#[derive(Clone, Debug, Default)]
pub struct HoleList {
    /// A ring: where every packet leaves a hole the oldest goes with each.
    holes: VecDeque<Hole>,
    /// Holes pushed out by the limit.
    pub overflowed: u32,
    /// Below this number there may be holes that were pushed out.
    pub forgotten_below: u64,
}

impl HoleList {
    /// Nothing missing.
    pub const EMPTY: Self = Self {
        holes: VecDeque::new(),
        overflowed: 0,
        forgotten_below: 0,
    };

    /// Notes that `start..end` was skipped.
    pub fn open(&mut self, start: u64, end: u64, at: Timestamp) {
        if start >= end {
            return;
        }
        if self.holes.len() == MAX_HOLES
            && let Some(oldest) = self.holes.pop_front()
        {
            self.forgotten_below = self.forgotten_below.max(oldest.end);
            self.overflowed = self.overflowed.saturating_add(1);
        }
        debug_assert!(self.holes.back().is_none_or(|h| h.end <= start));
        if self.holes.len() == self.holes.capacity() {
            // One at first, where a list begins with four: most that have any have one.
            self.holes.reserve_exact(self.holes.len().max(1));
        }
        self.holes.push_back(Hole {
            start,
            end,
            opened: at,
            is_gap: false,
            is_acked: false,
            is_counted: false,
        });
    }

    /// Takes `start..end` out of the holes; returns how many missing bytes it
    /// covered and how long the oldest of those holes had been open, in ns.
    pub fn fill(&mut self, start: u64, end: u64, at: Timestamp) -> Option<(u64, i64)> {
        let mut filled = 0;
        let mut age = 0;
        let mut i = 0;
        while i < self.holes.len() {
            let hole = self.holes[i];
            if hole.start >= end {
                break;
            }
            if hole.end <= start {
                i += 1;
                continue;
            }
            filled += hole.end.min(end) - hole.start.max(start);
            age = age.max(at.since(hole.opened));
            let left = (hole.start < start).then_some(Hole { end: start, ..hole });
            let right = (hole.end > end).then_some(Hole { start: end, ..hole });
            match (left, right) {
                (None, None) => {
                    self.holes.remove(i);
                }
                (Some(h), None) | (None, Some(h)) => {
                    self.holes[i] = h;
                    i += 1;
                }
                (Some(l), Some(r)) => {
                    self.holes[i] = l;
                    if self.holes.len() < MAX_HOLES {
                        self.holes.insert(i + 1, r);
                    } else {
                        self.forgotten_below = self.forgotten_below.max(r.end);
                        self.overflowed = self.overflowed.saturating_add(1);
                    }
                    i += 2;
                }
            }
        }
        (filled > 0).then_some((filled, age))
    }

    /// Notes an ACK of the other side; marks holes it proves to be tap gaps.
    ///
    /// A receiver that acknowledges the highest byte seen jumps over a hole and
    /// lands on the end of a later segment. An ACK that lands inside a hole or
    /// exactly on its far edge can only be sent by someone who got those bytes.
    /// Returns the number of holes newly proven to be gaps, and that of those which the ACK
    /// passed in one jump.
    pub fn acked(&mut self, ack: u64) -> (u16, u16) {
        let (mut proven, mut stepped_over) = (0, 0);
        // Below one that an ACK has passed all are: ACKs only rise here.
        let open = self.holes.iter_mut().rev().take_while(|h| !h.is_acked);
        for hole in open.filter(|hole| hole.start < ack) {
            if ack <= hole.end && !hole.is_gap {
                hole.is_gap = true;
                proven += 1;
            }
            stepped_over += u16::from(hole.end < ack);
            hole.is_acked = ack >= hole.end;
        }
        (proven, stepped_over)
    }

    /// Asks for both ends of the list: at one it grows, from the other the oldest goes.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let ends = [self.holes.back(), self.holes.front()];
        ends.into_iter().flatten().for_each(prefetch);
    }

    /// Open holes in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Hole> {
        self.holes.iter()
    }

    /// Open holes for marking.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Hole> {
        self.holes.iter_mut()
    }

    /// Number of open holes in the list.
    pub fn len(&self) -> usize {
        self.holes.len()
    }

    /// True when nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    /// The hole that contains or starts at `seq`.
    pub fn at_or_from(&self, seq: u64) -> Option<&Hole> {
        self.holes.iter().find(|h| h.start <= seq && seq < h.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: Timestamp = Timestamp(0);

    #[test]
    fn fill_splits_trims_and_closes() {
        let mut list = HoleList::default();
        list.open(10, 20, T);
        assert_eq!(list.fill(12, 15, T.plus(7)), Some((3, 7)));
        assert_eq!(list.len(), 2);
        assert_eq!(list.fill(0, 100, T), Some((7, 0)));
        assert!(list.is_empty());
    }

    #[test]
    fn an_ack_on_the_far_edge_proves_a_tap_gap() {
        let mut list = HoleList::default();
        list.open(10, 20, T);
        assert_eq!(list.acked(20), (1, 0));
        let mut jumped = HoleList::default();
        jumped.open(10, 20, T);
        assert_eq!(jumped.acked(30), (0, 1));
        assert!(jumped.iter().all(|h| h.is_acked && !h.is_gap));
    }

    proptest! {
        /// Looking from the newest hole back to one that an ACK has passed misses none.
        #[test]
        fn acks_see_every_hole(
            steps in prop::collection::vec((0u64..3, 1u64..6, 0u64..40), 1..60),
        ) {
            let mut list = HoleList::default();
            let (mut nxt, mut una) = (1, 0);
            for (what, len, back) in steps {
                let at = nxt - back.min(nxt);
                match what {
                    0 => {
                        list.open(nxt, nxt + len, T);
                        if let Some(hole) = list.iter_mut().last().filter(|h| una >= h.end) {
                            (hole.is_gap, hole.is_acked) = (true, true);
                        }
                        nxt += 2 * len;
                    }
                    1 => {
                        list.fill(at, (at + len).min(nxt), T);
                    }
                    _ if at > una => {
                        una = at;
                        let mut all = list.clone();
                        let (mut proven, mut stepped_over) = (0, 0);
                        for h in all.iter_mut().filter(|h| h.start < una && !h.is_acked) {
                            proven += u16::from(una <= h.end && !h.is_gap);
                            h.is_gap |= una <= h.end;
                            stepped_over += u16::from(h.end < una);
                            h.is_acked = una >= h.end;
                        }
                        prop_assert_eq!(list.acked(una), (proven, stepped_over));
                        prop_assert_eq!(&list.holes, &all.holes);
                    }
                    _ => {}
                }
            }
        }

        /// The list agrees with a plain bitmap for any order of segments.
        #[test]
        fn agrees_with_a_bitmap(segments in prop::collection::vec((0u64..64, 1u64..8), 1..40)) {
            let mut list = HoleList::default();
            let mut seen = [false; 80];
            let (mut nxt, mut first) = (0u64, true);
            let mut base = 0;
            for (start, len) in segments {
                let end = start + len;
                if first { nxt = start; base = start; first = false; }
                if start < base { continue; }
                if start > nxt { list.open(nxt, start, T); }
                list.fill(start, end.min(nxt), T);
                nxt = nxt.max(end);
                for b in start..end { seen[b as usize] = true; }
            }
            if list.overflowed == 0 {
                for b in base..nxt {
                    let in_hole = list.iter().any(|h| h.start <= b && b < h.end);
                    prop_assert_eq!(in_hole, !seen[b as usize], "byte {}", b);
                }
            }
        }
    }
}
