//! One replay: a reader thread that owns source and engine, and the door to it.
//!
//! The reader never drops an event: when the queue is full it waits, and while it
//! waits it still answers requests. Nobody locks the engine to look at it; a
//! snapshot is a request that the reader answers between two batches.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use ctcpmon_capture::{CaptureError, CaptureSet, FrameBatch, Input, Options, Progress, open};
use ctcpmon_core::detect::Verdict;
use ctcpmon_core::engine::Order;
use ctcpmon_core::session::Session;
use ctcpmon_core::{Config, Engine, Event};

use crate::pace::Pace;
use crate::report::Report;

/// How often the report is made anew; a screen reads it at 5 Hz.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Longest wait of the reader before it looks for requests again.
const SLICE: Duration = Duration::from_millis(20);
/// How long a request waits for its answer before it gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Settings of a replay.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// Inputs, merged in time order.
    pub inputs: Vec<Input>,
    /// Limits of the engine.
    pub engine: Config,
    /// Frames per batch; 0: the default.
    pub batch_frames: usize,
    /// Events that may wait for `poll`; at least 1.
    pub max_pending: usize,
    /// 0: as fast as possible; 1: at the pace of the capture.
    pub speed: f64,
}

/// What one `poll` returns.
#[derive(Debug, Default)]
pub struct Polled {
    /// Events in order.
    pub events: Vec<Event>,
    /// More wait.
    pub more: bool,
    /// The input has ended and every event was handed over.
    pub done: bool,
}

enum Request {
    Snapshot {
        limit: usize,
        offset: usize,
        state: Option<Verdict>,
        order: Order,
        answer: Sender<Vec<Session>>,
    },
    Session(u64, Sender<Vec<Session>>),
}

#[derive(Default)]
struct State {
    pending: VecDeque<Event>,
    requests: VecDeque<Request>,
    report: Arc<Report>,
    opened: Option<Result<(), String>>,
    error: Option<String>,
    finished: bool,
    stop: bool,
    paused: bool,
    speed: f64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled for readers of events.
    news: Condvar,
    /// Signalled for the reader thread.
    room: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running replay.
pub struct Replay {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

impl Replay {
    /// Starts the reader. Inputs are opened on its thread, because opening a pipe
    /// may wait for its writer: see [`Replay::wait_open`].
    pub fn start(config: ReplayConfig) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.lock().speed = config.speed;
        let theirs = Arc::clone(&shared);
        let reader = std::thread::Builder::new()
            .name("ctcpmon-replay".into())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| run(&theirs, &config)));
                let mut state = theirs.lock();
                if let Err(error) =
                    outcome.unwrap_or_else(|_| Err("internal error in the engine".into()))
                {
                    if state.opened.is_none() {
                        state.opened = Some(Err(error));
                    } else {
                        state.error = Some(error);
                    }
                }
                state.finished = true;
                let mut last = Report::clone(&state.report);
                last.is_done = true;
                state.report = Arc::new(last);
                state.requests.clear();
                theirs.news.notify_all();
            })?;
        Ok(Self {
            shared,
            reader: Some(reader),
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
        state.opened.clone()
    }

    /// Takes at most `max_items` events, waiting at most `timeout` for the first.
    pub fn poll(&self, timeout: Duration, max_items: usize) -> Polled {
        let state = self.shared.lock();
        let (mut state, _) = self
            .shared
            .news
            .wait_timeout_while(state, timeout, |s| s.pending.is_empty() && !s.finished)
            .unwrap_or_else(PoisonError::into_inner);
        // Findings before ended sessions in every batch, so that a consumer that
        // looks at the two kinds apart still sees them in their true order.
        let mut seen_end = false;
        let take = state
            .pending
            .iter()
            .take(max_items.max(1))
            .take_while(|e| {
                let is_end = matches!(e, Event::Ended(..));
                let fits = is_end || !seen_end;
                seen_end |= is_end;
                fits
            })
            .count();
        let events = state.pending.drain(..take).collect();
        self.shared.room.notify_all();
        let more = !state.pending.is_empty();
        Polled {
            events,
            more,
            done: state.finished && !more,
        }
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

    /// One live session.
    pub fn session(&self, id: u64) -> Option<Session> {
        self.ask(|answer| Request::Session(id, answer)).pop()
    }

    fn ask(&self, request: impl FnOnce(Sender<Vec<Session>>) -> Request) -> Vec<Session> {
        let (answer, answered) = bounded(1);
        {
            let mut state = self.shared.lock();
            if state.finished {
                return Vec::new();
            }
            state.requests.push_back(request(answer));
            self.shared.room.notify_all();
        }
        answered.recv_timeout(ANSWER_WITHIN).unwrap_or_default()
    }

    /// Changes the speed.
    pub fn set_speed(&self, speed: f64) {
        self.shared.lock().speed = speed;
        self.shared.room.notify_all();
    }

    /// Pauses or resumes the reading.
    pub fn set_paused(&self, paused: bool) {
        self.shared.lock().paused = paused;
        self.shared.room.notify_all();
    }

    /// Ends the reading; `poll` still hands over what was found.
    pub fn stop(&self) {
        self.shared.lock().stop = true;
        self.shared.room.notify_all();
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stop = true;
            // Nobody will take these any more; the reader must not wait for room.
            state.pending.clear();
        }
        self.shared.room.notify_all();
        // A reader that waits in read(2) on a pipe cannot be woken: it is left to the
        // end of the process rather than joined.
        if let Some(reader) = self.reader.take()
            && reader.is_finished()
        {
            let _ = reader.join();
        }
    }
}

