//! Which frames were of tunnel sessions, for who keeps them.

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
