//! However frames come in, one by one, in batches, prepared elsewhere, the engine says the same.
#![allow(missing_docs)]

use ctcpmon_core::engine::{Config, Engine};
use ctcpmon_core::flow::PreparedBatch;
use ctcpmon_core::frame::FrameBatch;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::load::{Load, Mix, Plan};

const SESSIONS: u32 = 20;
const BATCHES: usize = 12;
/// No multiple of what the engine has under way.
const FRAMES: usize = 997;

/// All that it says of batches that come in by `way`.
fn said(batches: &[FrameBatch], mut way: impl FnMut(&mut Engine, &FrameBatch)) -> String {
    let mut engine = Engine::new(Config::default());
    for batch in batches {
        way(&mut engine, batch);
    }
    engine.finish();
    let (stats, events) = (engine.stats(), engine.drain_events());
    format!("{stats:?} {events:?}")
}

/// The same by every way; fails where they differ.
fn said_by_all(name: &str, batches: &[FrameBatch]) -> String {
    let one_by_one = said(batches, |engine, batch| {
        batch.iter().for_each(|frame| engine.push_frame(&frame));
    });
    let in_batches = said(batches, Engine::push);
    let mut prepared = PreparedBatch::default();
    let prepared_before = said(batches, |engine, batch| {
        engine.preparer().prepare_batch(batch, &mut prepared);
        engine.push_prepared(batch, &mut prepared);
    });
    let mut is_ahead = false;
    let by_turns = said(batches, |engine, batch| {
        is_ahead = !is_ahead;
        if is_ahead {
            engine.preparer().prepare_batch(batch, &mut prepared);
            engine.push_prepared(batch, &mut prepared);
        } else {
            engine.push(batch);
        }
    });
    assert!(one_by_one == by_turns, "{name} by turns");
    assert!(one_by_one == in_batches, "{name} in batches");
    assert!(one_by_one == prepared_before, "{name} prepared before");
    one_by_one
}

#[test]
fn the_way_in_of_a_load_changes_nothing() {
    for mix in [Mix::Ordinary, Mix::Tunnels, Mix::HolesInMany, Mix::Recut] {
        let mut plan = Plan::new(mix, 200, SESSIONS);
        plan.spacing_ns = 2_000_000;
        let mut load = Load::new(&plan);
        let batches: Vec<_> = (0..BATCHES)
            .map(|_| {
                let mut batch = FrameBatch::default();
                load.fill(&mut batch, FRAMES);
                batch
            })
            .collect();
        let said = said_by_all(&format!("{mix:?}"), &batches);
        assert!(mix == Mix::Ordinary || said.contains("Ended"), "{mix:?}");
    }
}

/// The same frames.
fn same(batch: &FrameBatch) -> FrameBatch {
    let mut same = FrameBatch::default();
    batch.iter().for_each(|frame| same.push(&frame));
    same
}

/// The same with the order of their addresses turned round: the headend has the lower one.
fn turned(batch: &FrameBatch) -> FrameBatch {
    let mut turned = same(batch);
    for meta in &turned.frames {
        let at = meta.offset as usize;
        let bytes = &mut turned.bytes[at..at + meta.captured_len as usize];
        assert_eq!(bytes[12..15], [8, 0, 0x45], "IPv4 in plain Ethernet");
        bytes[26..34].iter_mut().for_each(|byte| *byte = !*byte);
    }
    turned
}

/// What a mirror shows twice, the second time in another batch, is known again whoever prepared either.
#[test]
fn the_way_in_of_copies_changes_nothing() {
    for mix in [Mix::Tunnels, Mix::HolesInMany] {
        let mut plan = Plan::new(mix, 1, SESSIONS);
        plan.spacing_ns = 1_000_000;
        let mut load = Load::new(&plan);
        let batches: Vec<_> = (0..200)
            .map(|_| {
                let mut batch = FrameBatch::default();
                load.fill(&mut batch, SESSIONS as usize);
                batch
            })
            .collect();
        for is_headend_low in [false, true] {
            let once: Vec<_> = batches
                .iter()
                .map(|batch| {
                    if is_headend_low {
                        turned(batch)
                    } else {
                        same(batch)
                    }
                })
                .collect();
            let seen: Vec<_> = once.iter().flat_map(|b| [same(b), same(b)]).collect();
            let said = said_by_all(&format!("{mix:?}, {is_headend_low}"), &seen);
            assert!(said.contains("Ended"), "{mix:?}");
        }
    }
}

/// Segments that hold several tunnel packets, copies of a mirror, tags and tunnels around them.
#[test]
fn the_way_in_of_a_case_changes_nothing() {
    for case in all() {
        let mut batch = FrameBatch::default();
        for record in (case.build)() {
            batch.push(&record.captured());
        }
        said_by_all(case.name, &[batch]);
    }
}
