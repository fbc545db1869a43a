//! The thread that reads: inputs to batches, ahead of the engine, each frame decoded and
//! hashed. A pipe may keep it waiting for hours; the engine's thread goes on to answer
//! meanwhile.
//!
//! With one processor, files are read on the engine's thread instead, a batch at a time:
//! two threads that take turns cost some 7 to 10 % more (measured once, on a busy machine). With
//! two, a file that no screen shows is read by who has time, see [`SharedReading`].

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ctcpmon_capture::{
    CaptureError, CaptureSet, FrameBatch, Input, InterfaceStats, Note, Options, Progress, Totals,
    open,
};
use ctcpmon_core::flow::{PreparedBatch, Preparer};

use crate::filter::{Filter, Unfit};
use crate::follow::{FollowConfig, Follower, Following};
#[cfg(target_os = "linux")]
use crate::live::{Live, LiveRings};
use crate::panics;
use crate::shared_reading::{EngineSide, SharedReading};

/// Frames on their way to the engine.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) frames: FrameBatch,
    /// One for each frame; none where the engine is to prepare them.
    pub(crate) prepared: PreparedBatch,
    /// Nothing was captured for a while before the first frame.
    pub(crate) after_gap: bool,
    /// Frames that the filter took out.
    pub(crate) rejected: u64,
    /// Words of a panic with which the decoder failed on one of them.
    pub(crate) failure: Option<String>,
}

/// Batches between the engine and the reader of a ring or of a file that is being written: one
/// being filled, one waiting, one in use. The ring, or the file, lies ahead of them.
const BATCHES: usize = 3;

/// How far a file is read ahead.
///
/// A reader that is faster than the engine waits for every batch. To be woken cost it 60 us each
/// time on a virtual machine (schedstat: 3,400 times a second, a fifth of its time), often on the
/// engine's processor, which it took over for a while: so it is woken once for several. What
/// is then still ahead lasts until it runs: until whoever has its processor has had its turn
/// (some 3 ms in Linux), where that is the screen. More of it takes the flow table's
/// place in the caches.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    batches: usize,
    /// Used ones that go back to the reader together.
    together: usize,
}

/// Measured on M, quiet, best and median of 11 runs by turns: 3 batches one by one 0.56 and 0.67 s,
/// 12 by 6 0.52 and 0.58, 16 by 5 0.53 and 0.54, 24 by 8 0.56 and 0.62.
const AHEAD: Ahead = Ahead {
    batches: 16,
    together: 5,
};
/// Where the engine reads for itself when nothing is ahead, less will do, and takes less of the
/// caches: M in 0.96 to 0.98 of the time with 16 by 5 (9 and 15 runs by turns).
const AHEAD_SHARED: Ahead = Ahead {
    batches: 8,
    together: 3,
};
/// With a screen at full speed the engine waited for 3.3 to 4.8 % of its time with 16 by 5, and for
/// 1.1 to 2.2 % with 24 by 8 (`benches/screen.py`).
const AHEAD_OF_A_SCREEN: Ahead = Ahead {
    batches: 24,
    together: 8,
};

/// What the inputs say about themselves once they were read.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    pub(crate) notes: Vec<Note>,
    pub(crate) interfaces: Vec<InterfaceStats>,
    pub(crate) totals: Totals,
    /// Bytes read in all.
    pub(crate) bytes_read: u64,
    /// Frames of link types that the filter does not fit.
    pub(crate) unfit: Option<Unfit>,
    /// Why the reading ended early.
    pub(crate) error: Option<String>,
}

/// What comes from the reader.
pub(crate) enum Read {
    /// Frames, and the stored bytes read so far.
    Batch(Batch, u64),
    /// Nothing more.
    End(Box<LastWords>),
}

/// A running reader. Dropping it ends its thread at its next batch; one that waits
/// in read(2) on a pipe is left to the end of the process.
pub(crate) struct Reader {
    way: Way,
    pub(crate) bytes_total: Option<u64>,
    /// A capture that is being written.
    pub(crate) following: Option<Arc<Following>>,
}

