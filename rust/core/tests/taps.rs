//! Two taps around a device, from the outside: sightings in, reports out.

use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::taps::judge::{DeviceVerdict, overall};
use ctcpmon_core::taps::{EspSighting, MatchedPair, Refusal, Side, TapMatcher};
use ctcpmon_core::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};
use proptest::prelude::*;

const START: Timestamp = Timestamp(1_795_402_680_000_000_000);
const STEP_NS: i64 = 100 * NANOS_PER_MILLI;
const OUT_NS: i64 = 2 * NANOS_PER_MILLI;
const BACK_NS: i64 = 4 * NANOS_PER_MILLI;

fn end(last: u8, port: u16) -> Endpoint {
    Endpoint {
        addr: Addr::v4([10, 0, 0, last]),
        port,
    }
}

/// A sighting `ms` into the run.
fn seen(side: Side, dir: usize, spi: u32, seq: u32, ns: i64) -> EspSighting {
    EspSighting {
        side,
        dir,
        spi,
        seq,
        ts: START.plus(ns),
        segment_bytes: 148,
        session: 100 + side.index() as u64,
        is_late_recognised: false,
        // Translated on the headend side.
        ends: (end(17 + side.index() as u8, 1061), end(9, 10_000)),
    }
}

/// A session whose packets go both ways every 100 ms, for `count` steps, with the
/// clock of the headend-side tap ahead by `offset`.
fn session(count: u32, offset: impl Fn(i64) -> i64) -> Vec<EspSighting> {
    let mut out = Vec::new();
    for i in 0..count {
        let t = i64::from(i) * STEP_NS;
        let jitter = i64::from(i % 5) * 50_000;
        out.push(seen(Side::Client, 0, 0x1000, i + 1, t));
        out.push(seen(
            Side::Headend,
            0,
            0x1000,
            i + 1,
            t + OUT_NS + jitter + offset(t),
        ));
        let t = t + STEP_NS / 2;
        out.push(seen(Side::Headend, 1, 0x2000, i + 1, t + offset(t)));
        out.push(seen(Side::Client, 1, 0x2000, i + 1, t + BACK_NS + jitter));
    }
    out
}

/// Feeds sightings in the order of their stamps, as a merge of two captures does.
fn run(mut sightings: Vec<EspSighting>) -> (Vec<MatchedPair>, TapMatcher) {
    sightings.sort_by_key(|s| s.ts);
    run_in_order(&sightings)
}

fn run_in_order(sightings: &[EspSighting]) -> (Vec<MatchedPair>, TapMatcher) {
    let mut matcher = TapMatcher::default();
    let mut first = [None; 2];
    for s in sightings {
        let first = *first[s.side.index()].get_or_insert(s.ts);
        matcher.take(s);
        matcher.advance(s.side, first, s.ts);
    }
    matcher.finish();
    (matcher.drain(), matcher)
}

fn last(reports: &[MatchedPair]) -> &MatchedPair {
    let report = reports.last().expect("a report");
    assert!(report.is_final);
    report
}

fn without(
    sightings: Vec<EspSighting>,
    is_gone: impl Fn(&EspSighting) -> bool,
) -> Vec<EspSighting> {
    sightings.into_iter().filter(|s| !is_gone(s)).collect()
}

#[test]
fn an_innocent_device_is_said_to_be_innocent() {
    let (reports, matcher) = run(session(300, |_| 0));
    assert_eq!(reports.len(), 1);
    let pair = last(&reports);
    for flow in &pair.flows {
        assert_eq!((flow.matched, flow.lost, flow.appeared), (300, 0, 0));
    }
    assert_eq!(overall(&pair.judgements).verdict, DeviceVerdict::Forwarded);
    assert!(overall(&pair.judgements).confidence >= 0.95);
    assert_eq!(matcher.waiting(), 0);
    assert_eq!(pair.ends[0].0, end(17, 1061));
    assert_eq!(pair.ends[1].0, end(18, 1061));
}

#[test]
fn an_offset_of_the_clocks_is_found_and_changes_no_count() {
    for offset in [3_700_000_000, -3_700_000_000, 3_600 * NANOS_PER_SECOND] {
        let (reports, _) = run(session(300, |_| offset));
        let pair = last(&reports);
        let clock = pair.clock.expect("a constant offset");
        assert_eq!(clock.uncertainty_ns, i64::midpoint(OUT_NS, BACK_NS));
        assert!((clock.offset_ns - offset).abs() <= clock.uncertainty_ns);
        for flow in &pair.flows {
            assert_eq!((flow.matched, flow.lost, flow.appeared), (300, 0, 0));
        }
        let delay = pair.flows[0].delay.figures(clock.offset_ns).expect("delay");
        assert_eq!(delay.min_ns, clock.uncertainty_ns);
        assert_eq!(delay.max_ns - delay.min_ns, 200_000);
    }
}

