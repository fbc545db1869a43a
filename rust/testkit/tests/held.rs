//! What is shown as held: of stalls, some seconds before they are called; of their twins, nothing.

use ctcpmon_core::detect::{HeldKind, Side};
use ctcpmon_core::engine::MOST_HELD;
use ctcpmon_core::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};
use ctcpmon_testkit::Device;
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::held::{Spell, Watch, watch};
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::session::{AckHabit, Profile};
use ctcpmon_testkit::sim::{EPOCH_NS, Scenario, Tap};

fn records(case: &str) -> Vec<Record> {
    let found = all().find(|one: &&Case| one.name == case);
    (found.expect("a case of that name").build)()
}

fn spells(case: &str) -> Vec<Spell> {
    watch(&records(case), usize::MAX).0
}

/// Shown at most so long after the ACK stood still or the side was last heard.
const SOON_NS: i64 = 4_500 * NANOS_PER_MILLI;

#[test]
fn what_stalls_is_shown_as_held_before_it_is_called() {
    for (case, kind, sender) in [
        ("inspection_holds", HeldKind::AckStands, Side::Client),
        ("held_with_bare_acks", HeldKind::AckStands, Side::Client),
        ("phantun_held", HeldKind::AckStands, Side::Client),
        (
            "mirror_of_a_queue_that_holds",
            HeldKind::CopiesStopped,
            Side::Client,
        ),
        ("state_lost", HeldKind::FellSilent, Side::Client),
        (
            "requests_held_at_a_hole",
            HeldKind::FellSilent,
            Side::Client,
        ),
        ("upload_without_answers", HeldKind::FellSilent, Side::Client),
    ] {
        let found = spells(case);
        let [one] = found.as_slice() else {
            panic!("{case}: {found:?}");
        };
        assert_eq!(
            (one.kind, one.sender, one.is_called),
            (kind, sender, true),
            "{case}"
        );
        assert!(one.shown.since(one.since) <= SOON_NS, "{case}: {one:?}");
        assert!(
            one.until.since(one.shown) >= 2 * NANOS_PER_SECOND,
            "{case}: {one:?}"
        );
    }
}

#[test]
fn what_a_queue_lets_go_is_shown_while_it_is_held_and_not_after() {
    for case in ["mirror_of_a_queue_that_releases", "outage_behind_the_tap"] {
        let found = spells(case);
        assert!(!found.is_empty(), "{case}");
        for one in found {
            assert!(!one.is_called, "{case}: {one:?}");
            let all = one.until.since(one.since);
            assert!(all < 6 * NANOS_PER_SECOND, "{case}: {one:?}");
        }
    }
}

#[test]
fn twins_are_never_shown() {
    for case in [
        "healthy",
        "one_way_burst",
        "one_way_span",
        "one_way_user",
        "idle_after_traffic",
        "idle_user_with_broadcasts",
        "pauses_of_a_person",
        "mail_and_then_reading",
        "slow_beat_over_an_outage",
        "upload_with_answers",
        "loss_without_device",
        "frozen_ack_at_receiver",
        "frozen_ack_with_bare_acks",
        "answers_each_and_stands",
        "few_copies_in_a_mirror",
        "reordering",
        "tap_loses_packets",
        "span_duplicates",
        "small_packets_merged",
        "logout",
        "mid_stream_start",
        "forged_reset",
        "udp2raw_loss",
        "phantun_loss",
    ] {
        let found = spells(case);
        assert!(found.is_empty(), "{case}: {found:?}");
    }
}

/// Delayed ACKs and receivers that never step over a hole, without one.
#[test]
fn ordinary_receivers_are_never_shown() {
    for ack in [AckHabit::Highest, AckHabit::Frozen] {
        for every in [0, 2] {
            let profile = Profile {
                ack: [ack; 2],
                bare_ack_every: [every; 2],
                delayed_ack_ms: [200; 2],
                window: [65_535; 2],
                ..Profile::new(17, 0, 60_000)
            };
            for tap in [
                Tap::Client,
                Tap::ClientSide,
                Tap::HeadendSide,
                Tap::BothPorts,
            ] {
                let records = Scenario {
                    sessions: vec![profile.clone()],
                    device: Device::None,
                    tap,
                }
                .run();
                let (found, _) = watch(&records, usize::MAX);
                assert!(found.is_empty(), "{ack:?} {every} {tap:?}: {found:?}");
            }
        }
    }
}

/// Only a live source tells that time passes: what nobody sends on is held no longer.
#[test]
fn when_both_sides_give_up_nothing_is_held_any_more() {
    let mut records = records("inspection_holds");
    let until = EPOCH_NS + 12 * NANOS_PER_SECOND;
    records.retain(|r| r.ts_ns <= until);
    let mut seen = Watch::default();
    for r in &records {
        seen.push(&r.captured());
    }
    for step in 1..=600 {
        seen.pass_time(Timestamp(until + step * NANOS_PER_SECOND / 20));
    }
    let (found, _) = seen.finish();
    let [one] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(one.until.0 < until + 6 * NANOS_PER_SECOND, "{one:?}");
}

/// Twenty seconds in which an interface was down: nobody was silent, nothing stood still.
#[test]
fn what_was_not_captured_is_not_held() {
    let all = records("healthy");
    let (before, after): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|r| !(20..40).contains(&((r.ts_ns - EPOCH_NS) / NANOS_PER_SECOND)))
        .partition(|r| r.ts_ns < EPOCH_NS + 20 * NANOS_PER_SECOND);
    let mut engine = ctcpmon_core::Engine::new(ctcpmon_core::Config::default());
    for r in &before {
        engine.push_frame(&r.captured());
    }
    engine.capture_gap(u16::MAX, Timestamp(after[0].ts_ns));
    for r in &after {
        engine.push_frame(&r.captured());
        assert_eq!(engine.held().count(), 0);
    }
}

/// An outage of everything at once: what is noted is bounded.
#[test]
fn no_more_are_noted_than_there_is_room_for() {
    let mut records: Vec<Record> = (0..MOST_HELD as u16 + 76)
        .flat_map(|n| {
            let mut one = Profile::new(17, i64::from(n % 50), 20_000);
            one.client = ([10, 1, (n >> 8) as u8, n as u8], 2_000 + n);
            let alone = Scenario {
                sessions: vec![one],
                device: Device::StateLost { at_ms: 12_500 },
                tap: Tap::ClientSide,
            };
            alone.run()
        })
        .collect();
    records.sort_by_key(|r| r.ts_ns);
    let mut engine = ctcpmon_core::Engine::new(ctcpmon_core::Config::default());
    let mut most = 0;
    let mut next = 0;
    for r in &records {
        engine.push_frame(&r.captured());
        if r.ts_ns >= next {
            next = r.ts_ns + NANOS_PER_SECOND / 10;
            most = most.max(engine.held().count());
        }
    }
    assert_eq!(most, MOST_HELD);
}
