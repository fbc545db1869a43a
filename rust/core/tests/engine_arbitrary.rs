//! Arbitrary segments and arbitrary bytes into the engine: no panic, every frame ends
//! once, everything bounded, findings numbered without gaps, and nothing that comes out
//! depends on the batches.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use ctcpmon_core::decode::LINK_TYPES;
use ctcpmon_core::flow::FlowRecord;
use ctcpmon_core::frame::{Frame, FrameBatch, LinkType};
use ctcpmon_core::tcp::holes::MAX_HOLES;
use ctcpmon_core::time::Timestamp;
use ctcpmon_core::{Config, Engine, Event};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

const ROOMY: Config = Config {
    max_flow_bytes: 1 << 20,
    max_sessions: 100,
    lists_flows: true,
};
/// Two sessions and about eight flows.
const TIGHT: Config = Config {
    max_flow_bytes: 4 << 10,
    max_sessions: 2,
    lists_flows: false,
};

/// What a segment carries.
#[derive(Clone, Copy, Debug)]
enum Load {
    Nothing,
    Esp(u8),
    Ike(u8),
    /// ESP or IKE without its trailer.
    Bare(u8),
    /// Two tunnel packets in one segment.
    Merged,
    Noise(u16),
}

#[derive(Clone, Debug)]
struct Step {
    /// Which of the connections, and from which side.
    connection: u8,
    from_client: bool,
    /// Nanoseconds since the step before.
    after_ns: i64,
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    options: &'static [u8],
    load: Load,
    cut: u16,
    ttl: u8,
}

fn load() -> impl Strategy<Value = Load> {
    prop_oneof![
        2 => Just(Load::Nothing),
        6 => any::<u8>().prop_map(Load::Esp),
        3 => select(&[2_u8, 4, 5, 6, 32][..]).prop_map(Load::Ike),
        1 => any::<u8>().prop_map(Load::Bare),
        1 => Just(Load::Merged),
        1 => (0..3000_u16).prop_map(Load::Noise),
    ]
}

/// Mostly small steps; now and then back, past every timer, or far away.
fn after() -> impl Strategy<Value = i64> {
    const MILLI: i64 = 1_000_000;
    prop_oneof![
        20 => 0..300 * MILLI,
        3 => 300 * MILLI..9_000 * MILLI,
        1 => select(&[
            -MILLI, -1_500 * MILLI, -100_000 * MILLI, 61_000 * MILLI, 7_300_000 * MILLI,
            90_000_000 * MILLI,
        ][..]),
    ]
}

/// Few numbers, near each other and near the wrap.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => (0..40_u32).prop_map(|n| (n * 100).wrapping_sub(1_500)),
        1 => select(&[0, 1, u32::MAX, 1 << 31, (1 << 31) - 1, 1 << 24][..]),
        1 => any::<u32>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    const OPTIONS: &[&[u8]] = &[
        &[],
        &[2, 4, 5, 0xb4],
        &[3, 3, 14, 1],
        &[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7],
        &[1, 1, 5, 10, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0],
        &[
            5, 18, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1,
        ],
        &[8, 0, 0, 0],
    ];
    let flags = prop_oneof![
        8 => Just(0x18_u8), 4 => Just(0x10), 1 => Just(0x02), 1 => Just(0x12), 1 => Just(0x11),
        1 => Just(0x04), 1 => Just(0x14), 1 => any::<u8>(),
    ];
    let window = select(&[0, 1, 2_048, 8_192, 65_535][..]);
    let cut = prop_oneof![9 => Just(u16::MAX), 1 => 0..200_u16];
    (
        (0..12_u8, any::<bool>(), after(), number(), number(), flags),
        (
            window,
            select(OPTIONS),
            load(),
            cut,
            select(&[64, 128, 255][..]),
        ),
    )
        .prop_map(|(a, b)| Step {
            // Most of the traffic on one connection, the rest on eleven others.
            connection: a.0.saturating_sub(6) * (a.0 % 2) + a.0 / 8,
            from_client: a.1,
            after_ns: a.2,
            seq: a.3,
            ack: a.4,
            flags: a.5,
            window: b.0,
            options: b.1,
            load: b.2,
            cut: b.3,
            ttl: b.4,
        })
}