#[test]
fn a_drifting_clock_is_refused_and_losses_still_count() {
    let lossy = without(session(900, |t| t / 2_000), |s| {
        s.side == Side::Headend && s.dir == 0 && s.seq == 77
    });
    let (reports, _) = run(lossy);
    let pair = last(&reports);
    assert_eq!(pair.clock, Err(Refusal::NotConstant));
    assert_eq!(pair.flows[0].lost, 1);
    assert_eq!(pair.flows[0].first_lost.expect("lost").seq, 77);
}

#[test]
fn a_clock_that_is_set_during_the_capture_makes_no_loss() {
    for step in [20, -20, 600, -600, 7, -7] {
        let step_ns = step * NANOS_PER_SECOND;
        let set = |t| {
            if t < 40 * NANOS_PER_SECOND {
                0
            } else {
                step_ns
            }
        };
        let all = session(900, set);
        let mut client: Vec<_> = all.iter().filter(|s| s.side == Side::Client).collect();
        let mut headend: Vec<_> = all.iter().filter(|s| s.side == Side::Headend).collect();
        let order = |s: &&EspSighting| (s.seq, s.dir);
        client.sort_by_key(order);
        headend.sort_by_key(order);
        // A merge keeps the order of an input whose clock steps back.
        let mut merged = Vec::new();
        let (mut c, mut h) = (
            client.into_iter().peekable(),
            headend.into_iter().peekable(),
        );
        let mut key = START;
        while let (Some(a), b) = (c.peek(), h.peek()) {
            let next = b.map_or(Timestamp(i64::MAX), |b| b.ts.max(key));
            if a.ts <= next {
                merged.extend(c.next());
            } else {
                key = next;
                merged.extend(h.next());
            }
        }
        merged.extend(h);
        let merged: Vec<EspSighting> = merged.into_iter().copied().collect();
        let (reports, _) = run_in_order(&merged);
        assert!(reports.iter().all(|r| r.judgements[0].stopped_at.is_none()));
        let pair = last(&reports);
        assert_eq!(pair.clock, Err(Refusal::NotConstant), "{step}");
        for flow in &pair.flows {
            assert_eq!((flow.lost, flow.appeared), (0, 0), "{step}");
            assert!(flow.matched > 880, "{step}: {}", flow.matched);
        }
    }
}

#[test]
fn a_pause_of_the_far_capture_proves_nothing() {
    let paused = without(session(900, |_| 0), |s| {
        let pause = START.plus(30 * NANOS_PER_SECOND)..START.plus(50 * NANOS_PER_SECOND);
        s.side == Side::Headend && pause.contains(&s.ts)
    });
    let (reports, _) = run(paused);
    assert!(reports.iter().all(|r| r.judgements[0].stopped_at.is_none()));
    let pair = last(&reports);
    assert_eq!(pair.flows[0].lost, 0);
    assert_eq!(pair.flows[0].undecided_entered, 200);
}

#[test]
fn swapped_taps_are_named() {
    let swapped = session(300, |_| 0)
        .into_iter()
        .map(|s| EspSighting {
            side: Side::ALL[1 - s.side.index()],
            ..s
        })
        .collect();
    let (reports, _) = run(swapped);
    assert_eq!(last(&reports).clock, Err(Refusal::Swapped));
    let verdict = overall(&last(&reports).judgements).verdict;
    assert_eq!(verdict, DeviceVerdict::Undecided);
}

#[test]
fn few_packets_in_one_direction_give_counts_and_no_delay() {
    let one_way = without(session(300, |_| 0), |s| s.dir == 1 && s.seq > 4);
    let (reports, _) = run(one_way);
    let pair = last(&reports);
    assert_eq!(pair.clock, Err(Refusal::FewToClient));
    assert_eq!(pair.flows[0].matched, 300);
}