enum Way {
    /// On a thread for each ring.
    #[cfg(target_os = "linux")]
    Live {
        full: Receiver<Read>,
        empty: Sender<Batch>,
        live: Arc<Live>,
        /// Rings that have not ended.
        open: usize,
        error: Option<String>,
    },
    /// On a thread of its own.
    Ahead {
        full: Receiver<Read>,
        empty: Sender<Batch>,
        /// Not given back yet, up to `together`.
        used: Vec<Batch>,
        together: usize,
    },
    /// On the thread that asks and on the one that waits for events.
    Shared(EngineSide),
    /// On the thread that asks, into the one batch there is.
    InTurn {
        source: Box<CaptureSet>,
        batch: Batch,
        filter: Option<Filter>,
    },
}

impl Way {
    fn ahead(full: Receiver<Read>, empty: Sender<Batch>, together: usize) -> Self {
        Self::Ahead {
            full,
            empty,
            used: Vec::with_capacity(together),
            together,
        }
    }
}

impl Reader {
    /// Opens the inputs on the caller's thread and reads them on another, which prepares
    /// the frames that `filter` accepts with `preparer`. `is_shown`: on a screen.
    pub(crate) fn start(
        inputs: &[Input],
        batch_frames: usize,
        preparer: Option<Preparer>,
        filter: Option<Filter>,
        is_shown: bool,
    ) -> Result<Self, CaptureError> {
        let source = open(inputs, &options(batch_frames))?;
        let bytes_total = source.bytes_total();
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        // Only files have a size; they do not wait for a writer.
        if processors == 1 && bytes_total.is_some() && inputs.len() == 1 {
            return Ok(Self {
                way: Way::InTurn {
                    source: Box::new(source),
                    batch: Batch::default(),
                    filter,
                },
                bytes_total,
                following: None,
            });
        }
        if processors == 2 && bytes_total.is_some() && inputs.len() == 1 && !is_shown {
            let Ahead { batches, together } = AHEAD_SHARED;
            let side = EngineSide::new(source, filter, preparer, ways(batches), together);
            return Ok(Self {
                way: Way::Shared(side),
                bytes_total,
                following: None,
            });
        }
        let ahead = if is_shown { AHEAD_OF_A_SCREEN } else { AHEAD };
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx,
        } = ways(ahead.batches);
        let spawned = std::thread::Builder::new()
            .name("ctcpmon-reader".into())
            .spawn(move || {
                panics::reading("the reader", &full_tx, || {
                    read(source, preparer.as_ref(), filter, &full_tx, &empty_rx);
                });
            });
        spawned.map_err(no_thread)?;
        Ok(Self {
            way: Way::ahead(full, empty, ahead.together),
            bytes_total,
            following: None,
        })
    }

    /// Reads what another program is writing on a thread, which waits for it.
    pub(crate) fn start_follow(
        config: &FollowConfig,
        batch_frames: usize,
        preparer: Option<Preparer>,
        filter: Option<Filter>,
    ) -> Result<Self, CaptureError> {
        let (follower, following) = Follower::new(config, options(batch_frames), filter)?;
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx,
        } = ways(BATCHES);
        let spawned = std::thread::Builder::new()
            .name("ctcpmon-reader".into())
            .spawn(move || {
                panics::reading("the reader", &full_tx, || {
                    follower.run(preparer.as_ref(), &full_tx, &empty_rx);
                });
            });
        spawned.map_err(no_thread)?;
        Ok(Self {
            way: Way::ahead(full, empty, 1),
            bytes_total: None,
            following: Some(following),
        })
    }

    /// Reads each of the rings on a thread of its own.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_live(
        rings: LiveRings,
        preparer: Option<&Preparer>,
    ) -> Result<Self, String> {
        let open = rings.len();
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx,
        } = ways(BATCHES * open);
        let live =
            crate::live::start(rings, preparer, &full_tx, &empty_rx).map_err(|e| e.to_string())?;
        Ok(Self {
            way: Way::Live {
                full,
                empty,
                live,
                open,
                error: None,
            },
            bytes_total: None,
            following: None,
        })
    }

    /// The interfaces that are captured; none for files.
    #[cfg(target_os = "linux")]
    pub(crate) fn live(&self) -> Option<&Arc<Live>> {
        match &self.way {
            Way::Live { live, .. } => Some(live),
            _ => None,
        }
    }

    /// What the thread that waits for events may read; none where another way was taken.
    pub(crate) fn shared(&self) -> Option<Arc<SharedReading>> {
        match &self.way {
            Way::Shared(side) => Some(side.reading()),
            _ => None,
        }
    }

    /// The next batch, or the end; waits for it at most about `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Read, RecvTimeoutError> {
        match &mut self.way {
            Way::Ahead {
                full, empty, used, ..
            } => {
                if full.is_empty() {
                    give_all(used, empty);
                }
                full.recv_timeout(wait)
            }
            #[cfg(target_os = "linux")]
            Way::Live {
                full,
                open,
                error,
                live,
                ..
            } => {
                let mut next = full.recv_timeout(wait)?;
                if let Read::End(last) = &mut next {
                    *open = open.saturating_sub(1);
                    let reason = last.error.take();
                    if reason.is_some() {
                        // A run that sees less than it was asked to does not go on as if it did.
                        live.stop();
                    }
                    *error = error.take().or(reason);
                    if *open > 0 {
                        return Err(RecvTimeoutError::Timeout);
                    }
                    last.error = error.take();
                }
                Ok(next)
            }
            Way::Shared(side) => side.next(wait),
            Way::InTurn {
                source,
                batch,
                filter,
            } => {
                let mut batch = std::mem::take(batch);
                let error = match source.next_batch_soon(&mut batch.frames) {
                    Ok(Some(Progress::More)) => {
                        batch.refuse(filter.as_mut());
                        return Ok(Read::Batch(batch, source.bytes_read()));
                    }
                    Ok(Some(Progress::End)) => None,
                    Ok(None) => return Err(RecvTimeoutError::Timeout),
                    Err(reason) => Some(reason.to_string()),
                };
                Ok(Read::End(Box::new(last_words(
                    source,
                    filter.as_ref(),
                    error,
                ))))
            }
        }
    }

    /// True where [`Reader::next`] reads on the caller's thread instead of waiting for another.
    pub(crate) fn is_in_turn(&self) -> bool {
        matches!(self.way, Way::InTurn { .. } | Way::Shared(_))
    }

    /// Hands the memory of a batch back; true when there is room again for who waits for it in
    /// [`SharedReading`].
    pub(crate) fn give_back(&mut self, used: Batch) -> bool {
        match &mut self.way {
            Way::Shared(side) => return side.give_back(used),
            Way::Ahead {
                empty,
                used: all,
                together,
                ..
            } => {
                all.push(used);
                if all.len() >= *together {
                    give_all(all, empty);
                }
            }
            #[cfg(target_os = "linux")]
            Way::Live { empty, .. } => drop(empty.send(used)),
            Way::InTurn { batch, .. } => *batch = used,
        }
        false
    }
}

