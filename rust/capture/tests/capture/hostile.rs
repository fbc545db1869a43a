//! Captures made to hurt (bug classes B1 to B6). Every input must end, with the
//! frames before the fault and without memory that a length field asked for: the
//! reader of these tests checks the size of each batch.

use std::time::{Duration, Instant};

use ctcpmon_capture::{NoteKind, Options};

use crate::build::{Ng, Pcap, pcap, pcap_header};
use crate::read::{Chunks, drain, drain_within, from_bytes, read};

/// Generous for a debug build on a busy machine; a quadratic walk takes hours.
const LINEAR: Duration = Duration::from_secs(20);

#[test]
fn b1_lengths_allocate_nothing() {
    for length in [0x7fff_fffc, 0xffff_fffc, (16 << 20) + 4, 16 << 20] {
        let mut ng = Ng::new(true);
        ng.nanos()
            .enhanced(0, 1, b"kept", 4)
            .framed(6, length, &[0; 20], length);
        assert_eq!(read(&ng.bytes).frames.len(), 1, "{length:#x}");
    }
    let mut bytes = pcap(Pcap::Micros, false, &[]);
    bytes.extend([0xff; 16]);
    assert_eq!(read(&bytes).count(NoteKind::Corrupt), 1);
}

#[test]
fn b1_largest_block_is_held_once() {
    let mut ng = Ng::new(false);
    ng.nanos()
        .block(0x0bad, &vec![1; (16 << 20) - 12])
        .enhanced(0, 1, b"x", 1);
    let set = &mut from_bytes(&ng.bytes, &Options::default()).unwrap();
    assert_eq!(drain_within(set, 20 << 20).frames.len(), 1);
}

#[test]
fn b2_packet_larger_than_its_block() {
    for captured in [9, 13, 262_145, 0x7fff_ffff, u32::MAX] {
        let mut ng = Ng::new(false);
        ng.nanos();
        let body = ng.enhanced_body(0, 1, captured, b"eight by", 8);
        ng.block(6, &body).enhanced(0, 2, b"after", 5);
        let got = read(&ng.bytes);
        assert_eq!(got.frames.len(), 1, "{captured}");
        assert_eq!(got.count(NoteKind::MalformedPacket), 1);
    }
    let mut ng = Ng::new(true);
    ng.interface(1, 0, &[])
        .simple(b"four", 5)
        .simple(b"", u32::MAX);
    ng.interface(1, u32::MAX, &[]).enhanced(1, 1, b"x", 1);
    assert_eq!(read(&ng.bytes).count(NoteKind::MalformedPacket), 2);
    let mut ng = Ng::new(true);
    ng.nanos().enhanced(0, 1, &vec![0; 262_145], 262_145);
    assert_eq!(read(&ng.bytes).count(NoteKind::MalformedPacket), 1);
    let mut bytes = pcap_header(Pcap::Micros, false, 4, u32::MAX, 1);
    bytes.extend([0; 16]);
    assert_eq!(read(&bytes).frames.len(), 1);
}

#[test]
fn b3_option_walks() {
    let mut ng = Ng::new(false);
    let good = ng.option(9, &[9]);
    let endless = ng.option(2, &[]).repeat(1_000_000);
    let crossing = [good.clone(), vec![14, 0, 0xff, 0xff, 1, 2, 3, 4]].concat();
    let wrong = [good.clone(), ng.option(14, &[1, 2, 3]), ng.option(9, &[])].concat();
    let doubled = [ng.option(9, &[3]), good.clone()].concat();
    let ended = [good.clone(), vec![0; 4], ng.option(9, &[0])].concat();
    let cut = [good, vec![9, 0]].concat();
    for options in [
        [doubled.clone(), endless].concat(),
        crossing,
        wrong,
        doubled,
        ended,
        cut,
    ] {
        ng.interface(1, 0, &options);
    }
    for interface in 0..6 {
        ng.enhanced(interface, 7, b"x", 1);
    }
    let start = Instant::now();
    let set = &mut from_bytes(&ng.bytes, &Options::default()).unwrap();
    let got = drain_within(set, 8 << 20);
    assert!(start.elapsed() < LINEAR);
    assert!(
        got.frames.iter().all(|frame| frame.ts == 7),
        "{:?}",
        got.frames
    );
    assert_eq!((got.frames.len(), got.count(NoteKind::BadOption)), (6, 3));
}

#[test]
fn b4_references_to_nothing() {
    let mut ng = Ng::new(true);
    ng.enhanced(0, 1, b"x", 1)
        .simple(b"x", 1)
        .statistics(0, &[]);
    ng.nanos()
        .enhanced(u32::MAX, 1, b"x", 1)
        .enhanced(1, 1, b"x", 1)
        .statistics(u32::MAX, &[]);
    ng.enhanced(0, 1, b"good", 4);
    let got = read(&ng.bytes);
    assert_eq!(
        (got.frames.len(), got.count(NoteKind::UnknownInterface)),
        (1, 6)
    );
    // Bodies too short for their type.
    let mut ng = Ng::new(true);
    for kind in [1, 2, 3, 5, 6] {
        ng.block(kind, &[]);
    }
    assert_eq!(read(&ng.bytes).count(NoteKind::MalformedPacket), 5);
}

#[test]
fn b4_interfaces_are_bounded() {
    let mut ng = Ng::new(false);
    for _ in 0..70_000 {
        ng.interface(1, 0, &[]);
    }
    ng.enhanced(65_535, 1, b"x", 1).enhanced(65_536, 1, b"x", 1);
    let got = read(&ng.bytes);
    assert_eq!(got.count(NoteKind::TooManyInterfaces), 70_000 - 65_536);
    assert_eq!(
        (got.frames.len(), got.count(NoteKind::UnknownInterface)),
        (1, 1)
    );
}

#[test]
fn b6_many_broken_blocks_stay_linear() {
    // Each section is followed by a block that wants 16 MiB and then contradicts
    // itself; without a bound on the breaks this moves terabytes.
    let mut ng = Ng::new(false);
    for _ in 0..200_000 {
        ng.section(false).nanos().enhanced(0, 1, b"x", 1);
        ng.framed(6, 16 << 20, &[0; 8], 0);
    }
    let start = Instant::now();
    let set = &mut from_bytes(&ng.bytes, &Options::default()).unwrap();
    let got = drain_within(set, 40 << 20);
    assert!(start.elapsed() < LINEAR, "{:?}", start.elapsed());
    assert!(!got.frames.is_empty());
}

#[test]
fn b6_one_byte_at_a_time_stays_linear() {
    let mut ng = Ng::new(false);
    ng.nanos()
        .block(0x0bad, &vec![1; 4 << 20])
        .enhanced(0, 1, b"x", 1);
    let reader = Box::new(Chunks::new(&ng.bytes, &[1]));
    let readers = vec![("slow".to_owned(), reader as Box<_>, 0)];
    let start = Instant::now();
    let mut set = ctcpmon_capture::CaptureSet::from_readers(readers, &Options::default()).unwrap();
    assert_eq!(drain_within(&mut set, 8 << 20).frames.len(), 1);
    assert!(start.elapsed() < LINEAR, "{:?}", start.elapsed());
}

#[test]
fn endless_zeros_are_empty_frames() {
    let mut bytes = pcap(Pcap::Micros, false, &[]);
    bytes.resize(bytes.len() + 16 * 100_000, 0);
    let set = &mut from_bytes(&bytes, &Options::default()).unwrap();
    assert_eq!(drain(set).frames.len(), 100_000);
}
