//! What holds for every input: no panic, an end, and frames that do not depend on
//! how the bytes arrive.

use ctcpmon_capture::write::PcapngWriter;
use ctcpmon_capture::{CaptureSet, FrameBatch, Input, Labels, Options, Progress, open};
use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::time::Timestamp;
use proptest::prelude::*;

use crate::build::{Ng, Packet, Pcap, pcap, pcap_header, pcapng};
use crate::compression::zstd;
use crate::read::{Chunks, Outcome, drain_within, files, folder, read, wanted};

/// Buffers may grow to a whole block and what is read with it.
const MOST: usize = 40 << 20;

fn read_in_chunks(bytes: &[u8], sizes: &[usize], options: &Options) -> Option<Outcome> {
    let reader = Box::new(Chunks::new(bytes, sizes));
    let readers = vec![("test".to_owned(), reader as Box<_>, 0)];
    let mut set = CaptureSet::from_readers(readers, options).ok()?;
    Some(drain_within(&mut set, MOST))
}

fn any_packets() -> impl Strategy<Value = Vec<Packet>> {
    let packet = (
        0..4_000_000_000_u32,
        0..1_000_000_000_u32,
        prop::collection::vec(any::<u8>(), 0..90),
        0..100_u32,
    );
    let packet = packet.prop_map(|(seconds, nanos, data, more)| Packet {
        ts: i64::from(seconds) * 1_000_000_000 + i64::from(nanos),
        original: data.len() as u32 + more,
        data,
    });
    prop::collection::vec(packet, 0..30)
}

/// A capture with some bytes changed, and perhaps cut.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let hit = (
        any::<prop::sample::Index>(),
        prop_oneof![Just(0), Just(0xff), any::<u8>()],
    );
    (
        any_packets(),
        0..6,
        prop::collection::vec(hit, 0..8),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(packets, kind, hits, cut)| {
            let big = kind % 2 == 0;
            let mut bytes = match kind {
                0 | 1 => pcap(Pcap::Micros, big, &packets),
                2 => [pcapng(true, &packets), pcapng(false, &packets)].concat(),
                3 => pcapng(big, &packets),
                _ => {
                    let mut ng = Ng::new(big);
                    ng.nanos().statistics(0, &[]);
                    for packet in &packets {
                        ng.simple(&packet.data, packet.data.len() as u32);
                        ng.section(!ng.big).interface(1, 20, &[]);
                    }
                    ng.bytes
                }
            };
            for (place, value) in hits {
                let at = place.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_end(
        mut bytes in prop::collection::vec(any::<u8>(), 0..3000),
        format in 0..4,
    ) {
        let header = match format {
            0 => pcap_header(Pcap::Nanos, true, 4, 0, 1),
            1 => Ng::new(false).nanos().bytes.clone(),
            2 => pcap_header(Pcap::Micros, false, 2, 9, 1),
            _ => Vec::new(),
        };
        bytes.splice(0..0, header);
        read_in_chunks(&bytes, &[997], &Options::default());
    }

    #[test]
    fn chunking_does_not_matter(
        bytes in damaged(),
        sizes in prop::collection::vec(1..200_usize, 1..6),
        batch_frames in 1..20_usize,
        chunk_bytes in 4096..9000_usize,
    ) {
        let whole = read_in_chunks(&bytes, &[1 << 20], &Options::default());
        let options = Options { batch_frames, chunk_bytes, ..Options::default() };
        let parts = read_in_chunks(&bytes, &sizes, &options);
        prop_assert_eq!(whole.is_some(), parts.is_some());
        if let (Some(whole), Some(parts)) = (whole, parts) {
            prop_assert_eq!(whole.frames, parts.frames);
            prop_assert_eq!(whole.notes, parts.notes);
        }
    }

    /// Damage inside a compressed stream takes the same frames, however the bytes arrive.
    #[test]
    fn damaged_zstd_does_not_depend_on_the_chunks(
        packets in any_packets(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        sizes in prop::collection::vec(1..800_usize, 1..4),
        chunk_bytes in 4096..9000_usize,
    ) {
        let mut bytes = zstd(&pcap(Pcap::Micros, false, &packets));
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let whole = read_in_chunks(&bytes, &[1 << 20], &Options::default());
        let options = Options { chunk_bytes, ..Options::default() };
        let parts = read_in_chunks(&bytes, &sizes, &options);
        let frames = |outcome: Option<Outcome>| outcome.map(|o| o.frames).unwrap_or_default();
        prop_assert_eq!(frames(whole), frames(parts));
    }

    /// Files are read ahead of parsing, other readers are not.
    #[test]
    fn files_and_readers_agree(
        bytes in damaged(),
        batch_frames in 1..20_usize,
        chunk_bytes in 4096..9000_usize,
    ) {
        let path = files(&folder("agree"), std::slice::from_ref(&bytes)).remove(0);
        let options = Options { batch_frames, chunk_bytes, ..Options::default() };
        let file = open(&[Input::path(path, 0)], &options).ok();
        let file = file.map(|mut set| drain_within(&mut set, MOST).frames);
        let reader = read_in_chunks(&bytes, &[1 << 20], &Options::default());
        prop_assert_eq!(file, reader.map(|outcome| outcome.frames));
    }

    #[test]
    fn formats_agree(packets in any_packets(), big: bool) {
        let wanted = wanted(&packets);
        prop_assert_eq!(&read(&pcap(Pcap::Nanos, big, &packets)).frames, &wanted);
        prop_assert_eq!(&read(&pcapng(big, &packets)).frames, &wanted);
    }

    #[test]
    fn what_is_written_is_read_back(
        packets in any_packets(),
        names in prop::collection::vec(prop::option::of(".{0,80}"), 1..5),
        remark in ".{0,300}",
        about in ".{0,300}",
    ) {
        let mut writer = PcapngWriter::new(Vec::new(), &[&about], Some(&remark)).unwrap();
        let link = |at: usize| LinkType([1, 101, 113, 276][at]);
        for (at, name) in names.iter().enumerate() {
            writer.interface(link(at), 0, name.as_deref()).unwrap();
        }
        for (number, packet) in packets.iter().enumerate() {
            let at = number % names.len();
            let remarks = vec![remark.as_str(); number % 3];
            let frame = Frame {
                ts: Timestamp(packet.ts),
                link: link(at),
                tap: 0,
                original_len: packet.original,
                bytes: &packet.data,
            };
            writer.packet(at as u32, &frame, &remarks).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let outcome = read(&bytes);
        prop_assert_eq!(outcome.frames.len(), packets.len());
        prop_assert!(outcome.errors.is_empty());

        let labels = Labels::default();
        let options = Options { labels: Some(labels.clone()), ..Options::default() };
        let readers = vec![("test".to_owned(), Box::new(std::io::Cursor::new(bytes)) as Box<_>, 7)];
        let mut set = CaptureSet::from_readers(readers, &options).unwrap();
        let mut batch = FrameBatch::default();
        let mut number = 0;
        while set.next_batch(&mut batch).unwrap() == Progress::More {
            for frame in batch.iter() {
                let packet = &packets[number];
                let at = number % names.len();
                prop_assert_eq!(frame.ts.0, packet.ts);
                prop_assert_eq!(frame.bytes, packet.data.as_slice());
                prop_assert_eq!(frame.original_len, packet.original);
                prop_assert_eq!(frame.link, link(at));
                let label = labels.get(frame.tap).unwrap();
                prop_assert_eq!((label.tap, label.link, label.name), (7, link(at), names[at].clone()));
                number += 1;
            }
        }
        prop_assert_eq!(number, packets.len());
    }
}