/// Hands them to the reader, which the first of them wakes.
pub(crate) fn give_all(used: &mut Vec<Batch>, empty: &Sender<Batch>) {
    for batch in used.drain(..) {
        // A reader that is gone needs none.
        let _ = empty.send(batch);
    }
}

fn options(batch_frames: usize) -> Options {
    let defaults = Options::default();
    Options {
        batch_frames: match batch_frames {
            0 => defaults.batch_frames,
            n => n,
        },
        ..defaults
    }
}

fn no_thread(source: std::io::Error) -> CaptureError {
    CaptureError::Open {
        input: "a reader thread".into(),
        source,
    }
}

/// Both ends of both channels.
pub(crate) struct Ways {
    pub(crate) full: Receiver<Read>,
    pub(crate) full_tx: Sender<Read>,
    pub(crate) empty: Sender<Batch>,
    pub(crate) empty_rx: Receiver<Batch>,
}

/// Channels with `batches` empty batches on their way to be filled.
pub(crate) fn ways(batches: usize) -> Ways {
    // Beside them the word of each thread that it has ended.
    let (full_tx, full) = bounded(batches * 2);
    let (empty, empty_rx) = bounded(batches);
    for _ in 0..batches {
        // The channel has room for all of them.
        let _ = empty.send(Batch::default());
    }
    Ways {
        full,
        full_tx,
        empty,
        empty_rx,
    }
}

impl Batch {
    /// Takes out what the filter refuses.
    pub(crate) fn refuse(&mut self, filter: Option<&mut Filter>) {
        self.rejected = filter.map_or(0, |filter| filter.refuse(&mut self.frames));
    }

