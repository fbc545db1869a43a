//! Time per packet of the engine under one mix of traffic; one line of JSON. Driven by
//! `benches/scaling.py`.
//!
//! ```text
//! load --mix ordinary --flows 1000000 --packets 10000000
//! load --mix tunnels --sessions 1000 --packets 1000000 --write FILE
//! ```
//!
//! Frames are made in parts, outside the time that is taken; a part is pushed as a reader
//! would hand it over. `--open-first` opens all flows and sessions before time is taken,
//! otherwise they arrive evenly over the packets. `--only decode` and `--only make` leave
//! the engine out. `--write` writes a pcap instead.
#![allow(clippy::print_stdout)]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Instant;

use ctcpmon_core::decode::decode;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};

/// Frames made at once: some 25 MB, so that making them pushes nothing out of the caches
/// that the next part would have found there by itself.
const PART: usize = 1 << 18;

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
            ("--only", _) => all.only = Some(value),
            ("--write", _) => all.write = Some(value),
            _ => return Err(format!("no such option: {word} {value}")),
        }
    }
    all.plan = plan;
    Ok(all)
}

/// Time that this thread has had a processor, ns. The system brings it up to date at
/// every timer tick; over many parts the error comes to nothing.
fn on_processor_ns() -> Option<u64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok()
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
    let mut out = BufWriter::new(File::create(path)?);
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
    let mut batch = FrameBatch::default();
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
        load.fill(&mut batch, (opening as usize).min(PART));
        opening -= batch.frames.len() as u64;
        engine.push(&batch);
        engine.drain_events();
    }
    let only = settings.only.as_deref();
    let (mut wall, mut processor, mut tcp, mut events) = (0, 0, 0_u64, 0);
    let mut slowest = 0;
    let mut left = settings.packets as usize;
    while left > 0 {
        load.fill(&mut batch, left.min(PART));
        left -= batch.frames.len();
        let (started, had) = (Instant::now(), on_processor_ns());
        match only {
            None => {
                engine.push(&batch);
                events += engine.drain_events().len();
            }
            Some("decode") => {
                // The whole segment is wanted, not only whether there is one.
                tcp += batch
                    .iter()
                    .filter(|f| black_box(decode(f)).is_ok())
                    .count() as u64;
            }
            Some("make") => {}
            Some(other) => return Err(format!("--only {other}: decode or make")),
        }
        let taken = started.elapsed().as_nanos() as u64;
        wall += taken;
        slowest = slowest.max(taken / batch.frames.len().max(1) as u64);
        processor += on_processor_ns().zip(had).map_or(taken, |(a, b)| a - b);
    }
    let counters = engine.stats().counters;
    let packets = settings.packets.max(1) as f64;
    println!(
        "{{\"wall_ns\": {:.1}, \"cpu_ns\": {:.1}, \"slowest_part_ns\": {slowest}, \"packets\": {}, \
         \"flows\": {}, \"sessions\": {}, \"sessions_refused\": {}, \"segments_without_flow\": {}, \
         \"probes_exceeded\": {}, \"findings\": {}, \"events\": {events}, \"segments\": {tcp}, \
         \"peak_kib\": {}}}",
        wall as f64 / packets,
        processor as f64 / packets,
        settings.packets,
        engine.flows(),
        engine.sessions().count(),
        counters.sessions_refused,
        counters.segments_without_flow,
        counters.flow_probes_exceeded,
        counters.findings,
        peak_kib(),
    );
    Ok(())
}
