//! The engine's side of long lists: passes over its tables, in steps between two batches.
//!
//! A pass may take a good part of a thread that has time to spare, and a small one of a thread
//! that has not; how often a list is made anew is up to who asks, see `listing`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use ctcpmon_core::listing::{Kind, Pass, Rank};

use crate::listing::Row;
use crate::observers::Observers;

/// Longest step of a pass. A reader that is ahead has some milliseconds of frames in hand.
const STEP: Duration = Duration::from_micros(500);
/// Of the time of a busy thread steps take one part in so many while there is a pass, so that a
/// list of a million rows is there within a second (guess); of one with time to spare half.
const BUSY_SHARE: u32 = 10;
const SHARE: u32 = 2;
/// Places looked at between two looks at the clock: less than 0.1 ms.
const PLACES: u32 = 512;
/// Over how long it is measured how busy the thread is: a moment in which the reader got no
/// processor is not time to spare.
const MEASURED: Duration = Duration::from_secs(1);
/// One that works for more than one part in so many of the time is busy: a replay as fast as it
/// can is, though it waits for the reader (measured: on a busy machine for four fifths of the
/// time); a capture of some hundred thousand frames a second is not.
const SPARE_PARTS: u32 = 10;

/// A pass that is done, and what it cost the engine's thread.
pub(crate) type Done = (Pass, Duration);

/// A pass that is waited for, and how many rows it has looked at so far. Dropping it is taking
/// the question back.
pub(crate) struct Pending {
    pub(crate) answered: Receiver<Done>,
    looked: Arc<AtomicUsize>,
}

impl Pending {
    pub(crate) fn looked(&self) -> usize {
        self.looked.load(Ordering::Relaxed)
    }
}

/// A pass on its way through the engine's thread.
pub(crate) struct Running {
    pass: Pass,
    cost: Duration,
    looked: Arc<AtomicUsize>,
    answer: Sender<Done>,
}

impl Running {
    pub(crate) fn new(pass: Pass) -> (Self, Pending) {
        let (answer, answered) = bounded(1);
        let looked = Arc::new(AtomicUsize::new(0));
        let running = Self {
            pass,
            cost: Duration::ZERO,
            looked: Arc::clone(&looked),
            answer,
        };
        (running, Pending { answered, looked })
    }

    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.looked) > 1
    }
}

/// What the engine's thread is asked.
pub(crate) enum Question {
    /// A whole pass.
    Pass(Running),
    /// The rows of a window.
    Rows(Kind, Vec<Rank>, Sender<Vec<Row>>),
}

/// How busy the engine's thread is. Until it was measured for the first time it is.
#[derive(Debug)]
pub(crate) struct Load {
    since: Instant,
    waited: Duration,
    pub(crate) is_busy: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            waited: Duration::ZERO,
            is_busy: true,
        }
    }
}

impl Load {
    /// Takes in that the thread waited for so long, up to `now`.
    pub(crate) fn waited(&mut self, time: Duration, now: Instant) {
        self.waited += time;
        let over = now.saturating_duration_since(self.since);
        if over >= MEASURED {
            let worked = over.saturating_sub(self.waited);
            self.is_busy = worked * SPARE_PARTS > over;
            self.since = now;
            self.waited = Duration::ZERO;
        }
    }
}

/// The passes of the engine's thread.
#[derive(Default)]
pub(crate) struct Passes {
    running: VecDeque<Running>,
    /// When the last step began, and what it took.
    last_step: Option<(Instant, Duration)>,
    pub(crate) load: Load,
}

impl Passes {
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn answer(&mut self, question: Question, observers: &Observers) {
        match question {
            Question::Pass(running) => self.running.push_back(running),
            // An answer that nobody waits for any more is dropped.
            Question::Rows(kind, ranks, answer) => {
                let _ = answer.send(rows(observers, kind, &ranks));
            }
        }
    }

