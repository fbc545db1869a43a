//! Large allocations on huge pages, where the system gives them.
//!
//! The flow table is read at random: with pages of 4 KiB nearly every packet misses the
//! translation buffer as well (measured in the performance guide: 1.6 times the time with
//! four million flows). Systems set to `madvise` give huge pages to those that ask, so
//! allocations from one huge page on are mapped apart, aligned, and asked for. Smaller
//! ones go to the system's allocator unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// Huge page of x86-64 and of arm64 with 4 KiB pages.
const HUGE: usize = 2 << 20;

/// The allocator of the programs that hold a flow table: `#[global_allocator]` in each.
pub struct HugePages;

fn is_large(layout: &Layout) -> bool {
    layout.size() >= HUGE && layout.align() <= HUGE
}

/// Maps `size` bytes, zeroed, aligned to a huge page; null when the system has none left.
fn map(size: usize) -> *mut u8 {
    let Some(whole) = size.checked_add(HUGE) else {
        return std::ptr::null_mut();
    };
    // SAFETY: a new private anonymous mapping touches no memory in use.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            whole,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return std::ptr::null_mut();
    }
    let before = (start as usize).wrapping_neg() % HUGE;
    let behind = mapped(size).map_or(0, |size| whole - before - size);
    // SAFETY: both ends lie inside the mapping just made and nobody knows them yet; what
    // is kept starts at the aligned address and is `size` bytes rounded up to a page.
    unsafe {
        let kept = start.cast::<u8>().add(before);
        if before > 0 {
            libc::munmap(start, before);
        }
        if behind > 0 {
            libc::munmap(kept.add(whole - before - behind).cast(), behind);
        }
        // Advice only: where it is refused the memory works all the same.
        libc::madvise(kept.cast(), size, libc::MADV_HUGEPAGE);
        kept
    }
}

/// Bytes that stay mapped for an allocation of `size`.
fn mapped(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(4096)
}

// SAFETY: large layouts are mapped and unmapped by the same rule on their size, all others
// go to `System` with the layout they came with.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(&layout) {
            return map(layout.size());
        }
        // SAFETY: the caller's contract is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(&layout) {
            // Fresh pages are zero, and are only made when they are touched.
            return map(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_large(&layout) {
            let size = mapped(layout.size()).unwrap_or(layout.size());
            // SAFETY: `at` was mapped by `map` with this size.
            unsafe { libc::munmap(at.cast(), size) };
            return;
        }
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}
