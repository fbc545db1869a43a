//! Windows over long lists: which rows are on a screen, of however many there are.
//!
//! The engine's thread only looks: a pass over its table goes in steps between two batches, at
//! most a small share of its time. Who asks sorts, on a thread of its own, and keeps the ranking
//! until it is old. The rows of a window are read anew for every answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use ctcpmon_core::engine::EndReason;
use ctcpmon_core::listing::{FlowRow, Kind, Pass, Rank, Spec, rank_session};
use ctcpmon_core::session::Session;
use ctcpmon_core::time::Timestamp;

use crate::observers::Observers;

/// Rankings that are kept: one for each screen that looks at something else, some of them.
const RANKINGS: usize = 4;
/// A ranking is made anew after this, and after a multiple of what it cost.
const FRESH: Duration = Duration::from_millis(200);
const FRESH_COSTS: u32 = 40;
/// How long an answer waits for a pass that may be quick.
const QUICK: Duration = Duration::from_millis(25);
/// Longest step of a pass. A reader that is ahead has some milliseconds of frames in hand.
const STEP: Duration = Duration::from_micros(500);
/// Of the time of a busy engine steps take one part in so many, and of one that has had no
/// frame for a while: a reader that is behind for a moment needs the processor.
const SHARE: u32 = 50;
const IDLE_SHARE: u32 = 2;
const IDLE_AFTER: Duration = Duration::from_millis(20);
/// Rows that are put in order at first: most screens never look further.
const HEAD: usize = 8_192;
/// Places looked at between two looks at the clock: some 0.1 ms.
const PLACES: u32 = 512;
/// Engine of a rank whose session is not in an engine any more.
const ENDED: u32 = u32::MAX;
/// Rows of a window.
const MOST_ROWS: usize = 2_000;

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    /// Position of the first row.
    pub offset: usize,
    /// Rows.
    pub height: usize,
    /// Id of a row that is to stand in line `line` of the window, wherever it is in the list now.
    pub anchor: Option<u64>,
    /// See `anchor`.
    pub line: usize,
}

/// A row of a window.
#[derive(Clone, Debug)]
pub enum Row {
    /// A conversation.
    Flow(Box<FlowRow>),
    /// A live session.
    Session(Box<Session>),
    /// One of the ended sessions that came with the question, by its index.
    Ended(usize),
    /// It went away since the list was made.
    Gone,
}

/// A window.
#[derive(Debug, Default)]
pub struct Listed {
    /// Rows there are, whether they are wanted or not.
    pub total: usize,
    /// Rows of the list.
    pub matching: usize,
    /// Position of the first row of the window.
    pub offset: usize,
    /// Position of the anchor, if it is in the list.
    pub anchor_at: Option<usize>,
    /// Rows with their ids.
    pub rows: Vec<(u64, Row)>,
    /// Share of the table looked at, 0 to 1, while there is no list at all yet.
    pub progress: Option<f64>,
    /// How old the order is.
    pub age: Duration,
}

/// A pass that is done, and what it cost the engine's thread.
type Done = (Pass, Duration);

/// A pass that is waited for, and how many rows it has looked at so far.
type Pending = (Receiver<Done>, Arc<AtomicUsize>);

/// A pass on its way through the engine's thread.
pub(crate) struct Running {
    pass: Pass,
    cost: Duration,
    looked: Arc<AtomicUsize>,
    answer: Sender<Done>,
}

/// What the engine's thread is asked.
pub(crate) enum Question {
    /// A whole pass.
    Pass(Running),
    /// The rows of a window.
    Rows(Kind, Vec<Rank>, Sender<Vec<Row>>),
}

