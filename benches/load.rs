//! Time per packet of the engine under one mix of traffic; one line of JSON. Driven by
//! `benches/scaling.py`.
//!
//! ```text
//! load --mix ordinary --flows 1000000 --packets 10000000
//! load --mix tunnels --sessions 1000 --packets 1000000 --write FILE
//! ```
//!
//! Frames are made in parts, and copied out of them in batches as a reader hands them over,
//! so that they lie in the caches as they would; neither is in the time that is taken.
//! `--open-first` opens all flows and sessions before time is taken, otherwise they arrive
//! evenly over the packets. `--only decode` leaves the engine out. `--write` writes a pcap
//! instead.
#![allow(clippy::print_stdout)]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Instant;

use ctcpmon_core::decode::decode;
use ctcpmon_core::frame::{FrameBatch, FrameMeta};
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[global_allocator]
static PAGES: ctcpmon_runtime::HugePages = ctcpmon_runtime::HugePages;

/// Frames made at once: so many that what making them pushes out of the caches is little
/// beside what measuring them uses.
const PART: usize = 1 << 17;
/// Frames in a batch: what the reader of capture files hands over.
const BATCH: usize = 2_048;

struct Settings {
    plan: Plan,
    packets: u64,
    open_first: bool,
    max_flow_bytes: usize,
    only: Option<String>,
    write: Option<String>,
}

fn settings() -> Result<Settings, String> {
    let mut mix = Mix::Ordinary;
    let (mut flows, mut sessions, mut packets) = (1_000_000, 1_000, 10_000_000_u64);
    let mut rest: Vec<(String, String)> = Vec::new();
    let mut open_first = false;
    let mut args = std::env::args().skip(1);
    while let Some(word) = args.next() {
        if word == "--open-first" {
            open_first = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|e| format!("{word} {value}: {e}"))
        };
        match word.as_str() {
            "--mix" => {
                mix = Mix::named(&value).ok_or_else(|| {
                    let names: Vec<String> = Mix::all().into_iter().map(|(n, _)| n).collect();
                    format!("no such mix: {value}; there are {}", names.join(", "))
                })?;
            }
            "--flows" => flows = number()? as u32,
            "--sessions" => sessions = number()? as u32,
            "--packets" => packets = number()?,
            _ => rest.push((word, value)),
        }
    }
    let mut plan = Plan::new(mix, flows, sessions);
    let mut all = Settings {
        plan,
        packets,
        open_first,
        max_flow_bytes: 4 << 30,
        only: None,
        write: None,
    };
    if !open_first {
        plan.arrival_packets = packets;
    }
    for (word, value) in rest {
        let number = value.parse::<u64>();
        match (word.as_str(), number) {
            ("--spacing-ns", Ok(n)) => plan.spacing_ns = n as i64,
            ("--snaplen", Ok(n)) => plan.snaplen = n as usize,
            ("--seed", Ok(n)) => plan.seed = n,
            ("--max-flow-mib", Ok(n)) => all.max_flow_bytes = (n as usize) << 20,
            ("--only", _) if value == "decode" => all.only = Some(value),
            ("--write", _) => all.write = Some(value),
            _ => return Err(format!("no such option: {word} {value}")),
        }
    }
    all.plan = plan;
    Ok(all)
}

/// Time that this thread has had a processor, ns: other programs disturb it less than
/// wall time.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library has no clock of a thread")]
fn on_processor_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is ours and as long as the call writes.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The same where no such clock is known: wall time.
#[cfg(not(target_os = "linux"))]
fn on_processor_ns() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Copies some frames of a part into a batch of their own.
fn cut(part: &FrameBatch, frames: &[FrameMeta], batch: &mut FrameBatch) {
    batch.clear();
    for meta in frames {
        batch.push(&part.frame(meta));
    }
}

/// Most memory that this process has had, KiB.
fn peak_kib() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .unwrap_or(0)
}

fn write(settings: &Settings, path: &str) -> std::io::Result<()> {
    // In pieces like those of the generator of S and M: the page cache keeps what is written so in large folios, which
    // are read in half the time of single pages (583 MB: 23 ms instead of 48).
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&65_535_u32.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes())?;
    let mut load = Load::new(&settings.plan);
    let mut batch = FrameBatch::default();
    let mut left = settings.packets as usize;
    while left > 0 {
        load.fill(&mut batch, left.min(PART));
        left -= batch.frames.len();
        for frame in batch.iter() {
            for field in [
                (frame.ts.0 / 1_000_000_000) as u32,
                (frame.ts.0 % 1_000_000_000) as u32,
                frame.bytes.len() as u32,
                frame.original_len,
            ] {
                out.write_all(&field.to_le_bytes())?;
            }
            out.write_all(frame.bytes)?;
        }
    }
    out.flush()
}

fn main() -> Result<(), String> {
    let settings = settings()?;
    if let Some(path) = &settings.write {
        return write(&settings, path).map_err(|e| format!("{path}: {e}"));
    }
    let mut load = Load::new(&settings.plan);
    let (mut part, mut batch) = (FrameBatch::default(), FrameBatch::default());
    let mut engine = Engine::new(Config {
        max_flow_bytes: settings.max_flow_bytes,
        ..Config::default()
    });
    let mut opening = if settings.open_first {
        settings.plan.opening_packets()
    } else {
        0
    };
    while opening > 0 {
        load.fill(&mut batch, (opening as usize).min(BATCH));
        opening -= batch.frames.len() as u64;
        engine.push(&batch);
        engine.drain_events();
    }
    let only_decode = settings.only.is_some();
    let (mut wall, mut processor, mut segments, mut events) = (0, 0, 0_u64, 0);
    let mut left = settings.packets as usize;
    while left > 0 {
        load.fill(&mut part, left.min(PART));
        left -= part.frames.len();
        for frames in part.frames.chunks(BATCH) {
            cut(&part, frames, &mut batch);
            let (started, had) = (Instant::now(), on_processor_ns());
            if only_decode {
                // The whole segment is wanted, not only whether there is one.
                segments += batch
                    .iter()
                    .filter(|f| black_box(decode(f)).is_ok())
                    .count() as u64;
            } else {
                engine.push(&batch);
                events += engine.drain_events().len();
            }
            processor += on_processor_ns() - had;
            wall += started.elapsed().as_nanos() as u64;
        }
    }
    let counters = engine.stats().counters;
    let packets = settings.packets.max(1) as f64;
    println!(
        "{{\"wall_ns\": {:.1}, \"cpu_ns\": {:.1}, \"packets\": {}, \"flows\": {}, \"sessions\": {}, \
         \"sessions_refused\": {}, \"segments_without_flow\": {}, \"flows_evicted\": {}, \
         \"probes_exceeded\": {}, \"findings\": {}, \"events\": {events}, \"segments\": {segments}, \
         \"peak_kib\": {}}}",
        wall as f64 / packets,
        processor as f64 / packets,
        settings.packets,
        engine.flows(),
        engine.sessions().count(),
        counters.sessions_refused,
        counters.segments_without_flow,
        counters.flows_evicted,
        counters.flow_probes_exceeded,
        counters.findings,
        peak_kib(),
    );
    Ok(())
}
