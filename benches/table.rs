//! The flow table by itself: look-ups among a million and four million flows, as the engine
//! makes them, in groups and read ahead; and insertion.
//!
//! `cargo bench --bench table`
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ctcpmon_core::flow::table::Entry;
use ctcpmon_core::flow::{FlowTable, Prepared};
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::time::Timestamp;
use ctcpmon_testkit::load::{Load, Mix, Plan};
use std::hint::black_box;
use std::time::Duration;

/// Look-ups in one sample.
const LOOKUPS: usize = 1 << 16;
/// Frames that the engine prepares together.
const GROUP: usize = 32;
const INSERTED: usize = 1 << 16;

fn keys(table: &FlowTable, batch: &FrameBatch) -> Vec<Prepared> {
    let preparer = table.preparer();
    batch.iter().map(|frame| preparer.prepare(&frame)).collect()
}

/// A table with this many flows, and keys of those in random order.
fn filled(flows: u32) -> (FlowTable, Vec<Prepared>) {
    let mut table = FlowTable::new(2 << 30, false);
    let mut load = Load::new(&Plan::new(Mix::Uniform, flows, 0));
    let mut batch = FrameBatch::default();
    let mut left = flows as usize;
    while left > 0 {
        load.fill(&mut batch, left.min(1 << 18));
        left -= batch.frames.len();
        for key in keys(&table, &batch) {
            table.entry(&key, Timestamp(0));
        }
    }
    load.fill(&mut batch, LOOKUPS);
    let wanted = keys(&table, &batch);
    (table, wanted)
}

/// As the engine does it: the slots of a group are asked for, then its records, while the
/// groups before it are looked up.
fn look_up(table: &mut FlowTable, keys: &mut [Prepared]) -> usize {
    let mut found = 0;
    let groups = keys.len() / GROUP;
    let range = |group: usize| group * GROUP..(group + 1) * GROUP;
    for step in 0..groups + 2 {
        if step < groups {
            for key in &keys[range(step)] {
                table.prefetch_index(key);
            }
        }
        if (1..=groups).contains(&step) {
            for key in &mut keys[range(step - 1)] {
                table.guess(key);
            }
        }
        if step >= 2 {
            for key in &keys[range(step - 2)] {
                if let Entry::Found(at) = table.entry(key, Timestamp(0)) {
                    found += usize::from(table.get_mut(at).0.is_used());
                }
            }
        }
    }
    found
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("table");
    group.throughput(Throughput::Elements(LOOKUPS as u64));
    for (name, flows) in [("look up, 1 M", 1_000_000), ("look up, 4 M", 4_000_000)] {
        let (mut table, mut wanted) = filled(flows);
        assert_eq!(look_up(&mut table, &mut wanted), LOOKUPS);
        group.bench_function(name, |b| {
            b.iter(|| black_box(look_up(&mut table, &mut wanted)));
        });
    }
    let mut batch = FrameBatch::default();
    Load::new(&Plan::new(Mix::SynFlood, 0, 0)).fill(&mut batch, INSERTED);
    group.throughput(Throughput::Elements(INSERTED as u64));
    group.bench_function("insert into an empty one", |b| {
        b.iter_batched(
            || {
                let table = FlowTable::new(1 << 30, false);
                let new = keys(&table, &batch);
                (table, new)
            },
            |(mut table, new)| {
                for key in &new {
                    table.entry(key, Timestamp(0));
                }
                table
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = bench
}
criterion_main!(benches);
