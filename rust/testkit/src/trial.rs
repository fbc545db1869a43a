//! One drawn session before the engine: what it says against what really happened.

use ctcpmon_core::detect::{DETECTORS, Side, Verdict, worst_state};
use ctcpmon_core::frame::Frame;
use ctcpmon_core::session::Session;
use ctcpmon_core::{Config, Engine, Event};

use crate::chance::Draw;
use crate::dice::Dice;
use crate::packet::Record;
use crate::session::AckHabit;
use crate::sim::{EPOCH_NS, Tap};
use crate::truth::{Fate, Truth};

/// A stall must have been there this long before the end to be missed.
const TO_TELL_US: i64 = 20_000_000;
/// Packets of each side that must be seen for it.
const TO_TELL_PKTS: usize = 5;

/// Longer than the release timers of inspection engines (ASA 4 s, IOS 5 s).
const PASSING_US: i64 = 6_000_000;

/// What came of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No stall, none said.
    Quiet,
    /// A stall that was found.
    Found,
    /// A stall that this tap cannot tell, or hardly.
    Hidden,
    /// A stall that was not found.
    Missed,
    /// A stall that is none.
    FalseStall,
    /// The same where no tap could tell: a receiver that stands at a hole for ever while
    /// the data arrive, seen from the sender's side (lab-findings 5).
    Alike,
    /// A stall that was one when it was said, and ended by itself.
    Passing,
    /// The tunnel was not recognised.
    Unseen,
}

/// One session, judged.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What came of it.
    pub outcome: Outcome,
    /// When each direction died, ms.
    pub dead_ms: [Option<i64>; 2],
    /// First *stalled* finding: ms, detector, side said to have stopped.
    pub said: Option<(i64, &'static str, Option<Side>)>,
    /// The detector is one that explains this device from this tap.
    pub class_right: bool,
    /// The side said to have stopped is one that did.
    pub side_right: bool,
    /// Worst verdict.
    pub worst: Verdict,
}

/// What the tap records, damaged as drawn.
pub fn records(draw: &Draw) -> (Vec<Record>, Truth) {
    let (mut records, mut truths) = draw.scenario.run_with_truth();
    let mut dice = Dice::new(draw.seed ^ 0x7a9);
    records.retain(|r| {
        let ms = (r.ts_ns - EPOCH_NS) / 1_000_000;
        (draw.kept_ms.0..draw.kept_ms.1).contains(&ms) && !dice.chance(draw.tap_loss)
    });
    (records, truths.remove(0))
}

/// Runs the engine over records cut to `snaplen`.
pub fn replay(records: &[Record], snaplen: usize) -> Vec<Event> {
    let mut engine = Engine::new(Config::default());
    for r in records {
        engine.push_frame(&Frame {
            bytes: &r.frame[..snaplen.min(r.frame.len())],
            ..r.captured()
        });
    }
    engine.finish();
    engine.drain_events()
}

fn us(ts_ns: i64) -> i64 {
    (ts_ns - EPOCH_NS) / 1_000
}

/// Times at which the tap saw packets of each side; data only, or all.
fn seen(records: &[Record], data: bool) -> [Vec<i64>; 2] {
    let mut out = [vec![], vec![]];
    for r in records {
        if !data || r.frame.len() > 54 {
            out[usize::from(r.frame[26] != 10)].push(us(r.ts_ns));
        }
    }
    out
}

/// The tap can tell that direction `dir` is dead since `onset`: both sides were seen
/// before, and after it the receiver is heard while either the dead data go on here or
/// nothing more comes of them.
fn can_tell(records: &[Record], dir: usize, onset: i64, end: i64) -> bool {
    let data = seen(records, true);
    let all = seen(records, false);
    let after = |times: &[i64]| times.iter().filter(|t| **t > onset).count();
    let lasting = |times: &[i64]| {
        let last = times.iter().copied().filter(|t| *t > onset).max();
        after(times) >= TO_TELL_PKTS && last.is_some_and(|t| t - onset >= TO_TELL_US)
    };
    let before = |times: &[i64]| times.iter().filter(|t| **t < onset).count() >= 10;
    let shown = lasting(&data[dir]) && lasting(&all[1 - dir]);
    let silent_since = all[dir].iter().copied().max().unwrap_or(0);
    let silent = silent_since < onset + 1_000_000 && end - silent_since >= TO_TELL_US;
    let silent = silent && lasting(&data[1 - dir]);
    before(&all[0]) && before(&all[1]) && (shown || silent)
}