#[test]
fn a_device_that_stops_is_proven_with_the_time_and_the_first_packet() {
    let stopped = without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.dir == 0 && s.seq > 200
    });
    let (reports, _) = run(stopped);
    let early = &reports[0];
    assert!(!early.is_final, "it is said while the session goes on");
    let at = START.plus(200 * STEP_NS);
    for pair in [early, last(&reports)] {
        let [to_headend, to_client] = pair.judgements;
        assert_eq!(to_headend.verdict, DeviceVerdict::Stopped);
        assert!(to_headend.confidence >= 0.95);
        assert_eq!(to_headend.stopped_at, Some(at));
        assert_eq!(pair.flows[0].stop().expect("stop").first.seq, 201);
        assert_eq!(to_client.verdict, DeviceVerdict::Forwarded);
    }
    // 10 s of waiting behind the 2 s that a stop takes.
    assert!(early.at.since(at) < 13 * NANOS_PER_SECOND);
    let flow = &last(&reports).flows[0];
    assert_eq!(flow.entered(), 600);
    assert_eq!(flow.matched + flow.lost + flow.undecided_entered, 600);
    // The last six seconds of the capture prove nothing.
    assert!((59..=61).contains(&flow.undecided_entered), "{flow:?}");
}

#[test]
fn a_stop_just_before_the_end_is_neither_proven_nor_innocent() {
    let (reports, _) = run(without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.dir == 0 && s.seq > 550
    }));
    let pair = last(&reports);
    assert_eq!(
        (pair.flows[0].lost, pair.flows[0].undecided_entered),
        (0, 50)
    );
    assert!((38..=40).contains(&pair.flows[0].overdue));
    assert_eq!(overall(&pair.judgements).verdict, DeviceVerdict::Overdue);
}

#[test]
fn a_stop_that_ends_is_an_interruption() {
    let paused = without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.dir == 0 && (201..=400).contains(&s.seq)
    });
    let (reports, _) = run(paused);
    let said: Vec<_> = reports.iter().map(|r| r.judgements[0].verdict).collect();
    // The packet that ended the pause is known before the wait of the lost ones is over.
    assert_eq!(said.last(), Some(&DeviceVerdict::Interrupted));
    let pair = last(&reports);
    assert_eq!(pair.flows[0].lost, 200);
    assert_eq!(pair.flows[0].outage.expect("outage").first.seq, 201);
}

#[test]
fn a_far_capture_that_ends_early_proves_nothing() {
    let cut = without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.ts > START.plus(30 * NANOS_PER_SECOND)
    });
    let (reports, _) = run(cut);
    let pair = last(&reports);
    assert_eq!(pair.flows[0].lost, 0);
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Forwarded);
    assert!(pair.flows[0].undecided_entered > 250);
    // What left towards the client after it was not seen entering, and that is no miss.
    assert_eq!(pair.flows[1].appeared, 0);
}

#[test]
fn a_far_capture_that_begins_late_proves_nothing() {
    let cut = without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.ts < START.plus(30 * NANOS_PER_SECOND)
    });
    let (reports, _) = run(cut);
    assert_eq!(last(&reports).flows[0].lost, 0);
    assert_eq!(last(&reports).flows[1].appeared, 0);
}

#[test]
fn packets_that_the_near_tap_missed_are_not_losses_of_the_device() {
    let missed = without(session(600, |_| 0), |s| {
        s.side == Side::Client && s.dir == 0 && s.seq % 50 == 0 && s.seq < 450
    });
    let (reports, _) = run(missed);
    let pair = last(&reports);
    assert_eq!((pair.flows[0].lost, pair.flows[0].appeared), (0, 8));
    assert_eq!(pair.missed[0].missed, 8);
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Forwarded);
}

#[test]
fn a_far_tap_that_loses_packets_weakens_single_losses_and_not_a_stop() {
    // The headend-side tap misses one packet in twenty of both directions.
    let holed = |s: &EspSighting| s.side == Side::Headend && s.seq.is_multiple_of(20);
    let (reports, _) = run(without(session(600, |_| 0), holed));
    let j = last(&reports).judgements[0];
    assert_eq!(j.verdict, DeviceVerdict::Lossy);
    assert!(j.confidence <= 0.5, "{j:?}");
    let (reports, _) = run(without(session(600, |_| 0), |s| {
        holed(s) || (s.side == Side::Headend && s.dir == 0 && s.seq > 300)
    }));
    let j = last(&reports).judgements[0];
    assert_eq!(j.verdict, DeviceVerdict::Stopped);
    assert!(j.confidence >= 0.95, "{j:?}");
}

