//! One replay: the door to the thread that owns the engine.
//!
//! Nobody locks the engine to look at it; a snapshot is a request that is answered
//! between two frames. The thread itself is in `driver`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use ctcpmon_capture::FrameBatch;
use ctcpmon_core::detect::Verdict;
use ctcpmon_core::engine::Order;
use ctcpmon_core::listing::{Kind, Spec};
use ctcpmon_core::session::Session;

use crate::config::{Polled, ReplayConfig};
use crate::control::Stretch;
use crate::driver::run;
use crate::kept::Kept;
use crate::listing::{Ended, Listed, Lists, Reach, Standing};
use crate::observers::{News, Observers};
use crate::panics;
use crate::passes::Question;
use crate::report::Report;
use crate::shared_reading::SharedReading;
use crate::slice::{SliceConfig, SliceError, Sliced, slice_kept};

/// How long a request waits for its answer before it gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(crate) enum Request {
    Snapshot {
        limit: usize,
        offset: usize,
        state: Option<Verdict>,
        order: Order,
        answer: Sender<Vec<Session>>,
    },
    Session(u64, Sender<Vec<Session>>),
    Frames(Vec<u64>, Sender<FrameBatch>),
    List(Question),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) pending: VecDeque<News>,
    pub(crate) requests: VecDeque<Request>,
    pub(crate) report: Arc<Report>,
    /// What was kept of the frames when the run ended.
    pub(crate) kept: Option<Kept>,
    pub(crate) opened: Option<Result<(), String>>,
    /// What who waits for events may read meanwhile.
    pub(crate) reading: Option<Arc<SharedReading>>,
    pub(crate) error: Option<String>,
    pub(crate) finished: bool,
    pub(crate) stop: bool,
    pub(crate) paused: bool,
    /// Goes on so far, then holds again.
    pub(crate) stretch: Option<Stretch>,
    pub(crate) speed: f64,
    /// Who waits for events. To wake nobody is a system call too.
    pub(crate) readers_waiting: usize,
    /// The engine waits for room, or for its time.
    pub(crate) engine_waits: bool,
}

#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Signalled for readers of events.
    pub(crate) news: Condvar,
    /// Signalled for the reader thread.
    pub(crate) room: Condvar,
    /// The engine's thread has time to spare; until that was measured it has none.
    pub(crate) has_time: AtomicBool,
    /// What the run left behind, where that is kept.
    pub(crate) after: Mutex<Option<Observers>>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the state and wakes who waits for events. One that woke while the state is held would wait
    /// for it again.
    pub(crate) fn wake_readers(&self, state: MutexGuard<'_, State>) {
        let is_waited_for = state.readers_waiting > 0;
        drop(state);
        if is_waited_for {
            self.news.notify_all();
        }
    }

    /// Of the engine: waits at most so long to be asked for something, or for room.
    pub(crate) fn wait_for_room(&self, mut state: MutexGuard<'_, State>, time: Duration) {
        state.engine_waits = true;
        let woken = self.room.wait_timeout(state, time);
        let (mut state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        state.engine_waits = false;
    }
}

