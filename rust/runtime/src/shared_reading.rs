//! One file on two processors: who has nothing else to do reads.
//!
//! A thread of its own that reads would be a third one, beside the engine's and the caller's, who
//! makes words of what was found. Three on two processors come in each other's way: two shared
//! one of them for milliseconds while the other idled, because what is read ahead lasts for less
//! than one of them is kept waiting (measured on a capture of 1 M packets with 445 findings: 60 of 200 ms
//! idle). So the caller reads ahead of the engine while it waits for events ([`SharedReading::step`]), and
//! the engine reads for itself while the caller is busy ([`EngineSide::next`]). Frames keep their order:
//! what is read is handed over before another may read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use ctcpmon_capture::{CaptureSet, Progress};
use ctcpmon_core::flow::Preparer;

use crate::apart::Place;
use crate::filter::Filter;
use crate::panics;
use crate::reader::{Batch, LastWords, Read, Ways, give_all, last_words};

/// The file, and what is done with a frame first.
struct Source {
    set: CaptureSet,
    filter: Option<Filter>,
    preparer: Option<Preparer>,
}

/// What both threads have.
pub(crate) struct SharedReading {
    source: Mutex<Source>,
    /// Nothing is left to read, or to read for. Written with the source held.
    is_over: AtomicBool,
    full: Sender<Read>,
    empty: Receiver<Batch>,
    /// Where the engine's thread runs, and where the caller's.
    pub(crate) engine_at: Place,
    caller_at: Place,
}

impl Source {
    /// Reads into `batch`; prepares its frames while others wait in `ahead`.
    fn read(&mut self, mut batch: Batch, ahead: Option<&Sender<Read>>) -> Read {
        let error = match self.set.next_batch_soon(&mut batch.frames) {
            Ok(Some(Progress::End)) => None,
            Err(reason) => Some(reason.to_string()),
            Ok(progress) => {
                if progress.is_none() {
                    batch.frames.clear();
                }
                batch.refuse(self.filter.as_mut());
                match ahead {
                    Some(full) => batch.prepare(self.preparer.as_ref(), full),
                    None => batch.prepared.clear(),
                }
                return Read::Batch(batch, self.set.bytes_read());
            }
        };
        Read::End(Box::new(last_words(&self.set, self.filter.as_ref(), error)))
    }
}

impl SharedReading {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Notes what `read` means for the next one.
    fn note(&self, read: &Read) {
        if matches!(read, Read::End(_)) {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// There is something to read ahead, and room.
    pub(crate) fn has_work(&self) -> bool {
        !self.is_over() && !self.empty.is_empty()
    }

    /// Of the caller's thread: reads one batch ahead of the engine; false when there was no room, or
    /// nothing left to read.
    pub(crate) fn step(&self) -> bool {
        self.caller_at.note();
        let Ok(batch) = self.empty.try_recv() else {
            return false;
        };
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over() {
            return false;
        }
        let read = panics::caught("the reader", || source.read(batch, Some(&self.full)));
        let read = read.unwrap_or_else(|error| {
            Read::End(Box::new(LastWords {
                error: Some(error),
                ..LastWords::default()
            }))
        });
        self.note(&read);
        // The channel has room for every batch and the last words.
        if self.full.send(read).is_err() {
            // The engine is gone.
            self.is_over.store(true, Ordering::Relaxed);
        }
        drop(source);
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        crate::pages::make_ready();
        true
    }

    /// Of the engine's thread, which has nothing to do: the next batch, if one was read ahead at this
    /// moment, else one that it reads itself into the memory of `own`.
    fn next(
        &self,
        full: &Receiver<Read>,
        own: &mut Option<Batch>,
        wait: Duration,
    ) -> Result<Read, RecvTimeoutError> {
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is read at this moment.
            Err(TryLockError::WouldBlock) => {
                let _apart = self.caller_at.keep_off();
                return full.recv_timeout(wait);
            }
        };
        // Handed over before the other thread let go.
        if let Ok(read) = full.try_recv() {
            return Ok(read);
        }
        if let Some(batch) = own.take()
            && !self.is_over()
        {
            let read = source.read(batch, None);
            self.note(&read);
            return Ok(read);
        }
        drop(source);
        let _apart = self.caller_at.keep_off();
        full.recv_timeout(wait)
    }
}

/// What the engine's thread has of it.
pub(crate) struct EngineSide {
    reading: Arc<SharedReading>,
    full: Receiver<Read>,
    empty: Sender<Batch>,
    /// For what it reads itself.
    own: Option<Batch>,
    /// Not given back yet, up to `together`.
    used: Vec<Batch>,
    together: usize,
}

impl EngineSide {
    /// On the engine's thread: both sides of reading `set`; used batches go back `together`.
    pub(crate) fn new(
        set: CaptureSet,
        filter: Option<Filter>,
        preparer: Option<Preparer>,
        ways: Ways,
        together: usize,
    ) -> Self {
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx,
        } = ways;
        let engine_at = Place::default();
        engine_at.note();
        Self {
            reading: Arc::new(SharedReading {
                source: Mutex::new(Source {
                    set,
                    filter,
                    preparer,
                }),
                is_over: AtomicBool::new(false),
                full: full_tx,
                empty: empty_rx,
                engine_at,
                caller_at: Place::default(),
            }),
            full,
            empty,
            own: Some(Batch::default()),
            used: Vec::with_capacity(together),
            together,
        }
    }

