//! Honest captures of every kind.

use ctcpmon_capture::write::PcapngWriter;
use ctcpmon_capture::{InterfaceStats, NoteKind, Options};
use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::time::Timestamp;

use crate::build::{Ng, Packet, Pcap, packets, pcap, pcap_header, pcap_record, pcapng, u32b, u64b};
use crate::read::{drain, from_bytes, read, wanted};

const START: i64 = 1_700_000_000_000_000_000;

#[test]
fn all_kinds_give_the_same_frames() {
    let packets = packets(1000, START, 12_345_000);
    for big in [false, true] {
        for kind in [Pcap::Micros, Pcap::Nanos, Pcap::Modified] {
            let got = read(&pcap(kind, big, &packets));
            assert_eq!(got.frames, wanted(&packets), "{kind:?} {big}");
            assert_eq!(got.notes, []);
        }
        let got = read(&pcapng(big, &packets));
        assert_eq!(got.frames, wanted(&packets), "pcapng {big}");
        assert_eq!(got.notes, []);
    }
}

#[test]
fn link_type_is_the_low_half_of_its_field() {
    // A frame check sequence of 4 bytes, stated (P bit), on Ethernet.
    let mut bytes = pcap_header(Pcap::Micros, true, 4, 0, 0x4400_0001);
    bytes.extend(pcap_record(Pcap::Micros, true, &packets(1, START, 0)[0]));
    let got = read(&bytes);
    assert_eq!(got.frames, wanted(&packets(1, START, 0)));
    assert_eq!(got.notes, [], "a snap length of 0 is none");
}

#[test]
fn old_versions_swap_the_lengths() {
    let packet = &packets(1, START, 0)[0];
    for (minor, swapped) in [(2, true), (3, true), (3, false), (4, false)] {
        let mut bytes = pcap_header(Pcap::Micros, false, minor, 65_535, 1);
        let mut record = pcap_record(Pcap::Micros, false, packet);
        if swapped {
            record[8..16].rotate_left(4);
        }
        bytes.extend(record);
        assert_eq!(
            read(&bytes).frames,
            wanted(std::slice::from_ref(packet)),
            "2.{minor}"
        );
    }
}

#[test]
fn more_than_the_snap_length_or_the_wire_is_noted() {
    let mut packet = packets(1, START, 0).remove(0);
    packet.original = 3;
    let mut bytes = pcap_header(Pcap::Micros, false, 4, 10, 1);
    bytes.extend(pcap_record(Pcap::Micros, false, &packet));
    let got = read(&bytes);
    assert_eq!(got.frames[0].bytes, packet.data);
    assert_eq!(got.frames[0].original, packet.data.len() as u32);
    assert_eq!(
        (
            got.count(NoteKind::AboveSnapLength),
            got.count(NoteKind::AboveWireLength)
        ),
        (1, 1)
    );
}

#[test]
fn odd_records_among_usual_ones_are_noted_where_they_are() {
    for kind in [Pcap::Micros, Pcap::Modified] {
        let mut packets = packets(40, START, 1_000_000);
        packets[10].ts -= 5_000_000;
        packets[20].original = packets[20].data.len() as u32 - 1;
        packets[30].data = vec![7; 300];
        packets[30].original = 300;
        let mut bytes = pcap_header(kind, true, 4, 250, 1);
        let mut begins = Vec::new();
        for packet in &packets {
            begins.push(bytes.len() as u64);
            bytes.extend(pcap_record(kind, true, packet));
        }
        let got = read(&bytes);
        let mut wanted = wanted(&packets);
        wanted[20].original += 1;
        assert_eq!(got.frames, wanted, "{kind:?}");
        let notes: Vec<_> = got
            .notes
            .iter()
            .map(|n| (n.kind, n.offset, n.count))
            .collect();
        let expected = [
            (NoteKind::TimeBackwards, begins[10], 1),
            (NoteKind::AboveWireLength, begins[20], 1),
            (NoteKind::AboveSnapLength, begins[30], 1),
        ];
        for note in expected {
            assert!(notes.contains(&note), "{kind:?}: {note:?} of {notes:?}");
        }
        assert_eq!(notes.len(), expected.len());
    }
}

#[test]
fn sections_start_over() {
    let mut ng = Ng::new(false);
    ng.nanos().interface(101, 0, &[]).enhanced(1, 5, b"one", 3);
    ng.section(true)
        .interface(113, 0, &[])
        .enhanced(0, 6, b"two", 9);
    ng.enhanced(1, 7, b"gone", 4);
    let got = read(&ng.bytes);
    let frames: Vec<_> = got
        .frames
        .iter()
        .map(|f| (f.ts, f.link, f.original))
        .collect();
    assert_eq!(frames, [(5000, 101, 3), (6000, 113, 9)]);
    assert_eq!(got.count(NoteKind::UnknownInterface), 1);
}

#[test]
fn simple_and_obsolete_packets() {
    let mut ng = Ng::new(true);
    ng.interface(1, 4, &[]);
    ng.simple(b"abcd", 9);
    let mut body = vec![0, 0, 0, 77];
    for field in [0, 1_000_000, 3, 8] {
        body.extend(u32b(field, true));
    }
    body.extend(b"xyz");
    ng.block(2, &body).simple(b"ab", 2);
    let got = read(&ng.bytes);
    let frames: Vec<_> = got
        .frames
        .iter()
        .map(|f| (f.ts, f.original, f.bytes.as_slice()))
        .collect();
    let second = 1_000_000_000;
    assert_eq!(
        frames,
        [
            (0, 9, b"abcd".as_slice()),
            (second, 8, b"xyz"),
            (second, 2, b"ab")
        ]
    );
    assert_eq!(got.count(NoteKind::WithoutTime), 2);
}

