//! A flood of strangers that fills the flow table changes no verdict on a tunnel.

use ctcpmon_core::detect::{DETECTORS, Verdict};
use ctcpmon_core::engine::TICK_NS;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::CASES;
use ctcpmon_testkit::load::{Load, Mix, Plan};
use ctcpmon_testkit::packet::{ACK, Record, SYN, Segment, frame};

/// Room for 444 flows.
const TABLE_BYTES: usize = 81 << 10;
/// One stranger a millisecond: the table is full after half a second, of flows far
/// younger than any that pressure lets go.
const STRANGER_EVERY_NS: i64 = 1_000_000;

/// A connection request that is answered: pressure spares such a flow for a minute.
fn stranger(ts_ns: i64, number: u32) -> [Record; 2] {
    [0, 1].map(|dir| half(ts_ns, number, dir))
}

fn half(ts_ns: i64, number: u32, dir: usize) -> Record {
    let segment = Segment {
        dir,
        seq: number,
        ack: number + 1,
        flags: [SYN, SYN | ACK][dir],
        window: 29_200,
        payload: Vec::new(),
        options: Vec::new(),
        ttl: 61,
        ip_id: number as u16,
    };
    let [_, a, b, c] = number.to_be_bytes();
    let frame = frame(&segment, ([10, a, b, c], 40_000), ([192, 0, 2, 80], 443));
    Record { ts_ns, frame }
}

fn flooded(records: Vec<Record>) -> Vec<Record> {
    let (first, last) = match (records.first(), records.last()) {
        (Some(first), Some(last)) => (first.ts_ns - 600_000_000, last.ts_ns),
        _ => return records,
    };
    let strangers = (0..(last - first) / STRANGER_EVERY_NS)
        .flat_map(|n| stranger(first + n * STRANGER_EVERY_NS, n as u32));
    let mut all: Vec<Record> = records.into_iter().chain(strangers).collect();
    all.sort_by_key(|r| r.ts_ns);
    all
}

struct Seen {
    findings: Vec<(u16, &'static str, Verdict, i64)>,
    segments_without_flow: u64,
}

fn judge(records: &[Record]) -> Seen {
    let mut engine = Engine::new(Config {
        max_flow_bytes: TABLE_BYTES,
        ..Config::default()
    });
    for r in records {
        engine.push_frame(&r.captured());
    }
    engine.finish();
    let findings = engine
        .drain_events()
        .into_iter()
        .filter_map(|e| match e {
            Event::Finding(f) => {
                let port = f.session.client().port;
                let verdict = f.judgement.verdict;
                Some((port, DETECTORS[f.detector].id, verdict, f.at.0 / TICK_NS))
            }
            Event::Ended(..) => None,
        })
        .collect();
    Seen {
        findings,
        segments_without_flow: engine.stats().counters.segments_without_flow,
    }
}

#[test]
fn strangers_change_no_verdict_and_no_time_by_more_than_a_tick() {
    for name in [
        "healthy",
        "tracking_drops_after_loss",
        "proxy_freezes",
        "inspection_holds",
        "inspection_releases",
        "reset_by_firewall",
        "state_lost",
        "logout",
    ] {
        let case = CASES.iter().find(|c| c.name == name).expect("case");
        let records = (case.build)();
        let alone = judge(&records);
        let crowded = judge(&flooded(records));
        assert_eq!(alone.segments_without_flow, 0, "{name}");
        assert!(crowded.segments_without_flow > 10_000, "{name}: no crowd");
        assert_eq!(
            alone.findings.len(),
            crowded.findings.len(),
            "{name}: {:?} {:?}",
            alone.findings,
            crowded.findings
        );
        for (a, c) in alone.findings.iter().zip(&crowded.findings) {
            assert_eq!((a.0, a.1, a.2), (c.0, c.1, c.2), "{name}");
            assert!((a.3 - c.3).abs() <= 1, "{name}: {a:?} {c:?}");
        }
    }
}

/// Tunnels keep their places, and what they take is not held against the share of attempts.
#[test]
fn a_table_of_tunnels_takes_flows_to_the_last_place() {
    let mut batch = FrameBatch::default();
    Load::new(&Plan::new(Mix::TunnelFlood, 0, 0)).fill(&mut batch, 430);
    let mut engine = Engine::new(Config {
        max_flow_bytes: TABLE_BYTES,
        ..Config::default()
    });
    engine.push(&batch);
    assert_eq!(engine.stats().counters.sessions, 430);
    assert_eq!(engine.stats().counters.segments_without_flow, 0);
}

/// Beyond the least number sessions need their memory: the whole stays in its bound.
#[test]
fn sessions_and_flows_share_one_bound() {
    let mut batch = FrameBatch::default();
    // Six packets open a tunnel.
    Load::new(&Plan::new(Mix::Tunnels, 0, 20_000)).fill(&mut batch, 120_000);
    let mut engine = Engine::new(Config {
        max_flow_bytes: 8 << 20,
        ..Config::default()
    });
    engine.push(&batch);
    let counters = engine.stats().counters;
    assert!(counters.sessions_refused > 0);
    let asked = counters.sessions + counters.sessions_refused;
    // The flows of a few are turned away as well.
    assert!((19_900..=20_000).contains(&asked), "{asked}");
    assert_eq!(counters.sessions_put_off, 0, "they talk");
    assert!(
        (4_096..15_000).contains(&counters.sessions),
        "{}",
        counters.sessions
    );
}

/// Attempts that nobody answers make room for each other, and leave room for others.
#[test]
fn a_flood_of_attempts_refuses_no_conversation() {
    let mut engine = Engine::new(Config {
        max_flow_bytes: TABLE_BYTES,
        ..Config::default()
    });
    for n in 0..20_000_u32 {
        let now = i64::from(n) * 1_000;
        engine.push_frame(&half(now, n, 0).captured());
        if n % 500 == 499 {
            for record in stranger(now, 1_000_000 + n) {
                engine.push_frame(&record.captured());
            }
        }
    }
    let counters = engine.stats().counters;
    assert_eq!(counters.segments_without_flow, 0);
    assert_eq!(counters.conversations, 20_040);
    assert!(
        counters.flows_evicted > 19_000,
        "{}",
        counters.flows_evicted
    );
    assert!(engine.flows() < 440, "{}", engine.flows());
}
