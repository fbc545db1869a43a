//! Points of a time-sequence graph: numbers that wrap, holes and what ends them, copies of a mirror.

use ctcpmon_core::frame::Frame;
use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::series::{EventKind, HoleEnd, Marks, Series};
use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::time::Timestamp;
use ctcpmon_testkit::packet::{ACK, RST, Record, SYN, Segment, frame};
use proptest::prelude::*;

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 1_077);
const HEADEND: ([u8; 4], u16) = ([198, 51, 100, 9], 10_000);
const MS: i64 = 1_000_000;

fn end((ip, port): ([u8; 4], u16)) -> Endpoint {
    Endpoint {
        addr: Addr::v4(ip),
        port,
    }
}

/// Time, direction, SEG.SEQ, SEG.ACK, control bits, window, bytes, IP identification.
type Step = (i64, usize, u32, u32, u8, u16, usize, u16);

fn record((at, dir, seq, ack, flags, window, bytes, ip_id): Step) -> Record {
    let segment = Segment {
        dir,
        seq,
        ack,
        flags,
        window,
        payload: vec![7; bytes],
        options: Vec::new(),
        ttl: 64,
        ip_id,
    };
    Record {
        ts_ns: at,
        frame: frame(&segment, CLIENT, HEADEND),
    }
}

fn series(steps: &[Step]) -> Series {
    let mut series = Series::new(end(CLIENT), end(HEADEND));
    for step in steps {
        series.take(&record(*step).captured());
    }
    series
}

/// The first number of the client: its 51st byte is beyond the wrap.
const ISN: u32 = u32::MAX - 50;

fn at(offset: u32) -> u32 {
    ISN.wrapping_add(offset)
}

/// A hole of 100 bytes at 101, part of which comes late; the rest is stepped over. Then a hole that stays.
fn story() -> Vec<Step> {
    vec![
        (0, 0, ISN, 0, SYN, 900, 0, 1),
        (MS, 1, 500, at(1), SYN | ACK, 900, 0, 1),
        (2 * MS, 0, at(1), 501, ACK, 900, 100, 2),
        (3 * MS, 0, at(201), 501, ACK, 900, 100, 3),
        (4 * MS, 1, 501, at(101), ACK, 900, 0, 2),
        (5 * MS, 1, 501, at(101), ACK, 900, 0, 3),
        (6 * MS, 0, at(121), 501, ACK, 900, 40, 4),
        (7 * MS, 0, at(1), 501, ACK, 900, 100, 5),
        (8 * MS, 1, 501, at(301), ACK, 0, 0, 4),
        (9 * MS, 0, at(401), 501, ACK, 900, 100, 6),
        (10 * MS, 1, 501, at(301), RST | ACK, 0, 0, 5),
    ]
}

#[test]
fn every_packet_says_what_it_is() {
    let series = series(&story());
    let told: Vec<(i64, u16)> = series
        .points()
        .iter()
        .map(|point| {
            let marks = Marks::NAMES.iter().map(|(bit, _)| *bit);
            let bits = marks.filter(|bit| point.marks.any(*bit)).sum();
            (point.seq, bits)
        })
        .collect();
    let want = [
        (0, Marks::SYN),
        (0, Marks::SYN),
        (1, Marks::DATA),
        (201, Marks::DATA | Marks::BEYOND),
        (1, 0),
        (1, Marks::DUPLICATE_ACK),
        (121, Marks::DATA | Marks::LATE),
        (1, Marks::DATA | Marks::AGAIN),
        (1, Marks::ZERO_WINDOW),
        (401, Marks::DATA | Marks::BEYOND),
        (1, Marks::RST),
    ];
    assert_eq!(told, want);
    let acks: Vec<Option<i64>> = series.points().iter().map(|point| point.ack).collect();
    assert_eq!(
        acks[..6],
        [None, Some(1), Some(1), Some(1), Some(101), Some(101)]
    );
}

#[test]
fn a_hole_ends_by_parts() {
    let holes: Vec<(i64, i64, i64, Option<i64>, HoleEnd)> = series(&story())
        .holes(TO_HEADEND)
        .iter()
        .map(|one| {
            (
                one.since.0,
                one.from,
                one.to,
                one.until.map(|t| t.0),
                one.end,
            )
        })
        .collect();
    let want = [
        (3 * MS, 101, 121, Some(8 * MS), HoleEnd::Passed),
        (3 * MS, 121, 161, Some(6 * MS), HoleEnd::Filled),
        (3 * MS, 161, 201, Some(8 * MS), HoleEnd::Passed),
        (9 * MS, 301, 401, None, HoleEnd::Open),
    ];
    assert_eq!(holes, want);
    assert_eq!(series(&story()).holes(TO_CLIENT), []);
}

