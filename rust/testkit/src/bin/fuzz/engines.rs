//! Target `engine`: damaged segment streams through the whole engine.
//!
//! An input is a classic pcap file with nanoseconds, so that a saved one can be
//! looked at in other programs.

use std::io::Cursor;

use ctcpmon_capture::{CaptureSet, FrameBatch, Options, Progress};
use ctcpmon_core::tcp::holes::MAX_HOLES;
use ctcpmon_core::{Config, Engine, Event};

use crate::formats::{Frame, pcap};
use crate::mutate;
use crate::pool::Pool;
use crate::random::Random;

const MILLI: i64 = 1_000_000;
const STEPS_NS: [i64; 12] = [
    0,
    1,
    250 * MILLI,
    1_001 * MILLI,
    6_100 * MILLI,
    61_000 * MILLI,
    7_300_000 * MILLI,
    90_000_000 * MILLI,
    -MILLI,
    -1_500 * MILLI,
    -90_000_000 * MILLI,
    4_000_000_000_000 * MILLI,
];

pub(crate) fn make(random: &mut Random, pool: &Pool) -> Vec<u8> {
    let (link, mut frames) = pool.window(random, 400);
    if random.once_in(3) {
        let (other, mut more) = pool.window(random, 100);
        if other == link {
            frames.append(&mut more);
        }
    }
    for _ in 0..random.below(24) {
        if frames.is_empty() {
            break;
        }
        disturb(random, &mut frames);
    }
    pcap(&frames, link, false, 1)
}

fn disturb(random: &mut Random, frames: &mut Vec<Frame>) {
    let at = random.below(frames.len());
    let other = random.below(frames.len());
    match random.below(9) {
        0 => drop(frames.remove(at)),
        1 => frames.insert(at, frames[other].clone()),
        2 => frames.swap(at, other),
        3 => frames[at].ts_ns = frames[at].ts_ns.wrapping_add(*random.pick(&STEPS_NS)),
        4 => {
            let step = *random.pick(&STEPS_NS);
            for frame in &mut frames[at..] {
                frame.ts_ns = frame.ts_ns.wrapping_add(step);
            }
        }
        5 => {
            let cut = random.below(frames[at].bytes.len() + 1);
            frames[at].bytes.truncate(cut);
        }
        6 => mutate::bytes(random, &mut frames[at].bytes, 3),
        _ => {
            let to = (at + 1 + random.below(30)).min(frames.len());
            let (kind, value) = (random.below(6), random.next());
            for frame in &mut frames[at..to] {
                rewrite(frame, kind, value);
            }
        }
    }
    if let Some(frame) = frames.get_mut(at) {
        frame.original = frame.original.max(frame.bytes.len() as u32);
    }
}

/// Changes one field of the TCP header behind Ethernet and a plain IPv4 header.
fn rewrite(frame: &mut Frame, kind: usize, value: u64) {
    const STEPS: [u32; 8] = [
        1,
        2,
        1_460,
        65_535,
        1 << 24,
        1 << 31,
        u32::MAX,
        u32::MAX - 1_459,
    ];
    let Some(tcp) = frame.bytes.get_mut(34..54) else {
        return;
    };
    let step = STEPS[value as usize % STEPS.len()];
    let mut add = |at: usize| {
        if let Some(field) = tcp.get_mut(at..at + 4).and_then(<[u8]>::first_chunk_mut) {
            *field = u32::from_be_bytes(*field).wrapping_add(step).to_be_bytes();
        }
    };
    match kind {
        0 => add(4),
        1 => add(8),
        2 => tcp[13] = (value >> 8) as u8,
        3 => tcp[14..16].copy_from_slice(&[0, 0]),
        4 => tcp[..4].copy_from_slice(&[4, 0x34, 0x27, 0x10]),
        _ => tcp[13] ^= 1 << (value >> 8 & 7),
    }
}

pub(crate) fn run(input: &[u8]) -> Result<u64, String> {
    let mut frames = FrameBatch::default();
    let reader = Box::new(Cursor::new(input.to_vec()));
    let Ok(mut set) =
        CaptureSet::from_readers(vec![("input".into(), reader, 0)], &Options::default())
    else {
        return Ok(0);
    };
    let mut batch = FrameBatch::default();
    while let Ok(Progress::More) = set.next_batch(&mut batch) {
        batch.iter().for_each(|frame| frames.push(&frame));
    }
    let config = if input.len().is_multiple_of(3) {
        Config {
            max_flow_bytes: 4 << 10,
            max_sessions: 2,
            lists_flows: true,
        }
    } else {
        Config {
            max_flow_bytes: 8 << 20,
            max_sessions: 1_000,
            lists_flows: false,
        }
    };
    let mut whole = Engine::new(config);
    whole.push(&frames);
    check(&whole, &config, frames.frames.len() as u64)?;
    whole.finish();
    let events = whole.drain_events();
    check_events(&events)?;
    if whole.sessions().next().is_some() {
        return Err("a session outlived the input".into());
    }
    if input.len().is_multiple_of(2) {
        let mut single = Engine::new(config);
        let mut apart = Vec::new();
        for frame in frames.iter() {
            single.push_frame(&frame);
            apart.append(&mut single.drain_events());
        }
        single.finish();
        apart.append(&mut single.drain_events());
        if format!("{events:?}") != format!("{apart:?}") {
            return Err("events depend on the batches".into());
        }
    }
    Ok(whole.stats().counters.findings)
}

fn check(engine: &Engine, config: &Config, frames: u64) -> Result<(), String> {
    let stats = engine.stats();
    let ends: u64 = stats.dispositions.iter().sum();
    if ends != frames || stats.counters.frames != frames {
        return Err(format!("{frames} frames, {ends} ends"));
    }
    if engine.sessions().count() > config.max_sessions {
        return Err("more sessions than the limit".into());
    }
    if engine.flows() > config.max_flow_bytes / size_of::<ctcpmon_core::flow::FlowRecord>() + 1 {
        return Err("more flows than the limit".into());
    }
    for session in engine.sessions() {
        if session
            .half
            .iter()
            .any(|half| half.holes().len() > MAX_HOLES)
        {
            return Err("more holes than the limit".into());
        }
    }
    Ok(())
}

fn check_events(events: &[Event]) -> Result<(), String> {
    let mut next = 1;
    for event in events {
        if let Event::Finding(finding) = event {
            if finding.seq != next {
                return Err(format!("finding {} where {next} was due", finding.seq));
            }
            next += 1;
        }
    }
    Ok(())
}
