//! Rounds of judgement: which sessions are looked at when, how verdicts change, and
//! how sessions end. The detectors themselves live in `detect`.

use std::cmp::Reverse;

use super::{
    ABANDONED_NS, EndReason, Engine, Event, Finding, IDLE_NS, LINGER_NS, MAX_FINDINGS_PER_TICK,
    RECHECK_NS,
};
use crate::detect::signals::{self, TAP_GAP_LIMIT};
use crate::detect::{
    CLEAR_AFTER_NS, Context, DETECTORS, Detector, FirstStall, Held, Judgement, Verdict, held,
};
use crate::flow::Candidate;
use crate::session::{Recheck, Session};
use crate::time::{MaybeTime, Timestamp};

/// Sessions noted as held at a time (guess: more than anybody reads within the seconds that it
/// lasts; a screen is told when there is no room for more).
pub const MOST_HELD: usize = 1_024;

/// Sessions between asking for one, for its boxes, and judging it (guess: some 300 ns each).
const SESSION_AHEAD: usize = 6;
const BOXES_AHEAD: usize = 3;

/// Bits of a place in [`due`].
const PLACE_BITS: u32 = 24;
/// Places that have a number there: 16 GB of sessions.
pub(super) const MAX_PLACES: usize = 1 << PLACE_BITS;

/// Detectors that are asked of a session that is calm and healthy too: a bit for each.
const ASKED_ALWAYS: u32 = {
    let (mut bits, mut i) = (0, 0);
    while i < DETECTORS.len() {
        bits |= (!DETECTORS[i].needs_unrest as u32) << i;
        i += 1;
    }
    bits
};

/// All of them.
const ALL: u32 = (1 << DETECTORS.len()) - 1;

/// The first of the detectors with a bit in `asked`.
fn first_of(asked: u32) -> Option<(usize, &'static Detector)> {
    let i = asked.trailing_zeros() as usize;
    DETECTORS.get(i).map(|detector| (i, detector))
}

/// True where those that are not asked would have said nothing.
fn has_nothing_else(session: &Session, ctx: &Context, asked: u32) -> bool {
    let others = DETECTORS.iter().enumerate();
    let mut others = others.filter(|(i, _)| asked >> i & 1 == 0);
    others.all(|(_, detector)| (detector.check)(session, ctx).is_none())
}

/// A session to judge in one word that sorts by its id: the upper 40 bits of that (ids have
/// 48), then its place. Two sessions with the same 40 bits are judged in order of place.
pub(super) fn due(id: u64, at: u32) -> u64 {
    id >> 8 << PLACE_BITS | u64::from(at) & (MAX_PLACES as u64 - 1)
}

/// The place in it.
fn place(due: u64) -> u32 {
    (due & (MAX_PLACES as u64 - 1)) as u32
}

impl Engine {
    /// One round of judgement at packet time `now`.
    pub(super) fn judge_round(&mut self, now: Timestamp) {
        self.findings_this_tick = 0;
        self.table.sweep(now);
        let mut due_now = std::mem::take(&mut self.dirty);
        let slots = &mut self.slots;
        self.rechecks.retain(|index| {
            let Some(session) = slots.get_mut(*index) else {
                return false;
            };
            let is_due = session.recheck.is_due(now);
            if is_due {
                session.recheck = Recheck::NONE;
                if !session.is_dirty() {
                    session.set_dirty(true);
                    due_now.push(due(session.id(), *index));
                }
            }
            !is_due && session.recheck != Recheck::NONE
        });
        // The order of judgement is part of the output: by session, not by arrival.
        due_now.sort_unstable();
        let slots = &self.slots;
        self.held.retain(|at| {
            let session = slots.get(*at);
            session.is_some_and(|session| !session.is_dirty())
        });
        let mut there = 0;
        for n in 0..due_now.len() {
            self.prefetch_due(&due_now[n..]);
            let at = due_now[n];
            if self.settle(at, now) {
                due_now[there] = at;
                there += 1;
            }
        }
        due_now.truncate(there);
        let ctx = self.context(now);
        for (n, at) in due_now.iter().enumerate() {
            self.prefetch_due(&due_now[n..]);
            self.judge(place(*at), &ctx);
        }
        due_now.clear();
        self.dirty = due_now;
    }