fn trailer(protocol: u8) -> [u8; 16] {
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, protocol, 1, 0,
    ]
}

fn esp(seq: u8) -> Vec<u8> {
    let mut out = vec![0xc0, 1, 2, 3, 0, 0, 0, seq];
    out.extend((0..76).map(|i: u8| i.wrapping_mul(151) ^ seq));
    out.extend(trailer(0x32));
    out
}

fn ike(exchange: u8) -> Vec<u8> {
    let mut out = vec![1, 0xf4, 1, 0xf4, 0, 92, 0, 0];
    out.extend([7; 8]);
    out.extend([if exchange == 4 { 0 } else { 9 }; 8]);
    out.extend([
        1,
        0x10,
        exchange,
        u8::from(exchange != 4),
        0,
        0,
        0,
        exchange,
        0,
        0,
        0,
        84,
    ]);
    out.resize(92, 0x5a);
    out.extend(trailer(0x11));
    out
}

fn payload(load: Load) -> Vec<u8> {
    match load {
        Load::Nothing => Vec::new(),
        Load::Esp(seq) => esp(seq),
        Load::Ike(exchange) => ike(exchange),
        Load::Bare(seq) => {
            let mut whole = if seq % 2 == 0 { esp(seq) } else { ike(5) };
            whole.truncate(whole.len() - 16);
            whole
        }
        Load::Merged => [esp(1), ike(5), esp(2)].concat(),
        Load::Noise(len) => (0..len).map(|i| i.wrapping_mul(31) as u8).collect(),
    }
}

/// A raw IPv4 frame and its length on the wire.
fn packet(step: &Step) -> (Vec<u8>, u32) {
    let client = (
        [10, 0, 0, 1 + step.connection],
        1_000 + u16::from(step.connection),
    );
    let headend = ([198, 51, 100, 9], 10_000);
    let (src, dst) = if step.from_client {
        (client, headend)
    } else {
        (headend, client)
    };
    let body = payload(step.load);
    let total = 40 + step.options.len() + body.len();
    let mut out = vec![0x45, 0];
    out.extend(u16::try_from(total).unwrap().to_be_bytes());
    out.extend([0, 1, 0x40, 0, step.ttl, 6, 0, 0]);
    out.extend(src.0);
    out.extend(dst.0);
    out.extend(src.1.to_be_bytes());
    out.extend(u16::to_be_bytes(dst.1));
    out.extend(step.seq.to_be_bytes());
    out.extend(step.ack.to_be_bytes());
    out.push(u8::try_from((20 + step.options.len()) / 4).unwrap() << 4);
    out.push(step.flags);
    out.extend(step.window.to_be_bytes());
    out.extend([0; 4]);
    out.extend(step.options);
    out.extend(body);
    let wire = u32::try_from(out.len()).unwrap();
    out.truncate(usize::from(step.cut));
    (out, wire)
}

fn batch_of(steps: &[Step]) -> FrameBatch {
    let mut batch = FrameBatch::default();
    let mut now: i64 = 1_700_000_000_000_000_000;
    for step in steps {
        now = now.saturating_add(step.after_ns);
        let (bytes, original_len) = packet(step);
        batch.push(&Frame {
            ts: Timestamp(now),
            link: LinkType(101),
            tap: 0,
            original_len,
            bytes: &bytes,
        });
    }
    batch
}

