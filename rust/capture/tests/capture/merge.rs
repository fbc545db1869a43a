//! Several inputs as one sequence.

use std::path::PathBuf;
use std::process::Command;

use ctcpmon_capture::{CaptureSet, FrameBatch, Input, Labels, Options, Progress, open};
use ctcpmon_core::frame::LinkType;
use proptest::prelude::*;

use crate::build::{Ng, Packet, Pcap, packets, pcap, pcapng};
use crate::compression::{gzip, lz4, zstd};
use crate::read::{Chunks, Got, Outcome, drain, files, folder, read_files, wanted};

const START: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Merges captures of packets given as readers; the tap is the position.
fn merged(inputs: &[Vec<Packet>], options: &Options) -> Outcome {
    let readers = inputs.iter().enumerate().map(|(tap, packets)| {
        let reader = Chunks::new(&pcapng(tap % 2 == 0, packets), &[1 << 20]);
        (
            format!("input {tap}"),
            Box::new(reader) as Box<_>,
            tap as u16,
        )
    });
    drain(&mut CaptureSet::from_readers(readers.collect(), options).unwrap())
}

fn at(times: &[i64]) -> Vec<Packet> {
    times
        .iter()
        .map(|ts| Packet {
            ts: START + ts,
            data: vec![1, 2],
            original: 2,
        })
        .collect()
}

fn order(outcome: &Outcome) -> Vec<(u16, i64)> {
    outcome
        .frames
        .iter()
        .map(|frame| (frame.tap, frame.ts - START))
        .collect()
}

#[test]
fn two_taps_are_interleaved() {
    let got = merged(&[at(&[1, 3, 5, 5]), at(&[2, 5, 6])], &Options::default());
    assert_eq!(
        order(&got),
        [(0, 1), (1, 2), (0, 3), (0, 5), (0, 5), (1, 5), (1, 6)]
    );
}

#[test]
fn rotated_files_in_any_argument_order() {
    // The last time of one equals the first of the next: ties go by rank.
    let got = merged(
        &[at(&[5, 6]), at(&[1, 2, 3]), at(&[3, 5, 5])],
        &Options::default(),
    );
    assert_eq!(
        order(&got),
        [
            (1, 1),
            (1, 2),
            (1, 3),
            (2, 3),
            (2, 5),
            (2, 5),
            (0, 5),
            (0, 6)
        ]
    );
}

#[test]
fn one_odd_time_stays_at_its_place() {
    for odd in [-START, 2_557_000_000 * SECOND] {
        let first: Vec<i64> = (0..100).map(|n| n * 2 * SECOND).collect();
        let second: Vec<i64> = (0..100).map(|n| (n * 2 + 1) * SECOND).collect();
        let plain = merged(&[at(&first), at(&second)], &Options::default());
        let mut with_odd = first.clone();
        with_odd.insert(50, odd);
        let got = merged(&[at(&with_odd), at(&second)], &Options::default());
        let rest: Vec<_> = order(&got)
            .into_iter()
            .filter(|(_, ts)| *ts != odd)
            .collect();
        assert_eq!(rest, order(&plain));
        assert!((98..=101).contains(&order(&got).iter().position(|(_, ts)| *ts == odd).unwrap()));
    }
}

#[test]
fn clock_set_back_holds_nobody_up() {
    let got = merged(
        &[at(&[10, 20, 4, 5, 30]), at(&[15, 25])],
        &Options::default(),
    );
    assert_eq!(
        order(&got),
        [(0, 10), (1, 15), (0, 20), (0, 4), (0, 5), (1, 25), (0, 30)]
    );
}

#[test]
fn inputs_without_packets_do_not_matter() {
    let got = merged(
        &[vec![], at(&[2]), vec![], at(&[1]), vec![]],
        &Options::default(),
    );
    assert_eq!(order(&got), [(3, 1), (1, 2)]);
}

