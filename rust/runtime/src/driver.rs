//! The thread that owns the engine: takes frames at their pace, hands events over, answers requests.
//!
//! It never drops an event: when the queue is full it waits, and while it waits it still
//! answers requests.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use ctcpmon_core::engine::Event;
use ctcpmon_core::time::Timestamp;

use crate::config::{ReplayConfig, Source};
use crate::follow::Following;
use crate::observers::{News, Observers};
use crate::pace::Pace;
use crate::panics;
use crate::passes::Passes;
use crate::reader::{Batch, LastWords, Read, Reader};
use crate::replay::{Request, Shared};
use crate::report::Report;

/// How often the report is made anew; a screen reads it at 5 Hz.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Longest wait of the reader before it looks for requests again.
const SLICE: Duration = Duration::from_millis(20);
/// The same while somebody waits for a list.
const SHORT_SLICE: Duration = Duration::from_micros(500);

/// Runs to the end of the input, or to the wish for it.
pub(crate) fn run(shared: &Shared, config: ReplayConfig) -> Result<(), String> {
    let observers = Observers::new(config.engine, config.has_two_taps, config.keep_bytes);
    let preparer = observers.preparer();
    let rejected = config.filter.is_some().then_some(0);
    let mut reader = match config.source {
        Source::Files(inputs) => Reader::start(
            &inputs,
            config.batch_frames,
            preparer,
            config.filter,
            config.keeps_flows,
        )
        .map_err(|e| e.to_string())?,
        Source::Following(what) => {
            Reader::start_follow(&what, config.batch_frames, preparer, config.filter)
                .map_err(|e| e.to_string())?
        }
        #[cfg(target_os = "linux")]
        Source::Live(live) => Reader::start_live(live, preparer.as_ref())?,
    };
    let mut driver = Driver {
        shared,
        observers,
        pace: Pace::default(),
        published: Instant::now(),
        is_published: false,
        passes: Passes::default(),
        max_pending: config.max_pending.max(1),
        bytes_read: 0,
        bytes_total: reader.bytes_total,
        rejected,
        following: reader.following.clone(),
        failure: None,
        #[cfg(target_os = "linux")]
        live: reader.live().cloned(),
    };
    {
        let mut state = shared.lock();
        state.opened = Some(Ok(()));
        state.reading = reader.shared();
        shared.news.notify_all();
    }
    driver.publish(None);
    let last = loop {
        // Asked for before the look that finds nothing: what was handed over is measured.
        let silent_until = driver.silent_until();
        driver.note_downs();
        let asked = Instant::now();
        let next = reader.next(driver.slice());
        // A reader on this thread reads meanwhile.
        driver.waited(if reader.is_in_turn() {
            Duration::ZERO
        } else {
            asked.elapsed()
        });
        match next {
            Ok(Read::Batch(mut batch, bytes_read)) => {
                driver.bytes_read = bytes_read;
                if let Some(rejected) = &mut driver.rejected {
                    *rejected += batch.rejected;
                }
                let goes_on = driver.take(&mut batch);
                driver.note_failure(&mut batch);
                if reader.give_back(batch) {
                    // With the lock, so that it is not between its look and its wait.
                    shared.wake_readers(shared.lock());
                }
                if !goes_on && !driver.ends_intake() {
                    break None;
                }
            }
            Ok(Read::End(last)) => break Some(last),
            Err(RecvTimeoutError::Timeout) => {
                if shared.lock().stop && !driver.ends_intake() {
                    break None;
                }
                driver.pass_time(silent_until);
                driver.publish_when_due();
                driver.answer_requests();
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err("internal error in the reader".into());
            }
        }
    };
    driver.finish(last.as_deref());
    if config.keeps_flows {
        *shared.after.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver.observers);
    }
    last.map_or(Ok(()), |last| last.error.map_or(Ok(()), Err))
}

