//! Open-addressing index from a keyed hash to a record number. Knows hashes and
//! numbers, no flows: the caller says whether a record is the one meant.
//!
//! One 8-byte slot an entry: the upper half of the hash beside the number, so that a
//! probe touches no record but the right one (a stranger's matches once in 2^32).
//! Linear probing from the first of four slots, backward-shift deletion. The table grows by moving a few slots with
//! each insertion: no packet waits for a rehash (issue: no step above 5 ms).

use crate::prefetch::prefetch;

/// Slots moved from the old table with each insertion. At least two are needed so that
/// a move ends before the next begins; more make it end sooner (guess).
const MOVED_PER_INSERT: usize = 16;
/// Slots moved with each sweep, where few flows are new: a millisecond when every one of
/// them misses the caches (guess).
const MOVED_PER_SWEEP: usize = 1 << 14;
/// Entries per eight slots at which the table grows. Three quarters: the mean probe for
/// an absent key is then 9.8 slots, which lie in two cache lines (simulated; from single slots on it
/// would be 8.5, Knuth 6.4).
const MAX_EIGHTHS: usize = 6;
/// A table of this many slots is made before it is needed, when one part in so many is left of the one before:
/// its pages are zeroed when they are first touched, and all are touched at once. So somebody else has the time
/// to make them ready. Smaller tables have one huge page or none. A guess: four thousand
/// flows before it is needed.
const EARLY_SLOTS: usize = 1 << 18;
const EARLY_PART: usize = 32;
/// Slots of a new table.
const FIRST_SLOTS: usize = 1 << 10;
/// Longest probe that is looked for; a keyed hash never comes near. Reaching it is
/// counted: somebody knows the key.
const MAX_PROBE: usize = 4_096;

/// Slots of a first look: all but two entries in a hundred at the fullest stand nearer (simulated).
const PEEKED: usize = 16;

/// Slots that are compared at once, without a branch for each: which of them it is no processor can foresee. They
/// lie in one cache line where the table begins on a page, as those of two megabytes and more do; every second four of a smaller
/// one may lie in two, and are in the caches. 87 entries in a hundred at the fullest stand there, 94 half way (simulated). Measured
/// against single slots, of which two packets in three found theirs in the first: M 0.90 of the engine's time,
/// a million alike flows 0.89, ten thousand popular ones 0.90; four that may lie in two lines: 0.85 to
/// 1.26; eight 1.2 of that of four.
const NEAR: usize = 4;

/// Number that stands for none.
pub(super) const NONE: u32 = u32::MAX;

const EMPTY: u64 = 0;
/// A removed entry of the old table, which is never compacted.
const GONE: u64 = u64::MAX;
/// Number of that one, should its tag be meant.
const MOVED: u32 = u32::MAX - 1;

fn slot_of(hash: u64, number: u32) -> u64 {
    (hash & 0xffff_ffff_0000_0000) | (u64::from(number) + 1)
}