#[test]
fn a_gap_of_hours_is_no_odd_time() {
    let hour = 3600 * SECOND;
    let got = merged(
        &[at(&[0, hour, hour + 1, hour + 2, hour + 3]), at(&[5])],
        &Options::default(),
    );
    assert_eq!(order(&got)[..2], [(0, 0), (1, 5)]);
}

#[test]
fn files_are_reopened_within_the_limit() {
    // 40 files that all overlap, 3 of which may stay open; each is read in many steps.
    let captures: Vec<Vec<Packet>> = (0..40)
        .map(|file| packets(2000, START + file, 1000))
        .collect();
    let pack = |(index, bytes): (usize, Vec<u8>)| match index % 4 {
        0 => bytes,
        1 => gzip(&bytes),
        2 => zstd(&bytes),
        _ => lz4(&bytes),
    };
    let contents: Vec<_> = captures
        .iter()
        .map(|packets| pcap(Pcap::Nanos, true, packets))
        .enumerate()
        .map(pack)
        .collect();
    let paths = files(&folder("reopened"), &contents);
    let options = Options {
        max_open_files: 3,
        ..Options::default()
    };
    let inputs: Vec<_> = paths.iter().map(|path| Input::path(path, 0)).collect();
    let mut set = open(&inputs, &options).unwrap();
    assert_eq!(set.bytes_read(), 0);
    let got = drain(&mut set);
    assert_eq!(
        set.bytes_total(),
        Some(contents.iter().map(|c| c.len() as u64).sum())
    );
    assert_eq!(set.bytes_read(), set.bytes_total().unwrap());
    let mut all: Vec<Got> = captures
        .iter()
        .flat_map(|packets| wanted(packets))
        .collect();
    all.sort_by_key(|frame| frame.ts);
    assert_eq!(got.frames, all);
}

#[test]
fn replaced_file_is_noticed() {
    let folder = folder("replaced");
    let contents = [packets(5000, START, 10), packets(5000, START + 5, 10)]
        .map(|packets| pcap(Pcap::Nanos, true, &packets));
    let paths = files(&folder, &contents);
    let options = Options {
        max_open_files: 0,
        ..Options::default()
    };
    let inputs: Vec<_> = paths.iter().map(|path| Input::path(path, 0)).collect();
    let mut set = open(&inputs, &options).unwrap();
    let mut batch = FrameBatch::default();
    assert_eq!(set.next_batch(&mut batch).unwrap(), Progress::More);
    std::fs::write(folder.join("new"), &contents[0]).unwrap();
    std::fs::rename(folder.join("new"), &paths[0]).unwrap();
    let got = drain_rest(&mut set);
    assert_eq!(got.0.len(), 1);
    assert!(
        got.0[0].contains("00000.cap") && got.0[0].contains("replaced"),
        "{:?}",
        got.0
    );
    assert!(got.1 > 5000, "the other file is read to its end");
}

fn drain_rest(set: &mut CaptureSet) -> (Vec<String>, u64) {
    let mut batch = FrameBatch::default();
    let mut errors = Vec::new();
    loop {
        match set.next_batch(&mut batch) {
            Ok(Progress::End) => return (errors, set.totals().frames),
            Ok(Progress::More) => {}
            Err(error) => errors.push(error.to_string()),
        }
    }
}

