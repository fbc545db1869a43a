//! What the tap missed is told by ACKs for bytes it never saw. Those of a true TCP prove it; those of a tunnel
//! prove nothing, because nobody there sends anything again.

use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::{Device, Profile, Scenario, Tap};

/// Address of the headend in the scenarios.
const HEADEND: [u8; 4] = [198, 51, 100, 9];

/// One session of which the tap misses ten frames with data of the headend, far from each other.
fn with_missed() -> Vec<Record> {
    let scenario = Scenario {
        sessions: vec![Profile::new(0, 0, 30_000)],
        device: Device::None,
        tap: Tap::ClientSide,
    };
    let mut records = scenario.run();
    let mut at = records.len() / 4;
    for _ in 0..10 {
        let is_data = |r: &Record| r.frame.len() > 200 && r.frame[26..30] == HEADEND;
        let found = records[at..].iter().position(is_data);
        at += found.expect("data to miss");
        records.remove(at);
        at += 20;
    }
    records
}

#[test]
fn acks_of_a_tunnel_tell_nothing_of_the_tap() {
    let mut engine = Engine::new(Config::default());
    let (mut sent, mut beyond) = ([None::<u32>; 2], 0);
    for record in with_missed() {
        let frame = record.captured();
        let segment = ctcpmon_core::decode::decode(&frame).expect("a whole frame");
        let side = usize::from(record.frame[26..30] == HEADEND);
        let is_beyond = |next: u32| (segment.ack.wrapping_sub(next) as i32) > 0;
        beyond += usize::from(sent[1 - side].is_some_and(is_beyond));
        let end = segment.seq.wrapping_add(segment.seg_len());
        let is_later = |next: u32| (end.wrapping_sub(next) as i32) > 0;
        if sent[side].is_none_or(is_later) {
            sent[side] = Some(end);
        }
        engine.push_frame(&frame);
    }
    assert!(beyond > 0, "an ACK went beyond what the tap had seen");
    assert_eq!(engine.sessions().count(), 1);
    assert_eq!(engine.stats().counters.tap_missed_segments, 0);
}

#[test]
fn acks_of_an_ordinary_conversation_do() {
    let plan = Plan::new(Mix::HolesInOrdinary, 10, 0);
    let mut batch = FrameBatch::default();
    Load::new(&plan).fill(&mut batch, 1_000);
    let mut engine = Engine::new(Config::default());
    engine.push(&batch);
    assert!(engine.stats().counters.tap_missed_segments > 100);
}
