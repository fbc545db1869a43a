//! Large allocations on huge pages, where the system gives them.
//!
//! The flow table is read at random: with pages of 4 KiB nearly every packet misses the
//! translation buffer as well (measured in the performance guide: 1.6 times the time with
//! four million flows). Systems set to `madvise` give huge pages to those that ask, so
//! allocations of more than one huge page are mapped apart, aligned, and asked for. Those of one,
//! the chunks of the table, come from the [page pool](crate::page_pool), and [blocks](crate::blocks) of some
//! ten kilobytes and more share a few. Smaller ones go to the system's allocator unchanged.
//!
//! The first touch of a page costs a fault, and zeroing it: 0.2 ms for a huge page, ten times
//! that where a virtual machine has to ask its host first. A thread with time to spare takes
//! that over ([`make_ready`]): for a page of the pool, and for pages of larger allocations that nobody
//! has touched yet.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;

use crate::blocks;
use crate::page_pool::{self, HUGE};

/// Mappings that are remembered to be made ready (guess: a table has two or three at a time).
const MOST_FRESH: usize = 8;

/// What was mapped lately and may not have been touched: address and bytes.
struct Fresh {
    ranges: [(usize, usize); MOST_FRESH],
    len: usize,
}

static FRESH: Mutex<Fresh> = Mutex::new(Fresh {
    ranges: [(0, 0); MOST_FRESH],
    len: 0,
});

impl Fresh {
    fn put(&mut self, range: (usize, usize)) {
        if let Some(place) = self.ranges.get_mut(self.len) {
            *place = range;
            self.len += 1;
        }
    }

    /// One huge page of the newest range; the oldest were touched by now.
    fn take(&mut self) -> Option<(usize, usize)> {
        let last = self.len.checked_sub(1)?;
        let (at, bytes) = &mut self.ranges[last];
        let part = (*at, (*bytes).min(HUGE));
        *at += part.1;
        *bytes -= part.1;
        if *bytes == 0 {
            self.len = last;
        }
        Some(part)
    }
}

/// Makes at most one huge page ready that was mapped lately; false when there is none, or
/// somebody else looks. Pages that have been touched stay as they are.
pub(crate) fn make_ready() -> bool {
    if page_pool::make_ready() {
        return true;
    }
    let part = FRESH.try_lock().ok().and_then(|mut fresh| fresh.take());
    let Some((at, bytes)) = part else {
        return false;
    };
    // SAFETY: this changes no content: pages that are there stay, others become the zeroes that
    // a touch would make them. Of a range that is no longer mapped, or was mapped anew by
    // somebody, the same holds. A kernel that does not know it (before 5.14) refuses.
    unsafe { libc::madvise(at as *mut libc::c_void, bytes, libc::MADV_POPULATE_WRITE) };
    true
}

/// The allocator of the programs that hold a flow table: `#[global_allocator]` in each.
pub struct HugePages;

fn is_large(layout: &Layout) -> bool {
    layout.size() > HUGE && layout.align() <= HUGE
}

/// What the chunks of the flow table take: a huge page but for less than a record.
fn is_page(layout: &Layout) -> bool {
    layout.size() <= HUGE && layout.size() > HUGE - 4096 && layout.align() <= HUGE
}

fn is_block(layout: &Layout) -> bool {
    blocks::is_block(layout.size(), layout.align())
}

/// Maps `size` bytes, zeroed, aligned to a huge page; null when the system has none left.
fn map(size: usize) -> *mut u8 {
    let Some(kept) = page_pool::map_aligned(size) else {
        return std::ptr::null_mut();
    };
    if let Ok(mut fresh) = FRESH.try_lock() {
        fresh.put((kept as usize, size));
    }
    kept
}

/// Bytes that stay mapped for an allocation of `size`.
fn mapped(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(4096)
}

