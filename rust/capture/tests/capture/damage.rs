//! Captures cut off or broken in the middle (bug classes B6 and B19).

use ctcpmon_capture::{CaptureError, NoteKind, Options};

use crate::build::{Ng, Packet, Pcap, packets, pcap, pcapng};
use crate::read::{from_bytes, read, wanted};

const START: i64 = 1_700_000_000_000_000_000;

/// Offsets at which a record ends, by reading how long each prefix of packets is.
fn ends(make: impl Fn(&[Packet]) -> Vec<u8>, packets: &[Packet]) -> Vec<usize> {
    (0..=packets.len())
        .map(|count| make(&packets[..count]).len())
        .collect()
}

#[test]
fn cut_at_every_byte() {
    let packets = packets(6, START, 1000);
    for big in [false, true] {
        type Make = Box<dyn Fn(&[Packet]) -> Vec<u8>>;
        let makers: [Make; 3] = [
            Box::new(move |packets| pcap(Pcap::Nanos, big, packets)),
            Box::new(move |packets| pcap(Pcap::Modified, big, packets)),
            Box::new(move |packets| pcapng(big, packets)),
        ];
        for make in makers {
            let (bytes, ends) = (make(&packets), ends(&make, &packets));
            for cut in ends[0]..=bytes.len() {
                let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
                let got = read(&bytes[..cut]);
                assert_eq!(got.frames, wanted(&packets[..whole]), "cut at {cut}");
                let note = got.note(NoteKind::Truncated);
                assert_eq!(note.is_some(), ends[whole] != cut);
                if let Some(note) = note {
                    assert_eq!(note.offset, ends[whole] as u64);
                    let left = format!("its last {} bytes", cut - ends[whole]);
                    assert!(note.text.contains(&left), "{}", note.text);
                }
            }
        }
    }
}

#[test]
fn cut_inside_the_header_is_an_error() {
    for bytes in [pcap(Pcap::Nanos, true, &[]), Ng::new(false).bytes] {
        for cut in 0..bytes.len() {
            let Err(CaptureError::Unusable { reason, .. }) =
                from_bytes(&bytes[..cut], &Options::default())
            else {
                panic!("cut at {cut} opened");
            };
            assert!(!reason.is_empty());
        }
    }
}

#[test]
fn bad_record_keeps_what_came_before() {
    let packets = packets(3, START, 1000);
    for length in [262_145_u32, 0x7fff_ffff, u32::MAX] {
        let mut bytes = pcap(Pcap::Nanos, false, &packets);
        let at = bytes.len();
        bytes.extend([0; 8]);
        bytes.extend(length.to_le_bytes());
        bytes.extend([0xff; 400]);
        let got = read(&bytes);
        assert_eq!(got.frames, wanted(&packets));
        assert_eq!(got.note(NoteKind::Corrupt).unwrap().offset, at as u64);
        assert_eq!(got.count(NoteKind::Truncated), 0);
    }
}

#[test]
fn largest_record_is_read() {
    let packet = Packet {
        ts: START,
        data: vec![7; 262_144],
        original: 262_144,
    };
    let packets = vec![packet; 5];
    assert_eq!(
        read(&pcap(Pcap::Nanos, false, &packets)).frames,
        wanted(&packets)
    );
    assert_eq!(read(&pcapng(true, &packets)).frames, wanted(&packets));
}

#[test]
fn broken_block_ends_the_input() {
    for length in [
        0,
        4,
        8,
        11,
        13,
        14,
        15,
        33,
        0x7fff_fffc,
        u32::MAX,
        (16 << 20) + 4,
    ] {
        let mut ng = Ng::new(false);
        ng.nanos().enhanced(0, 1, b"kept", 4);
        let at = ng.bytes.len();
        ng.framed(6, length, &[0; 40], length)
            .enhanced(0, 2, b"lost", 4);
        let got = read(&ng.bytes);
        assert_eq!(got.frames.len(), 1, "{length}");
        assert_eq!(
            got.note(NoteKind::Corrupt).unwrap().offset,
            at as u64,
            "{length}"
        );
        assert_eq!(got.count(NoteKind::Resumed), 0);
    }
}

#[test]
fn reading_resumes_at_a_section_header() {
    for shift in 0..4 {
        let mut ng = Ng::new(false);
        ng.nanos()
            .enhanced(0, 1, b"kept", 4)
            .framed(6, 64, &[9; 40], 60);
        // Something that only looks like a section header.
        ng.bytes.extend([
            0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        ]);
        ng.bytes.extend(vec![0xaa; 30 + shift]);
        let at = ng.bytes.len();
        ng.section(true).nanos().enhanced(0, 2, b"again", 5);
        let got = read(&ng.bytes);
        assert_eq!(got.frames.len(), 2);
        assert_eq!(got.frames[1].bytes, b"again");
        assert_eq!(got.note(NoteKind::Resumed).unwrap().offset, at as u64);
    }
}

#[test]
fn cut_file_followed_by_another() {
    let packets = packets(3, START, 1000);
    let (first, second) = (pcapng(false, &packets), pcapng(true, &packets));
    for cut in first.len() - 60..first.len() {
        let got = read(&[&first[..cut], &second].concat());
        let wanted = [wanted(&packets[..2]), wanted(&packets)].concat();
        assert_eq!(got.frames, wanted, "cut at {cut}");
        assert_eq!(
            (got.count(NoteKind::Corrupt), got.count(NoteKind::Resumed)),
            (1, 1)
        );
    }
}