/// A rotated set far above the descriptor limit. The limit is that of a process,
/// so the reading happens in a child.
#[test]
fn two_thousand_files_under_256_descriptors() {
    let folder = folder("rotated");
    let packets = packets(4000, START, 1000);
    let contents: Vec<_> = packets
        .chunks(2)
        .map(|part| pcap(Pcap::Nanos, false, part))
        .collect();
    assert_eq!(files(&folder, &contents).len(), 2000);
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 256; exec \"$0\" --exact merge::child --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("CTCPMON_TEST_FOLDER", &folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "run by two_thousand_files_under_256_descriptors"]
fn child() {
    let folder = PathBuf::from(std::env::var_os("CTCPMON_TEST_FOLDER").unwrap());
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.reverse();
    assert_eq!(
        read_files(&paths, &Options::default()).frames,
        wanted(&packets(4000, START, 1000))
    );
}

/// The rule in plain form: repeatedly the input with the smallest running maximum.
fn slow_merge(inputs: &[Vec<Packet>]) -> Vec<(u16, i64)> {
    let mut ranks: Vec<usize> = (0..inputs.len())
        .filter(|i| !inputs[*i].is_empty())
        .collect();
    ranks.sort_by_key(|input| inputs[*input][0].ts);
    let mut next = vec![0; inputs.len()];
    let mut running = vec![i64::MIN; inputs.len()];
    let mut out = Vec::new();
    loop {
        let heads = ranks.iter().filter_map(|input| {
            inputs[*input]
                .get(next[*input])
                .map(|p| (running[*input].max(p.ts), *input))
        });
        let Some((key, input)) = heads.min_by_key(|(key, _)| *key) else {
            return out;
        };
        out.push((input as u16, inputs[input][next[input]].ts - START));
        running[input] = key;
        next[input] += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equals_the_slow_merge(
        times in prop::collection::vec(prop::collection::vec(0..50_i64, 0..40), 2..6),
        batch_frames in 1..9_usize,
    ) {
        let inputs: Vec<_> = times.iter().map(|times| at(times)).collect();
        let options = Options { batch_frames, ..Options::default() };
        prop_assert_eq!(order(&merged(&inputs, &options)), slow_merge(&inputs));
    }

    #[test]
    fn a_split_capture_equals_the_whole(
        mut steps in prop::collection::vec(0..3_i64, 1..200),
        size in 1..60_usize,
        sorted: bool,
    ) {
        // Times rise, with equal times; unsorted ones fall back inside a part only.
        steps.iter_mut().fold(0, |sum, step| { *step += sum; *step });
        if !sorted {
            for part in steps.chunks_mut(size) {
                if let [_, inner @ .., _] = part {
                    inner.reverse();
                }
            }
        }
        let all = at(&steps);
        let parts: Vec<_> = all.chunks(size).map(<[_]>::to_vec).collect();
        let got = merged(&parts, &Options::default());
        let times: Vec<_> = got.frames.iter().map(|frame| frame.ts - START).collect();
        prop_assert_eq!(times, steps);
    }
}

#[test]
fn interfaces_of_several_files_are_told_apart() {
    let mut two = Ng::new(false);
    let name = two.option(2, b"eth5");
    let nanos = two.option(9, &[9]);
    two.interface(113, 64, &[name, nanos].concat());
    for packet in packets(40, START, 2_000) {
        two.enhanced(0, packet.ts as u64, &packet.data, packet.original);
    }
    let contents = [
        pcap(Pcap::Nanos, true, &packets(40, START + 1_000, 2_000)),
        two.bytes,
    ];
    let folder = folder("labels");
    let inputs: Vec<Input> = files(&folder, &contents)
        .into_iter()
        .zip(0..)
        .map(|(path, tap)| Input::path(path, tap))
        .collect();
    let labels = Labels::default();
    let options = Options {
        labels: Some(labels.clone()),
        batch_frames: 7,
        ..Options::default()
    };
    let mut set = open(&inputs, &options).unwrap();
    let mut batch = FrameBatch::default();
    let mut seen = std::collections::BTreeMap::new();
    while set.next_batch(&mut batch).unwrap() == Progress::More {
        for frame in &batch.frames {
            let label = labels.get(frame.tap).unwrap();
            *seen.entry((label.tap, label.link, label.name)).or_insert(0) += 1;
        }
    }
    let want = [
        ((0, LinkType(1), None), 40),
        ((1, LinkType(113), Some("eth5".to_owned())), 40),
    ];
    assert_eq!(seen, want.into());
}