/// The passes of the engine's thread.
#[derive(Default)]
pub(crate) struct Passes {
    running: std::collections::VecDeque<Running>,
    /// When the last step began, and what it took.
    last_step: Option<(Instant, Duration)>,
    /// When frames were measured last.
    busy_at: Option<Instant>,
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
    pub(crate) fn step(&mut self, observers: &Observers, is_idle: bool) {
        let Some(running) = self.running.front_mut() else {
            return;
        };
        let began = Instant::now();
        if !is_idle {
            self.busy_at = Some(began);
        }
        let is_idle = self
            .busy_at
            .is_none_or(|at| began.saturating_duration_since(at) >= IDLE_AFTER);
        let share = if is_idle { IDLE_SHARE } else { SHARE };
        if let Some((at, took)) = self.last_step
            && began.saturating_duration_since(at) < took * share
        {
            return;
        }
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
}

/// Looks at some more places; true when every engine was looked at.
fn advance(observers: &Observers, pass: &mut Pass) -> bool {
    let Some(engine) = observers.engines().get(pass.engine as usize) else {
        return true;
    };
    if engine.list(pass, PLACES) {
        pass.engine += 1;
        pass.next = 0;
    }
    pass.engine as usize >= observers.engines().len()
}

fn rows(observers: &Observers, kind: Kind, ranks: &[Rank]) -> Vec<Row> {
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

/// A list.
struct Ranking {
    spec: Spec,
    /// In order up to `sorted`; what is behind comes later in the list, in no order.
    ranks: Vec<Rank>,
    sorted: usize,
    total: usize,
    made: Option<Instant>,
    cost: Duration,
    used: Instant,
    pending: Option<Pending>,
    /// Made after the end of the run.
    is_final: bool,
}

impl Ranking {
    fn new(spec: &Spec) -> Self {
        Self {
            spec: spec.clone(),
            ranks: Vec::new(),
            sorted: 0,
            total: 0,
            made: None,
            cost: Duration::ZERO,
            used: Instant::now(),
            pending: None,
            is_final: false,
        }
    }

    fn is_old(&self) -> bool {
        let fresh = FRESH.max(self.cost * FRESH_COSTS);
        self.made.is_none_or(|at| at.elapsed() >= fresh)
    }

    fn take(&mut self, (pass, cost): Done) {
        let began = Instant::now();
        self.ranks = pass.ranks;
        self.sorted = 0;
        self.sort_to(HEAD);
        self.total = pass.total;
        self.made = Some(began);
        self.cost = cost + began.elapsed();
    }

    /// Puts the first `most` rows in order.
    fn sort_to(&mut self, most: usize) {
        if most <= self.sorted || self.sorted == self.ranks.len() {
            return;
        }
        if most <= HEAD && most < self.ranks.len() {
            self.ranks.select_nth_unstable(most);
            self.ranks[..most].sort_unstable();
            self.sorted = most;
        } else {
            self.ranks.sort_unstable();
            self.sorted = self.ranks.len();
        }
    }

    /// Position of the row `id`.
    fn position(&self, id: u64) -> Option<usize> {
        let at = self.ranks.iter().position(|rank| rank.id == id)?;
        if at < self.sorted {
            return Some(at);
        }
        let rank = self.ranks[at];
        Some(self.ranks.iter().filter(|other| **other < rank).count())
    }

    /// Makes the list anew where the input has ended: nobody else needs the table.
    fn make(&mut self, observers: &Observers) {
        let began = Instant::now();
        let mut pass = Pass::new(self.spec.clone());
        while !advance(observers, &mut pass) {}
        self.pending = None;
        self.is_final = true;
        self.take((pass, began.elapsed()));
    }

    /// Asks for a pass where the list is old, and takes in one that is done.
    fn refresh(&mut self, ask: impl Fn(Question) -> bool) {
        if self.pending.is_none() && self.is_old() {
            let (answer, answered) = bounded(1);
            let looked = Arc::new(AtomicUsize::new(0));
            let running = Running {
                pass: Pass::new(self.spec.clone()),
                cost: Duration::ZERO,
                looked: Arc::clone(&looked),
                answer,
            };
            if ask(Question::Pass(running)) {
                self.pending = Some((answered, looked));
            }
        }
        let Some((answered, _)) = &self.pending else {
            return;
        };
        let is_quick = self.cost < QUICK / 4;
        let wait = if is_quick { QUICK } else { Duration::ZERO };
        match answered.recv_timeout(wait) {
            Ok(done) => {
                self.pending = None;
                self.take(done);
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            // The run ended under it.
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => self.pending = None,
        }
    }
}

/// The lists that are looked at.
#[derive(Default)]
pub(crate) struct Lists {
    rankings: Mutex<Vec<Ranking>>,
}

/// A session that has ended, and why.
pub type Ended<'a> = (&'a Session, Option<EndReason>);

impl Lists {
    /// A window. `ask` puts a question to the engine's thread; false when it has ended, and
    /// then `after` gives what it left behind.
    pub(crate) fn window(
        &self,
        spec: &Spec,
        reach: &Reach,
        ended: &[Ended<'_>],
        places: usize,
        ask: impl Fn(Question) -> bool,
        after: &Mutex<Option<Observers>>,
    ) -> Listed {
        let mut rankings = self.rankings.lock().unwrap_or_else(PoisonError::into_inner);
        let at = rankings.iter().position(|one| one.spec == *spec);
        let at = at.unwrap_or_else(|| {
            if rankings.len() >= RANKINGS {
                let oldest = (0..rankings.len()).min_by_key(|at| rankings[*at].used);
                rankings.swap_remove(oldest.unwrap_or(0));
            }
            rankings.push(Ranking::new(spec));
            rankings.len() - 1
        });
        let ranking = &mut rankings[at];
        ranking.used = Instant::now();
        let left = after.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observers) = &*left {
            // Nothing changes any more, so once is enough.
            if !ranking.is_final {
                ranking.make(observers);
            }
            return listed(ranking, reach, ended, |ranks| {
                rows(observers, spec.kind, ranks)
            });
        }
        drop(left);
        ranking.refresh(&ask);
        let mut window = listed(ranking, reach, ended, |ranks| {
            let (answer, answered) = bounded(1);
            let is_asked = ask(Question::Rows(spec.kind, ranks.to_vec(), answer));
            let found = is_asked.then(|| answered.recv_timeout(Duration::from_secs(5)).ok());
            found.flatten().unwrap_or_default()
        });
        if spec.kind == Kind::Flows {
            // The count is of now, the order is not.
            window.total = window.matching.max(places);
        }
        if ranking.made.is_none()
            && let Some((_, looked)) = &ranking.pending
        {
            let looked = looked.load(Ordering::Relaxed);
            window.progress = Some((looked as f64 / places.max(1) as f64).min(1.0));
        }
        window
    }
}

fn listed(
    ranking: &mut Ranking,
    reach: &Reach,
    ended: &[Ended<'_>],
    read: impl Fn(&[Rank]) -> Vec<Row>,
) -> Listed {
    let height = reach.height.min(MOST_ROWS);
    let merged;
    let (ranks, anchor_at) = if ended.is_empty() {
        let anchor_at = reach.anchor.and_then(|id| ranking.position(id));
        let first = anchor_at.map_or(reach.offset, |at| at.saturating_sub(reach.line));
        ranking.sort_to(first.saturating_add(height).min(ranking.ranks.len()));
        (&ranking.ranks, anchor_at)
    } else {
        ranking.sort_to(ranking.ranks.len());
        merged = merge(ranking, ended);
        let at = |id| merged.iter().position(|rank| rank.id == id);
        (&merged, reach.anchor.and_then(at))
    };
    let matching = ranks.len();
    let wanted = anchor_at.map_or(reach.offset, |at| at.saturating_sub(reach.line));
    let offset = wanted.min(matching.saturating_sub(height));
    let window = &ranks[offset..(offset + height).min(matching)];
    let live: Vec<Rank> = window
        .iter()
        .filter(|r| r.engine != ENDED)
        .copied()
        .collect();
    let mut live = if live.is_empty() {
        Vec::new().into_iter()
    } else {
        read(&live).into_iter()
    };
    let mut row = |rank: &Rank| match rank.engine {
        ENDED => Row::Ended(rank.at as usize),
        _ => live.next().unwrap_or(Row::Gone),
    };
    Listed {
        total: ranking.total + ended.len(),
        matching,
        offset,
        anchor_at,
        rows: window.iter().map(|rank| (rank.id, row(rank))).collect(),
        progress: None,
        age: ranking.made.map(|at| at.elapsed()).unwrap_or_default(),
    }
}

/// Live and ended sessions in one order; one that ended since the pass is there once.
fn merge(ranking: &Ranking, ended: &[Ended<'_>]) -> Vec<Rank> {
    let over: std::collections::HashSet<u64> = ended.iter().map(|(one, _)| one.id).collect();
    let live = ranking.ranks.iter().filter(|rank| !over.contains(&rank.id));
    let mut ranks: Vec<Rank> = live.copied().collect();
    let now = ended.iter().map(|(one, _)| one.last).max();
    let now = now.unwrap_or(Timestamp(0));
    let mut text = String::new();
    for (at, (session, reason)) in ended.iter().enumerate() {
        let place = (ENDED, at as u32);
        let rank = rank_session(&ranking.spec, session, *reason, place, now, &mut text);
        ranks.extend(rank);
    }
    // Two runs, the first of them long and in order already.
    ranks.sort();
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctcpmon_core::listing::{Column, Filter};

    const ROWS: u64 = 30_000;

    fn ranking() -> Ranking {
        let spec = Spec {
            kind: Kind::Flows,
            order: Column::Bytes,
            is_reversed: false,
            filter: Filter::default(),
        };
        let mut ranking = Ranking::new(&spec);
        let mut pass = Pass::new(spec);
        // Every key once, in an order that is none; the id tells the position.
        pass.ranks = (0..ROWS)
            .map(|n| n * 7_919 % ROWS)
            .map(|key| Rank::new(key, key, 0))
            .collect();
        ranking.take((pass, Duration::ZERO));
        ranking
    }

    fn window(ranking: &mut Ranking, reach: Reach) -> (usize, Option<usize>, Vec<u64>) {
        let listed = listed(ranking, &reach, &[], |ranks| vec![Row::Gone; ranks.len()]);
        let ids = listed.rows.iter().map(|(id, _)| *id).collect();
        (listed.offset, listed.anchor_at, ids)
    }

    #[test]
    fn a_window_is_that_of_the_whole_list_wherever_it_lies() {
        for offset in [0, 17, 8_100, 8_192, 15_000, 29_990, 1 << 40] {
            let reach = Reach {
                offset,
                height: 20,
                ..Reach::default()
            };
            let (at, _, ids) = window(&mut ranking(), reach);
            let first = offset.min(ROWS as usize - 20) as u64;
            assert_eq!(at as u64, first);
            assert_eq!(ids, (first..first + 20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_row_is_found_wherever_it_is_and_stands_in_its_line() {
        for id in [0, 3, 8_000, 8_191, 8_192, 20_000, ROWS - 1] {
            let reach = Reach {
                height: 20,
                anchor: Some(id),
                line: 5,
                ..Reach::default()
            };
            let (offset, at, ids) = window(&mut ranking(), reach);
            assert_eq!(at, Some(id as usize));
            assert!(ids.contains(&id));
            let wanted = (id as usize).saturating_sub(5).min(ROWS as usize - 20);
            assert_eq!(offset, wanted);
        }
        let gone = Reach {
            offset: 40,
            height: 20,
            anchor: Some(ROWS + 1),
            line: 5,
        };
        let (offset, at, _) = window(&mut ranking(), gone);
        assert_eq!(
            (offset, at),
            (40, None),
            "one that is not there holds nothing up"
        );
    }
}
