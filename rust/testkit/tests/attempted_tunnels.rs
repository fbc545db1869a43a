//! Tunnels that show a packet or two of one side, as who floods makes them, keep nobody out who talks.

use ctcpmon_core::detect::{DETECTORS, Verdict};
use ctcpmon_core::engine::TICK_NS;
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::CASES;
use ctcpmon_testkit::packet::{ACK, PSH, RST, Record, Segment, esp, frame};

/// Sessions there is room for, and how many of them may be attempts.
const SESSIONS: usize = 8_192;
const ATTEMPTS: u64 = 2_048;
const FLOOD: u32 = 20_000;
const SECOND_NS: i64 = 1_000_000_000;

/// Packet `number` of a side of tunnel `tunnel`.
fn packet(ts_ns: i64, tunnel: u32, dir: usize, number: u32, flags: u8) -> Record {
    let payload = match flags & RST {
        0 => esp(tunnel + 0x1000 + dir as u32, number, 76),
        _ => Vec::new(),
    };
    let segment = Segment {
        dir,
        seq: 1 + 76 * (number - 1),
        ack: 1,
        flags,
        window: 29_200,
        payload,
        options: Vec::new(),
        ttl: 61,
        ip_id: number as u16,
    };
    let [_, a, b, c] = tunnel.to_be_bytes();
    let frame = frame(&segment, ([10, a, b, c], 40_000), ([192, 0, 2, 80], 10_000));
    Record { ts_ns, frame }
}

fn first_packet(ts_ns: i64, tunnel: u32) -> Record {
    packet(ts_ns, tunnel, 0, 1, ACK | PSH)
}

fn engine(max_sessions: usize) -> Engine {
    Engine::new(Config {
        max_sessions,
        ..Config::default()
    })
}

