//! Data that are held at this moment: sent, and nothing shows that they arrive. A measurement
//! for screens, no verdict and no event: it is there some seconds before a detector may speak,
//! because a queue may let go by itself, and it is gone when data go on.
//!
//! The guards are those of the detectors of a stall; only their wait is shorter. So a reader who
//! is slow, a user who only sends, or a receiver whose ACK stands still while data arrive is not
//! held, for the same reasons for which none of them is called stalled.

use super::inspection_queue_freeze::nothing_arrives;
use super::signals::{self, Frozen};
use super::stateful_drop::{is_beyond_limit, stopped_copies};
use super::{Context, Side, Verdict, freeze};
use crate::session::Session;
use crate::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};

/// An ACK that stood still for less is not shown (guess: twice the initial RTO of RFC 6298, as
/// the detectors of a proxy have it).
const MIN_FREEZE_NS: i64 = 2 * NANOS_PER_SECOND;
/// A silence, beyond the longest gap before, that is not shown (guess: several round trips).
const MIN_SILENCE_NS: i64 = 2_500 * NANOS_PER_MILLI;
/// And it must be longer by this than the longest pause that is likely. A detector waits for six
/// seconds besides; where the wait is shorter, the pause must be less likely. Measured on 10,000
/// simulated sessions: 15 silences of living sides were shown without it, 8 with it, 5 with one
/// and a half times the limit, which costs a second more.
const PAUSE_QUARTERS: i64 = 5;

/// What shows that data are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldKind {
    /// The receiver is heard, and its ACK stands still below data that goes on.
    AckStands,
    /// The receiver is not heard any more, longer than it ever paused, and data goes on.
    FellSilent,
    /// The mirror shows both ports of the device, and data no longer leave it.
    CopiesStopped,
}

impl HeldKind {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AckStands => "ack_stands",
            Self::FellSilent => "fell_silent",
            Self::CopiesStopped => "copies_stopped",
        }
    }
}

/// Data of one direction that are held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// What shows it.
    pub kind: HeldKind,
    /// Whose data are sent on.
    pub sender: Side,
    /// Since when: the ACK stands still, or the first segment into the silence.
    pub since: Timestamp,
    /// When it was measured.
    pub now: Timestamp,
    /// The sign itself is as old, ns: the freeze, the silence, the time without copies.
    pub age_ns: i64,
    /// At this age it is called a stall, ns, if it lasts.
    pub patience_ns: i64,
    /// Data segments sent since then.
    pub segments: u32,
    /// Where the ACK stands; `None` for a silence.
    pub ack: Option<u32>,
    /// Longest pause of the silent side before, ns; 0 for an ACK.
    pub usual_gap_ns: i64,
}

/// What is held in `session`, if anything is and no stall was called yet. Nothing is in one that
/// is calm ([`signals::is_calm`]).
pub(crate) fn held(session: &Session, ctx: &Context) -> Option<Held> {
    if !session.never_retransmits()
        || session.is_one_sided()
        || session.is_closed()
        || session.detectors().current() == Verdict::Stalled
    {
        return None;
    }
    (0..2)
        .find_map(|dir| copies(session, dir, ctx).or_else(|| ack_stands(session, dir, ctx)))
        .or_else(|| (0..2).find_map(|dir| fell_silent(session, dir, ctx)))
}

fn copies(session: &Session, dir: usize, ctx: &Context) -> Option<Held> {
    let stopped = stopped_copies(session, dir, ctx.now)?;
    let f = stopped.frozen;
    (stopped.for_ns >= MIN_FREEZE_NS && goes_on(session, &f, ctx.now)).then(|| Held {
        kind: HeldKind::CopiesStopped,
        age_ns: stopped.for_ns,
        patience_ns: stopped.patience_ns,
        ..of(session, &f, ctx.now)
    })
}

fn ack_stands(session: &Session, dir: usize, ctx: &Context) -> Option<Held> {
    let f = signals::frozen(session, dir, ctx.now)?;
    let twice_rtt = session.half[dir].ack_rtt_ns().saturating_mul(2);
    if f.repeats < 2
        || f.segments < freeze::MIN_SEGMENTS
        || f.unproven_ns < MIN_FREEZE_NS.max(twice_rtt)
        || !goes_on(session, &f, ctx.now)
    {
        return None;
    }
    let patience_ns = match nothing_arrives(session, &f, ctx) {
        Some(reason) => reason.patience_ns(),
        None if is_beyond_limit(session, &f, ctx) => signals::MIN_SILENCE_NS,
        None => return None,
    };
    Some(Held {
        patience_ns: patience_ns.max(twice_rtt),
        ..of(session, &f, ctx.now)
    })
}

/// Data and the receiver were both seen in the later half of the freeze; with none of it nothing
/// is held any more (the same share as in [`signals::quiet`]).
fn goes_on(session: &Session, f: &Frozen, now: Timestamp) -> bool {
    let is_sent = |last: Timestamp| now.since(last) <= f.age_ns / 2;
    session.half[f.dir].last_data_ts().is_some_and(is_sent)
        && is_sent(session.half[f.dir].ack_repeated())
}

fn of(session: &Session, f: &Frozen, now: Timestamp) -> Held {
    Held {
        kind: HeldKind::AckStands,
        sender: Side::of(f.dir),
        since: f.since,
        now,
        age_ns: f.age_ns,
        patience_ns: signals::MIN_SILENCE_NS,
        segments: f.segments,
        ack: session.half[f.dir].snd_una().map(|una| una as u32),
        usual_gap_ns: 0,
    }
}

fn fell_silent(session: &Session, dir: usize, ctx: &Context) -> Option<Held> {
    let s = signals::quiet(session, dir, ctx.now).filter(|s| !s.is_trickle)?;
    let least_ns = MIN_SILENCE_NS.saturating_add(s.usual_gap_ns);
    let is_long = s.age_ns >= least_ns.max(s.pause_limit_ns / 4 * PAUSE_QUARTERS)
        // A burst after a pause of both is no second old.
        && ctx.now.since(s.opposite_since) >= MIN_FREEZE_NS;
    let first = session.half[dir].first_ts();
    let is_known = first.is_some_and(|first| s.since.since(first) >= signals::WATCHED_NS);
    (is_long && is_known).then(|| Held {
        kind: HeldKind::FellSilent,
        sender: Side::of(1 - dir),
        since: s.opposite_since,
        now: ctx.now,
        age_ns: s.age_ns,
        patience_ns: s.patience_ns,
        segments: s.opposite,
        ack: None,
        usual_gap_ns: s.usual_gap_ns,
    })
}