#[test]
fn reordering_duplicates_and_a_rekey_change_nothing() {
    let mut all = session(600, |_| 0);
    for s in &mut all {
        // The device swaps neighbours: the even ones take 150 ms longer.
        if s.side == Side::Headend && s.dir == 0 && s.seq % 2 == 0 {
            s.ts = s.ts.plus(150 * NANOS_PER_MILLI);
        }
        // A new SA on both sides in the middle, as a rekey makes it.
        if s.seq > 300 {
            s.spi += 1;
            s.seq -= 300;
        }
    }
    let copies: Vec<_> = all
        .iter()
        .filter(|s| s.seq % 3 == 0)
        .map(|s| EspSighting {
            ts: s.ts.plus(200_000),
            ..*s
        })
        .collect();
    let duplicates = copies.len() as u64;
    all.extend(copies);
    let (reports, matcher) = run(all);
    let pair = last(&reports);
    assert_eq!(matcher.counters().pairs, 1);
    for flow in &pair.flows {
        assert_eq!((flow.matched, flow.lost, flow.appeared), (600, 0, 0));
    }
    let repeated = pair.flows.iter().map(|f| f.repeated).sum::<u64>();
    assert_eq!(repeated + matcher.counters().late_pkts, duplicates);
}

#[test]
fn the_sequence_number_may_wrap() {
    let wrapped = session(600, |_| 0)
        .into_iter()
        .map(|s| EspSighting {
            seq: s.seq.wrapping_sub(300),
            ..s
        })
        .collect();
    let (reports, _) = run(wrapped);
    for flow in &last(&reports).flows {
        assert_eq!((flow.matched, flow.lost), (600, 0));
    }
}

#[test]
fn a_device_that_holds_packets_and_lets_them_go_is_held_not_lossy() {
    let mut held = session(600, |_| 0);
    let release = START.plus(35 * NANOS_PER_SECOND);
    for s in &mut held {
        if s.side == Side::Headend && s.dir == 0 && (300..=340).contains(&s.seq) {
            s.ts = s.ts.max(release);
        }
    }
    let (reports, _) = run(held);
    let pair = last(&reports);
    assert_eq!(pair.flows[0].lost, 0);
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Held);
}

#[test]
fn a_stream_that_is_cut_anew_is_not_called_lossy() {
    let mut all = without(session(600, |_| 0), |s| {
        s.side == Side::Headend && s.dir == 0 && s.seq % 7 == 0
    });
    for s in &mut all {
        // The proxy glues the packet before the missing one to it.
        if s.side == Side::Headend && s.dir == 0 && s.seq % 7 == 6 {
            s.segment_bytes *= 2;
        }
    }
    let (reports, _) = run(all);
    let pair = last(&reports);
    assert!(pair.flows[0].recut > 80 && pair.flows[0].lost > 70);
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Recut);
    assert!(!pair.judgements[0].verdict.names_the_device());
}

#[test]
fn a_new_binding_of_a_nat_makes_a_second_pair_and_no_loss() {
    let mut all = session(600, |_| 0);
    for s in &mut all {
        if s.side == Side::Headend && s.dir == 0 && s.seq > 300 {
            s.session = 900;
        }
    }
    // The headend goes on sending to the old binding.
    let all = without(all, |s| s.side == Side::Client && s.dir == 1 && s.seq > 300);
    let (reports, matcher) = run(all);
    assert_eq!(matcher.counters().pairs, 2);
    let finals: Vec<_> = reports.iter().filter(|r| r.is_final).collect();
    assert_eq!(
        (finals[0].flows[0].matched, finals[1].flows[0].matched),
        (300, 300)
    );
    assert_eq!(finals[0].judgements[1].verdict, DeviceVerdict::Stopped);
    assert_eq!(finals[0].judgements[0].verdict, DeviceVerdict::Forwarded);
    assert_eq!(finals[1].flows.iter().map(|f| f.lost).sum::<u64>(), 0);
}

#[test]
fn a_shared_spi_is_left_out_and_counted() {
    let mut all = session(300, |_| 0);
    let other: Vec<_> = all
        .iter()
        .filter(|s| s.dir == 1)
        .map(|s| EspSighting {
            session: s.session + 50,
            ts: s.ts.plus(1_000),
            ..*s
        })
        .collect();
    all.extend(other);
    let (reports, matcher) = run(all);
    assert!(matcher.counters().shared_spi_pkts > 500);
    assert_eq!(last(&reports).flows[0].matched, 300);
    assert_eq!(last(&reports).flows[1].lost, 0);
}

