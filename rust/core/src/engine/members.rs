//! Which frames were of tunnel sessions, for who keeps them.

use super::Engine;

/// A frame of a tunnel session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its place among the frames taken since the notes were drained, from 0.
    pub frame: usize,
    /// Id of the session.
    pub session: u64,
}

/// Notes since they were drained.
#[derive(Debug)]
pub(super) struct Members {
    /// Frames taken before the first of them.
    before: u64,
    list: Vec<Member>,
}

impl Members {
    /// Nothing noted, with `taken` frames taken so far.
    pub(super) fn from(taken: u64) -> Self {
        Self {
            before: taken,
            list: Vec::new(),
        }
    }

    /// Notes frame number `frame` of the run, from 1.
    #[inline]
    pub(super) fn note(&mut self, frame: u64, session: u64) {
        self.list.push(Member {
            frame: (frame - self.before - 1) as usize,
            session,
        });
    }

    pub(super) fn drain(&mut self, taken: u64) -> impl Iterator<Item = Member> {
        self.before = taken;
        self.list.drain(..)
    }
}

impl Engine {
    /// Notes every frame of a tunnel session from here on, from the one by which it was
    /// recognised; the caller takes the notes out after each batch or frame.
    pub fn note_members(&mut self) {
        let taken = self.stats.counters.frames;
        self.members.get_or_insert_with(|| Members::from(taken));
    }

    /// Takes the notes on the frames since the last call.
    pub fn drain_members(&mut self) -> impl Iterator<Item = Member> {
        let taken = self.stats.counters.frames;
        let members = self.members.iter_mut();
        members.flat_map(move |members| members.drain(taken))
    }
}