    /// Asks for sessions that come soon, and for the boxes of one that comes sooner.
    fn prefetch_due(&self, due: &[u64]) {
        if let Some(at) = due.get(SESSION_AHEAD) {
            self.slots.prefetch(place(*at));
        }
        if let Some(session) = due
            .get(BOXES_AHEAD)
            .and_then(|at| self.slots.get(place(*at)))
        {
            session.prefetch_boxes();
        }
    }

    /// Settles the holes of a session and adds them to the totals of the tap. False when it is not there: it
    /// ended meanwhile, and may have left its place to another, which is due itself.
    fn settle(&mut self, at: u64, now: Timestamp) -> bool {
        let session = self.slots.get_mut(place(at));
        let Some(session) = session.filter(|s| due(s.id(), place(at)) == at) else {
            return false;
        };
        if session.never_retransmits() && session.taps & self.down == 0 {
            for half in &mut session.half {
                let (holes, gaps) = half.settle_holes(now);
                self.tunnel_holes += holes;
                self.tunnel_gaps += gaps;
            }
        }
        true
    }

    fn context(&self, now: Timestamp) -> Context {
        Context {
            now,
            tap_gap_ratio: self.tap.gap_ratio(),
            tunnel_holes: self.tunnel_holes,
            tunnel_gaps: self.tunnel_gaps,
        }
    }

    /// Sessions of which something is held now, and what. At most [`MOST_HELD`]; looks only at
    /// those that were so in the last round, and costs nothing where there is none.
    pub fn held(&self) -> impl Iterator<Item = (&Session, Held)> {
        let ctx = self.clock.now().map(|now| self.context(now));
        let places = self.held.iter().filter_map(|at| self.slots.get(*at));
        places.filter_map(move |session| {
            let is_seen = session.taps & self.down == 0;
            let found = held(session, ctx.as_ref().filter(|_| is_seen)?)?;
            Some((session, found))
        })
    }

    fn judge(&mut self, index: u32, ctx: &Context) {
        let now = ctx.now;
        let Some(session) = self.slots.get_mut(index) else {
            return;
        };
        session.set_dirty(false);
        if session.taps & self.down != 0 {
            // Nobody knows what passes there: it waits as it is.
            if session.recheck == Recheck::NONE {
                self.rechecks.push(index);
            }
            session.recheck = Recheck::at(now.plus(RECHECK_NS));
            return;
        }
        if session.never_retransmits() {
            // Of several that explain one stall the first names it, and goes on to while it lasts.
            let verdicts = session.detectors().verdicts;
            let mut is_named = verdicts.contains(&Verdict::Stalled);
            let is_calm = signals::is_calm(session, now);
            let mut asked = if is_calm { ASKED_ALWAYS } else { ALL };
            for (i, in_force) in verdicts.iter().enumerate() {
                asked |= u32::from(*in_force != Verdict::Healthy) << i;
            }
            debug_assert!(has_nothing_else(session, ctx, asked));
            // No detector reads what another has said, so they need not be asked before all of
            // it is applied.
            while let Some((i, detector)) = first_of(asked) {
                asked &= asked - 1;
                let in_force = verdicts[i];
                if in_force == Verdict::AtRisk
                    && detector
                        .is_at_risk_still
                        .is_some_and(|is_so| is_so(session, ctx))
                {
                    debug_assert!(
                        (detector.check)(session, ctx)
                            .is_some_and(|found| found.verdict == Verdict::AtRisk)
                    );
                    session.detectors_mut().quiet_since[i] = MaybeTime::NONE;
                    continue;
                }
                let found = if is_calm && detector.needs_unrest {
                    debug_assert!((detector.check)(session, ctx).is_none());
                    None
                } else {
                    (detector.check)(session, ctx)
                };
                let mut judgement = match found {
                    Some(judgement) => judgement,
                    None if in_force == Verdict::Healthy => continue,
                    None => Judgement::HEALTHY,
                };
                if judgement.verdict >= Verdict::Suspect {
                    let goes_on = in_force >= Verdict::Suspect;
                    if is_named && !goes_on && !detector.tells_the_end {
                        continue;
                    }
                    is_named |= judgement.verdict == Verdict::Stalled;
                }
                soften(&mut judgement, ctx.tap_gap_ratio);
                if !apply(session, i, &judgement, now) {
                    continue;
                }
                if self.findings_this_tick >= MAX_FINDINGS_PER_TICK {
                    self.stats.counters.findings_suppressed += 1;
                    continue;
                }
                self.findings_this_tick += 1;
                self.stats.counters.findings += 1;
                self.events.push(Event::Finding(Box::new(Finding {
                    seq: self.stats.counters.findings,
                    at: now,
                    detector: i,
                    judgement,
                    session: session.clone(),
                    tap_gap_ratio: ctx.tap_gap_ratio,
                })));
            }
            debug_assert!(!is_calm || held(session, ctx).is_none());
            if !is_calm && self.held.len() < MOST_HELD && held(session, ctx).is_some() {
                self.held.push(index);
            }
        }
        let is_closed = session.is_closed();
        let quiet = now.since(session.last);
        let current = session.detectors().current();
        let is_abandoned = current == Verdict::Stalled && quiet > ABANDONED_NS;
        if (is_closed && quiet > LINGER_NS) || is_abandoned || quiet > IDLE_NS {
            let by_rst = session.half.iter().any(|h| h.rst().is_some());
            let reason = match (is_closed, by_rst) {
                (true, true) => EndReason::Rst,
                (true, false) => EndReason::Fin,
                _ => EndReason::Idle,
            };
            let flow = session.flow;
            self.end_session(index, reason);
            self.table.get_mut(flow).0.candidate = Candidate::default();
            return;
        }
        let waits = is_closed || current > Verdict::Healthy;
        let in_us = if waits { RECHECK_NS } else { IDLE_NS };
        if session.recheck == Recheck::NONE {
            self.rechecks.push(index);
        }
        session.recheck = Recheck::at(now.plus(in_us));
    }

