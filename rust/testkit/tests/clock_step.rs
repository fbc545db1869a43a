//! The clock of the machine is set while frames come: no verdict is raised by it, none is lost.

use ctcpmon_core::detect::{DETECTORS, Verdict};
use ctcpmon_core::frame::{FrameMeta, LinkType};
use ctcpmon_core::steady::Steady;
use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::packet::Record;

const HOUR: i64 = 3_600 * NANOS_PER_SECOND;
/// A ring hands over what came within this.
const BLOCK: i64 = NANOS_PER_SECOND / 20;
/// And is read this late.
const LAG: i64 = NANOS_PER_SECOND / 50;

/// Detector, verdict and when, seconds from the first frame.
type Said = Vec<(&'static str, Verdict, i64)>;

fn records(case: &str) -> Vec<Record> {
    let found = all().find(|one: &&Case| one.name == case);
    (found.expect("a case of that name").build)()
}

/// What is said of a case whose frames are stamped by a clock that is set by `step` at `at_s`
/// seconds; `is_steady` takes it out again, as a ring's thread does.
fn said(case: &str, step: i64, at_s: i64, is_steady: bool) -> (Said, usize) {
    let records = records(case);
    let start = records[0].ts_ns;
    let stamp = |true_ns: i64| {
        true_ns
            + if true_ns > start + at_s * NANOS_PER_SECOND {
                step
            } else {
                0
            }
    };
    let (mut engine, mut steady) = (Engine::new(Config::default()), Steady::default());
    steady.look(Timestamp(start), 0);
    let mut rest = records.as_slice();
    let mut end = start;
    while !rest.is_empty() {
        end += BLOCK;
        let many = rest.partition_point(|r| r.ts_ns < end);
        let (block, behind) = rest.split_at(many);
        rest = behind;
        let mut metas: Vec<FrameMeta> = block
            .iter()
            .map(|r| FrameMeta {
                ts: Timestamp(stamp(r.ts_ns)),
                offset: 0,
                captured_len: 0,
                original_len: 0,
                link: LinkType(1),
                tap: 0,
            })
            .collect();
        let read = end + LAG;
        steady.look(Timestamp(stamp(read)), read - start);
        if is_steady {
            steady.correct(&mut metas, read - start);
        }
        for (record, meta) in block.iter().zip(&metas) {
            let mut frame = record.captured();
            frame.ts = meta.ts;
            engine.push_frame(&frame);
        }
    }
    engine.finish();
    let events = engine.drain_events();
    let found = events.iter().filter_map(|event| match event {
        Event::Finding(f) => {
            let at = (f.at.0 - start) / NANOS_PER_SECOND;
            Some((DETECTORS[f.detector].id, f.judgement.verdict, at))
        }
        Event::Ended(..) => None,
    });
    let found: Said = found.collect();
    (
        found,
        events
            .iter()
            .filter(|e| matches!(e, Event::Ended(..)))
            .count(),
    )
}

const CASES: [&str; 4] = [
    "healthy",
    "state_lost",
    "tracking_drops_seen_behind",
    "logout",
];
const STEPS: [i64; 6] = [
    HOUR,
    -HOUR,
    30 * NANOS_PER_SECOND,
    -30 * NANOS_PER_SECOND,
    2 * NANOS_PER_SECOND,
    -2 * NANOS_PER_SECOND,
];

#[test]
fn a_step_raises_nothing_and_loses_nothing() {
    let mut stalled = 0;
    for case in CASES {
        let want = said(case, 0, 0, true);
        stalled += want
            .0
            .iter()
            .filter(|one| one.1 == Verdict::Stalled)
            .count();
        for step in STEPS {
            // Before, in and behind the onset of the stalls.
            for at_s in [3, 10, 17, 21, 24] {
                let got = said(case, step, at_s, true);
                assert_eq!(got, want, "{case}, {step} ns at {at_s} s");
            }
        }
    }
    assert!(stalled >= 2, "there are stalls that could be lost");
}

/// The same frames by the time that is stamped on them: verdicts differ, which is what the
/// test above would see without the correction.
#[test]
fn times_as_stamped_would_change_verdicts() {
    let mut changed = 0;
    for case in CASES {
        let want = said(case, 0, 0, false);
        for step in STEPS {
            for at_s in [3, 10, 17, 21, 24] {
                let words = |said: &(Said, usize)| -> Vec<_> {
                    said.0
                        .iter()
                        .map(|(id, verdict, _)| (*id, *verdict))
                        .collect()
                };
                changed += u32::from(words(&said(case, step, at_s, false)) != words(&want));
            }
        }
    }
    // 17 of 120 when this was written.
    assert!(changed > 0);
}