/// Findings by client port, and the engine at the end.
fn judge(records: &[Record]) -> (Vec<(u16, &'static str, Verdict, i64)>, Engine) {
    let mut engine = engine(SESSIONS);
    for r in records {
        engine.push_frame(&r.captured());
    }
    let found = |engine: &mut Engine| {
        let events = engine.drain_events().into_iter();
        let findings = events.filter_map(|e| match e {
            Event::Finding(f) => Some((
                f.session.client().port,
                DETECTORS[f.detector].id,
                f.judgement.verdict,
                f.at.0 / TICK_NS,
            )),
            Event::Ended(..) => None,
        });
        findings.collect()
    };
    (found(&mut engine), engine)
}

#[test]
fn a_flood_of_them_changes_no_verdict_on_others() {
    let case = CASES.iter().find(|c| c.name == "tracking_drops_after_loss");
    let records = (case.expect("case").build)();
    let first = records.first().expect("records").ts_ns;
    let flood = (0..FLOOD).map(|n| first_packet(first - SECOND_NS + i64::from(n) * 10_000, n));
    let flooded: Vec<Record> = flood.chain(records.iter().cloned()).collect();
    let (alone, _) = judge(&records);
    let (crowded, engine) = judge(&flooded);
    assert!(alone.iter().any(|f| f.2 == Verdict::Stalled), "{alone:?}");
    let crowded: Vec<_> = crowded.into_iter().filter(|f| f.0 != 40_000).collect();
    assert_eq!(alone, crowded);
    let c = engine.stats().counters;
    assert_eq!(c.sessions_refused, 0);
    assert_eq!(c.sessions_put_off, u64::from(FLOOD) - ATTEMPTS);
}

#[test]
fn one_that_was_put_off_is_tracked_from_its_answer_or_its_third_packet_on() {
    let mut engine = engine(SESSIONS);
    for n in 0..FLOOD {
        engine.push_frame(&first_packet(i64::from(n), n).captured());
    }
    let sessions = |engine: &Engine| engine.stats().counters.sessions;
    assert_eq!(sessions(&engine), ATTEMPTS);
    let (answered, repeated) = (FLOOD - 1, FLOOD - 2);
    engine.push_frame(&packet(SECOND_NS, answered, 1, 1, ACK | PSH).captured());
    assert_eq!(sessions(&engine), ATTEMPTS + 1);
    for number in [2, 3] {
        assert_eq!(sessions(&engine), ATTEMPTS + 1);
        engine.push_frame(&packet(SECOND_NS, repeated, 0, number, ACK | PSH).captured());
    }
    assert_eq!(sessions(&engine), ATTEMPTS + 2);
    // Asked about three times, counted once.
    assert_eq!(
        engine.stats().counters.sessions_put_off,
        u64::from(FLOOD) - ATTEMPTS
    );
}

/// Those that go on are no attempts any more, so as many again may begin.
#[test]
fn what_goes_on_makes_room() {
    let mut engine = engine(SESSIONS);
    let tunnels = ATTEMPTS as u32 * 2;
    for n in 0..tunnels {
        engine.push_frame(&first_packet(i64::from(n), n).captured());
        engine.push_frame(&packet(i64::from(n), n, 1, 1, ACK | PSH).captured());
    }
    let c = engine.stats().counters;
    assert_eq!((c.sessions, c.sessions_put_off), (ATTEMPTS * 2, 0));
}

/// An attempt that came to nothing and is over is none any more.
#[test]
fn what_ends_makes_room() {
    let mut engine = engine(SESSIONS);
    let first = |n: u32, at: i64| first_packet(at, n);
    for n in 0..ATTEMPTS as u32 {
        engine.push_frame(&first(n, i64::from(n)).captured());
    }
    // Nothing comes for so long that all are over, but what moves the clock.
    let mut later = 0;
    while engine.sessions().count() > 0 {
        later += 10 * SECOND_NS;
        assert!(later < 100_000 * SECOND_NS, "they never end");
        engine.push_frame(&packet(later, 9_000_000, 0, 1, RST).captured());
    }
    engine.drain_events();
    for n in 0..ATTEMPTS as u32 {
        engine.push_frame(&first(1_000_000 + n, later + 10 * SECOND_NS + i64::from(n)).captured());
    }
    let c = engine.stats().counters;
    assert_eq!((c.sessions, c.sessions_put_off), (ATTEMPTS * 2, 0));
}

/// One that was put off and then found no room at all is counted as refused, too.
#[test]
fn both_reasons_are_counted() {
    let mut engine = engine(1_024);
    for n in 0..1_025 {
        engine.push_frame(&first_packet(i64::from(n), n).captured());
    }
    let counted = |engine: &Engine| {
        let c = engine.stats().counters;
        (c.sessions, c.sessions_put_off, c.sessions_refused)
    };
    assert_eq!(counted(&engine), (1_024, 0, 1));
    let mut engine = self::engine(1_025);
    for n in 0..1_025 {
        engine.push_frame(&first_packet(i64::from(n), n).captured());
    }
    assert_eq!(counted(&engine), (1_024, 1, 0));
    // The last place goes to one that talks.
    engine.push_frame(&first_packet(5_000, 2_000).captured());
    engine.push_frame(&packet(5_001, 2_000, 1, 1, ACK | PSH).captured());
    assert_eq!(counted(&engine), (1_025, 2, 0));
    engine.push_frame(&packet(5_002, 1_024, 1, 1, ACK | PSH).captured());
    assert_eq!(counted(&engine), (1_025, 2, 1));
}

/// Where nobody floods nothing is put off: a capture may begin in the middle of a thousand tunnels.
#[test]
fn a_thousand_may_begin_at_once() {
    for max_sessions in [1_024, 100_000] {
        let mut engine = engine(max_sessions);
        for n in 0..1_024 {
            engine.push_frame(&first_packet(i64::from(n), n).captured());
        }
        assert_eq!(engine.stats().counters.sessions, 1_024);
    }
}

#[test]
fn one_that_found_no_room_is_tracked_once_another_has_ended() {
    let mut engine = engine(1);
    let mut push = |r: Record| {
        engine.push_frame(&r.captured());
        let c = engine.stats().counters;
        (c.sessions, c.sessions_refused)
    };
    assert_eq!(push(first_packet(0, 1)), (1, 0));
    assert_eq!(push(first_packet(1, 2)), (1, 1));
    assert_eq!(push(packet(2, 2, 0, 2, ACK | PSH)), (1, 1), "counted once");
    push(packet(SECOND_NS, 1, 0, 2, RST | ACK));
    // The first one is over when nothing came behind its end for a while; the other sends on.
    for number in 3..40 {
        let at = i64::from(number) * 10 * SECOND_NS;
        push(packet(at, 2, 0, number, ACK | PSH));
    }
    assert_eq!(push(packet(400 * SECOND_NS, 2, 0, 40, ACK | PSH)), (2, 1));
}
