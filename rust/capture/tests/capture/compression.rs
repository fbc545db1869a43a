//! Compressed captures: recognised by content, several members, cut, bombs.

use std::io::Write;

use ctcpmon_capture::{CaptureError, NoteKind, Options};
use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;

use crate::build::{Pcap, packets, pcap, pcapng};
use crate::read::{drain, from_bytes, read, wanted};

const START: i64 = 1_700_000_000_000_000_000;

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn lz4_as(bytes: &[u8], info: FrameInfo) -> Vec<u8> {
    let mut out = FrameEncoder::with_frame_info(info, Vec::new());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn lz4(bytes: &[u8]) -> Vec<u8> {
    lz4_as(
        bytes,
        FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .content_checksum(true),
    )
}

type Packer = fn(&[u8]) -> Vec<u8>;
const ALL: [(&str, Packer); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

#[test]
fn each_kind_and_several_members() {
    let packets = packets(3000, START, 1000);
    for bytes in [pcap(Pcap::Nanos, true, &packets), pcapng(false, &packets)] {
        for (name, pack) in ALL {
            let got = read(&pack(&bytes));
            assert_eq!(got.frames, wanted(&packets), "{name}");
            assert_eq!(got.notes, [], "{name}");
            let members: Vec<u8> = bytes.chunks(100_001).flat_map(pack).collect();
            let got = read(&members);
            assert_eq!(got.frames, wanted(&packets), "{name}");
            assert_eq!(got.notes, [], "{name}");
        }
    }
}

#[test]
fn skippable_frames_anywhere() {
    let packets = packets(300, START, 1000);
    let bytes = pcap(Pcap::Nanos, true, &packets);
    let skip = [0x5d, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5];
    for (name, pack) in &ALL[1..] {
        let (first, second) = bytes.split_at(9_999);
        let parts = [&skip[..], &skip, &pack(first), &skip, &pack(second), &skip].concat();
        let got = read(&parts);
        assert_eq!(got.frames, wanted(&packets), "{name}");
        assert_eq!(got.notes, [], "{name}");
    }
}

#[test]
fn lz4_frames_of_different_shape() {
    let packets = packets(3000, START, 1000);
    let bytes = pcap(Pcap::Nanos, true, &packets);
    let shapes = [
        FrameInfo::new()
            .block_size(BlockSize::Max4MB)
            .block_mode(BlockMode::Independent),
        FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Linked),
        FrameInfo::new()
            .block_size(BlockSize::Max256KB)
            .block_checksums(true),
        FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent),
    ];
    let parts = bytes.chunks(bytes.len() / 4 + 1).zip(shapes);
    let got = read(
        &parts
            .flat_map(|(part, shape)| lz4_as(part, shape))
            .collect::<Vec<_>>(),
    );
    assert_eq!(got.frames, wanted(&packets));
    assert_eq!(got.notes, []);
}

#[test]
fn cut_anywhere_keeps_whole_records() {
    let packets = packets(2000, START, 1000);
    let bytes = pcap(Pcap::Nanos, false, &packets);
    let all = wanted(&packets);
    for (name, pack) in ALL {
        // Small members, so that a cut leaves something at every place.
        let packed: Vec<u8> = bytes.chunks(20_000).flat_map(pack).collect();
        let mut last = 0;
        for cut in (1000..packed.len()).step_by(997) {
            let Ok(mut set) = from_bytes(&packed[..cut], &Options::default()) else {
                continue;
            };
            let got = drain(&mut set);
            assert_eq!(got.frames, all[..got.frames.len()], "{name} cut at {cut}");
            assert!(got.frames.len() >= last);
            assert!(got.errors.is_empty());
            assert_eq!(
                got.count(NoteKind::CompressedTruncated),
                1,
                "{name} cut at {cut}"
            );
            last = got.frames.len();
        }
        assert!(last > 1500, "{name}: {last}");
    }
}

