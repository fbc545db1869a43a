//! Windows over long lists: which rows are on a screen, of however many there are.
//!
//! The engine's thread only looks, see `passes`. Who asks sorts, on a thread of its own, and keeps
//! the ranking until it is old. The rows of a window are read anew for every answer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use ctcpmon_core::engine::EndReason;
use ctcpmon_core::listing::{FlowRow, Kind, Pass, Rank, Spec, rank_session};
use ctcpmon_core::session::Session;
use ctcpmon_core::time::Timestamp;

use crate::observers::Observers;
use crate::passes::{Done, Pending, Question, Running, advance, rows};

/// Rankings that are kept: one for each screen that looks at something else, some of them.
const RANKINGS: usize = 4;
/// A ranking is made anew after this, and after a multiple of what it cost: a list of flows shall
/// not slow an engine that has no time to spare by more than a thousandth. Passes were the whole
/// cost of a list of a million (`benches/screen.py`: windows with a pass in them were 3 % slower,
/// others no slower than those without a screen). Sessions are fewer, and a new one that is ill
/// shall not wait to be listed: a third of a percent.
const FRESH: Duration = Duration::from_millis(200);
const FRESH_COSTS: u32 = 40;
const FRESH_COSTS_BUSY: u32 = 1_000;
const FRESH_COSTS_BUSY_SESSIONS: u32 = 300;
/// A list that was not looked at for so long needs no pass any more (guess: longer than the
/// slowest screen takes between two pictures).
const ABANDONED: Duration = Duration::from_secs(2);
/// How long an answer waits for a pass that may be quick.
const QUICK: Duration = Duration::from_millis(25);
/// Rows that are put in order at first: most screens never look further.
const HEAD: usize = 8_192;
/// Engine of a rank whose session is not in an engine any more.
const ENDED: u32 = u32::MAX;
/// Rows of a window.
const MOST_ROWS: usize = 2_000;

