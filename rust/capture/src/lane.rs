//! One input in a merge: its frames in file order, each with a merge key.
//! The rule of the keys is in the crate documentation.

use ctcpmon_core::frame::FrameBatch;

use crate::error::Fault;
use crate::feed::{Feed, Record};

/// How far ahead of the frames behind it a time is taken for odd: 60 s,
/// the step at which the reliability guide speaks of a clock step.
pub const ODD_STEP_NANOS: i64 = 60_000_000_000;
/// Frames looked at to judge a time; the same guide confirms a forward step by
/// three further packets.
pub const LOOK_AHEAD: usize = 3;

/// Read-ahead of one open input in a merge.
pub(crate) struct Lane {
    pub(crate) feed: Feed,
    ready: FrameBatch,
    /// End of the bytes of `ready` in use.
    used: usize,
    /// Index of the head frame in `ready`.
    next: usize,
    /// Merge key of the last frame handed out.
    passed: i64,
}

impl Lane {
    pub(crate) fn new(feed: Feed) -> Self {
        Self {
            feed,
            ready: FrameBatch::default(),
            used: 0,
            next: 0,
            passed: i64::MIN,
        }
    }

    /// Whether the key of the head frame needs more frames to be read.
    pub(crate) fn wants_more(&self) -> bool {
        !self.feed.ended() && self.ready.frames.len() - self.next <= LOOK_AHEAD
    }

    /// Reads until the head frame and those it is judged by are there, or the
    /// input has ended. On an error the frames read before it remain.
    pub(crate) fn read_ahead(
        &mut self,
        frames: usize,
        chunk: usize,
        record: &mut Record,
    ) -> Result<(), Fault> {
        if self.wants_more() {
            self.compact();
        }
        while self.wants_more() {
            self.used = self
                .feed
                .append(&mut self.ready, self.used, frames, chunk, record)?;
        }
        Ok(())
    }

    /// Moves the frames not yet handed out to the front of the buffer.
    fn compact(&mut self) {
        let mut used = 0;
        self.ready
            .frames
            .drain(..self.next.min(self.ready.frames.len()));
        self.next = 0;
        for meta in &mut self.ready.frames {
            let (start, length) = (meta.offset as usize, meta.captured_len as usize);
            // Frames lie in order and apart, so nothing unread is overwritten.
            self.ready.bytes.copy_within(start..start + length, used);
            meta.offset = used as u32;
            used += length;
        }
        self.used = used;
    }

    /// Merge key of the head frame; `None` when there is none.
    pub(crate) fn key(&self) -> Option<i64> {
        let mut frames = self
            .ready
            .frames
            .get(self.next..)?
            .iter()
            .map(|meta| meta.ts.0);
        let head = frames.next()?;
        let mut behind = [i64::MAX; LOOK_AHEAD];
        let known = behind
            .iter_mut()
            .zip(frames)
            .map(|(slot, ts)| *slot = ts)
            .count();
        behind.sort_unstable();
        let behind = behind.get(..known).unwrap_or_default();
        // The median, so that one odd time behind the head does not make it look odd.
        let middle = behind.get(known / 2).copied().unwrap_or(head);
        let time = if head.saturating_sub(middle) > ODD_STEP_NANOS {
            let near = |ts: &i64| middle.saturating_sub(*ts) <= ODD_STEP_NANOS;
            behind.iter().copied().find(near).unwrap_or(middle)
        } else {
            head
        };
        Some(self.passed.max(time))
    }

    /// Copies the head frame, whose key is `key`, into `batch`.
    pub(crate) fn hand_out(&mut self, key: i64, batch: &mut FrameBatch) {
        self.passed = key;
        if let Some(meta) = self.ready.frames.get(self.next) {
            batch.push(&self.ready.frame(meta));
            self.next += 1;
        }
    }
}