fn number_of(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

fn is_tag(slot: u64, hash: u64) -> bool {
    slot >> 32 == hash >> 32
}

/// One array of slots, a power of two long.
#[derive(Debug, Default)]
struct Slots {
    slots: Vec<u64>,
}

impl Slots {
    fn with_len(len: usize) -> Self {
        Self {
            slots: vec![EMPTY; len],
        }
    }

    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    /// The home of a slot's entry, the first of [`NEAR`] slots side by side: made from the half of the hash
    /// that is stored, so that an entry can be moved without its key.
    fn home(&self, tag: u64) -> usize {
        // The upper bits of the product are the best mixed ones (Fibonacci hashing).
        let mixed = (tag >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & self.mask() & !(NEAR - 1)
    }

    /// The number in the first slots from home on, where nearly all are found, or [`NONE`]; and whether it may be
    /// further on. Of the old table it may be [`MOVED`].
    #[inline]
    fn near(&self, hash: u64) -> (u32, bool) {
        let slots = self.slots.get(self.home(hash)..);
        let Some(slots) = slots.and_then(|slots| slots.first_chunk::<NEAR>()) else {
            return (NONE, true);
        };
        let (mut number, mut is_full) = (NONE, true);
        for slot in slots.iter().rev() {
            // An empty slot has number NONE, should its tag be meant.
            number = if is_tag(*slot, hash) {
                number_of(*slot)
            } else {
                number
            };
            is_full &= *slot != EMPTY;
        }
        (number, is_full)
    }

    /// The number in the first [`PEEKED`] slots, or [`NONE`].
    fn peek(&self, hash: u64) -> u32 {
        let mask = self.mask();
        let home = self.home(hash);
        let found = (0..PEEKED)
            .map(|i| self.slots[(home + i) & mask])
            .take_while(|slot| *slot != EMPTY)
            .find(|slot| is_tag(*slot, hash) && *slot != GONE);
        found.map_or(NONE, number_of)
    }

    fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.mask();
        let mut at = self.home(hash);
        for _ in 0..MAX_PROBE.min(self.slots.len()) {
            let slot = self.slots[at];
            if slot == EMPTY {
                return None;
            }
            if slot != GONE && is_tag(slot, hash) && is_it(number_of(slot)) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Puts an entry into the first free slot from its home; false after too long a probe.
    fn put(&mut self, slot: u64) -> bool {
        let mask = self.mask();
        let mut at = self.home(slot);
        for _ in 0..MAX_PROBE.min(self.slots.len()) {
            if self.slots[at] == EMPTY {
                self.slots[at] = slot;
                return true;
            }
            at = (at + 1) & mask;
        }
        false
    }

    /// Takes the entry at `at` out and closes the gap.
    fn remove(&mut self, mut at: usize) {
        let mask = self.mask();
        let mut next = (at + 1) & mask;
        loop {
            let slot = self.slots[next];
            if slot == EMPTY {
                break;
            }
            // An entry may move into the gap when its home is not between the two.
            let from_home = next.wrapping_sub(self.home(slot)) & mask;
            let from_gap = next.wrapping_sub(at) & mask;
            if from_home >= from_gap {
                self.slots[at] = slot;
                at = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[at] = EMPTY;
    }
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    new: Slots,
    /// The table before the last growth; entries below `moved` are in `new`.
    old: Slots,
    moved: usize,
    /// The table after the next growth.
    next: Option<Slots>,
    /// Entries at most, as far as known.
    expected: usize,
    len: usize,
    /// Entries refused because their probe was too long.
    pub(super) probes_exceeded: u64,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            new: Slots::with_len(FIRST_SLOTS),
            old: Slots::default(),
            moved: 0,
            next: None,
            expected: usize::MAX,
            len: 0,
            probes_exceeded: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Notes how many entries there will be at most.
    pub(super) fn expect(&mut self, most: usize) {
        self.expected = most;
    }

    /// Memory of all tables, bytes.
    pub(super) fn bytes(&self) -> usize {
        let next = self.next.as_ref().map_or(0, |next| next.slots.len());
        (self.new.slots.len() + self.old.slots.len() + next) * size_of::<u64>()
    }

    /// The number stored for `hash` that `is_it` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if let Some(at) = self.new.find(hash, &mut is_it) {
            return Some(number_of(self.new.slots[at]));
        }
        let at = self.old.find(hash, is_it)?;
        Some(number_of(self.old.slots[at]))
    }

    /// Asks for the first slot that `hash` leads to.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch(&self.new.slots[self.new.home(hash)]);
        if !self.old.slots.is_empty() {
            prefetch(&self.old.slots[self.old.home(hash)]);
        }
    }

    /// A first look without a key: the number that `hash` most likely means, or [`NONE`]. Only good
    /// for touching memory ahead of [`Index::find`].
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> u32 {
        let (number, is_full) = self.new.near(hash);
        if number != NONE {
            return number;
        }
        self.peek_further(hash, is_full)
    }

    /// The same where it does not stand near its home; `is_full`: it may stand further on.
    #[inline(never)]
    fn peek_further(&self, hash: u64, is_full: bool) -> u32 {
        let further = if is_full { self.new.peek(hash) } else { NONE };
        if further != NONE || self.old.slots.is_empty() {
            return further;
        }
        // While a move is under way most entries are still there.
        match self.old.near(hash) {
            (NONE | MOVED, true) => self.old.peek(hash),
            (NONE | MOVED, false) => NONE,
            (number, _) => number,
        }
    }

    /// Stores `number` for `hash`; the caller knows that it is not there. False when the
    /// probe was too long.
    pub(super) fn insert(&mut self, hash: u64, number: u32) -> bool {
        self.move_some(MOVED_PER_INSERT);
        let slots = self.new.slots.len();
        let most = slots / 8 * MAX_EIGHTHS;
        if self.len + 1 > most {
            self.grow();
        } else if self.len + slots / EARLY_PART == most
            && slots * 2 >= EARLY_SLOTS
            && self.expected > most
            && self.next.is_none()
        {
            self.next = Some(Slots::with_len(slots * 2));
        }
        if !self.new.put(slot_of(hash, number)) {
            self.probes_exceeded += 1;
            return false;
        }
        self.len += 1;
        true
    }

    /// Removes the entry of `hash` with `number`.
    pub(super) fn remove(&mut self, hash: u64, number: u32) -> bool {
        let is_it = |n| n == number;
        let in_old = self.old.find(hash, is_it);
        if let Some(at) = in_old {
            self.old.slots[at] = GONE;
        }
        let in_new = self.new.find(hash, is_it);
        if let Some(at) = in_new {
            self.new.remove(at);
        }
        let found = in_old.is_some() || in_new.is_some();
        self.len -= usize::from(found);
        found
    }

    fn grow(&mut self) {
        // The move that is under way has been paced to be over long before.
        self.move_some(self.old.slots.len());
        let early = self.next.take();
        let twice = early.unwrap_or_else(|| Slots::with_len(self.new.slots.len() * 2));
        self.old = core::mem::replace(&mut self.new, twice);
        self.moved = 0;
    }

    /// Goes on with a move that insertions have not brought to its end: until then the
    /// first look misses what is still in the old table.
    pub(super) fn move_more(&mut self) {
        self.move_some(MOVED_PER_SWEEP);
    }

    fn move_some(&mut self, slots: usize) {
        if self.old.slots.is_empty() {
            return;
        }
        let end = (self.moved + slots).min(self.old.slots.len());
        // Those that the next call moves: their new places are asked for now.
        for slot in self.old.slots.iter().skip(end).take(MOVED_PER_INSERT) {
            prefetch(&self.new.slots[self.new.home(*slot)]);
        }
        for at in self.moved..end {
            let slot = self.old.slots[at];
            if slot != EMPTY && slot != GONE && !self.new.put(slot) {
                self.probes_exceeded += 1;
                self.len -= 1;
            }
            // It must not be found here any more; probes of others go on past it.
            if slot != EMPTY {
                self.old.slots[at] = GONE;
            }
        }
        self.moved = end;
        if end == self.old.slots.len() {
            self.old = Slots::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn hash(n: u64) -> u64 {
        n.wrapping_add(1)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .rotate_left(17)
    }

    #[test]
    fn survives_growth_one_insert_at_a_time() {
        let mut index = Index::new();
        for n in 0..100_000_u32 {
            assert!(index.insert(hash(u64::from(n)), n));
            assert_eq!(index.find(hash(0), |x| x == 0), Some(0), "after {n}");
        }
        for n in 0..100_000_u32 {
            assert_eq!(index.find(hash(u64::from(n)), |x| x == n), Some(n));
        }
        assert_eq!(index.len(), 100_000);
        assert_eq!(index.probes_exceeded, 0);
        let at_a_look = (0..100_000).filter(|n| index.peek(hash(u64::from(*n))) == *n);
        assert!(at_a_look.count() > 98_000);
        let strangers = (100_000..200_000).filter(|n| index.peek(hash(*n)) != NONE);
        assert_eq!(strangers.count(), 0);
    }

    #[test]
    fn a_large_table_is_made_before_it_is_needed() {
        let mut index = Index::new();
        let mut number = 0;
        let mut insert = |index: &mut Index| {
            assert!(index.insert(hash(u64::from(number)), number));
            number += 1;
        };
        while index.new.slots.len() * 2 < EARLY_SLOTS {
            insert(&mut index);
            assert!(
                index.next.is_none(),
                "small ones are made when they are needed"
            );
        }
        let slots = index.new.slots.len();
        let mut early = 0;
        while index.new.slots.len() == slots {
            insert(&mut index);
            early += usize::from(index.next.is_some());
        }
        assert_eq!((early, index.next.is_some()), (slots / EARLY_PART, false));
        assert_eq!(index.new.slots.len(), 2 * slots);
        index.expect(slots * 2 / 8 * MAX_EIGHTHS);
        while index.new.slots.len() == 2 * slots {
            insert(&mut index);
            assert!(index.next.is_none(), "it may never be needed");
        }
    }

    #[test]
    fn a_move_ends_without_insertions() {
        let mut index = Index::new();
        let mut number = 0;
        while index.old.slots.is_empty() || index.new.slots.len() < 1 << 16 {
            assert!(index.insert(hash(u64::from(number)), number));
            number += 1;
        }
        while !index.old.slots.is_empty() {
            let before = index.moved;
            index.move_more();
            assert!(index.old.slots.is_empty() || index.moved > before);
        }
        for n in 0..number {
            assert_eq!(index.find(hash(u64::from(n)), |x| x == n), Some(n));
        }
        assert_eq!(index.len(), number as usize);
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_caller_and_end_at_a_limit() {
        let mut index = Index::new();
        let stored = (0..10_000_u32)
            .filter(|n| index.insert(7 << 40, *n))
            .count();
        assert!(stored <= MAX_PROBE, "{stored}");
        assert!(index.probes_exceeded > 0);
        assert_eq!(index.find(7 << 40, |n| n == 100), Some(100));
    }

    proptest! {
        /// Any order of insertions and removals, with few hashes so that they collide,
        /// leaves what a set holds.
        #[test]
        fn agrees_with_a_set(ops in prop::collection::vec((any::<bool>(), 0u32..3_000), 1..4_000)) {
            let mut index = Index::new();
            let mut set = BTreeSet::new();
            let h = |n: u32| hash(u64::from(n % 997));
            for (is_insert, n) in ops {
                if is_insert && !set.contains(&n) {
                    prop_assert!(index.insert(h(n), n));
                    set.insert(n);
                } else if !is_insert {
                    prop_assert_eq!(index.remove(h(n), n), set.remove(&n));
                }
            }
            prop_assert_eq!(index.len(), set.len());
            for n in 0..997 {
                let guess = index.peek(h(n));
                let is_right = guess == NONE || guess % 997 == n && set.contains(&guess);
                prop_assert!(is_right, "{guess} for {n}");
            }
            for n in 0..3_000 {
                prop_assert_eq!(index.find(h(n), |x| x == n).is_some(), set.contains(&n));
            }
        }
    }
}