#[test]
fn other_blocks_are_skipped() {
    let mut ng = Ng::new(false);
    ng.nanos();
    for kind in [4, 10, 0x0bad, 0x4000_0bad] {
        ng.block(kind, b"anything");
    }
    ng.enhanced(0, 1, b"x", 1);
    assert_eq!(read(&ng.bytes).notes, []);
    ng.block(0x8000_0001, &[])
        .block(0, b"1234")
        .enhanced(0, 2, b"y", 1);
    let got = read(&ng.bytes);
    assert_eq!(
        (got.frames.len(), got.count(NoteKind::SkippedBlock)),
        (2, 2)
    );
}

#[test]
fn interface_statistics_as_stored() {
    let mut ng = Ng::new(true);
    ng.nanos().nanos();
    let drops = |ng: &Ng, received: u64, dropped: u64| {
        [
            ng.option(4, &u64b(received, ng.big)),
            ng.option(5, &u64b(dropped, ng.big)),
        ]
        .concat()
    };
    let first = drops(&ng, 10, 1);
    let last = [drops(&ng, 100, 7), ng.option(7, &u64b(3, true))].concat();
    ng.statistics(1, &first)
        .statistics(1, &last)
        .statistics(2, &last);
    ng.section(false).nanos();
    let other = ng.option(7, &u64b(u64::MAX, false));
    ng.statistics(0, &other);
    let mut set = from_bytes(&ng.bytes, &Options::default()).unwrap();
    let got = drain(&mut set);
    let one = InterfaceStats {
        interface: 1,
        received: Some(100),
        if_drop: Some(7),
        os_drop: Some(3),
        ..InterfaceStats::default()
    };
    let two = InterfaceStats {
        section: 1,
        os_drop: Some(u64::MAX),
        ..InterfaceStats::default()
    };
    assert_eq!(set.interface_stats(), [one, two]);
    let totals = set.totals();
    assert_eq!((totals.received, totals.if_drop), (Some(100), Some(7)));
    assert_eq!((totals.os_drop, totals.left_out), (Some(u64::MAX), 1));
    assert_eq!(got.count(NoteKind::UnknownInterface), 1);
}

#[test]
fn times_of_every_resolution() {
    for resolution in 0..=255_u8 {
        for offset in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut ng = Ng::new(false);
            let options = [
                ng.option(9, &[resolution]),
                ng.option(14, &offset.to_le_bytes()),
            ];
            ng.interface(1, 0, &options.concat());
            ng.enhanced(0, u64::MAX, b"a", 1).enhanced(0, 0, b"b", 1);
            let got = read(&ng.bytes);
            let at_zero = i128::from(offset) * 1_000_000_000;
            let at_zero = at_zero.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            assert_eq!(
                i128::from(got.frames[1].ts),
                at_zero,
                "{resolution} {offset}"
            );
        }
    }
}

#[test]
fn times_far_from_now() {
    // 1970, 2038, 2106 and the end of 64-bit nanoseconds in 2262.
    for ts in [0, 2_147_483_648, 4_294_967_295, 9_223_372_036] {
        let packet = Packet {
            ts: ts * 1_000_000_000,
            data: vec![1],
            original: 1,
        };
        let wanted = wanted(std::slice::from_ref(&packet));
        assert_eq!(
            read(&pcapng(true, std::slice::from_ref(&packet))).frames,
            wanted
        );
        if u32::try_from(ts).is_ok() {
            assert_eq!(read(&pcap(Pcap::Nanos, true, &[packet])).frames, wanted);
        }
    }
}

#[test]
fn clock_going_backwards_keeps_file_order() {
    let mut packets = packets(5, START, 1000);
    packets[2].ts = 0;
    packets[4].ts -= 2000;
    let got = read(&pcap(Pcap::Nanos, false, &packets));
    assert_eq!(got.frames, wanted(&packets));
    let note = got.note(NoteKind::TimeBackwards).unwrap();
    assert_eq!(note.count, 2);
    assert_eq!(
        note.offset,
        24 + 32 + packets[0].data.len() as u64 + packets[1].data.len() as u64
    );
    assert!(
        note.text
            .contains("largest step back 1700000000000001000 ns"),
        "{}",
        note.text
    );
}

#[test]
fn no_packets_is_fine() {
    for bytes in [
        pcap(Pcap::Micros, true, &[]),
        pcapng(false, &[]),
        Ng::new(true).bytes,
    ] {
        let got = read(&bytes);
        assert!(got.frames.is_empty() && got.notes.is_empty() && got.errors.is_empty());
    }
}

#[test]
fn written_slices_read_back() {
    let packets = packets(20, START, 1);
    let long = "ü".repeat(40_000);
    let mut writer = PcapngWriter::new(Vec::new(), &["about", &long], Some("a test")).unwrap();
    let interface = writer.interface(LinkType(1), 0, Some("eth0")).unwrap();
    for (index, packet) in packets.iter().enumerate() {
        let frame = Frame {
            ts: Timestamp(packet.ts),
            link: LinkType(1),
            tap: 3,
            original_len: packet.original,
            bytes: &packet.data,
        };
        let comments = &["a comment", long.as_str()][..index % 3];
        writer.packet(interface, &frame, comments).unwrap();
        assert!(writer.packet(interface + 1, &frame, &[]).is_err());
    }
    let got = read(&writer.finish().unwrap());
    assert_eq!(got.frames, wanted(&packets));
    assert_eq!(got.notes, []);
}
