//! What only a live source can tell the engine: that time passes while nothing is sent, and
//! that nothing was captured for a while.

use ctcpmon_core::detect::{DETECTORS, Verdict, session_state};
use ctcpmon_core::engine::EndReason;
use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::packet::Record;

fn records(case: &str) -> Vec<Record> {
    let found = all().find(|one: &&Case| one.name == case);
    (found.expect("a case of that name").build)()
}

/// The records of the first `seconds`, and the time they end.
fn first(case: &str, seconds: i64) -> (Vec<Record>, i64) {
    let mut all = records(case);
    let end = all[0].ts_ns + seconds * NANOS_PER_SECOND;
    all.retain(|r| r.ts_ns <= end);
    (all, end)
}

fn push(engine: &mut Engine, records: &[Record]) {
    for r in records {
        engine.push_frame(&r.captured());
    }
}

/// The wire is silent from `end` on; a live source says so twenty times a second.
fn fall_silent(engine: &mut Engine, end: i64, seconds: i64) {
    for step in 1..=seconds * 20 {
        engine.pass_time(Timestamp(end + step * NANOS_PER_SECOND / 20));
    }
}

fn verdicts(events: &[Event]) -> Vec<(&'static str, Verdict)> {
    let finding = |event: &Event| match event {
        Event::Finding(f) => Some((DETECTORS[f.detector].id, f.judgement.verdict)),
        Event::Ended(..) => None,
    };
    events.iter().filter_map(finding).collect()
}

/// The device has begun to drop when the last packet comes; only time brings the verdict.
#[test]
fn a_stall_is_called_on_a_wire_that_fell_silent() {
    let (records, end) = first("tracking_drops_seen_behind", 20);
    let mut engine = Engine::new(Config::default());
    push(&mut engine, &records);
    let before = engine.drain_events();
    assert!(!verdicts(&before).contains(&("ctcp.stateful_drop", Verdict::Stalled)));
    fall_silent(&mut engine, end, 10);
    let after = engine.drain_events();
    assert!(verdicts(&after).contains(&("ctcp.stateful_drop", Verdict::Stalled)));
}

#[test]
fn silence_alone_is_no_stall() {
    let (records, end) = first("healthy", 30);
    let mut engine = Engine::new(Config::default());
    push(&mut engine, &records);
    fall_silent(&mut engine, end, 600);
    assert_eq!(verdicts(&engine.drain_events()), []);
}

/// Both ends give up after a stall: nothing moves, so nothing is cured, and after a while
/// the session is over as it was.
#[test]
fn both_ends_giving_up_cures_nothing() {
    let (records, end) = first("state_lost", 45);
    let mut engine = Engine::new(Config::default());
    push(&mut engine, &records);
    fall_silent(&mut engine, end, 200);
    let events = engine.drain_events();
    assert_eq!(
        verdicts(&events),
        [("ctcp.silent_death", Verdict::Stalled)],
        "a stall, and no word of its end"
    );
    fall_silent(&mut engine, end + 200 * NANOS_PER_SECOND, 200);
    let ended = engine.drain_events();
    let [Event::Ended(session, EndReason::Idle)] = ended.as_slice() else {
        panic!("{ended:?}");
    };
    assert_eq!(session_state(session), Verdict::Stalled);
}

/// Twenty seconds in which an interface was down are no silence of anybody.
#[test]
fn what_was_not_captured_is_not_judged() {
    let all = records("healthy");
    let start = all[0].ts_ns;
    let is_missing = |r: &Record| (20..40).contains(&((r.ts_ns - start) / NANOS_PER_SECOND));
    let (before, after): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|r| !is_missing(r))
        .partition(|r| r.ts_ns < start + 20 * NANOS_PER_SECOND);
    let mut engine = Engine::new(Config::default());
    push(&mut engine, &before);
    engine.capture_gap(u16::MAX, Timestamp(after[0].ts_ns));
    push(&mut engine, &after);
    engine.finish();
    let stalls = verdicts(&engine.drain_events());
    assert!(
        stalls
            .iter()
            .all(|(_, verdict)| *verdict < Verdict::Suspect),
        "{stalls:?}"
    );
    assert_eq!(engine.stats().counters.capture_gaps, 1);
}

/// A stall behind a gap is still one.
#[test]
fn a_stall_after_a_gap_is_called() {
    let all = records("state_lost");
    let start = all[0].ts_ns;
    let (before, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|r| r.ts_ns < start + 5 * NANOS_PER_SECOND);
    let after: Vec<_> = rest
        .into_iter()
        .filter(|r| r.ts_ns > start + 12 * NANOS_PER_SECOND)
        .collect();
    let mut engine = Engine::new(Config::default());
    push(&mut engine, &before);
    engine.capture_gap(u16::MAX, Timestamp(after[0].ts_ns));
    push(&mut engine, &after);
    engine.finish();
    let stalls = verdicts(&engine.drain_events());
    assert!(
        stalls.contains(&("ctcp.silent_death", Verdict::Stalled)),
        "{stalls:?}"
    );
}