/// Feeds a batch in pieces of `size` frames and checks what must hold at any time.
fn run(batch: &FrameBatch, size: usize, config: Config) -> Result<Vec<Event>, TestCaseError> {
    let mut engine = Engine::new(config);
    let mut events = Vec::new();
    let mut pushed = 0;
    for part in batch.frames.chunks(size) {
        let mut one = FrameBatch::default();
        for meta in part {
            one.push(&batch.frame(meta));
        }
        engine.push(&one);
        pushed += part.len() as u64;
        events.append(&mut engine.drain_events());
        let stats = engine.stats();
        prop_assert_eq!(stats.counters.frames, pushed);
        prop_assert_eq!(
            stats.dispositions.iter().sum::<u64>(),
            pushed,
            "each frame ends once"
        );
        prop_assert!(engine.sessions().count() <= config.max_sessions);
        prop_assert!(engine.flows() <= config.max_flow_bytes / size_of::<FlowRecord>());
        for half in engine.sessions().flat_map(|session| &session.half) {
            prop_assert!(half.holes().len() <= MAX_HOLES);
        }
    }
    // In parts, as a run does it; the size of the parts must change nothing either.
    let mut ending = engine.begin_end();
    while engine.end_some(&mut ending, size) {
        events.append(&mut engine.drain_events());
    }
    events.append(&mut engine.drain_events());
    prop_assert_eq!(
        engine.sessions().count(),
        0,
        "every session ends with the input"
    );
    let mut due = 1;
    for event in &events {
        if let Event::Finding(finding) = event {
            prop_assert_eq!(finding.seq, due, "findings are numbered without gaps");
            due += 1;
        }
    }
    let ended = events
        .iter()
        .filter(|e| matches!(e, Event::Ended(..)))
        .count() as u64;
    prop_assert_eq!(
        ended,
        engine.stats().counters.sessions,
        "each session ends once"
    );
    prop_assert_eq!(due - 1, engine.stats().counters.findings);
    Ok(events)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_segments(
        steps in vec(step(), 1..160),
        size in 2..40_usize,
        is_tight in any::<bool>(),
    ) {
        let config = if is_tight { TIGHT } else { ROOMY };
        let batch = batch_of(&steps);
        let whole = run(&batch, usize::MAX, config)?;
        let parts = run(&batch, size, config)?;
        let single = run(&batch, 1, config)?;
        let text = |events: &[Event]| format!("{events:?}");
        prop_assert_eq!(&text(&whole), &text(&parts));
        prop_assert_eq!(&text(&whole), &text(&single));
    }

    #[test]
    fn arbitrary_bytes(
        frames in vec((vec(any::<u8>(), 0..120), any::<i64>(), any::<u32>(), 0..40_usize), 1..60),
    ) {
        let mut batch = FrameBatch::default();
        for (bytes, ts, original_len, link) in &frames {
            let link = LINK_TYPES.get(*link).map_or(LinkType(9_999), |decoder| decoder.link);
            let frame = Frame { ts: Timestamp(*ts), link, tap: 1, original_len: *original_len, bytes };
            batch.push(&frame);
        }
        run(&batch, 7, ROOMY)?;
    }
}

/// The grammar reaches what it is for: sessions, findings, holes, full tables.
#[test]
fn the_grammar_reaches_sessions_and_findings() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = vec(step(), 150..160);
    let (mut sessions, mut findings, mut refused) = (0, 0, 0);
    for _ in 0..60 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let mut engine = Engine::new(TIGHT);
        engine.push(&batch_of(&steps));
        let counters = engine.stats().counters;
        sessions += counters.sessions;
        findings += counters.findings;
        refused += counters.sessions_refused;
    }
    assert!(
        sessions > 60 && findings > 30 && refused > 0,
        "{sessions} {findings} {refused}"
    );
}

/// Times at the ends of their range: pcapng can state them.
#[test]
fn times_may_be_centuries_apart() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = vec((step(), 0..30_u8), 150..160);
    for _ in 0..60 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let far = steps.into_iter().map(|(step, which)| Step {
            after_ns: match which {
                0 => i64::MAX,
                1 => i64::MIN,
                _ => step.after_ns,
            },
            ..step
        });
        run(&batch_of(&far.collect::<Vec<_>>()), 1, ROOMY).unwrap();
    }
}

/// Ids stand for one session each.
#[test]
fn session_ids_are_never_used_twice() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = vec(step(), 150..160);
    for _ in 0..60 {
        let batch = batch_of(&steps.new_tree(&mut runner).unwrap().current());
        let mut seen = BTreeSet::new();
        for event in run(&batch, usize::MAX, ROOMY).unwrap() {
            if let Event::Ended(session, _) = event {
                assert!(
                    seen.insert(session.id()),
                    "{:016x} ended twice",
                    session.id()
                );
            }
        }
    }
}
