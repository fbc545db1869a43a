//! Allocations of some ten kilobytes to a megabyte, cut from a few huge pages: the buffers of batches, tables
//! that grow.
//!
//! A page of 4 KiB costs 1.2 us when it is first touched and 0.2 when the process ends, a huge page of 512 of
//! them 30 to 90 in all (measured on a virtual machine): a run over a capture of a million packets touched some
//! nine hundred of the small ones in its buffers, 1.3 of the 130 ms it took.
//!
//! Nothing here waits: an allocator must not be left locked in a process that was forked. Pages are never given
//! back, so there are few, and what finds no room goes to the system's allocator.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::page_pool::{HUGE, map_aligned};

/// Smallest block; a page has a bit for each.
const UNIT: usize = HUGE / u64::BITS as usize;
/// Smaller ones share pages with their like anyway.
const LEAST: usize = UNIT / 2;
/// Half a page: longer ones leave too much of it over.
const MOST: usize = HUGE / 2;
/// Pages at most (guess: eight times what captures of a thousand sessions and of a million flows took).
const MOST_PAGES: usize = 16;

struct Page {
    /// Its address; 0 before it is needed.
    at: AtomicUsize,
    /// Blocks that are free.
    free: AtomicU64,
}

/// Blocks of one or more units.
struct Blocks {
    pages: [Page; MOST_PAGES],
}

static BLOCKS: Blocks = Blocks::new();

impl Blocks {
    const fn new() -> Self {
        Self {
            pages: [const {
                Page {
                    at: AtomicUsize::new(0),
                    free: AtomicU64::new(u64::MAX),
                }
            }; MOST_PAGES],
        }
    }

    fn take(&self, units: u32) -> Option<usize> {
        self.pages.iter().find_map(|page| {
            let at = page.address()?;
            page.take(units).map(|first| at + first as usize * UNIT)
        })
    }

    /// False when it is none of these blocks.
    fn give(&self, at: usize, units: u32) -> bool {
        let Some((page, first)) = self.place(at) else {
            return false;
        };
        page.free.fetch_or(ones(units) << first, Ordering::Release);
        true
    }

    /// The page of a block and its place there.
    fn place(&self, at: usize) -> Option<(&Page, u32)> {
        let begin = at - at % HUGE;
        let page = self
            .pages
            .iter()
            .find(|page| page.at.load(Ordering::Acquire) == begin)?;
        Some((page, (at % HUGE / UNIT) as u32))
    }
}

impl Page {
    /// Where it is, from now on at least; None when the system has no more.
    fn address(&self) -> Option<usize> {
        let at = self.at.load(Ordering::Acquire);
        if at != 0 {
            return Some(at);
        }
        let made = map_aligned(HUGE)? as usize;
        match self
            .at
            .compare_exchange(0, made, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Some(made),
            Err(at) => {
                // SAFETY: just mapped; another thread was faster and nobody knows of this one.
                unsafe { libc::munmap(made as *mut libc::c_void, HUGE) };
                Some(at)
            }
        }
    }

    /// The first of so many free units behind each other, which are taken.
    fn take(&self, units: u32) -> Option<u32> {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            let first = run(free, units)?;
            let without = free & !(ones(units) << first);
            match self.free.compare_exchange_weak(
                free,
                without,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(first),
                Err(now) => free = now,
            }
        }
    }
}

/// The first of `count` set bits behind each other; `count` is 1 to 64.
fn run(mut bits: u64, count: u32) -> Option<u32> {
    // Each bit left stands for so many.
    let mut stands_for = 1;
    while stands_for < count {
        let step = stands_for.min(count - stands_for);
        bits &= bits >> step;
        stands_for += step;
    }
    (bits != 0).then(|| bits.trailing_zeros())
}

fn ones(count: u32) -> u64 {
    u64::MAX >> (u64::BITS - count)
}

fn units(size: usize) -> u32 {
    size.div_ceil(UNIT) as u32
}

/// Whether a block is as long as these are.
pub(crate) fn is_block(size: usize, align: usize) -> bool {
    size > LEAST && size <= MOST && align <= UNIT
}

/// A block for a [size like these](is_block), with any content; None when there is no room.
pub(crate) fn take(size: usize) -> Option<*mut u8> {
    BLOCKS.take(units(size)).map(|at| at as *mut u8)
}

/// Takes a block back that was taken with `size`; false when it is none of these.
pub(crate) fn give(at: *mut u8, size: usize) -> bool {
    BLOCKS.give(at as usize, units(size))
}

/// True when the block at `at`, taken with `size`, is one of these and as long as one of `other` bytes.
pub(crate) fn is_as_long(at: *mut u8, size: usize, other: usize) -> bool {
    units(size) == units(other) && BLOCKS.place(at as usize).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_several_threads_do_not_overlap() {
        let blocks = Blocks::new();
        std::thread::scope(|scope| {
            for mark in 1..=4_u8 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for round in 0..200_u32 {
                        let counts = [1, 1 + round % 7, 1 + round % 32];
                        let held: Vec<_> = counts
                            .into_iter()
                            .filter_map(|units| Some((blocks.take(units)?, units)))
                            .collect();
                        for (at, units) in &held {
                            // SAFETY: taken above, so it is mapped and of this thread alone.
                            unsafe { (*at as *mut u8).write_bytes(mark, *units as usize * UNIT) };
                        }
                        for (at, units) in held {
                            let bytes = units as usize * UNIT;
                            // SAFETY: as above.
                            let block =
                                unsafe { std::slice::from_raw_parts(at as *const u8, bytes) };
                            assert!(block.iter().all(|byte| *byte == mark));
                            assert!(blocks.give(at, units));
                        }
                    }
                });
            }
        });
        let left = |page: &Page| page.free.load(Ordering::Relaxed) == u64::MAX;
        assert!(blocks.pages.iter().all(left), "all came back");
    }

    #[test]
    fn what_finds_no_room_or_is_foreign_is_told() {
        let blocks = Blocks::new();
        let all: Vec<_> = (0..2 * MOST_PAGES)
            .map(|_| blocks.take(32).expect("room"))
            .collect();
        assert_eq!(blocks.take(1), None);
        let foreign = Box::new(0_u8);
        assert!(!blocks.give(&raw const *foreign as usize, 1));
        assert!(blocks.give(all[5], 32));
        assert_eq!(blocks.take(32), Some(all[5]));
    }

    #[test]
    fn a_run_is_the_first_of_its_length() {
        let mut some = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..500 {
            some = some.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(23) | 1;
            for bits in [some, some | some << 9 | some >> 20, u64::MAX, 0] {
                for count in 1..=64 {
                    let slow = (0..=64 - count).find(|at| bits >> at & ones(count) == ones(count));
                    assert_eq!(run(bits, count), slow, "{bits:x} {count}");
                }
            }
        }
    }
}