/// A running replay.
pub struct Replay {
    pub(crate) shared: Arc<Shared>,
    lists: Lists,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    /// Starts the reader. Inputs are opened on its thread, because opening a pipe
    /// may wait for its writer: see [`Replay::wait_open`].
    pub fn start(config: ReplayConfig) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        {
            let mut state = shared.lock();
            (state.speed, state.paused) = (config.speed, config.is_paused);
        }
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ctcpmon-replay".into())
            .spawn(move || {
                panics::keep();
                let outcome = catch_unwind(AssertUnwindSafe(|| run(&theirs, config)));
                let mut state = theirs.lock();
                if let Err(error) =
                    outcome.unwrap_or_else(|_| Err(panics::internal_error("the engine")))
                {
                    if state.opened.is_none() {
                        state.opened = Some(Err(error));
                    } else {
                        state.error = Some(error);
                    }
                }
                state.finished = true;
                state.reading = None;
                let mut last = Report::clone(&state.report);
                last.is_done = true;
                state.report = Arc::new(last);
                state.requests.clear();
                theirs.news.notify_all();
            })?;
        Ok(Self {
            shared,
            lists: Lists::default(),
            thread: Some(thread),
        })
    }

    /// Waits until the inputs are open: `None` when `timeout` passed first, `Err`
    /// with the reason when they cannot be opened.
    pub fn wait_open(&self, timeout: Duration) -> Option<Result<(), String>> {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .news
            .wait_timeout_while(state, timeout, |s| s.opened.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let (opened, reading) = (state.opened.clone(), state.reading.clone());
        drop(state);
        if let Some(reading) = reading {
            // What the caller does next need not wait for the engine.
            drop(reading.engine_at.keep_off());
        }
        opened
    }

    /// Waits at most `timeout` for the first event, or the end; reads ahead of the engine meanwhile
    /// where that is for this thread to do.
    fn await_events(&self, timeout: Duration) -> MutexGuard<'_, State> {
        let end = Instant::now() + timeout;
        let is_quiet = |state: &State| state.pending.is_empty() && !state.finished;
        loop {
            let mut state = self.shared.lock();
            let left = end.saturating_duration_since(Instant::now());
            if !is_quiet(&state) || left.is_zero() {
                return state;
            }
            let reading = state.reading.clone();
            let mut _apart = None;
            if let Some(reading) = &reading {
                drop(state);
                if reading.step() {
                    continue;
                }
                _apart = Some(reading.engine_at.keep_off());
                state = self.shared.lock();
            }
            let has_work = || reading.as_ref().is_some_and(|r| r.has_work());
            let waits = |state: &mut State| is_quiet(state) && !has_work();
            state.readers_waiting += 1;
            let woken = self.shared.news.wait_timeout_while(state, left, waits);
            let (mut state, _) = woken.unwrap_or_else(PoisonError::into_inner);
            state.readers_waiting -= 1;
        }
    }

    /// Takes at most `max_items` events, waiting at most `timeout` for the first.
    pub fn poll(&self, timeout: Duration, max_items: usize) -> Polled {
        let mut state = self.await_events(timeout);
        // Findings before ended sessions before pairs of two taps in every batch, so that
        // a consumer that looks at the kinds apart still sees them in their true order.
        let mut highest = 0;
        let take = state
            .pending
            .iter()
            .take(max_items.max(1))
            .take_while(|e| {
                let fits = e.rank() >= highest;
                highest = highest.max(e.rank());
                fits
            })
            .count();
        let events = state.pending.drain(..take).collect();
        let more = !state.pending.is_empty();
        let done = state.finished && !more;
        let engine_waits = state.engine_waits;
        drop(state);
        if engine_waits {
            self.shared.room.notify_all();
        }
        Polled { events, more, done }
    }

    /// The error that ended the reading early, if any.
    pub fn error(&self) -> Option<String> {
        self.shared.lock().error.clone()
    }

    /// The latest report.
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.shared.lock().report)
    }

    /// Live sessions, chosen, sorted and cut by the reader.
    pub fn snapshot(
        &self,
        limit: usize,
        offset: usize,
        state: Option<Verdict>,
        order: Order,
    ) -> Vec<Session> {
        self.ask(|answer| Request::Snapshot {
            limit,
            offset,
            state,
            order,
            answer,
        })
    }

    /// A window over a long list. `ended` are sessions that are kept elsewhere and belong to it.
    pub fn window(&self, spec: &Spec, reach: &Reach, ended: &[Ended<'_>]) -> Listed {
        let report = self.report();
        let places = match spec.kind {
            Kind::Sessions => report.sessions,
            Kind::Flows => report.flows,
        };
        let standing = Standing {
            places: places as usize,
            is_busy: !self.shared.has_time.load(Ordering::Relaxed),
        };
        let ask = |question| {
            let mut state = self.shared.lock();
            let is_running = !state.finished;
            if is_running {
                state.requests.push_back(Request::List(question));
                self.shared.room.notify_all();
            }
            is_running
        };
        let after = &self.shared.after;
        self.lists.window(spec, reach, ended, standing, ask, after)
    }

    /// One live session.
    pub fn session(&self, id: u64) -> Option<Session> {
        self.ask(|answer| Request::Session(id, answer)).pop()
    }

    fn ask<T: Default>(&self, request: impl FnOnce(Sender<T>) -> Request) -> T {
        let (answer, answered) = bounded(1);
        {
            let mut state = self.shared.lock();
            if state.finished {
                return T::default();
            }
            state.requests.push_back(request(answer));
            self.shared.room.notify_all();
        }
        answered.recv_timeout(ANSWER_WITHIN).unwrap_or_default()
    }

    /// A slice of what is kept of the frames of `sessions`; empty where nothing is.
    ///
    /// # Errors
    /// None but for a slice above 4 GiB.
    pub fn slice(
        &self,
        sessions: &[u64],
        config: SliceConfig,
    ) -> Result<(Vec<u8>, Sliced), SliceError> {
        let after_the_end = || {
            let state = self.shared.lock();
            let kept = state.kept.as_ref();
            kept.map(|kept| kept.frames_of(sessions))
        };
        let ask = || self.ask(|answer| Request::Frames(sessions.to_vec(), answer));
        // The run may end while it is asked.
        let frames = after_the_end()
            .or_else(|| Some(ask()).filter(|frames| !frames.frames.is_empty()))
            .or_else(after_the_end)
            .unwrap_or_default();
        let names = self.report().port_names();
        Ok(slice_kept(&frames, &names, config)?)
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let is_open = {
            let mut state = self.shared.lock();
            state.stop = true;
            // Nobody will take these any more; the engine must not wait for room.
            state.pending.clear();
            state.opened.is_some()
        };
        self.shared.room.notify_all();
        // Opening a pipe that has no writer cannot be interrupted: that thread is left
        // to the end of the process.
        if let Some(thread) = self.thread.take()
            && is_open
        {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_no_time_to_spare_until_it_was_measured() {
        // One that reads by itself never waits: half a thread went to passes once.
        assert!(!Shared::default().has_time.load(Ordering::Relaxed));
    }
}