#[test]
fn sessions_without_a_partner_are_counted_and_not_reported() {
    let strangers = session(300, |_| 0)
        .into_iter()
        .map(|s| EspSighting {
            spi: s.spi + s.side.index() as u32 * 7,
            ..s
        })
        .collect();
    let (reports, matcher) = run(strangers);
    assert!(reports.is_empty());
    let counters = matcher.counters();
    assert_eq!((counters.pairs, counters.sessions_alone), (0, [1, 1]));
    assert_eq!(counters.unpaired_pkts, 1_200);
}

#[test]
fn a_session_recognised_late_at_one_tap_lost_nothing() {
    let late = session(300, |_| 0)
        .into_iter()
        .filter(|s| s.side == Side::Client || s.seq > 3)
        .map(|s| EspSighting {
            is_late_recognised: s.side == Side::Headend,
            ..s
        })
        .collect::<Vec<_>>();
    // Other traffic shows that the tap was on.
    let mut all = late;
    for dir in 0..2 {
        let mut early = seen(Side::Headend, dir, 0x9000, 1, -NANOS_PER_SECOND);
        early.session = 77;
        all.push(early);
    }
    let (reports, _) = run(all);
    assert_eq!(last(&reports).flows[0].lost, 0);
    assert_eq!(last(&reports).flows[1].appeared, 0);
    assert_eq!(last(&reports).flows[0].undecided_entered, 3);
}

#[test]
fn ended_sessions_are_reported_before_the_end_of_the_input() {
    let mut matcher = TapMatcher::default();
    let mut all = session(100, |_| 0);
    all.sort_by_key(|s| s.ts);
    for s in &all {
        matcher.take(s);
        matcher.advance(s.side, START, s.ts);
    }
    let now = all.last().expect("sightings").ts;
    for side in Side::ALL {
        matcher.session_ended(side, 100 + side.index() as u64);
    }
    for s in 1..15 {
        assert!(s > 10 || !matcher.has_reports());
        for side in Side::ALL {
            matcher.advance(side, START, now.plus(s * NANOS_PER_SECOND));
        }
    }
    let reports = matcher.drain();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].is_final);
    assert_eq!(matcher.waiting(), 0);
    matcher.finish();
    assert!(matcher.drain().is_empty());
    assert_eq!(matcher.counters().sessions_alone, [0, 0]);
}

#[test]
fn memory_is_bounded_when_the_other_tap_is_silent() {
    let mut matcher = TapMatcher::default();
    let many = (1 << 20) + 5_000;
    for i in 0..many {
        let s = seen(Side::Client, 0, 0x1000, i, i64::from(i) * 1_000);
        matcher.take(&s);
        matcher.advance(s.side, START, s.ts);
    }
    assert_eq!(matcher.waiting(), 1 << 20);
    assert_eq!(matcher.counters().overflow_pkts, 5_000);
}

prop_compose! {
    fn any_sighting()(
        side in 0..2_usize, dir in 0..2_usize, spi in 0..4_u32, seq in prop_oneof![0..40_u32, any::<u32>()],
        ts in prop_oneof![0..60_000_000_000_i64, any::<i64>()], session in 0..3_u64,
        late in any::<bool>(), bytes in 0..3_u32,
    ) -> EspSighting {
        EspSighting {
            ts: Timestamp(ts),
            session,
            segment_bytes: bytes,
            is_late_recognised: late,
            ..seen(Side::ALL[side], dir, spi, seq, 0)
        }
    }
}

proptest! {
    #[test]
    fn any_input_is_counted_once_and_nothing_is_left(
        all in prop::collection::vec((any_sighting(), any::<bool>()), 0..300)
    ) {
        let mut matcher = TapMatcher::default();
        for (s, ends) in &all {
            matcher.take(s);
            matcher.advance(s.side, Timestamp(0), s.ts);
            if *ends {
                matcher.session_ended(s.side, s.session);
            }
        }
        matcher.finish();
        prop_assert_eq!(matcher.waiting(), 0);
        let counters = matcher.counters();
        prop_assert_eq!(counters.sightings.iter().sum::<u64>(), all.len() as u64);
        let mut told = 0;
        for pair in matcher.drain().iter().filter(|p| p.is_final) {
            for flow in &pair.flows {
                told += flow.entered() + flow.left() + flow.repeated;
                prop_assert_eq!(flow.delay.count(), flow.matched);
                prop_assert!(flow.recut <= flow.matched);
            }
            for j in pair.judgements {
                prop_assert!((0.0..=1.0).contains(&j.confidence));
            }
        }
        prop_assert!(told <= all.len() as u64);
    }
}