/// What is known of the engine without asking it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Rows of the table.
    pub(crate) places: usize,
    /// Its thread has no time to spare.
    pub(crate) is_busy: bool,
}

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
    /// How old the order is; nothing once it is that of the end.
    pub age: Duration,
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
    /// Where the row was that was looked for last; it is there until the order changes.
    found: Option<(u64, usize)>,
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
            found: None,
            pending: None,
            is_final: false,
        }
    }

    fn is_old(&self, is_busy: bool) -> bool {
        let fresh = fresh_for(self.spec.kind, self.cost, is_busy);
        self.made.is_none_or(|at| at.elapsed() >= fresh)
    }

    /// Takes a list in; the memory of the one before.
    fn take(&mut self, (pass, cost): Done) -> Vec<Rank> {
        let began = Instant::now();
        let before = std::mem::replace(&mut self.ranks, pass.ranks);
        self.sorted = 0;
        self.found = None;
        self.sort_to(HEAD);
        self.total = pass.total;
        self.made = Some(began);
        self.cost = cost + began.elapsed();
        before
    }

    /// Puts the first `most` rows in order.
    fn sort_to(&mut self, most: usize) {
        if most <= self.sorted || self.sorted == self.ranks.len() {
            return;
        }
        self.found = None;
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
    fn position(&mut self, id: u64) -> Option<usize> {
        if let Some((found, at)) = self.found
            && found == id
        {
            return Some(at);
        }
        let at = self.ranks.iter().position(|rank| rank.id == id)?;
        let rank = self.ranks[at];
        let at = if at < self.sorted {
            at
        } else {
            self.ranks.iter().filter(|other| **other < rank).count()
        };
        self.found = Some((id, at));
        Some(at)
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

    /// Asks for a pass where the list is old, or nobody looked at it for a while (`is_back`), and
    /// takes in one that is done.
    fn refresh(
        &mut self,
        standing: Standing,
        is_back: bool,
        spare: &mut Vec<Rank>,
        ask: impl Fn(Question) -> bool,
    ) {
        if self.pending.is_none() && (is_back || self.is_old(standing.is_busy)) {
            let mut pass = Pass::new(self.spec.clone());
            if self.spec.filter.is_empty() {
                pass.ranks = room_for(standing.places, spare);
            }
            let (running, pending) = Running::new(pass);
            if ask(Question::Pass(running)) {
                self.pending = Some(pending);
            }
        }
        let Some(pending) = &self.pending else {
            return;
        };
        let is_quick = self.cost < QUICK / 4;
        let wait = if is_quick { QUICK } else { Duration::ZERO };
        match pending.answered.recv_timeout(wait) {
            Ok(done) => {
                self.pending = None;
                let before = self.take(done);
                if before.capacity() > spare.capacity() {
                    *spare = before;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The run ended under it.
            Err(RecvTimeoutError::Disconnected) => self.pending = None,
        }
    }
}

/// How long a list stays as it is that cost so much to make.
fn fresh_for(kind: Kind, cost: Duration, is_busy: bool) -> Duration {
    let costs = match kind {
        _ if !is_busy => FRESH_COSTS,
        Kind::Flows => FRESH_COSTS_BUSY,
        Kind::Sessions => FRESH_COSTS_BUSY_SESSIONS,
    };
    FRESH.max(cost * costs)
}

/// Memory for the ranks of so many rows, touched: the first touch of memory costs as much as a
/// whole pass (up to 2 ms for a MiB on a virtual machine), which is not for the engine's thread.
fn room_for(rows: usize, spare: &mut Vec<Rank>) -> Vec<Rank> {
    let mut ranks = Vec::new();
    // Not for a list that needs a small part of it.
    if spare.capacity() / 4 <= rows {
        ranks = std::mem::take(spare);
        ranks.clear();
    }
    if ranks.capacity() < rows {
        // A table may grow while it is looked at.
        let most = rows + rows / 8;
        ranks = Vec::with_capacity(most);
        ranks.resize(most, Rank::new(0, 0, 0));
        ranks.clear();
    }
    ranks
}

/// The lists that are looked at.
#[derive(Default)]
pub(crate) struct Lists {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    rankings: Vec<Ranking>,
    /// Memory of a list that was made anew, for the next one.
    spare: Vec<Rank>,
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
        standing: Standing,
        ask: impl Fn(Question) -> bool,
        after: &Mutex<Option<Observers>>,
    ) -> Listed {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { rankings, spare } = &mut *kept;
        for one in rankings.iter_mut() {
            if one.used.elapsed() >= ABANDONED {
                one.pending = None;
            }
        }
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
        let is_back = ranking.used.elapsed() >= ABANDONED;
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
        ranking.refresh(standing, is_back, spare, &ask);
        let mut window = listed(ranking, reach, ended, |ranks| {
            let (answer, answered) = bounded(1);
            let is_asked = ask(Question::Rows(spec.kind, ranks.to_vec(), answer));
            let found = is_asked.then(|| answered.recv_timeout(Duration::from_secs(5)).ok());
            found.flatten().unwrap_or_default()
        });
        if spec.kind == Kind::Flows {
            // The count is of now, the order is not.
            window.total = window.matching.max(standing.places);
        }
        if ranking.made.is_none()
            && let Some(pending) = &ranking.pending
        {
            let places = standing.places.max(1) as f64;
            window.progress = Some((pending.looked() as f64 / places).min(1.0));
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
        age: match ranking.made {
            Some(at) if !ranking.is_final => at.elapsed(),
            _ => Duration::ZERO,
        },
    }
}

/// Live and ended sessions in one order; one that ended since the pass is there once.
fn merge(ranking: &Ranking, ended: &[Ended<'_>]) -> Vec<Rank> {
    let over: std::collections::HashSet<u64> = ended.iter().map(|(one, _)| one.id()).collect();
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

    #[test]
    fn a_row_is_looked_for_once_and_anew_in_a_new_list() {
        let mut ranking = ranking();
        for _ in 0..2 {
            assert_eq!(ranking.position(20_000), Some(20_000));
            assert_eq!(ranking.found, Some((20_000, 20_000)));
        }
        assert_eq!(ranking.position(3), Some(3));
        let mut pass = Pass::new(ranking.spec.clone());
        pass.ranks = (0..ROWS).map(|id| Rank::new(ROWS - id, id, 0)).collect();
        let before = ranking.take((pass, Duration::ZERO));
        assert_eq!(before.len() as u64, ROWS, "its memory is used again");
        assert_eq!(ranking.position(3), Some(ROWS as usize - 4));
    }

    #[test]
    fn a_busy_engine_makes_a_long_list_anew_less_often() {
        let ms = Duration::from_millis;
        for kind in [Kind::Flows, Kind::Sessions] {
            assert_eq!(fresh_for(kind, Duration::ZERO, true), ms(200));
            assert_eq!(fresh_for(kind, ms(1), false), ms(200));
            assert_eq!(fresh_for(kind, ms(30), false), ms(1_200));
        }
        assert_eq!(fresh_for(Kind::Flows, ms(1), true), ms(1_000));
        assert_eq!(fresh_for(Kind::Flows, ms(30), true), ms(30_000));
        assert_eq!(fresh_for(Kind::Sessions, ms(30), true), ms(9_000));
    }

    #[test]
    fn who_comes_back_to_a_list_finds_it_anew() {
        let mut kept = ranking();
        kept.cost = Duration::from_secs(1);
        let spec = kept.spec.clone();
        let lists = Lists {
            kept: Mutex::new(Kept {
                rankings: vec![kept],
                spare: Vec::new(),
            }),
        };
        let standing = Standing {
            places: ROWS as usize,
            is_busy: true,
        };
        let after = Mutex::new(None);
        let asks_for_a_pass = || {
            let passes = std::cell::Cell::new(0);
            let ask = |question| {
                passes.set(passes.get() + usize::from(matches!(question, Question::Pass(_))));
                false
            };
            lists.window(&spec, &Reach::default(), &[], standing, ask, &after);
            passes.get() == 1
        };
        assert!(!asks_for_a_pass(), "it stays for a thousand seconds");
        let mut kept = lists.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let used = &mut kept.rankings[0].used;
        *used = used.checked_sub(ABANDONED).unwrap_or(*used);
        drop(kept);
        assert!(asks_for_a_pass());
        assert!(!asks_for_a_pass(), "it was looked at just now");
    }

    #[test]
    fn memory_of_a_long_list_goes_to_a_long_list() {
        let mut spare = Vec::with_capacity(80_000);
        assert!(room_for(10_000, &mut spare).capacity() < 20_000);
        assert_eq!(spare.capacity(), 80_000);
        let room = room_for(50_000, &mut spare);
        assert_eq!((room.len(), room.capacity()), (0, 80_000));
        assert_eq!(spare.capacity(), 0);
        let room = room_for(50_000, &mut spare);
        assert!(room.is_empty() && room.capacity() > 50_000);
    }
}
