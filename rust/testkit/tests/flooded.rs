//! A million spoofed SYNs around a thousand tunnel sessions, of which every fifth stalls,
//! change no verdict and no time of a finding by more than a tick (reliability goal R5).

use std::collections::BTreeMap;

use ctcpmon_core::detect::{DETECTORS, Verdict};
use ctcpmon_core::engine::TICK_NS;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::segment::Endpoint;
use ctcpmon_core::stats::Counters;
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::load::{Load, Mix, Plan};
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::session::{Profile, Stream};
use ctcpmon_testkit::sim::{EPOCH_NS, Scenario, Tap};
use ctcpmon_testkit::{AckHabit, Device};

const SESSIONS: u32 = 1_000;
const GROUPS: u32 = 8;
/// One in five sessions of a group behind a device loses a segment.
const LOSES: u32 = 5;
const LAST_MS: i64 = 40_000;
const FLOOD: usize = 1_000_000;
/// The flood: 50,000 SYNs a second of packet time, from before the first loss to behind
/// the last finding.
const FLOOD_FROM_NS: i64 = 5_000_000_000;
const FLOOD_SPACING_NS: i64 = 20_000;
/// Room for some 1,300 flows: hardly more than there are sessions.
const TINY_BYTES: usize = 256 << 10;

fn profile(group: u32, number: u32) -> Profile {
    // Some begin within the flood.
    let start_ms = i64::from(number * 8 + group);
    let start_ms = if number.is_multiple_of(10) {
        start_ms + 7_000
    } else {
        start_ms
    };
    let mut p = Profile::new(1, start_ms, LAST_MS);
    p.client = ([10, 1, group as u8, number as u8], 1_060 + group as u16);
    let [mut up, mut down] = [(1_500, 400, 348), (1_550, 460, 508)]
        .map(|(after, every, bytes)| Stream::steady(start_ms + after, LAST_MS, every, bytes));
    if number.is_multiple_of(LOSES) {
        let lost = [20 + number as usize % 16];
        if number.is_multiple_of(2) {
            up = up.losing(&lost);
        } else {
            down = down.losing(&lost);
        }
    }
    p.streams = [up, down];
    p.ack = [AckHabit::Frozen; 2];
    p
}

/// A thousand sessions: half on a clean path or one that only loses, half behind devices.
fn sessions() -> Vec<Record> {
    let devices = [
        Device::None,
        Device::None,
        Device::None,
        Device::None,
        Device::Tracking { reset: false },
        Device::Tracking { reset: true },
        Device::Inspection { release_ms: None },
        Device::StateLost { at_ms: 12_000 },
    ];
    let mut records = Vec::new();
    for (group, device) in (0..GROUPS).zip(devices) {
        let scenario = Scenario {
            sessions: (0..SESSIONS / GROUPS)
                .map(|number| {
                    let mut p = profile(group, number);
                    if group < 3 {
                        p.streams.iter_mut().for_each(|s| s.lose.clear());
                    }
                    if group == 3 {
                        p.ack = [AckHabit::Highest; 2];
                    }
                    p
                })
                .collect(),
            device,
            tap: Tap::ClientSide,
        };
        records.extend(scenario.run());
    }
    records.sort_by_key(|r| r.ts_ns);
    records
}

fn flood() -> FrameBatch {
    let mut plan = Plan::new(Mix::SynFlood, 0, 0);
    plan.spacing_ns = FLOOD_SPACING_NS;
    let mut batch = FrameBatch::default();
    Load::new(&plan).fill(&mut batch, FLOOD);
    for meta in &mut batch.frames {
        meta.ts = meta.ts.plus(FLOOD_FROM_NS);
    }
    batch
}

type Verdicts = BTreeMap<Endpoint, Vec<(&'static str, Verdict, i64)>>;

struct Outcome {
    verdicts: Verdicts,
    sessions: usize,
    counters: Counters,
}

fn judge(records: &[Record], flood: Option<&FrameBatch>, max_flow_bytes: usize) -> Outcome {
    let mut engine = Engine::new(Config {
        max_flow_bytes,
        ..Config::default()
    });
    let mut syns = flood.into_iter().flat_map(FrameBatch::iter).peekable();
    for r in records {
        while let Some(syn) = syns.next_if(|syn| syn.ts.0 < r.ts_ns) {
            engine.push_frame(&syn);
        }
        engine.push_frame(&r.captured());
    }
    syns.for_each(|syn| engine.push_frame(&syn));
    engine.finish();
    let mut verdicts = Verdicts::new();
    let mut sessions = 0;
    for event in engine.drain_events() {
        match event {
            Event::Finding(f) => {
                let found = (
                    DETECTORS[f.detector].id,
                    f.judgement.verdict,
                    (f.at.0 - EPOCH_NS) / TICK_NS,
                );
                verdicts.entry(f.session.client()).or_default().push(found);
            }
            Event::Ended(..) => sessions += 1,
        }
    }
    Outcome {
        verdicts,
        sessions,
        counters: engine.stats().counters,
    }
}

#[test]
fn a_million_syns_change_no_verdict_and_no_time_by_more_than_a_tick() {
    let records = sessions();
    let flood = flood();
    let alone = judge(&records, None, Config::default().max_flow_bytes);
    assert_eq!(alone.sessions, SESSIONS as usize);
    let stalled = |o: &Outcome| {
        let is_stalled = |all: &&Vec<(_, Verdict, _)>| all.iter().any(|f| f.1 == Verdict::Stalled);
        o.verdicts.values().filter(is_stalled).count()
    };
    assert!(
        (150..=300).contains(&stalled(&alone)),
        "{}",
        stalled(&alone)
    );

    for max_flow_bytes in [Config::default().max_flow_bytes, TINY_BYTES] {
        let flooded = judge(&records, Some(&flood), max_flow_bytes);
        let c = &flooded.counters;
        assert_eq!(c.frames as usize, records.len() + FLOOD);
        assert_eq!(flooded.sessions, SESSIONS as usize, "{max_flow_bytes}");
        // Every SYN found a place, pushed another one out, or was refused and counted.
        let strangers = c.conversations + c.segments_without_flow;
        assert!(strangers as usize >= FLOOD, "{max_flow_bytes}: {strangers}");
        if max_flow_bytes == TINY_BYTES {
            let pressed = c.flows_evicted + c.segments_without_flow;
            assert!(pressed as usize > FLOOD - 2_000, "no pressure: {c:?}");
        }
        let different: Vec<_> = alone
            .verdicts
            .keys()
            .chain(flooded.verdicts.keys())
            .filter_map(|client| {
                let (a, f) = (alone.verdicts.get(client), flooded.verdicts.get(client));
                let same = a.zip(f).is_some_and(|(a, f)| {
                    a.len() == f.len()
                        && a.iter()
                            .zip(f)
                            .all(|(a, f)| (a.0, a.1) == (f.0, f.1) && (a.2 - f.2).abs() <= 1)
                });
                (!same).then_some((client.port, a, f))
            })
            .collect();
        assert!(
            different.is_empty(),
            "{max_flow_bytes}: {} differ, first {:?}",
            different.len(),
            different.first()
        );
    }
}
