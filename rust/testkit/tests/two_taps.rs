//! The pairs of captures through two engines and the matcher.

use std::path::PathBuf;

use ctcpmon_core::taps::judge::DeviceVerdict;
use ctcpmon_core::taps::{EspSighting, MatchedPair, Side, TapMatcher};
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::pcap;
use ctcpmon_testkit::two_taps::{CLOCK_AHEAD_NS, PAIRS, Pair};

fn push(engine: &mut Engine, record: &Record) {
    engine.push_frame(&record.captured());
}

fn matched(name: &str) -> MatchedPair {
    let pair = PAIRS.iter().find(|p| p.name == name).expect("pair");
    let mut frames: Vec<(Side, Record)> = Vec::new();
    for (side, records) in Side::ALL.into_iter().zip((pair.build)()) {
        frames.extend(records.into_iter().map(|r| (side, r)));
    }
    frames.sort_by_key(|(_, r)| r.ts_ns);
    let mut engines = [
        Engine::new(Config::default()),
        Engine::new(Config::default()),
    ];
    engines.iter_mut().for_each(Engine::note_sightings);
    let mut matcher = TapMatcher::default();
    for (side, record) in &frames {
        let engine = &mut engines[side.index()];
        push(engine, record);
        for s in engine.drain_sightings() {
            matcher.take(&EspSighting { side: *side, ..s });
        }
        let (first, now) = engine.span().expect("a frame was taken");
        matcher.advance(*side, first, now);
    }
    matcher.finish();
    matcher.drain().pop().expect("a report")
}

#[test]
fn a_router_is_innocent() {
    let pair = matched("forwards");
    for (flow, judgement) in pair.flows.iter().zip(pair.judgements) {
        assert_eq!(judgement.verdict, DeviceVerdict::Forwarded);
        assert_eq!((flow.lost, flow.appeared), (0, 0));
        assert!(flow.matched > 100);
    }
    // The device of the simulation takes 60 us each way.
    let clock = pair.clock.expect("offset");
    assert_eq!((clock.offset_ns, clock.uncertainty_ns), (0, 60_000));
}

#[test]
fn tracking_that_translates_is_caught_with_the_offset_of_the_clocks() {
    let pair = matched("tracking_stops");
    let clock = pair.clock.expect("offset");
    assert_eq!(clock.offset_ns, CLOCK_AHEAD_NS);
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Stopped);
    assert_ne!(pair.ends[0].0, pair.ends[1].0);
    let stop = pair.flows[0].stop().expect("stop");
    let last = pair.flows[0].last_left.expect("some left");
    assert_eq!(stop.first.seq, last.seq + 1);
    assert_eq!(pair.judgements[0].stopped_at, Some(stop.first.at));
}

#[test]
fn an_inspector_that_releases_is_no_loss() {
    let pair = matched("inspection_releases");
    assert_eq!(pair.judgements[0].verdict, DeviceVerdict::Held);
    assert_eq!(pair.flows[0].lost, 0);
    let (min, max) = pair.flows[0].delay.range().expect("matched");
    assert!(max - min > 4_500_000_000, "{}", max - min);
    assert_eq!(pair.judgements[1].verdict, DeviceVerdict::Forwarded);
}

#[test]
fn an_engine_that_was_not_asked_notes_nothing() {
    let [records, _] = (PAIRS[0].build)();
    let mut engine = Engine::new(Config::default());
    for record in &records {
        push(&mut engine, record);
    }
    assert_eq!(engine.drain_sightings().count(), 0);
    assert_eq!(engine.sessions().count(), 1);
}

#[test]
fn the_captures_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/taps/captures");
    for Pair { name, build, .. } in PAIRS {
        for (side, records) in Side::ALL.into_iter().zip(build()) {
            let path = folder.join(format!("{name}_{}.pcap", side.name()));
            assert!(
                std::fs::read(&path).unwrap_or_default() == pcap::file(&records),
                "{}: run cargo run -p ctcpmon-testkit --bin make_captures",
                path.display()
            );
        }
    }
}
