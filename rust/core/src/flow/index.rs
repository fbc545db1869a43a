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

/// The half of a hash that a slot has.
const TAG: u64 = 0xffff_ffff_0000_0000;

fn slot_of(hash: u64, number: u32) -> u64 {
    (hash & TAG) | (u64::from(number) + 1)
}

fn number_of(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

fn is_tag(slot: u64, hash: u64) -> bool {
    slot >> 32 == hash >> 32
}

/// The number in a group of slots that `hash` most likely means. Of the old table it may be [`MOVED`].
///
/// With the tag taken out a slot that has it is a number, and any other is more than all numbers: the least
/// is looked for, which takes no branch (half the instructions of comparing tags and choosing numbers).
#[inline]
fn number_in(slots: &[u64; NEAR], hash: u64) -> Option<u32> {
    let least = slots
        .iter()
        .fold(u64::MAX, |least, slot| least.min(slot ^ (hash & TAG)));
    // An empty slot is the least where tag 0 is meant: such an entry, one in 2^32, is found without a hint.
    let number = least.wrapping_sub(1);
    (number < u64::from(NONE)).then_some(number as u32)
}

/// One array of slots, a power of two long.
#[derive(Debug, Default)]
struct Slots {
    groups: Vec<[u64; NEAR]>,
}

impl Slots {
    fn with_len(len: usize) -> Self {
        Self {
            groups: vec![[EMPTY; NEAR]; len / NEAR],
        }
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn all(&self) -> &[u64] {
        self.groups.as_flattened()
    }

    fn all_mut(&mut self) -> &mut [u64] {
        self.groups.as_flattened_mut()
    }

    fn mask(&self) -> usize {
        self.len() - 1
    }

    /// The group that a slot's entry is looked for from: made from the half of the hash that is stored, so that
    /// an entry can be moved without its key.
    fn group(&self, tag: u64) -> usize {
        // The upper bits of the product are the best mixed ones (Fibonacci hashing).
        let mixed = (tag >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & self.groups.len().wrapping_sub(1)
    }

    /// The first slot of that.
    fn home(&self, tag: u64) -> usize {
        self.group(tag) * NEAR
    }

    /// The number in the group of `hash`, where nearly all are found.
    #[inline]
    fn near(&self, hash: u64) -> Option<u32> {
        self.groups
            .get(self.group(hash))
            .and_then(|slots| number_in(slots, hash))
    }

    /// The number in the first [`PEEKED`] slots.
    fn peek(&self, hash: u64) -> Option<u32> {
        let home = self.group(hash);
        for n in 0..PEEKED / NEAR {
            let slots = self.groups.get((home + n) & (self.groups.len() - 1))?;
            let number = number_in(slots, hash);
            if number.is_some_and(|number| number != MOVED) {
                return number;
            }
            if slots.contains(&EMPTY) {
                break;
            }
        }
        None
    }

    fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let (slots, mask) = (self.all(), self.mask());
        let mut at = self.home(hash);
        for _ in 0..MAX_PROBE.min(slots.len()) {
            let slot = slots[at];
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
        let slots = self.all_mut();
        for _ in 0..MAX_PROBE.min(slots.len()) {
            if slots[at] == EMPTY {
                slots[at] = slot;
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
            let slot = self.all()[next];
            if slot == EMPTY {
                break;
            }
            // An entry may move into the gap when its home is not between the two.
            let from_home = next.wrapping_sub(self.home(slot)) & mask;
            let from_gap = next.wrapping_sub(at) & mask;
            if from_home >= from_gap {
                self.all_mut()[at] = slot;
                at = next;
            }
            next = (next + 1) & mask;
        }
        self.all_mut()[at] = EMPTY;
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
        let next = self.next.as_ref().map_or(0, Slots::len);
        (self.new.len() + self.old.len() + next) * size_of::<u64>()
    }

    /// The number stored for `hash` that `is_it` accepts.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if let Some(at) = self.new.find(hash, &mut is_it) {
            return Some(number_of(self.new.all()[at]));
        }
        let at = self.old.find(hash, is_it)?;
        Some(number_of(self.old.all()[at]))
    }

    /// Asks for the first slot that `hash` leads to.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        for slots in [&self.new, &self.old] {
            if let Some(first) = slots.groups.get(slots.group(hash)) {
                prefetch(first);
            }
        }
    }

    /// A first look without a key: the number that `hash` most likely means. Only good
    /// for touching memory ahead of [`Index::find`].
    #[inline]
    pub(super) fn peek(&self, hash: u64) -> Option<u32> {
        let near = self.new.near(hash);
        near.or_else(|| self.peek_further(hash))
    }

    /// The same where it does not stand near its home. While a move is under way most entries are in the old table.
    #[inline(never)]
    fn peek_further(&self, hash: u64) -> Option<u32> {
        let further = self.new.peek(hash);
        if further.is_some() || self.old.is_empty() {
            return further;
        }
        self.old.peek(hash)
    }

    /// Stores `number` for `hash`; the caller knows that it is not there. False when the
    /// probe was too long.
    pub(super) fn insert(&mut self, hash: u64, number: u32) -> bool {
        self.move_some(MOVED_PER_INSERT);
        let slots = self.new.len();
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
            self.old.all_mut()[at] = GONE;
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
        self.move_some(self.old.len());
        let early = self.next.take();
        let twice = early.unwrap_or_else(|| Slots::with_len(self.new.len() * 2));
        self.old = core::mem::replace(&mut self.new, twice);
        self.moved = 0;
    }

    /// Goes on with a move that insertions have not brought to its end: until then the
    /// first look misses what is still in the old table.
    pub(super) fn move_more(&mut self) {
        self.move_some(MOVED_PER_SWEEP);
    }

    fn move_some(&mut self, slots: usize) {
        if self.old.is_empty() {
            return;
        }
        let end = (self.moved + slots).min(self.old.len());
        // Those that the next call moves: their new places are asked for now.
        for slot in self.old.all().iter().skip(end).take(MOVED_PER_INSERT) {
            prefetch(&self.new.all()[self.new.home(*slot)]);
        }
        for at in self.moved..end {
            let slot = self.old.all()[at];
            if slot != EMPTY && slot != GONE && !self.new.put(slot) {
                self.probes_exceeded += 1;
                self.len -= 1;
            }
            // It must not be found here any more; probes of others go on past it.
            if slot != EMPTY {
                self.old.all_mut()[at] = GONE;
            }
        }
        self.moved = end;
        if end == self.old.len() {
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
        let at_a_look = (0..100_000).filter(|n| index.peek(hash(u64::from(*n))) == Some(*n));
        assert!(at_a_look.count() > 98_000);
        let strangers = (100_000..200_000).filter(|n| index.peek(hash(*n)).is_some());
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
        while index.new.len() * 2 < EARLY_SLOTS {
            insert(&mut index);
            assert!(
                index.next.is_none(),
                "small ones are made when they are needed"
            );
        }
        let slots = index.new.len();
        let mut early = 0;
        while index.new.len() == slots {
            insert(&mut index);
            early += usize::from(index.next.is_some());
        }
        assert_eq!((early, index.next.is_some()), (slots / EARLY_PART, false));
        assert_eq!(index.new.len(), 2 * slots);
        index.expect(slots * 2 / 8 * MAX_EIGHTHS);
        while index.new.len() == 2 * slots {
            insert(&mut index);
            assert!(index.next.is_none(), "it may never be needed");
        }
    }

    #[test]
    fn a_move_ends_without_insertions() {
        let mut index = Index::new();
        let mut number = 0;
        while index.old.is_empty() || index.new.len() < 1 << 16 {
            assert!(index.insert(hash(u64::from(number)), number));
            number += 1;
        }
        while !index.old.is_empty() {
            let before = index.moved;
            index.move_more();
            assert!(index.old.is_empty() || index.moved > before);
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
                let is_right = |guess| guess % 997 == n && set.contains(&guess);
                prop_assert!(guess.is_none_or(is_right), "{guess:?} for {n}");
            }
            for n in 0..3_000 {
                prop_assert_eq!(index.find(h(n), |x| x == n).is_some(), set.contains(&n));
            }
        }
    }
}
