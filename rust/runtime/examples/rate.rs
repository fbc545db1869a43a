//! Time per frame of each stage on one thread: `rate FILE`. Reading alone, then with preparing for another
//! thread (decode, hash, a glance, excerpts), then with the whole engine, which prepares less for itself (no glance
//! ahead, no excerpts); no Python, no other thread.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::time::Instant;

use ctcpmon_capture::{FrameBatch, Input, Options, Progress, open};
use ctcpmon_core::flow::{PreparedBatch, Preparer};
use ctcpmon_core::{Config, Engine};

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[global_allocator]
static PAGES: ctcpmon_runtime::HugePages = ctcpmon_runtime::HugePages;

fn each_batch(path: &str, mut take: impl FnMut(&FrameBatch)) -> Result<f64, String> {
    let input = Input::path(path, 0);
    let mut source = open(&[input], &Options::default()).map_err(|e| e.to_string())?;
    let mut batch = FrameBatch::default();
    let (mut frames, started) = (0_usize, Instant::now());
    while let Progress::More = source.next_batch(&mut batch).map_err(|e| e.to_string())? {
        frames += batch.frames.len();
        take(&batch);
    }
    Ok(started.elapsed().as_nanos() as f64 / frames.max(1) as f64)
}

fn main() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("usage: rate FILE")?;
    for _ in 0..3 {
        let read = each_batch(&path, |_| {})?;
        let preparer = Preparer::default();
        let mut out = PreparedBatch::default();
        let prepared = each_batch(&path, |batch| {
            preparer.prepare_batch(batch, &mut out);
        })?;
        let mut engine = Engine::new(Config {
            max_flow_bytes: 2 << 30,
            ..Config::default()
        });
        let whole = each_batch(&path, |batch| {
            engine.push(batch);
            engine.drain_events();
        })?;
        println!(
            "read {read:.1} ns, read and prepare {prepared:.1} ns, whole {whole:.1} ns a frame; {} flows",
            engine.flows()
        );
    }
    Ok(())
}
