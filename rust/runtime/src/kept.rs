//! Recent frames of tunnel sessions, so that a finding can be written with its packets before
//! they are gone. Bounded in bytes; the oldest make room.

use std::collections::VecDeque;

use ctcpmon_core::frame::{Frame, FrameBatch, FrameMeta};

/// Share of the memory that tells what lies in the rest: a quarter is enough down to frames
/// of 120 bytes, about the shortest that a tunnel has.
const META_SHARE: usize = 4;

/// One frame in the ring.
struct One {
    session: u64,
    /// Its place in the bytes.
    meta: FrameMeta,
}

/// The ring.
pub(crate) struct Kept {
    bytes: Vec<u8>,
    /// Oldest first.
    frames: VecDeque<One>,
    most_frames: usize,
    /// Where the next frame goes.
    next: usize,
    /// Frames that had to make room.
    evicted: u64,
    /// Frames longer than the ring.
    too_long: u64,
}

impl Kept {
    /// A ring of `bytes` bytes in all, at most 4 GiB.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(u32::MAX as usize);
        let for_frames = bytes / META_SHARE;
        let most_frames = (for_frames / size_of::<One>()).max(1);
        Self {
            // Memory that was never written to is not there yet.
            bytes: vec![0; bytes - for_frames],
            frames: VecDeque::with_capacity(most_frames),
            most_frames,
            next: 0,
            evicted: 0,
            too_long: 0,
        }
    }

    /// Keeps a frame of `session`.
    pub(crate) fn put(&mut self, session: u64, frame: &Frame<'_>) {
        let len = frame.bytes.len();
        if len > self.bytes.len() {
            self.too_long += 1;
            return;
        }
        if self.frames.len() >= self.most_frames {
            self.evict();
        }
        if self.next + len > self.bytes.len() {
            // What lies between here and the end is the oldest there is.
            self.make_room(self.next, self.bytes.len());
            self.next = 0;
        }
        let (start, end) = (self.next, self.next + len);
        self.make_room(start, end);
        self.bytes[start..end].copy_from_slice(frame.bytes);
        self.next = end;
        self.frames.push_back(One {
            session,
            meta: FrameMeta {
                ts: frame.ts,
                offset: start as u32,
                captured_len: len as u32,
                original_len: frame.original_len,
                link: frame.link,
                tap: frame.tap,
            },
        });
    }

    /// Evicts the frames that lie in `start..end`, all of which are the oldest.
    fn make_room(&mut self, start: usize, end: usize) {
        while let Some(oldest) = self.frames.front() {
            let from = oldest.meta.offset as usize;
            let is_there = (start..end).contains(&from)
                || (from < start && from + oldest.meta.captured_len as usize > start);
            if !is_there {
                break;
            }
            self.evict();
        }
    }

    fn evict(&mut self) {
        self.evicted += u64::from(self.frames.pop_front().is_some());
    }

    /// Copies of the frames of `sessions`, oldest first.
    pub(crate) fn frames_of(&self, sessions: &[u64]) -> FrameBatch {
        let mut batch = FrameBatch::default();
        for one in self
            .frames
            .iter()
            .filter(|one| sessions.contains(&one.session))
        {
            let start = one.meta.offset as usize;
            let bytes = self
                .bytes
                .get(start..start + one.meta.captured_len as usize);
            batch.push(&Frame {
                ts: one.meta.ts,
                link: one.meta.link,
                tap: one.meta.tap,
                original_len: one.meta.original_len,
                bytes: bytes.unwrap_or_default(),
            });
        }
        batch
    }

    /// Name and value of every counter.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 3] {
        [
            ("kept_frames", self.frames.len() as u64),
            ("kept_evicted_frames", self.evicted),
            ("kept_too_long_frames", self.too_long),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctcpmon_core::frame::LinkType;
    use ctcpmon_core::time::Timestamp;

    fn put(kept: &mut Kept, number: usize, len: usize) {
        let bytes = vec![number as u8; len];
        kept.put(
            (number % 3) as u64,
            &Frame {
                ts: Timestamp(number as i64),
                link: LinkType(1),
                tap: 0,
                original_len: len as u32,
                bytes: &bytes,
            },
        );
    }

    #[test]
    fn a_flood_leaves_the_newest_whole_and_in_order() {
        for size in [400, 1_000, 4_096, 100_000] {
            let mut kept = Kept::new(size);
            let capacity = (kept.bytes.capacity(), kept.frames.capacity());
            for number in 0..5_000 {
                put(&mut kept, number, number * 37 % 211);
                let batch = kept.frames_of(&[0, 1, 2]);
                for (want, frame) in (number + 1 - batch.frames.len()..).zip(batch.iter()) {
                    assert_eq!(frame.ts, Timestamp(want as i64));
                    assert_eq!(frame.bytes.len(), want * 37 % 211);
                    assert!(frame.bytes.iter().all(|byte| *byte == want as u8));
                }
                assert!(!batch.frames.is_empty());
            }
            assert_eq!(capacity, (kept.bytes.capacity(), kept.frames.capacity()));
            let [(_, there), (_, evicted), (_, too_long)] = kept.counters();
            assert_eq!((there + evicted, too_long), (5_000, 0));
        }
    }

    #[test]
    fn a_ring_holds_about_what_it_was_given() {
        let mut kept = Kept::new(1 << 20);
        for number in 0..10_000 {
            put(&mut kept, number, 600);
        }
        let held: usize = kept.frames_of(&[0, 1, 2]).bytes.len();
        assert!((700_000..=1 << 20).contains(&held), "{held}");
        let of_one = kept.frames_of(&[1]);
        assert!(of_one.iter().all(|frame| frame.ts.0 % 3 == 1));
    }

    #[test]
    fn a_frame_longer_than_the_ring_is_counted() {
        let mut kept = Kept::new(400);
        put(&mut kept, 1, 100);
        put(&mut kept, 2, 5_000);
        let [there, _, too_long] = kept.counters();
        assert_eq!((there.1, too_long.1), (1, 1));
    }
}