    /// Decodes and hashes its frames, while the engine has work waiting. An engine that waits
    /// gets what there is and prepares it itself: frames of full size take longer to read than
    /// to measure.
    pub(crate) fn prepare(&mut self, preparer: Option<&Preparer>, full: &Sender<Read>) {
        let Self {
            frames,
            prepared,
            failure,
            ..
        } = self;
        if let Some(preparer) = preparer
            && !full.is_empty()
        {
            preparer.prepare_batch(frames, prepared);
            *failure = panics::take();
        } else {
            prepared.clear();
        }
    }
}

pub(crate) fn last_words(
    source: &CaptureSet,
    filter: Option<&Filter>,
    error: Option<String>,
) -> LastWords {
    LastWords {
        notes: source.notes(),
        interfaces: source.interface_stats(),
        totals: source.totals(),
        bytes_read: source.bytes_read(),
        unfit: filter.and_then(Filter::unfit),
        error,
    }
}

fn read(
    mut source: CaptureSet,
    preparer: Option<&Preparer>,
    mut filter: Option<Filter>,
    full: &Sender<Read>,
    empty: &Receiver<Batch>,
) {
    let mut error = None;
    while let Ok(mut batch) = empty.recv() {
        match source.next_batch(&mut batch.frames) {
            Ok(Progress::More) => {
                batch.refuse(filter.as_mut());
                batch.prepare(preparer, full);
                if full.send(Read::Batch(batch, source.bytes_read())).is_err() {
                    return;
                }
                #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
                crate::pages::make_ready();
            }
            Ok(Progress::End) => break,
            Err(reason) => {
                error = Some(reason.to_string());
                break;
            }
        }
    }
    let _ = full.send(Read::End(Box::new(last_words(
        &source,
        filter.as_ref(),
        error,
    ))));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::live::tests::live;

    #[test]
    fn used_batches_go_back_together_or_when_there_is_nothing_else_to_do() {
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx,
        } = ways(AHEAD.batches);
        let mut reader = Reader {
            way: Way::ahead(full, empty, AHEAD.together),
            bytes_total: None,
            following: None,
        };
        let filled = || empty_rx.try_iter().count();
        assert_eq!(filled(), AHEAD.batches);
        let turn = |reader: &mut Reader| match reader.next(Duration::ZERO) {
            Ok(Read::Batch(batch, _)) => {
                reader.give_back(batch);
                true
            }
            _ => false,
        };
        for _ in 0..=AHEAD.together {
            let _ = full_tx.send(Read::Batch(Batch::default(), 0));
        }
        for n in 1..AHEAD.together {
            assert!(turn(&mut reader), "{n}");
            assert_eq!(filled(), 0, "after {n}");
        }
        assert!(turn(&mut reader));
        assert_eq!(filled(), AHEAD.together);
        assert!(turn(&mut reader));
        assert_eq!(filled(), 0);
        assert!(!turn(&mut reader), "nothing is ahead");
        assert_eq!(filled(), 1);
    }

    #[test]
    fn a_panic_in_one_ring_stops_the_others_and_is_told() {
        let Ways {
            full,
            full_tx,
            empty,
            empty_rx: _rings,
        } = ways(BATCHES * 2);
        let live = Arc::new(live(None, false));
        let first = full_tx.clone();
        std::thread::spawn(move || {
            panics::reading("the reader of m0", &first, || {
                assert!(first.is_full(), "why");
            });
        });
        let theirs = Arc::clone(&live);
        std::thread::spawn(move || {
            panics::reading("the reader of m1", &full_tx, || {
                while !theirs.is_stopped() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let _ = full_tx.send(Read::End(Box::default()));
            });
        });
        let mut reader = Reader {
            way: Way::Live {
                full,
                empty,
                live,
                open: 2,
                error: None,
            },
            bytes_total: None,
            following: None,
        };
        let began = Instant::now();
        let error = loop {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody told");
            match reader.next(Duration::from_millis(10)) {
                Ok(Read::End(last)) => break last.error.unwrap_or_default(),
                Ok(Read::Batch(..)) => unreachable!(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break "no word".into(),
            }
        };
        assert!(
            error.starts_with("internal error in the reader of m0: why ("),
            "{error}"
        );
    }
}