    /// Ends the input: judges everything once more and ends every session.
    pub fn finish(&mut self) {
        let mut ending = self.begin_end();
        while self.end_some(&mut ending, usize::MAX) {}
    }

    /// The same in parts, for who hands on what is said meanwhile: judges everything once more. What it
    /// gives is for [`Engine::end_some`]; nothing else comes in between.
    pub fn begin_end(&mut self) -> Ending {
        let Some(now) = self.clock.now() else {
            return Ending(Vec::new());
        };
        for session in self.slots.iter_mut() {
            session.recheck = Recheck::by(now);
        }
        self.rechecks = self.slots.numbers().collect();
        self.judge_round(now);
        let mut open: Vec<u32> = self.slots.numbers().collect();
        open.sort_unstable_by_key(|i| {
            let session = self.slots.get(*i);
            session.map(|s| Reverse((s.first(), s.id())))
        });
        Ending(open)
    }

    /// Ends the next sessions, at most `most`; false when there was none.
    pub fn end_some(&mut self, ending: &mut Ending, most: usize) -> bool {
        let from = ending.0.len().saturating_sub(most);
        let is_any = from < ending.0.len();
        for index in ending.0.drain(from..).rev() {
            self.end_session(index, EndReason::EndOfInput);
        }
        is_any
    }
}

/// Sessions that end with the input, the first one last.
#[derive(Debug)]
pub struct Ending(Vec<u32>);

/// A tap that loses packets makes every verdict less certain.
fn soften(judgement: &mut Judgement, tap_gap_ratio: Option<f64>) {
    if tap_gap_ratio.is_some_and(|r| r > TAP_GAP_LIMIT) {
        judgement.confidence *= 0.8;
    }
}

/// Applies one judgement with hysteresis; true when the verdict in force changed.
fn apply(session: &mut Session, i: usize, j: &Judgement, now: Timestamp) -> bool {
    if j.verdict == Verdict::Healthy && session.was_always_healthy() {
        return false;
    }
    let last = session.last;
    let states = session.detectors_mut();
    let in_force = states.verdicts[i];
    let quiet_since = &mut states.quiet_since[i];
    if j.verdict == in_force {
        *quiet_since = MaybeTime::NONE;
        return false;
    }
    if j.verdict < in_force {
        let mut since = quiet_since.get().unwrap_or(now);
        if in_force == Verdict::Stalled && last <= since {
            // Nobody has sent anything since: both ends gave up, which cures nothing.
            since = now;
        }
        if now.since(since) < CLEAR_AFTER_NS {
            *quiet_since = since.into();
            return false;
        }
    }
    *quiet_since = MaybeTime::NONE;
    states.verdicts[i] = j.verdict;
    states.worst = states.worst.max(j.verdict);
    if j.verdict == Verdict::Stalled && states.stall.is_none() {
        states.stall = Some(FirstStall {
            detector: i as u8,
            at: j.since,
            stopped: j.stopped,
            loss: j.loss,
            confidence: j.confidence,
        });
    }
    true
}
