//! The whole engine: steady state, tunnel-heavy mixes, mixes made to hurt.
//!
//! `cargo bench --bench engine`. Every sample pushes new frames of one stream that never
//! ends, so packet time goes on and ticks fall due as they would.
#![allow(missing_docs)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};
use std::time::{Duration, Instant};

const PACKETS: usize = 1 << 16;
/// New flows that one engine takes in before another begins: floods must not end at a full
/// table, whose refusals are cheaper.
const ROUNDS_OF_A_FLOOD: u64 = 8;

struct Stream {
    plan: Plan,
    load: Load,
    engine: Engine,
    batch: FrameBatch,
}

impl Stream {
    /// All flows and sessions are open.
    fn opened(plan: &Plan) -> Self {
        let mut stream = Self {
            plan: *plan,
            load: Load::new(plan),
            engine: Engine::new(Config {
                max_flow_bytes: 2 << 30,
                ..Config::default()
            }),
            batch: FrameBatch::default(),
        };
        let mut left = plan.opening_packets() as usize;
        while left > 0 {
            let part = left.min(1 << 18);
            left -= part;
            stream.push(part);
        }
        stream
    }

    /// Makes the next frames, then takes the time of pushing them.
    fn push(&mut self, frames: usize) -> Duration {
        self.load.fill(&mut self.batch, frames);
        let started = Instant::now();
        self.engine.push(&self.batch);
        self.engine.drain_events();
        started.elapsed()
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, plan: &Plan) {
    group.throughput(Throughput::Elements(PACKETS as u64));
    let is_flood = plan.opening_packets() == 0;
    let mut stream = Stream::opened(plan);
    group.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            let mut taken = Duration::ZERO;
            for round in 0..rounds {
                if is_flood && round % ROUNDS_OF_A_FLOOD == 0 {
                    stream = Stream::opened(&stream.plan);
                }
                taken += stream.push(PACKETS);
            }
            taken
        });
    });
}

/// Ten packets a second in each of a thousand sessions.
fn calm(mix: Mix) -> Plan {
    let mut plan = Plan::new(mix, 100_000, 1_000);
    plan.spacing_ns = 100_000;
    plan
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    for (name, flows) in [("steady, 10 k", 10_000), ("steady, 1 M", 1_000_000)] {
        measure(&mut group, name, &Plan::new(Mix::Ordinary, flows, 0));
    }
    measure(&mut group, "10 % tunnels", &calm(Mix::TenthTunnels));
    measure(&mut group, "100 % tunnels", &calm(Mix::Tunnels));
    group.finish();
    let mut group = c.benchmark_group("adversary");
    for (name, mix) in [
        ("every packet a SYN of a new flow", Mix::SynFlood),
        ("every packet data of a new flow", Mix::DataFlood),
        ("every packet a new tunnel", Mix::TunnelFlood),
        ("every packet a hole, one tunnel", Mix::HolesInOne),
        ("every packet a hole, 1,000 tunnels", Mix::HolesInMany),
        ("every packet a hole, ordinary flows", Mix::HolesInOrdinary),
        ("every packet cut anew", Mix::Recut),
    ] {
        measure(&mut group, name, &Plan::new(mix, 100_000, 1_000));
    }
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
