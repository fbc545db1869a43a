//! However frames come in, one by one, in batches, prepared elsewhere, the engine says the same.
#![allow(missing_docs)]

use ctcpmon_core::engine::{Config, Engine};
use ctcpmon_core::flow::PreparedBatch;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_testkit::load::{Load, Mix, Plan};

const SESSIONS: u32 = 20;
const BATCHES: usize = 12;
/// No multiple of what the engine has under way.
const FRAMES: usize = 997;

/// All that it says of a load that comes in by `way`.
fn said(mix: Mix, mut way: impl FnMut(&mut Engine, &FrameBatch)) -> String {
    let mut engine = Engine::new(Config::default());
    let mut plan = Plan::new(mix, 200, SESSIONS);
    plan.spacing_ns = 2_000_000;
    let mut load = Load::new(&plan);
    let mut batch = FrameBatch::default();
    for _ in 0..BATCHES {
        load.fill(&mut batch, FRAMES);
        way(&mut engine, &batch);
    }
    engine.finish();
    let (stats, events) = (engine.stats(), engine.drain_events());
    format!("{stats:?} {events:?}")
}

#[test]
fn the_way_in_changes_nothing() {
    let mixes = [Mix::Ordinary, Mix::Tunnels, Mix::HolesInMany, Mix::Recut];
    for mix in mixes {
        let one_by_one = said(mix, |engine, batch| {
            batch.iter().for_each(|frame| engine.push_frame(&frame));
        });
        let in_batches = said(mix, Engine::push);
        let mut prepared = PreparedBatch::default();
        let prepared_before = said(mix, |engine, batch| {
            engine.preparer().prepare_batch(batch, &mut prepared);
            engine.push_prepared(batch, &mut prepared);
        });
        assert!(
            mix == Mix::Ordinary || one_by_one.contains("Ended"),
            "{mix:?}: no session"
        );
        assert!(one_by_one == in_batches, "{mix:?} in batches");
        assert!(one_by_one == prepared_before, "{mix:?} prepared before");
    }
}
