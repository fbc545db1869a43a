//! Choosing the rows of a screen among many live sessions.
//!
//! `cargo bench --bench snapshot`
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use ctcpmon_core::detect::Verdict;
use ctcpmon_core::engine::Order;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};
use std::hint::black_box;
use std::time::Duration;

/// Rows of a screen or two.
const ROWS: usize = 500;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot of 500 rows");
    for sessions in [1_000, 20_000] {
        let plan = Plan::new(Mix::Tunnels, 0, sessions);
        let mut engine = Engine::new(Config::default());
        let mut batch = FrameBatch::default();
        Load::new(&plan).fill(&mut batch, plan.opening_packets() as usize + 10_000);
        engine.push(&batch);
        assert_eq!(engine.sessions().count(), sessions as usize);
        for (name, state, order) in [
            ("worst first", None, Order::Worst),
            ("by key", None, Order::Key),
            ("stalled only", Some(Verdict::Stalled), Order::Worst),
        ] {
            group.bench_function(format!("{name} of {sessions}"), |b| {
                b.iter(|| black_box(engine.snapshot(ROWS, 0, state, order)));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = bench
}
criterion_main!(benches);
