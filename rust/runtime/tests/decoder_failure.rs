//! A frame on which the decoder panics costs itself: it is counted, told, and nothing else is lost.

use std::fs::File;
use std::io::BufWriter;
use std::time::Duration;

use ctcpmon_capture::Input;
use ctcpmon_capture::write::PcapngWriter;
use ctcpmon_core::Config;
use ctcpmon_core::flow::PANICS;
use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::time::Timestamp;
use ctcpmon_runtime::{Replay, ReplayConfig, Report, Source};

const ETHERNET: LinkType = LinkType(1);
const FRAMES: u64 = 6_000;
/// One of so many is a bad one.
const EVERY: u64 = 7;

/// A TCP segment of one of a hundred conversations.
fn segment(n: u64) -> Vec<u8> {
    let mut bytes = vec![2; 12];
    bytes.extend([8, 0]);
    bytes.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([10, 1, 1, 1, 10, 2, 2, 2]);
    bytes.extend([4, (n % 100) as u8, 1, 187]);
    bytes.extend((n as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0x50, 0x10, 8, 0, 0, 0, 0, 0]);
    bytes
}

fn capture(name: &str, is_bad: impl Fn(u64) -> bool) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("ctcpmon-{}-{name}.pcapng", std::process::id()));
    let file = BufWriter::new(File::create(&path).expect("a file"));
    let mut writer = PcapngWriter::new(file, &[], None).expect("a header");
    let interface = writer.interface(ETHERNET, 0, None).expect("an interface");
    for n in 0..FRAMES {
        let good = segment(n);
        let bytes: &[u8] = if is_bad(n) { PANICS } else { &good };
        let frame = Frame {
            ts: Timestamp(1_700_000_000_000_000_000 + n as i64 * 1_000_000),
            link: ETHERNET,
            tap: 0,
            original_len: bytes.len() as u32,
            bytes,
        };
        writer.packet(interface, &frame, &[]).expect("a packet");
    }
    writer.finish().expect("all of it");
    path
}

/// What a run over such a capture says at its end, which it reaches without an error.
fn report(name: &str, is_bad: impl Fn(u64) -> bool, two_taps: bool, speed: f64) -> Report {
    let path = capture(name, is_bad);
    let run = Replay::start(ReplayConfig {
        source: Source::Files(vec![Input::from_arg(path.as_os_str(), 0)]),
        filter: None,
        engine: Config::default(),
        has_two_taps: two_taps,
        keep_bytes: 0,
        batch_frames: 64,
        max_pending: 100,
        speed,
        is_paused: false,
        keeps_flows: false,
    })
    .expect("a thread");
    while !run.poll(Duration::from_secs(20), 100).done {}
    assert_eq!(run.error(), None);
    std::fs::remove_file(path).expect("our own file");
    Report::clone(&run.report())
}

fn counter(report: &Report, name: &str) -> u64 {
    let found = report.counters.iter().find(|(one, _)| one == name);
    found.expect("a counter of that name").1
}

fn check(name: &str, two_taps: bool, speed: f64) {
    let report = report(name, |n| n % EVERY == 3, two_taps, speed);
    let bad = (0..FRAMES).filter(|n| n % EVERY == 3).count() as u64;
    assert_eq!(counter(&report, "frames_decoder_failed"), bad);
    assert_eq!(counter(&report, "frames_tcp"), FRAMES - bad);
    assert_eq!(counter(&report, "frames"), FRAMES);
    assert_eq!(counter(&report, "conversations"), 100);
    let words = report.failure.unwrap_or_default();
    assert!(words.starts_with("a frame that asks for it ("), "{words}");
    assert!(words.contains("prepared.rs:"), "{words}");
}

#[test]
fn at_full_speed() {
    check("full", false, 0.0);
}

#[test]
fn frame_by_frame() {
    check("paced", false, 1_000.0);
    check("taps", true, 0.0);
}

#[test]
fn every_frame_is_bad() {
    let report = report("all", |_| true, false, 0.0);
    assert_eq!(counter(&report, "frames_decoder_failed"), FRAMES);
}

#[test]
fn no_frame_is_bad() {
    let report = report("none", |_| false, false, 0.0);
    assert_eq!(counter(&report, "frames_decoder_failed"), 0);
    assert_eq!(report.failure, None);
}
