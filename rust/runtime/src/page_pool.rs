//! Single huge pages, which the chunks of the flow table lie on: mapped many at a time, made ready ahead.
//!
//! Who maps memory, or grows a heap, waits for every thread that has the kernel make a page ready for it
//! with `madvise`: both hold the lock of the address space. An engine that maps its chunks one by one beside
//! a reader that makes them ready so was kept waiting for 10 to 110 of 440 ms (a capture of a million flows;
//! `sched_switch`; a virtual machine whose host had to find the memory). So pages are cut off what is mapped
//! already, and who makes one ready owns it: it writes to it as to any memory, and others take it then.
//! From Linux 6.4 on such a fault holds nothing that a mapping elsewhere waits for.
#![allow(unsafe_code)]

use std::sync::Mutex;

/// Huge page of x86-64 and of arm64 with 4 KiB pages.
pub(crate) const HUGE: usize = 2 << 20;
const SMALL: usize = 4096;
/// Huge pages mapped at a time: address space, no memory. A guess: a million flows take two of these.
const MAPPED: usize = 32;
/// Most that are ready and not in use. A million flows in 0.4 s need one every 6 ms, which is made in 0.2 to 4.
const MOST_READY: usize = 1;

struct Pool {
    /// What is mapped and was not cut off yet.
    next: usize,
    left: usize,
    ready: [usize; MOST_READY],
    /// How many of these there are, and are being made.
    is_ready: usize,
    in_making: usize,
    /// Somebody needs pages at all.
    is_used: bool,
}

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

impl Pool {
    const fn new() -> Self {
        Self {
            next: 0,
            left: 0,
            ready: [0; MOST_READY],
            is_ready: 0,
            in_making: 0,
            is_used: false,
        }
    }

    /// A page that nobody has touched; None when the system has no more.
    fn cut(&mut self) -> Option<usize> {
        if self.left == 0 {
            let Some(many) = map_aligned(MAPPED * HUGE) else {
                // Where address space is short, one may still be had.
                return map_aligned(HUGE).map(|one| one as usize);
            };
            (self.next, self.left) = (many as usize, MAPPED);
        }
        let at = self.next;
        self.next += HUGE;
        self.left -= 1;
        Some(at)
    }

    /// A page, a ready one if there is.
    fn take(&mut self) -> Option<usize> {
        self.is_used = true;
        if self.is_ready > 0 {
            self.is_ready -= 1;
            return Some(self.ready[self.is_ready]);
        }
        self.cut()
    }

    /// A page to be made ready; None when enough are.
    fn begin(&mut self) -> Option<usize> {
        if !self.is_used || self.is_ready + self.in_making >= MOST_READY {
            return None;
        }
        let at = self.cut()?;
        self.in_making += 1;
        Some(at)
    }

    fn put_ready(&mut self, at: usize) {
        self.in_making -= 1;
        self.ready[self.is_ready] = at;
        self.is_ready += 1;
    }
}

/// Maps `size` bytes, zeroed, from the start of a huge page on, and asks for huge pages; None when the
/// system has none left.
pub(crate) fn map_aligned(size: usize) -> Option<*mut u8> {
    let size = size.checked_next_multiple_of(SMALL)?;
    let whole = size.checked_add(HUGE)?;
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
        return None;
    }
    let before = (start as usize).wrapping_neg() % HUGE;
    let behind = whole - before - size;
    // SAFETY: both ends lie inside the mapping just made and nobody knows them yet; what is kept starts at
    // the aligned address.
    unsafe {
        let kept = start.cast::<u8>().add(before);
        if before > 0 {
            libc::munmap(start, before);
        }
        if behind > 0 {
            libc::munmap(kept.add(size).cast(), behind);
        }
        // Advice only: where it is refused the memory works all the same.
        libc::madvise(kept.cast(), size, libc::MADV_HUGEPAGE);
        Some(kept)
    }
}

/// A zeroed huge page; null when the system has none left. It goes back with `munmap`.
pub(crate) fn take() -> *mut u8 {
    // Not waited for: an allocator must not be left locked in a process that was forked.
    let at = POOL.try_lock().map(|mut pool| pool.take());
    match at {
        Ok(at) => at.map_or(std::ptr::null_mut(), |at| at as *mut u8),
        Err(_) => map_aligned(HUGE).unwrap_or(std::ptr::null_mut()),
    }
}

/// Makes a page ready, once pages are in use; false when enough are.
pub(crate) fn make_ready() -> bool {
    let begun = POOL.try_lock().ok().and_then(|mut pool| pool.begin());
    let Some(at) = begun else {
        return false;
    };
    for offset in (0..HUGE).step_by(SMALL) {
        // SAFETY: the page is mapped, writable, was cut off and is known to nobody else. It holds zeroes.
        unsafe { (at as *mut u8).add(offset).write_volatile(0) };
    }
    POOL.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .put_ready(at);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_handed_out_once_and_ready_ones_first() {
        let mut pool = Pool::new();
        assert_eq!(pool.begin(), None, "nobody needs any");
        let first = pool.take().expect("memory");
        assert!(first.is_multiple_of(HUGE));
        let ready = [(); MOST_READY].map(|()| pool.begin().expect("memory"));
        assert_eq!(pool.begin(), None, "enough are being made");
        let second = pool.take().expect("memory");
        for at in ready {
            pool.put_ready(at);
        }
        assert_eq!(pool.begin(), None, "enough are ready");
        let mut all = vec![first, second];
        all.extend((0..MOST_READY).map(|_| pool.take().expect("memory")));
        assert!(all[2..].iter().eq(ready.iter().rev()));
        // Beyond what is mapped at once.
        all.extend((0..MAPPED).map(|_| pool.take().expect("memory")));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for at in all {
            // SAFETY: cut off by the pool above, which is not used any more.
            unsafe {
                assert_eq!((at as *const u8).read(), 0);
                libc::munmap(at as *mut _, HUGE);
            }
        }
    }
}