#[test]
fn cut_of_the_last_bytes_is_noticed() {
    // More than one block of each kind, so that something is left.
    let packets = packets(3000, START, 1000);
    let bytes = pcap(Pcap::Nanos, false, &packets);
    for (name, pack) in ALL {
        let packed = pack(&bytes);
        for less in 1..=8 {
            let got = read(&packed[..packed.len() - less]);
            assert_eq!(
                got.count(NoteKind::CompressedTruncated),
                1,
                "{name} less {less}"
            );
        }
    }
}

#[test]
fn garbage_behind_a_member_is_noted() {
    let packets = packets(50, START, 1000);
    let bytes = pcap(Pcap::Nanos, false, &packets);
    for (name, pack) in ALL {
        let got = read(&[&pack(&bytes)[..], b"not compressed at all"].concat());
        assert_eq!(got.frames, wanted(&packets), "{name}");
        assert_eq!(got.count(NoteKind::CompressedCorrupt), 1, "{name}");
    }
}

#[test]
fn compressed_things_that_are_no_capture() {
    for (name, pack) in ALL {
        for content in [&b""[..], b"ab", b"hello world, this is text"] {
            let Err(error) = from_bytes(&pack(content), &Options::default()) else {
                panic!("{name} opened");
            };
            assert!(error.to_string().contains(name), "{error}");
        }
        // Compressed twice.
        let twice = pack(&pack(&pcap(Pcap::Nanos, false, &[])));
        assert!(from_bytes(&twice, &Options::default()).is_err());
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    // Zero-length records, so that every byte of the bomb is a frame.
    let mut bytes = pcap(Pcap::Nanos, false, &[]);
    bytes.resize(bytes.len() + (4 << 20), 0);
    let ratio = Options {
        expansion_free_bytes: 1 << 20,
        max_expansion_ratio: 100,
        ..Options::default()
    };
    let total = Options {
        max_expanded_bytes: 1 << 20,
        ..Options::default()
    };
    for (name, pack) in ALL {
        let packed = pack(&bytes);
        for (options, word) in [(&ratio, "100 times"), (&total, "1048576 bytes")] {
            let got = drain(&mut from_bytes(&packed, options).unwrap());
            let [CaptureError::Expansion { expanded, .. }] = got.errors.as_slice() else {
                panic!("{name}: {:?}", got.errors);
            };
            assert!(*expanded < 2 << 20);
            assert!(
                got.errors[0].to_string().contains(word),
                "{}",
                got.errors[0]
            );
            assert!(got.frames.len() > 40_000, "{name}: {}", got.frames.len());
        }
        assert_eq!(read(&packed).frames.len(), (4 << 20) / 16, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_streams_never_panic(
        kind in 0..3_usize,
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let packets = packets(300, START, 1000);
        let bytes = pcap(Pcap::Nanos, false, &packets);
        let mut packed: Vec<u8> = bytes.chunks(9_000).flat_map(ALL[kind].1).collect();
        for (place, value) in hits {
            let at = place.index(packed.len());
            packed[at] = value;
        }
        if let Ok(mut set) = from_bytes(&packed, &Options::default()) {
            drain(&mut set);
        }
    }
}

/// How much of a damaged file is read does not depend on how its bytes are asked for,
/// and damage takes nothing of what stood before it.
#[test]
fn damage_takes_nothing_of_what_stood_before_it() {
    let packets = packets(6000, START, 1000);
    for (name, pack) in ALL {
        let mut bytes = pack(&pcap(Pcap::Nanos, true, &packets));
        let at = bytes.len() * 3 / 4;
        for byte in &mut bytes[at..at + 40] {
            *byte ^= 0xa5;
        }
        let counts = [4096, 5000, 65_537, 1 << 20].map(|chunk_bytes| {
            let options = Options {
                chunk_bytes,
                ..Options::default()
            };
            let got = drain(&mut from_bytes(&bytes, &options).unwrap());
            // What damaged data look like is up to chance: count what is right.
            let pairs = got.frames.iter().zip(wanted(&packets));
            pairs.take_while(|(got, wanted)| *got == wanted).count()
        });
        assert!(counts[0] > 2000, "{name}: {counts:?}");
        assert!(
            counts.iter().all(|count| *count == counts[0]),
            "{name}: {counts:?}"
        );
    }
}
