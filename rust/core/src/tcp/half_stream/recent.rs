//! What the packets of the last sixth of a second must agree in with a copy of them, for all
//! sessions of an engine: most sessions sent nothing in that time, and keep nothing for it.
//!
//! Notes are numbered in their order and written over in their order. Each names the one
//! before it of the same session, so that nothing is searched; whoever has the number of a note
//! that was written over finds none, or one of somebody else, whose other parts do not fit.

/// Notes that the first packet makes room for, and the most: 48 kB and 768 kB (400,000 packets
/// of tunnels in a second, all of which lie within 160 ms).
const LEAST: usize = 1 << 12;
const MOST: usize = 1 << 16;
/// A note this old, in units of ages, is of no use to anybody.
const DEAD: u32 = 160;

/// One packet, in 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Note {
    /// Number of the one before it of its session; 0: none.
    before: u32,
    /// Its time, from any beginning.
    units: u32,
    /// Upper part of the digest, with the identification.
    pub(super) upper: u16,
    /// A part of the digest that the session has too; 0 where there is no note.
    pub(super) more: u8,
    pub(super) ttl: u8,
}

const _: () = assert!(size_of::<Note>() == 12);

impl Note {
    pub(super) fn new(before: u32, units: u32, upper: u16, more: u8, ttl: u8) -> Self {
        Self {
            before,
            units,
            upper,
            more,
            ttl,
        }
    }

    fn is_young(&self, now: u32) -> bool {
        self.more != 0 && now.wrapping_sub(self.units) <= DEAD
    }

    pub(super) fn before(&self) -> u32 {
        self.before
    }

    pub(super) fn units(&self) -> u32 {
        self.units
    }
}

/// Notes on the last packets of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Note `n` is at `n` modulo their number, a power of two.
    notes: Vec<Note>,
    /// Number of the newest.
    newest: u32,
}

impl Recent {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.notes.len() * size_of::<Note>()
    }

    fn place(&self, number: u32) -> usize {
        number as usize & (self.notes.len().max(1) - 1)
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Note> {
        let is_there = (self.newest.wrapping_sub(number) as usize) < self.notes.len();
        if number == 0 || !is_there {
            return None;
        }
        self.notes.get(self.place(number))
    }

    /// Takes a note; its number.
    #[inline]
    pub(super) fn push(&mut self, note: Note) -> u32 {
        let number = self.newest.wrapping_add(1).max(1);
        let oldest = self.notes.get(self.place(number));
        if self.notes.len() < MOST && oldest.is_none_or(|oldest| oldest.is_young(note.units)) {
            self.grow();
        }
        let at = self.place(number);
        self.notes[at] = note;
        self.newest = number;
        number
    }

    #[cold]
    fn grow(&mut self) {
        let mut grown = vec![Note::default(); (self.notes.len() * 2).max(LEAST)];
        let mask = grown.len() - 1;
        for back in 0..self.notes.len() as u32 {
            let number = self.newest.wrapping_sub(back);
            grown[number as usize & mask] = self.notes[self.place(number)];
        }
        self.notes = grown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(before: u32, units: u32) -> Note {
        Note::new(before, units, units as u16, 1, 64)
    }

    #[test]
    fn grows_while_notes_are_young_and_no_further() {
        let mut recent = Recent::default();
        assert!(recent.get(1).is_none() && recent.get(0).is_none());
        for n in 1..=LEAST as u32 * 3 {
            assert_eq!(recent.push(note(n - 1, n / 1_000)), n);
        }
        assert_eq!(recent.notes.len(), LEAST * 4);
        for n in 1..=LEAST as u32 * 3 {
            let found = recent.get(n).expect("kept");
            assert_eq!((found.before(), found.units()), (n - 1, n / 1_000));
        }
        for n in 0..MOST as u32 * 3 {
            recent.push(note(0, n / 1_000_000));
        }
        assert_eq!(recent.bytes(), MOST * 12);
    }

    #[test]
    fn old_notes_make_room() {
        let mut recent = Recent::default();
        for n in 0..LEAST as u32 * 5 {
            recent.push(note(0, n));
        }
        assert_eq!(recent.notes.len(), LEAST);
        assert!(recent.get(1).is_none());
    }

    #[test]
    fn numbers_begin_again() {
        let mut recent = Recent {
            newest: u32::MAX - 1,
            ..Recent::default()
        };
        let last = recent.push(note(0, 1));
        let first = recent.push(note(last, 2));
        assert_eq!((last, first), (u32::MAX, 1));
        let before = recent.get(first).map(Note::before);
        assert_eq!(before, Some(last));
        assert_eq!(recent.get(last).map(Note::units), Some(1));
    }
}
