//! Bytes of one side that were not seen when what follows them was.

use crate::series::MOST_HOLES;
use crate::time::Timestamp;

/// What became of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoleEnd {
    /// Still there.
    Open,
    /// Its bytes came.
    Filled,
    /// The other side acknowledged beyond it.
    Passed,
}

impl HoleEnd {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Filled => "filled",
            Self::Passed => "passed",
        }
    }
}

/// A hole, or the part of one that ended together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First byte, relative.
    pub from: i64,
    /// Behind the last byte.
    pub to: i64,
    /// When the first byte beyond it was seen.
    pub since: Timestamp,
    /// When it ended; none while open.
    pub until: Option<Timestamp>,
    /// What ended it.
    pub end: HoleEnd,
}

/// The holes of one side.
#[derive(Debug, Default)]
pub(super) struct Holes {
    /// By sequence number; none overlap.
    open: Vec<Hole>,
    ended: Vec<Hole>,
    left_out: u64,
}

impl Holes {
    /// Bytes `from..to` are missing; they lie beyond all others.
    pub(super) fn open(&mut self, from: i64, to: i64, since: Timestamp) {
        if self.open.len() >= MOST_HOLES {
            self.left_out += 1;
            return;
        }
        self.open.push(Hole {
            from,
            to,
            since,
            until: None,
            end: HoleEnd::Open,
        });
    }

    /// Bytes `from..to` came; true when any of them was missing.
    pub(super) fn fill(&mut self, from: i64, to: i64, at: Timestamp) -> bool {
        let first = self.open.partition_point(|hole| hole.to <= from);
        let behind = self.open.partition_point(|hole| hole.from < to);
        if first >= behind {
            return false;
        }
        let mut rest = Vec::new();
        let hit: Vec<Hole> = self.open.drain(first..behind).collect();
        for hole in hit {
            if hole.from < from {
                rest.push(Hole { to: from, ..hole });
            }
            if hole.to > to {
                rest.push(Hole { from: to, ..hole });
            }
            self.end(
                Hole {
                    from: hole.from.max(from),
                    to: hole.to.min(to),
                    ..hole
                },
                at,
                HoleEnd::Filled,
            );
        }
        self.open.splice(first..first, rest);
        // One may have become two.
        if self.open.len() > MOST_HOLES {
            self.open.pop();
            self.left_out += 1;
        }
        true
    }

    /// The other side acknowledged everything before `ack`.
    pub(super) fn pass(&mut self, ack: i64, at: Timestamp) {
        let passed = self.open.partition_point(|hole| hole.to <= ack);
        let gone: Vec<Hole> = self.open.drain(..passed).collect();
        for hole in gone {
            self.end(hole, at, HoleEnd::Passed);
        }
    }

    fn end(&mut self, hole: Hole, at: Timestamp, end: HoleEnd) {
        if self.ended.len() >= MOST_HOLES {
            self.left_out += 1;
            return;
        }
        self.ended.push(Hole {
            until: Some(at),
            end,
            ..hole
        });
    }

    /// All of them, in the order in which they opened.
    pub(super) fn all(&self) -> Vec<Hole> {
        let mut all: Vec<Hole> = self.open.iter().chain(&self.ended).copied().collect();
        all.sort_by_key(|hole| (hole.since, hole.from));
        all
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}