/// The engine's side of a replay.
struct Driver<'a> {
    shared: &'a Shared,
    observers: Observers,
    pace: Pace,
    published: Instant,
    /// Everything measured so far is in the report.
    is_published: bool,
    /// Lists that somebody waits for.
    passes: Passes,
    max_pending: usize,
    bytes_read: u64,
    bytes_total: Option<u64>,
    /// Frames that the filter refused; none without one.
    rejected: Option<u64>,
    following: Option<Arc<Following>>,
    /// Words of the first panic of the decoder.
    failure: Option<String>,
    #[cfg(target_os = "linux")]
    live: Option<std::sync::Arc<crate::live::Live>>,
}

impl Driver<'_> {
    /// Of a live or followed source: tells it to end; what it holds still comes, and then the
    /// end. False for files, which end at once.
    fn ends_intake(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(live) = &self.live {
            live.stop();
            return true;
        }
        self.following.as_ref().map(|f| f.stop()).is_some()
    }

    fn is_live(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.live.is_some();
        #[cfg(not(target_os = "linux"))]
        false
    }

    fn silent_until(&self) -> Option<Timestamp> {
        if let Some(following) = &self.following {
            // What is held up here is no silence.
            let state = self.shared.lock();
            let keeps_up = !state.paused && state.speed <= 0.0;
            return following.silent_until().filter(|_| keeps_up);
        }
        #[cfg(target_os = "linux")]
        return self.live.as_ref().and_then(|live| live.silent_until());
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Tells the engine which interfaces are down. That one is up again comes with its frames.
    fn note_downs(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(live) = &self.live {
            self.observers.tap_down(live.down());
        }
    }

    /// Keeps what the decoder failed with, on the thread that reads or on this one.
    fn note_failure(&mut self, batch: &mut Batch) {
        let words = batch.failure.take().or_else(panics::take);
        self.failure = self.failure.take().or(words);
    }

    fn pass_time(&mut self, until: Option<Timestamp>) {
        if let Some(until) = until {
            self.observers.pass_time(until);
            self.is_published = false;
            if self.observers.has_news() {
                self.hand_over();
            }
        }
    }

    /// Feeds one batch at the pace asked for; false when the replay was stopped.
    fn take(&mut self, batch: &mut Batch) -> bool {
        self.is_published = false;
        let mut next = 0;
        while next < batch.frames.frames.len() {
            let (stop, paused, stretch, speed) = {
                let state = self.shared.lock();
                (state.stop, state.paused, state.stretch, state.speed)
            };
            if stop && !self.is_live() && self.following.is_none() {
                return false;
            }
            if paused && !self.is_live() {
                self.pace.reset();
                self.idle(SLICE);
                continue;
            }
            if let Some(stretch) = stretch {
                self.pace.reset();
                let frame = batch.frames.frame(&batch.frames.frames[next]);
                let begun = stretch.begun(frame.ts);
                if begun.ends_before(frame.ts) {
                    self.hold();
                    continue;
                }
                self.shared.lock().go_on(begun);
                self.observers.push_frame(&frame);
                next += 1;
                if self.observers.has_news() && self.hand_over() && begun.ends_with_a_finding() {
                    self.hold();
                }
                continue;
            }
            if speed <= 0.0 {
                self.pace.reset();
                if next == 0 {
                    self.observers.push(batch);
                } else {
                    let frames = &batch.frames;
                    frames.frames[next..]
                        .iter()
                        .for_each(|f| self.observers.push_frame(&frames.frame(f)));
                }
                next = batch.frames.frames.len();
            } else {
                let frame = batch.frames.frame(&batch.frames.frames[next]);
                if let Some(wait) = self.pace.wait(frame.ts, speed) {
                    self.idle(wait);
                    continue;
                }
                self.observers.push_frame(&frame);
                next += 1;
            }
            if self.observers.has_news() {
                self.hand_over();
            }
        }
        self.publish_when_due();
        self.answer_requests();
        !self.shared.lock().stop
    }

    /// Holds the reading, with everything read so far on show.
    fn hold(&mut self) {
        self.shared.lock().hold();
        self.publish(None);
    }

    /// Waits for `time`, or until somebody asks for something.
    fn idle(&mut self, time: Duration) {
        let time = time.min(self.slice());
        {
            let state = self.shared.lock();
            if state.requests.is_empty() {
                let began = Instant::now();
                self.shared.wait_for_room(state, time);
                self.waited(began.elapsed());
            }
        }
        self.publish_when_due();
        self.answer_requests();
    }

    /// Takes in that the thread had nothing to do for so long.
    fn waited(&mut self, time: Duration) {
        let load = &mut self.passes.load;
        load.waited(time, Instant::now());
        let has_time = !load.is_busy;
        self.shared.has_time.store(has_time, Ordering::Relaxed);
    }

    fn publish_when_due(&mut self) {
        // An interface goes down and up without a frame.
        let is_new = !self.is_published
            || self.is_live()
            || self.following.as_ref().is_some_and(|f| f.has_news());
        if is_new && self.published.elapsed() >= REPORT_EVERY {
            self.publish(None);
        }
    }

    /// Makes the report anew and shows it.
    fn publish(&mut self, last: Option<&LastWords>) {
        let report = self.report(last);
        self.show(report);
    }

    fn report(&self, last: Option<&LastWords>) -> Report {
        let mut report = Report::of(&self.observers, self.bytes_read, self.bytes_total, last);
        if let (Some(following), None) = (&self.following, last) {
            report.notes = following.notes();
        }
        if let Some(rejected) = self.rejected {
            report.add_filter(rejected, last);
        }
        report.failure.clone_from(&self.failure);
        if let Some(kept) = self.observers.kept() {
            report.add_kept(kept.counters());
        }
        #[cfg(target_os = "linux")]
        if let Some(live) = &self.live {
            report.add_ports(live.ports(), live.clock_steps());
        }
        report
    }

    fn show(&mut self, report: Report) {
        self.published = Instant::now();
        self.is_published = true;
        self.shared.lock().report = Arc::new(report);
        self.shared.news.notify_all();
    }

    /// Moves events into the queue, waiting for room; answers requests meanwhile. True when
    /// there was a finding among them.
    fn hand_over(&mut self) -> bool {
        let (shared, max_pending) = (self.shared, self.max_pending);
        let mut events: VecDeque<News> = self.observers.drain_news().into();
        let is_finding = |one: &News| matches!(one, News::Engine(Event::Finding(_)));
        let has_finding = events.iter().any(is_finding);
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
            shared.wake_readers(state);
            if !events.is_empty() {
                let state = shared.lock();
                let is_asked = state.stop || !state.requests.is_empty();
                if state.pending.len() >= max_pending && !is_asked {
                    shared.wait_for_room(state, SLICE);
                } else {
                    drop(state);
                }
                self.answer_requests();
            }
        }
        has_finding
    }

    /// How long to wait for frames before requests are looked at.
    fn slice(&self) -> Duration {
        if self.passes.is_empty() {
            SLICE
        } else {
            SHORT_SLICE
        }
    }

    fn answer_requests(&mut self) {
        let (shared, observers) = (self.shared, &self.observers);
        self.passes.step(observers);
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
                    let _ = answer.send(observers.snapshot(limit, offset, state, order));
                }
                Some(Request::Session(id, answer)) => {
                    let _ = answer.send(observers.session(id).cloned().into_iter().collect());
                }
                Some(Request::Frames(sessions, answer)) => {
                    let kept = observers.kept();
                    let _ = answer.send(kept.map(|k| k.frames_of(&sessions)).unwrap_or_default());
                }
                Some(Request::List(question)) => self.passes.answer(question, observers),
            }
        }
    }

    /// Ends the engine and hands over what it still says.
    fn finish(&mut self, last: Option<&LastWords>) {
        // The report of an ended run tells what was there at the end.
        let before = self.report(last);
        let mut ending = self.observers.begin_end();
        self.hand_over();
        while self.observers.end_some(&mut ending) {
            self.hand_over();
        }
        self.hand_over();
        let mut report = self.report(last);
        report.sessions = before.sessions;
        report.by_state = before.by_state;
        self.show(report);
        self.shared.lock().kept = self.observers.take_kept();
    }
}
