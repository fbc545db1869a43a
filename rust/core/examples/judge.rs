//! Judges one classic pcap file and prints every finding and session: the smallest
//! use of the engine, without capture sources, threads or Python.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use ctcpmon_core::detect::{DETECTORS, session_state, worst_state};
use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::time::Timestamp;
use ctcpmon_core::{Config, Engine, Event};

fn word(b: &[u8], at: usize, swap: bool) -> u32 {
    let raw: [u8; 4] = b[at..at + 4].try_into().unwrap();
    if swap {
        u32::from_be_bytes(raw)
    } else {
        u32::from_le_bytes(raw)
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: judge FILE.pcap");
    let data = std::fs::read(path).unwrap();
    let swap = data[0] == 0xa1;
    let unit = if word(&data, 0, swap) == 0xa1b2_3c4d {
        1
    } else {
        1000
    };
    let link = LinkType(word(&data, 20, swap) as u16);
    let mut engine = Engine::new(Config::default());
    let mut at = 24;
    let mut first = None;
    while at + 16 <= data.len() {
        let (s, f) = (word(&data, at, swap), word(&data, at + 4, swap));
        let (len, wire) = (
            word(&data, at + 8, swap) as usize,
            word(&data, at + 12, swap),
        );
        at += 16;
        let ts = Timestamp::from_parts(i64::from(s), i64::from(f) * unit);
        first.get_or_insert(ts);
        let bytes = &data[at..(at + len).min(data.len())];
        engine.push_frame(&Frame {
            ts,
            link,
            tap: 0,
            original_len: wire,
            bytes,
        });
        at += len;
    }
    engine.finish();
    let zero = first.unwrap_or_default();
    let sec = |t: Timestamp| t.since(zero) as f64 / 1e9;
    for event in engine.drain_events() {
        match event {
            Event::Finding(f) => {
                let s = &f.session;
                print!(
                    "F {:8.2} {:>5}>{} {:22} {:8} conf {:.2} since {:.2} stopped {:?} loss {:?}",
                    sec(f.at),
                    s.client().port,
                    s.server().port,
                    DETECTORS[f.detector].id,
                    f.judgement.verdict.name(),
                    f.judgement.confidence,
                    sec(f.judgement.since),
                    f.judgement.stopped,
                    f.judgement.loss,
                );
                for e in f.judgement.evidence() {
                    print!(" {}={}", e.name.info().name, e.value);
                }
                println!();
            }
            Event::Ended(s, why) => {
                let stall = s.detectors().stall;
                println!(
                    "S {}:{}>{}:{} {:?} state {} worst {} at {:?} by {:?} stopped {:?} loss {:?} end {} pk {}/{} holes {}/{} gaps {}/{} over {}/{} esp {:?} {:?}",
                    s.client().addr.to_ip(),
                    s.client().port,
                    s.server().addr.to_ip(),
                    s.server().port,
                    s.kind,
                    session_state(&s).name(),
                    worst_state(&s).name(),
                    stall.map(|x| sec(x.at)),
                    stall.map(|x| DETECTORS[usize::from(x.detector)].id),
                    stall.and_then(|x| x.stopped),
                    stall.and_then(|x| x.loss),
                    why.name(),
                    s.half[0].packets(),
                    s.half[1].packets(),
                    s.half[0].holes_total(),
                    s.half[1].holes_total(),
                    s.half[0].gaps_proven(),
                    s.half[1].gaps_proven(),
                    s.half[0].holes_stepped_over(),
                    s.half[1].holes_stepped_over(),
                    s.esp(0).totals(),
                    s.esp(1).totals(),
                );
            }
        }
    }
    for (name, value) in engine.stats().named() {
        if value > 0 {
            println!("# {name} {value}");
        }
    }
}
