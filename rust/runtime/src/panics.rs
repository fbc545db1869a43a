//! Words of a panic: what it said and where, for the thread that tells it.
//!
//! Rust's own way is to write them to stderr at once, which may be a screen, and each time. On the
//! threads of a run they are kept instead: whoever catches the panic tells them in its place.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crossbeam_channel::Sender;

use crate::reader::{LastWords, Read};

thread_local! {
    static IS_KEPT: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the words of panics on this thread from now on.
pub(crate) fn keep() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if IS_KEPT.get() {
                note(info);
            } else {
                before(info);
            }
        }));
    });
    IS_KEPT.set(true);
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic");
    let words = match info.location() {
        Some(at) => format!("{what} ({}:{})", at.file(), at.line()),
        None => what.to_owned(),
    };
    LAST.set(Some(words));
}

/// The words of the last panic on this thread since the last call.
pub(crate) fn take() -> Option<String> {
    LAST.take()
}

/// `what` has failed: with the words of the panic on this thread that has ended it.
pub(crate) fn internal_error(what: &str) -> String {
    match take() {
        Some(words) => format!("internal error in {what}: {words}"),
        None => format!("internal error in {what}"),
    }
}

/// Does some work for another thread; what it fails with, told for `what`. The words of panics on this
/// thread go their old way afterwards.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, String> {
    let was_kept = IS_KEPT.get();
    keep();
    let done = catch_unwind(AssertUnwindSafe(work)).map_err(|_| internal_error(what));
    IS_KEPT.set(was_kept);
    done
}

/// Does the work of a thread that reads. A panic in it is its last word to the engine: there may
/// be other threads that read, so the end of the channel would not tell.
pub(crate) fn reading(what: &str, full: &Sender<Read>, work: impl FnOnce()) {
    keep();
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        // An engine that is gone has its own words.
        let _ = full.send(Read::End(Box::new(LastWords {
            error: Some(internal_error(what)),
            ..LastWords::default()
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_panic_is_kept_with_its_place_until_it_is_taken() {
        keep();
        assert_eq!(take(), None);
        for n in 1..=2 {
            let _ = catch_unwind(|| assert!(n == 0, "number {n}"));
        }
        let words = take().unwrap_or_default();
        assert!(words.starts_with("number 2 ("), "{words}");
        assert!(words.contains("panics.rs:"), "{words}");
        assert_eq!(take(), None);
        let _ = catch_unwind(|| assert!(take().is_some(), "in the end"));
        let words = internal_error("the engine");
        assert!(
            words.starts_with("internal error in the engine: in the end ("),
            "{words}"
        );
        assert_eq!(internal_error("the engine"), "internal error in the engine");
    }
}
