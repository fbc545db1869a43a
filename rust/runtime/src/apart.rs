//! Two threads on two processors: keeps the one that waits off the processor of the one that works. Nobody is tied
//! to a processor, but for the time of a wait.
//!
//! The kernel may leave both on one processor while the other idles: a thread is woken where it was woken
//! from, or put beside its maker, and a virtual processor that halted can count as taken. On a capture of
//! 1 M packets two runs in three lost 4 to 20 of some 80 ms so (wall time and processor time of 60 runs).
//!
//! The calls are those of `rustix`, which needs no `unsafe` of ours.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a thread runs, as it last said.
#[derive(Debug)]
pub(crate) struct Place(AtomicUsize);

impl Default for Place {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

#[cfg(target_os = "linux")]
impl Place {
    /// Of the thread that works: where it is.
    pub(crate) fn note(&self) {
        self.0
            .store(rustix::thread::sched_getcpu(), Ordering::Relaxed);
    }

    /// Of another thread: until this is dropped it runs on its other processors only, if it has others. Moves it
    /// at once where it is there too.
    pub(crate) fn keep_off(&self) -> KeptOff {
        KeptOff(others(self.0.load(Ordering::Relaxed)))
    }
}

/// Takes `processor` from those of the calling thread; the ones it had and has, where that was done.
#[cfg(target_os = "linux")]
fn others(processor: usize) -> Option<[rustix::thread::CpuSet; 2]> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    if processor >= CpuSet::MAX_CPU {
        return None;
    }
    let all = sched_getaffinity(None).ok()?;
    let mut others = all;
    others.unset(processor);
    if others.count() == 0 || others == all {
        return None;
    }
    sched_setaffinity(None, &others).ok()?;
    Some([all, others])
}

/// The processors that the thread had before, and those it has now.
#[cfg(target_os = "linux")]
#[must_use]
pub(crate) struct KeptOff(Option<[rustix::thread::CpuSet; 2]>);

#[cfg(target_os = "linux")]
impl Drop for KeptOff {
    fn drop(&mut self) {
        use rustix::thread::{sched_getaffinity, sched_setaffinity};

        // What somebody else has set meanwhile (taskset) stands.
        if let Some([all, others]) = &self.0
            && sched_getaffinity(None).is_ok_and(|now| now == *others)
        {
            let _ = sched_setaffinity(None, all);
        }
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
impl Place {
    pub(crate) fn note(&self) {}

    pub(crate) fn keep_off(&self) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    use super::*;

    fn mine() -> CpuSet {
        sched_getaffinity(None).expect("a mask")
    }

    #[test]
    fn who_waits_is_elsewhere_and_gets_back_what_it_had() {
        let before = mine();
        let place = Place::default();
        place.note();
        let noted = place.0.load(Ordering::Relaxed);
        assert!(before.is_set(noted));
        {
            let _kept = place.keep_off();
            if before.count() > 1 {
                assert!(!mine().is_set(noted));
                assert_ne!(sched_getcpu(), noted);
                assert_eq!(mine().count(), before.count() - 1);
            } else {
                assert_eq!(mine(), before);
            }
        }
        assert_eq!(mine(), before);
    }

    #[test]
    fn the_only_processor_is_not_taken_away() {
        let before = mine();
        let place = Place::default();
        place.note();
        let mut one = CpuSet::new();
        one.set(place.0.load(Ordering::Relaxed));
        sched_setaffinity(None, &one).expect("one of ours");
        place.note();
        {
            let _kept = place.keep_off();
            assert_eq!(mine(), one);
        }
        assert_eq!(mine(), one);
        sched_setaffinity(None, &before).expect("as before");
    }

    #[test]
    fn what_somebody_else_sets_meanwhile_stands() {
        let before = mine();
        let place = Place::default();
        place.note();
        let mut one = CpuSet::new();
        one.set(place.0.load(Ordering::Relaxed));
        {
            let _kept = place.keep_off();
            sched_setaffinity(None, &one).expect("one of ours");
        }
        assert_eq!(mine(), one);
        sched_setaffinity(None, &before).expect("as before");
    }

    #[test]
    fn who_never_said_where_it_is_keeps_nobody_off() {
        let before = mine();
        let _kept = Place::default().keep_off();
        assert_eq!(mine(), before);
    }
}
