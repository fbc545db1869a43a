//! Decoding alone: plain frames, frames of a tunnel; and preparing, which is decoding as far
//! as the engine needs it, with key and hash.
//!
//! `cargo bench --bench decode`; figures per packet, in elements a second.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ctcpmon_core::decode::decode;
use ctcpmon_core::flow::{PreparedBatch, Preparer};
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_testkit::load::{Load, Mix, Plan};
use std::hint::black_box;
use std::time::Duration;

const PACKETS: usize = 1 << 14;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(PACKETS as u64));
    for (name, mix) in [("ordinary", Mix::Ordinary), ("tunnels", Mix::Tunnels)] {
        let mut batch = FrameBatch::default();
        Load::new(&Plan::new(mix, 1_000, 100)).fill(&mut batch, PACKETS);
        group.bench_function(name, |b| {
            b.iter(|| {
                for frame in batch.iter() {
                    let _ = black_box(decode(&frame));
                }
            });
        });
        let preparer = Preparer::default();
        let mut prepared = PreparedBatch::default();
        group.bench_function(format!("{name}, prepared"), |b| {
            b.iter(|| preparer.prepare_batch(&batch, black_box(&mut prepared)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = bench
}
criterion_main!(benches);