/// Classes that count as right, as in the lab's labels.
fn classes(device: &str) -> &'static [&'static str] {
    match device {
        "tracking" => &[
            "ctcp.stateful_drop",
            "ctcp.inspection_queue_freeze",
            "ctcp.silent_death",
        ],
        "resetting" => &[
            "ctcp.reset_after_loss",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        "holding" | "dropping" | "releasing" => &[
            "ctcp.inspection_queue_freeze",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        _ => &["ctcp.silent_death", "ctcp.stateful_drop"],
    }
}

fn first_stall(events: &[Event]) -> Option<(i64, &'static str, Option<Side>)> {
    events.iter().find_map(|e| match e {
        Event::Finding(f) if f.judgement.verdict == Verdict::Stalled => Some((
            us(f.at.0) / 1_000,
            DETECTORS[f.detector].id,
            f.judgement.stopped,
        )),
        _ => None,
    })
}

/// The side said to have stopped had been dead for longer than any release timer.
fn was_dead(truth: &Truth, said: Option<(i64, &str, Option<Side>)>) -> bool {
    let Some((ms, _, Some(side))) = said else {
        return false;
    };
    let dir = usize::from(side == Side::Headend);
    let since = truth.dead_since_us(dir, ms * 1_000);
    since.is_some_and(|us| ms * 1_000 - us > PASSING_US)
}

/// The receiver of the side said to have stopped stands at a hole, and the tap is not
/// known to be next to it.
fn is_alike(draw: &Draw, truth: &Truth, said: Option<(i64, &str, Option<Side>)>) -> bool {
    let Some((ms, id, Some(side))) = said else {
        return false;
    };
    let dir = usize::from(side == Side::Headend);
    let profile = &draw.scenario.sessions[0];
    let routers = profile.path.as_ref().map_or(1, |path| path.routers);
    let at_receiver = match draw.scenario.tap {
        Tap::Client | Tap::ClientSide => dir == 1,
        Tap::Headend | Tap::HeadendSide => dir == 0,
        Tap::BothPorts => true,
    };
    let is_lost = |f: &Fate| f.delivered_us.is_none() && f.sent_us < ms * 1_000;
    profile.ack[1 - dir] == AckHabit::Frozen
        && truth.sent[dir].iter().any(is_lost)
        && !(at_receiver && routers > 0)
        && ["ctcp.inspection_queue_freeze", "ctcp.stateful_drop"].contains(&id)
}

fn sessions(events: &[Event]) -> impl Iterator<Item = &Session> {
    events.iter().filter_map(|e| match e {
        Event::Ended(s, _) => Some(s.as_ref()),
        Event::Finding(_) => None,
    })
}

/// Judges one draw.
pub fn run(draw: &Draw) -> Trial {
    let (records, truth) = records(draw);
    let events = replay(&records, draw.snaplen);
    let end = records.last().map_or(0, |r| us(r.ts_ns)) + 1;
    let worst = sessions(&events).map(worst_state).max();
    let said = first_stall(&events);
    // At the end of the capture, or of the run: either is a truth.
    let dead = [0, 1].map(|dir| {
        let whole = truth.dead_since_us(dir, i64::MAX).filter(|t| *t < end);
        whole.or_else(|| truth.dead_since_us(dir, end))
    });
    // Its RST passed the tap before it arrived.
    let torn = truth.torn_us.filter(|t| *t < end + 200_000);
    let is_dead = torn.is_some() || dead.iter().any(Option::is_some);
    let told = |dir: usize| dead[dir].is_some_and(|t| can_tell(&records, dir, t, end));
    let outcome = match (is_dead, said.is_some()) {
        _ if worst.is_none() => Outcome::Unseen,
        (true, true) => Outcome::Found,
        (true, false) if told(0) || told(1) => Outcome::Missed,
        (true, false) => Outcome::Hidden,
        (false, true) if is_alike(draw, &truth, said) => Outcome::Alike,
        (false, true) if was_dead(&truth, said) => Outcome::Passing,
        (false, true) => Outcome::FalseStall,
        (false, false) => Outcome::Quiet,
    };
    let side_right = said.is_none_or(|(_, _, side)| match side {
        Some(Side::Both) | None => true,
        Some(Side::Client) => dead[0].is_some() || torn.is_some(),
        Some(Side::Headend) => dead[1].is_some() || torn.is_some() || draw.device == "crash",
    });
    Trial {
        outcome,
        dead_ms: dead.map(|t| t.or(torn).map(|us| us / 1_000)),
        class_right: said.is_none_or(|(_, id, _)| classes(draw.device).contains(&id)),
        side_right,
        said,
        worst: worst.unwrap_or_default(),
    }
}
