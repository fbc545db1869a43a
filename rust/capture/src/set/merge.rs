//! The k-way merge. Its rule is in the crate documentation.
//!
//! Invariant: every input that is neither waiting nor closed is in the heap, or is
//! the one `unread` input.

use std::cmp::Reverse;
use std::sync::Arc;

use ctcpmon_core::frame::FrameBatch;

use super::{CaptureSet, Waiting, open_input};
use crate::feed::Feed;
use crate::lane::Lane;

/// Read-ahead of all inputs of a merge together, in bytes. A guess: with the
/// least read of 16 KiB it is reached at 2,048 overlapping inputs.
const READ_AHEAD: usize = 32 << 20;

impl CaptureSet {
    /// Fills the batch with the next frames of all inputs.
    pub(super) fn merge(&mut self, batch: &mut FrameBatch) {
        let (frames, chunk) = (self.options.frames(), self.options.chunk());
        while batch.frames.len() < frames && batch.bytes.len() < chunk && self.pending.is_none() {
            if let Some((rank, index)) = self.unread.take() {
                let pipe = self.members.get(index).is_some_and(|member| member.pipe);
                if pipe && !batch.frames.is_empty() {
                    self.unread = Some((rank, index));
                    return;
                }
                self.read_ahead(rank, index);
                continue;
            }
            // Of equal keys the one already open goes first: its rank is lower.
            let head = self.heads.peek().map(|Reverse((key, ..))| *key);
            if self
                .waiting
                .front()
                .is_some_and(|next| head.is_none_or(|key| next.key < key))
            {
                if let Some(next) = self.waiting.pop_front() {
                    self.start(next);
                }
                continue;
            }
            let Some(Reverse((key, rank, index))) = self.heads.pop() else {
                return;
            };
            self.run(key, rank, index, batch);
        }
    }

    /// Hands out frames of one input as long as it is the first in order.
    fn run(&mut self, mut key: i64, rank: usize, index: usize, batch: &mut FrameBatch) {
        let limit = self.limit();
        let (frames, chunk) = (self.options.frames(), self.options.chunk());
        let Some(lane) = self
            .members
            .get_mut(index)
            .and_then(|member| member.lane.as_mut())
        else {
            return;
        };
        while batch.frames.len() < frames && batch.bytes.len() < chunk && (key, rank) < limit {
            lane.hand_out(key, batch);
            if lane.wants_more() {
                self.unread = Some((rank, index));
                return;
            }
            match lane.key() {
                Some(next) => key = next,
                None => return self.close(index),
            }
        }
        self.heads.push(Reverse((key, rank, index)));
    }

    /// Place of the first frame in order among all other inputs.
    fn limit(&self) -> (i64, usize) {
        let last = (i64::MAX, usize::MAX);
        let open = self
            .heads
            .peek()
            .map_or(last, |Reverse((key, rank, _))| (*key, *rank));
        open.min(
            self.waiting
                .front()
                .map_or(last, |next| (next.key, next.rank)),
        )
    }

    /// Opens an input for good.
    fn start(
        &mut self,
        Waiting {
            rank,
            member: index,
            ..
        }: Waiting,
    ) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        if let (None, Some(input)) = (&member.lane, &member.input) {
            let keep_open = self.open_files < self.options.max_open_files;
            let lane = open_input(input, keep_open).and_then(|opened| {
                let tally = Arc::clone(&member.tally);
                Feed::open(
                    opened.reader,
                    tally,
                    !member.pipe,
                    member.tap,
                    &self.options,
                )
                .map(Lane::new)
            });
            match lane {
                Ok(lane) => member.lane = Some(lane),
                Err(fault) => {
                    self.pending = Some(fault.at(&member.name, None));
                    return;
                }
            }
        }
        self.open_files += 1;
        self.read_ahead(rank, index);
    }

    /// Reads an input up to the point where its head frame has a key.
    fn read_ahead(&mut self, rank: usize, index: usize) {
        let share = READ_AHEAD / self.open_files.max(1);
        let chunk = self.options.chunk().min(share.max(16 << 10));
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        let Some(lane) = member.lane.as_mut() else {
            return;
        };
        if let Err(fault) = lane.read_ahead(self.options.frames(), chunk, &mut member.record) {
            let offset = lane.feed.offset();
            self.pending = Some(fault.at(&member.name, Some(offset)));
        }
        match lane.key() {
            Some(key) => self.heads.push(Reverse((key, rank, index))),
            None => self.close(index),
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index)
            && member.lane.take().is_some()
        {
            self.open_files = self.open_files.saturating_sub(1);
        }
    }
}