    /// For the thread that waits for events.
    pub(crate) fn reading(&self) -> Arc<SharedReading> {
        Arc::clone(&self.reading)
    }

    /// The next batch, or the end; waits for it at most about `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Read, RecvTimeoutError> {
        self.reading.engine_at.note();
        if let Ok(read) = self.full.try_recv() {
            return Ok(read);
        }
        give_all(&mut self.used, &self.empty);
        self.reading.next(&self.full, &mut self.own, wait)
    }

    /// Hands the memory of a batch back; true when who waits for it has room again.
    pub(crate) fn give_back(&mut self, used: Batch) -> bool {
        if self.own.is_none() {
            self.own = Some(used);
            return false;
        }
        self.used.push(used);
        let is_room = self.used.len() >= self.together;
        if is_room {
            give_all(&mut self.used, &self.empty);
        }
        is_room
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use ctcpmon_capture::Options;
    use ctcpmon_capture::write::PcapngWriter;
    use ctcpmon_core::frame::{Frame, LinkType};
    use ctcpmon_core::time::Timestamp;

    use super::*;
    use crate::reader::ways;

    const FRAMES: u32 = 500;

    /// Frames that hold their number, and behind them nothing, or a fault of ours.
    struct Capture {
        bytes: io::Cursor<Vec<u8>>,
        panics_at_the_end: bool,
    }

    impl io::Read for Capture {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.bytes.read(out)?;
            assert!(
                n > 0 || out.is_empty() || !self.panics_at_the_end,
                "asked for"
            );
            Ok(n)
        }
    }

    fn sides(panics_at_the_end: bool) -> EngineSide {
        let mut writer = PcapngWriter::new(Vec::new(), &[], None).expect("a header");
        let interface = writer.interface(LinkType(1), 0, None).expect("one");
        for n in 0..FRAMES {
            let frame = Frame {
                ts: Timestamp(i64::from(n) * 1_000),
                link: LinkType(1),
                tap: 0,
                original_len: 4,
                bytes: &n.to_be_bytes(),
            };
            writer.packet(interface, &frame, &[]).expect("a packet");
        }
        let capture = Capture {
            bytes: io::Cursor::new(writer.finish().expect("all of it")),
            panics_at_the_end,
        };
        let options = Options {
            batch_frames: 7,
            ..Options::default()
        };
        let set = CaptureSet::from_readers(vec![("c".into(), Box::new(capture), 0)], &options);
        EngineSide::new(set.expect("a capture"), None, None, ways(4), 2)
    }

    /// Takes what there is; the numbers of the frames, and the last words.
    fn take(engine: &mut EngineSide, numbers: &mut Vec<u32>) -> Option<LastWords> {
        match engine.next(Duration::ZERO) {
            Ok(Read::Batch(batch, _)) => {
                let four =
                    |f: Frame<'_>| f.bytes.first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
                numbers.extend(batch.frames.iter().map(four));
                engine.give_back(batch);
                None
            }
            Ok(Read::End(last)) => Some(*last),
            Err(_) => None,
        }
    }

    #[test]
    fn frames_come_once_and_in_order_whoever_reads() {
        // Steps ahead before each look of the engine: never, always, and in between.
        for ahead in [0, 1, 2, 5] {
            let mut engine = sides(false);
            let reading = engine.reading();
            let mut numbers = Vec::new();
            let last = loop {
                let done = (0..ahead).filter(|_| reading.step()).count();
                assert!(done <= 4, "no more than there is memory for");
                if let Some(last) = take(&mut engine, &mut numbers) {
                    break last;
                }
            };
            assert_eq!(last.error, None);
            assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>(), "{ahead}");
            assert!(!reading.step() && !reading.has_work(), "it is over");
            assert!(take(&mut engine, &mut numbers).is_none(), "told once");
        }
    }

    #[test]
    fn two_threads_hand_everything_over_in_order() {
        for _ in 0..50 {
            let mut engine = sides(false);
            let reading = engine.reading();
            let mut numbers = Vec::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !reading.is_over() {
                        reading.step();
                        std::thread::yield_now();
                    }
                });
                while take(&mut engine, &mut numbers).is_none() {
                    std::thread::yield_now();
                }
            });
            assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_fault_of_ours_while_reading_is_the_last_word() {
        let mut engine = sides(true);
        let reading = engine.reading();
        let mut numbers = Vec::new();
        let last = loop {
            while reading.step() {}
            if let Some(last) = take(&mut engine, &mut numbers) {
                break last;
            }
        };
        let error = last.error.unwrap_or_default();
        assert!(
            error.starts_with("internal error in the reader: asked for ("),
            "{error}"
        );
        assert!(!reading.has_work());
    }

    #[test]
    fn who_left_is_not_read_for() {
        let engine = sides(false);
        let reading = engine.reading();
        drop(engine);
        while reading.step() {}
        assert!(!reading.has_work());
    }
}