#[test]
fn a_drawing_merges_what_touches_and_keeps_what_is_rare() {
    let drawn = series(&story()).drawing(TO_HEADEND, Timestamp(0), Timestamp(10 * MS), 1);
    let spans: Vec<(i64, i64, u16, u32)> = drawn
        .spans
        .iter()
        .map(|one| (one.low, one.high, one.kind, one.packets))
        .collect();
    let want = [
        (1, 101, Marks::DATA, 1),
        (201, 301, Marks::DATA, 1),
        (121, 161, Marks::LATE, 1),
        (1, 101, Marks::AGAIN, 1),
        (401, 501, Marks::DATA, 1),
    ];
    assert_eq!(spans, want);
    let events: Vec<EventKind> = drawn.events.iter().map(|one| one.kind).collect();
    let want = [
        EventKind::Syn,
        EventKind::ZeroWindow,
        EventKind::ResetByOther,
    ];
    assert_eq!(events, want);
    let acks: Vec<(i64, i64, u32)> = drawn
        .acks
        .iter()
        .map(|one| (one.ack, one.edge, one.duplicates))
        .collect();
    assert_eq!(acks, [(1, 901, 0), (101, 1_001, 1), (301, 301, 0)]);
    // Of one column the largest hole that ended and the largest that did not.
    let holes: Vec<(i64, i64)> = drawn.holes.iter().map(|one| (one.from, one.to)).collect();
    assert_eq!((holes, drawn.merged), (vec![(121, 161), (301, 401)], 2));
    // A later window begins with the ACK that stood before it.
    let later = series(&story()).drawing(TO_HEADEND, Timestamp(9 * MS), Timestamp(10 * MS), 4);
    assert_eq!(
        later.acks.first().map(|one| (one.at.0, one.ack)),
        Some((8 * MS, 301))
    );
    assert_eq!(later.spans.len(), 1);
    assert_eq!(later.holes.len(), 1);
}

#[test]
fn the_second_copy_of_a_mirror_is_no_packet_sent_again() {
    let mut steps = Vec::new();
    for step in story() {
        steps.push(step);
        steps.push((
            step.0 + 1_000,
            step.1,
            step.2,
            step.3,
            step.4,
            step.5,
            step.6,
            step.7,
        ));
    }
    let (once, twice) = (series(&story()), series(&steps));
    assert_eq!(once.holes(TO_HEADEND), twice.holes(TO_HEADEND));
    let drawn = |series: &Series| {
        let drawn = series.drawing(TO_HEADEND, Timestamp(0), Timestamp(11 * MS), 40);
        (drawn.spans, drawn.acks, drawn.events)
    };
    assert_eq!(drawn(&once), drawn(&twice));
    let copies = twice
        .points()
        .iter()
        .filter(|one| one.marks.any(Marks::COPY));
    assert_eq!(copies.count(), story().len());
}

proptest! {
    /// Any packets in any order: nothing panics, and what is drawn lies in what was seen.
    #[test]
    fn arbitrary_packets_are_drawn(
        steps in prop::collection::vec(
            (0i64..5_000 * MS, 0usize..2, any::<u32>(), any::<u32>(), any::<u8>(), any::<u16>(), 0usize..200, any::<u16>()),
            0..200,
        ),
        columns in 0usize..50,
        window in (any::<i64>(), any::<i64>()),
    ) {
        let series = series(&steps);
        for side in [TO_HEADEND, TO_CLIENT] {
            let whole = series.drawing(side, Timestamp(i64::MIN), Timestamp(i64::MAX), columns);
            prop_assert!(whole.acks.len() <= 5 * columns.max(1) * steps.len().max(1));
            prop_assert!(whole.spans.iter().all(|one| one.low <= one.high));
            series.drawing(side, Timestamp(window.0), Timestamp(window.1), columns);
            prop_assert!(series.holes(side).iter().all(|one| one.from < one.to));
        }
    }

    /// Numbers near both ends of the sequence space, and a frame of any bytes.
    #[test]
    fn arbitrary_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut series = Series::new(end(CLIENT), end(HEADEND));
        series.take(&Frame {
            ts: Timestamp(0),
            link: ctcpmon_core::frame::LinkType(1),
            tap: 0,
            original_len: bytes.len() as u32,
            bytes: &bytes,
        });
        prop_assert!(series.points().len() <= 1);
    }
}