fn run(shared: &Shared, config: &ReplayConfig) -> Result<(), String> {
    let defaults = Options::default();
    let options = Options {
        batch_frames: match config.batch_frames {
            0 => defaults.batch_frames,
            n => n,
        },
        ..defaults
    };
    let mut source = open(&config.inputs, &options).map_err(|e: CaptureError| e.to_string())?;
    let mut engine = Engine::new(config.engine);
    {
        let mut state = shared.lock();
        state.opened = Some(Ok(()));
        state.report = Arc::new(Report::of(&engine, &source));
        shared.news.notify_all();
    }
    let mut pace = Pace::default();
    let mut batch = FrameBatch::default();
    let mut reported = Instant::now();
    let max_pending = config.max_pending.max(1);
    let outcome = loop {
        match source.next_batch(&mut batch) {
            Ok(Progress::End) => break Ok(()),
            Err(error) => break Err(error.to_string()),
            Ok(Progress::More) => {}
        }
        if !wait_for_turn(shared, &engine, &mut pace, &batch) {
            break Ok(());
        }
        engine.push(&batch);
        if engine.has_events() {
            hand_over(shared, &mut engine, max_pending);
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            let report = Arc::new(Report::of(&engine, &source));
            let mut state = shared.lock();
            state.report = report;
            shared.news.notify_all();
        }
        answer_requests(shared, &engine);
    };
    finish(shared, &mut engine, &source, max_pending);
    outcome
}

/// Waits out pause and pace; false when the replay was stopped.
fn wait_for_turn(shared: &Shared, engine: &Engine, pace: &mut Pace, batch: &FrameBatch) -> bool {
    loop {
        let state = shared.lock();
        if state.stop {
            return false;
        }
        let wait = if state.paused {
            pace.reset();
            Some(SLICE)
        } else {
            batch
                .frames
                .first()
                .and_then(|f| pace.wait(f.ts, state.speed))
        };
        let has_requests = !state.requests.is_empty();
        match wait {
            None => return true,
            Some(wait) => {
                if has_requests {
                    drop(state);
                } else {
                    drop(shared.room.wait_timeout(state, wait));
                }
            }
        }
        answer_requests(shared, engine);
    }
}

/// Moves events into the queue, waiting for room; answers requests meanwhile.
fn hand_over(shared: &Shared, engine: &mut Engine, max_pending: usize) {
    let mut events: VecDeque<Event> = engine.drain_events().into();
    while !events.is_empty() {
        let mut state = shared.lock();
        if state.stop && state.pending.len() >= max_pending {
            // Stopped and nobody reads: `finish` still queues the ended sessions.
            state.pending.extend(events.drain(..));
            break;
        }
        let room = max_pending.saturating_sub(state.pending.len());
        let take = room.min(events.len());
        state.pending.extend(events.drain(..take));
        shared.news.notify_all();
        if !events.is_empty() {
            drop(shared.room.wait_timeout(state, SLICE));
            answer_requests(shared, engine);
        }
    }
}

fn answer_requests(shared: &Shared, engine: &Engine) {
    loop {
        let request = {
            let mut state = shared.lock();
            state.requests.pop_front()
        };
        // An answer that nobody waits for any more is dropped.
        match request {
            None => return,
            Some(Request::Snapshot {
                limit,
                offset,
                state,
                order,
                answer,
            }) => {
                let _ = answer.send(engine.snapshot(limit, offset, state, order));
            }
            Some(Request::Session(id, answer)) => {
                let _ = answer.send(engine.session(id).cloned().into_iter().collect());
            }
        }
    }
}

fn finish(shared: &Shared, engine: &mut Engine, source: &CaptureSet, max_pending: usize) {
    let mut last = Report::of(engine, source);
    engine.finish();
    hand_over(shared, engine, max_pending);
    let sessions = (last.sessions, std::mem::take(&mut last.by_state));
    last = Report::of(engine, source);
    // The report of an ended run tells what was there at the end.
    (last.sessions, last.by_state) = sessions;
    shared.lock().report = Arc::new(last);
}
