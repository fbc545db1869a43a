//! Two interfaces share one engine and one time; one of them goes down. Who is seen at the
//! other is judged as if nothing had happened, who was seen at the one that is down is not.

use ctcpmon_core::detect::{DETECTORS, Verdict};
use ctcpmon_core::engine::tap_bit;
use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::packet::Record;

/// Silence makes a stall of this one at the end of these seconds.
const DOWN: (&str, i64) = ("tracking_drops_seen_behind", 20);
const UP: &str = "state_lost";
/// Of an IPv4 header behind Ethernet: both addresses.
const ADDRESSES: std::ops::Range<usize> = 26..34;

/// Tap, detector, verdict and when, nanoseconds from the start.
type Said = Vec<(u16, &'static str, Verdict, i64)>;

/// A case from its first frame on, with addresses of its own for each tap.
fn records(case: &str, tap: u16) -> Vec<(i64, u16, Record)> {
    let found = all().find(|one: &&Case| one.name == case);
    let mut records = (found.expect("a case of that name").build)();
    let start = records[0].ts_ns;
    for record in &mut records {
        for address in record.frame[ADDRESSES].chunks_mut(4) {
            address[2] = 100 + tap as u8;
        }
    }
    let since = |r: Record| (r.ts_ns - start, tap, r);
    records.into_iter().map(since).collect()
}

/// The second tap goes down after its last frame and, where `resumes`, is up again with the
/// frames of its case from 30 s on. `is_told`: the engine hears of it.
fn said(is_told: bool, resumes: bool, with_first: bool) -> Said {
    let (case, seconds) = DOWN;
    let end = seconds * NANOS_PER_SECOND;
    let resumed = 30 * NANOS_PER_SECOND;
    let mut frames = records(case, 1);
    frames.retain(|(at, ..)| *at <= end || (resumes && *at >= resumed));
    if with_first {
        frames.extend(records(UP, 0));
    }
    frames.sort_by_key(|(at, tap, _)| (*at, *tap));
    let mut engine = Engine::new(Config::default());
    let start = 1_700_000_000 * NANOS_PER_SECOND;
    let (mut is_down, mut last) = (false, 0);
    for (at, tap, record) in &frames {
        if is_told && *at > end && !is_down {
            is_down = true;
            engine.tap_down(tap_bit(1));
        }
        let mut frame = record.captured();
        (frame.ts, frame.tap) = (Timestamp(start + at), *tap);
        if is_told && *tap == 1 && *at >= resumed && last < resumed {
            engine.capture_gap(tap_bit(1), frame.ts);
        }
        if *tap == 1 {
            last = *at;
        }
        engine.push_frame(&frame);
    }
    engine.finish();
    let events = engine.drain_events();
    let found = events.iter().filter_map(|event| match event {
        Event::Finding(f) => {
            let tap = u16::from(f.session.taps & tap_bit(1) != 0);
            let name = DETECTORS[f.detector].id;
            Some((tap, name, f.judgement.verdict, f.at.0 - start))
        }
        Event::Ended(..) => None,
    });
    found.collect()
}

fn at(tap: u16, said: &Said) -> Said {
    said.iter().filter(|one| one.0 == tap).copied().collect()
}

fn stalls(said: &Said) -> usize {
    said.iter().filter(|one| one.2 == Verdict::Stalled).count()
}

/// What the first tap says when nothing is told of the second: time is that of all frames.
#[test]
fn the_other_is_judged_as_if_nothing_had_happened() {
    for resumes in [false, true] {
        let with = said(true, resumes, true);
        let without = said(false, resumes, true);
        assert_eq!(at(0, &with), at(0, &without));
        assert_eq!(stalls(&at(0, &with)), 1, "{with:?}");
    }
}

#[test]
fn who_was_seen_at_the_one_that_is_down_is_not_judged() {
    let told = said(true, false, true);
    let end = DOWN.1 * NANOS_PER_SECOND;
    assert_eq!(stalls(&at(1, &told)), 0, "{told:?}");
    assert!(
        at(1, &told)
            .iter()
            .all(|one| one.3 <= end + NANOS_PER_SECOND / 4),
        "{told:?}"
    );
    // Its twin: the same frames from a wire that stayed up are a stall.
    assert!(stalls(&at(1, &said(false, false, true))) > 0);
}

/// Behind the gap it is judged again, by what comes then.
#[test]
fn behind_the_gap_it_is_judged_again() {
    let told = said(true, true, true);
    let resumed = 30 * NANOS_PER_SECOND;
    let end = DOWN.1 * NANOS_PER_SECOND;
    let meanwhile =
        |one: &&(u16, &str, Verdict, i64)| (end + NANOS_PER_SECOND / 4..resumed).contains(&one.3);
    let second = at(1, &told);
    assert_eq!(second.iter().find(meanwhile), None, "{second:?}");
    assert_eq!(stalls(&second), 1, "{second:?}");
}