// SAFETY: large layouts are mapped and unmapped by the same rule on their size, all others
// go to `System` with the layout they came with.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_page(&layout) {
            return page_pool::take();
        }
        if is_large(&layout) {
            return map(layout.size());
        }
        if is_block(&layout)
            && let Some(block) = blocks::take(layout.size())
        {
            return block;
        }
        // SAFETY: the caller's contract is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_page(&layout) {
            return page_pool::take();
        }
        if is_large(&layout) {
            // Fresh pages are zero, and are only made when they are touched.
            return map(layout.size());
        }
        if is_block(&layout)
            && let Some(block) = blocks::take(layout.size())
        {
            // SAFETY: a block has room for the size it was taken with.
            unsafe { block.write_bytes(0, layout.size()) };
            return block;
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_page(&layout) {
            // SAFETY: `at` was a whole page of the pool.
            unsafe { libc::munmap(at.cast(), HUGE) };
            return;
        }
        if is_large(&layout) {
            let size = mapped(layout.size()).unwrap_or(layout.size());
            // SAFETY: `at` was mapped by `map` with this size.
            unsafe { libc::munmap(at.cast(), size) };
            return;
        }
        if is_block(&layout) && blocks::give(at, layout.size()) {
            return;
        }
        // SAFETY: as above; it is no block of ours.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` is one that a layout may have.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let is_any_block = is_block(&layout) || is_block(&new);
        if layout.size().max(size) <= HUGE - 4096 && !is_any_block {
            // SAFETY: the caller's contract is System's, which it came from and stays with.
            return unsafe { System.realloc(at, layout, size) };
        }
        if is_block(&layout) && is_block(&new) && blocks::is_as_long(at, layout.size(), size) {
            return at;
        }
        // SAFETY: the size is not zero; both are valid for the smaller of the sizes and do not overlap.
        unsafe {
            let to = self.alloc(new);
            if !to.is_null() {
                std::ptr::copy_nonoverlapping(at, to, layout.size().min(size));
                self.dealloc(at, layout);
            }
            to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was mapped lately is remembered for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn alone() -> std::sync::MutexGuard<'static, ()> {
        ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Pages of a mapping that are in memory.
    fn resident(at: *mut u8, bytes: usize) -> usize {
        let mut pages = vec![0_u8; bytes / 4096];
        // SAFETY: the range is mapped, and the vector has a byte for each of its pages.
        let code = unsafe { libc::mincore(at.cast(), bytes, pages.as_mut_ptr()) };
        assert_eq!(code, 0);
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn what_was_mapped_is_made_ready_a_huge_page_at_a_time_and_keeps_its_content() {
        let _alone = alone();
        let bytes = 3 * HUGE + 4096;
        let at = map(bytes);
        assert!(!at.is_null());
        // SAFETY: just mapped, writable.
        unsafe { at.add(HUGE).write(7) };
        let before = resident(at, bytes);
        let mut steps = 0;
        while make_ready() {
            steps += 1;
        }
        assert!(steps >= 4, "{steps}");
        // SAFETY: still mapped; unmapped with the size it was mapped with.
        unsafe {
            assert_eq!((at.read(), at.add(HUGE).read()), (0, 7));
            // Kernels before 5.14 do not know how.
            if resident(at, bytes) != before {
                assert_eq!(resident(at, bytes), bytes / 4096);
            }
            libc::munmap(at.cast(), bytes);
        }
    }

    /// Every way between small, block, page and large, back and forth.
    #[test]
    fn content_stays_whatever_an_allocation_grows_or_shrinks_to() {
        const SIZES: [usize; 14] = [
            100,
            16_384,
            16_385,
            40_000,
            40_100,
            700_000,
            1 << 20,
            (1 << 20) + 1,
            HUGE - 4_096,
            HUGE - 100,
            3 * HUGE,
            50_000,
            20_000,
            1_000,
        ];
        let layout = |size| Layout::from_size_align(size, 16).expect("a size");
        let mark = |at: usize| (at % 251) as u8;
        let beside = layout(40_000);
        let _alone = alone();
        for (from, to) in SIZES
            .into_iter()
            .flat_map(|from| SIZES.map(|to| (from, to)))
        {
            // SAFETY: each layout is the one that the allocation has at that moment, and what is read and
            // written lies inside it.
            unsafe {
                let at = HugePages.alloc(layout(from));
                let neighbour = HugePages.alloc(beside);
                neighbour.write_bytes(7, beside.size());
                (0..from).for_each(|n| at.add(n).write(mark(n)));
                let at = HugePages.realloc(at, layout(from), to);
                let few = from.min(to);
                assert!(
                    (0..few).all(|n| at.add(n).read() == mark(n)),
                    "{from} to {to}"
                );
                at.write_bytes(0xff, to);
                let whole = (0..beside.size()).all(|n| neighbour.add(n).read() == 7);
                assert!(whole, "{from} to {to}: over its end");
                HugePages.dealloc(neighbour, beside);
                HugePages.dealloc(at, layout(to));
                let zeros = HugePages.alloc_zeroed(layout(to));
                assert!((0..to).all(|n| zeros.add(n).read() == 0), "{to} zeroed");
                HugePages.dealloc(zeros, layout(to));
            }
        }
        // What is remembered of these is gone.
        while make_ready() {}
    }
}