    /// One step of the first pass, if it is time for one.
    pub(crate) fn step(&mut self, observers: &Observers) {
        if self.running.is_empty() {
            return;
        }
        let began = Instant::now();
        if !self.is_due(began) {
            return;
        }
        // Who has typed on waits for the last list alone.
        self.running.retain(Running::is_wanted);
        let Some(running) = self.running.front_mut() else {
            return;
        };
        let is_done = loop {
            if advance(observers, &mut running.pass) {
                break true;
            }
            if began.elapsed() >= STEP {
                break false;
            }
        };
        let took = began.elapsed();
        running.cost += took;
        running.looked.store(running.pass.total, Ordering::Relaxed);
        self.last_step = Some((began, took));
        if is_done && let Some(done) = self.running.pop_front() {
            let _ = done.answer.send((done.pass, done.cost));
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let share = if self.load.is_busy { BUSY_SHARE } else { SHARE };
        self.last_step
            .is_none_or(|(at, took)| now.saturating_duration_since(at) >= took * share)
    }
}

/// Looks at some more places; true when every engine was looked at.
pub(crate) fn advance(observers: &Observers, pass: &mut Pass) -> bool {
    let Some(engine) = observers.engines().get(pass.engine as usize) else {
        return true;
    };
    if engine.list(pass, PLACES) {
        pass.engine += 1;
        pass.next = 0;
    }
    pass.engine as usize >= observers.engines().len()
}

pub(crate) fn rows(observers: &Observers, kind: Kind, ranks: &[Rank]) -> Vec<Row> {
    let row = |rank: &Rank| {
        let engine = observers.engines().get(rank.engine as usize)?;
        match kind {
            Kind::Flows => engine.ranked_flow(rank).map(|f| Row::Flow(Box::new(f))),
            Kind::Sessions => {
                let session = engine.ranked_session(rank)?;
                Some(Row::Session(Box::new(session.clone())))
            }
        }
    };
    let found = ranks.iter().map(|rank| row(rank).unwrap_or(Row::Gone));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctcpmon_core::Config;
    use ctcpmon_core::listing::{Column, Filter, Spec};

    const MS: Duration = Duration::from_millis(1);

    fn asked() -> (Running, Pending) {
        let spec = Spec {
            kind: Kind::Flows,
            order: Column::Bytes,
            is_reversed: false,
            filter: Filter::default(),
        };
        Running::new(Pass::new(spec))
    }

    #[test]
    fn a_thread_is_busy_until_it_waits_for_nearly_all_of_the_time() {
        let begun = Instant::now();
        for (waited, is_busy) in [(0, true), (89, true), (91, false), (100, false)] {
            let mut load = Load {
                since: begun,
                waited: Duration::ZERO,
                is_busy: !is_busy,
            };
            let percent = MEASURED / 100;
            load.waited(percent * waited, begun + percent * 99);
            assert_eq!(load.is_busy, !is_busy, "not measured for long enough");
            load.waited(Duration::ZERO, begun + percent * 100);
            assert_eq!(load.is_busy, is_busy, "waited for {waited} %");
        }
        assert!(Load::default().is_busy, "until it is known");
    }

    #[test]
    fn steps_take_a_tenth_of_a_busy_thread_and_half_of_another() {
        let at = Instant::now();
        for (is_busy, wait) in [(true, 10), (false, 2)] {
            let passes = Passes {
                last_step: Some((at, MS)),
                load: Load {
                    is_busy,
                    ..Load::default()
                },
                ..Passes::default()
            };
            assert!(!passes.is_due(at + MS * (wait - 1)));
            assert!(passes.is_due(at + MS * wait));
        }
        assert!(Passes::default().is_due(at), "the first one at once");
    }

    #[test]
    fn a_pass_that_nobody_waits_for_any_more_is_left_out() {
        let observers = Observers::new(Config::default(), false, 0);
        let mut passes = Passes::default();
        let (first, taken_back) = asked();
        let (second, wanted) = asked();
        passes.answer(Question::Pass(first), &observers);
        passes.answer(Question::Pass(second), &observers);
        drop(taken_back);
        passes.step(&observers);
        assert!(passes.is_empty(), "one step is enough for an empty table");
        assert!(wanted.answered.try_recv().is_ok());
    }
}
