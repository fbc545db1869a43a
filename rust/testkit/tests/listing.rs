//! Long lists: what a pass finds is what is there, in the order asked for, whatever the step.

use std::collections::BTreeSet;

use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::listing::{Column, Filter, Kind, Pass, Spec, Term};
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};

fn engine(mix: Mix, flows: u32, sessions: u32, more: usize) -> Engine {
    engine_with(&Config::default(), mix, flows, sessions, more)
}

fn engine_with(config: &Config, mix: Mix, flows: u32, sessions: u32, more: usize) -> Engine {
    let plan = Plan::new(mix, flows, sessions);
    let mut engine = Engine::new(*config);
    let mut batch = FrameBatch::default();
    let mut load = Load::new(&plan);
    load.fill(&mut batch, plan.opening_packets() as usize + more);
    engine.push(&batch);
    engine
}

fn spec(kind: Kind, order: Column) -> Spec {
    Spec {
        kind,
        order,
        is_reversed: false,
        filter: Filter::default(),
    }
}

fn listed(engine: &Engine, spec: Spec, step: u32) -> Pass {
    let mut pass = Pass::new(spec);
    while !engine.list(&mut pass, step) {}
    pass.ranks.sort_unstable();
    pass
}

#[test]
fn every_flow_is_listed_once_and_in_order() {
    let engine = engine(Mix::TenthTunnels, 2_000, 50, 40_000);
    for step in [1, 333, 1 << 20] {
        let pass = listed(&engine, spec(Kind::Flows, Column::Bytes), step);
        assert_eq!(pass.total, engine.flows());
        assert_eq!(pass.ranks.len(), engine.flows());
        let rows: Vec<_> = pass
            .ranks
            .iter()
            .map(|rank| engine.ranked_flow(rank).expect("is there"))
            .collect();
        let bytes: Vec<u64> = rows.iter().map(|row| row.bytes.iter().sum()).collect();
        assert!(bytes.windows(2).all(|two| two[0] >= two[1]));
        assert!(bytes[0] > 0);
        let ends: BTreeSet<_> = rows.iter().map(|row| row.ends).collect();
        assert_eq!(ends.len(), engine.flows(), "each has its own ends");
    }
}

#[test]
fn totals_of_the_rows_are_those_of_the_run() {
    let engine = engine(Mix::HolesInOrdinary, 2_000, 0, 60_000);
    let pass = listed(&engine, spec(Kind::Flows, Column::Packets), 1_000);
    let rows: Vec<_> = pass
        .ranks
        .iter()
        .filter_map(|rank| engine.ranked_flow(rank))
        .collect();
    let stats = engine.stats();
    let named = stats.named();
    let segments = named.iter().find(|(name, _)| name == "frames_tcp");
    let counters = &stats.counters;
    let sum = |of: fn(&ctcpmon_core::listing::FlowRow) -> u64| rows.iter().map(of).sum::<u64>();
    assert_eq!(
        Some(sum(|r| r.packets.iter().sum())),
        segments.map(|(_, n)| *n)
    );
    assert_eq!(sum(|r| r.retransmissions.into()), counters.retransmissions);
    assert_eq!(sum(|r| r.dup_acks.into()), counters.dup_acks);
    assert_eq!(sum(|r| r.zero_windows.into()), counters.zero_windows);
    assert_eq!(sum(|r| r.missing.into()), counters.tap_missed_segments);
}

#[test]
fn a_run_that_lists_nothing_keeps_no_totals_and_counts_the_same() {
    let config = Config {
        lists_flows: false,
        ..Config::default()
    };
    let lean = engine_with(&config, Mix::HolesInOrdinary, 2_000, 0, 60_000);
    let full = engine(Mix::HolesInOrdinary, 2_000, 0, 60_000);
    assert_eq!(lean.stats().named(), full.stats().named());
    assert!(lean.stats().counters.tap_missed_segments > 0);
    let pass = listed(&lean, spec(Kind::Flows, Column::Packets), 1_000);
    assert_eq!(pass.ranks.len(), full.flows());
    let rows = pass.ranks.iter().filter_map(|rank| lean.ranked_flow(rank));
    assert!(
        rows.into_iter()
            .all(|row| row.missing == 0 && row.packets.iter().sum::<u64>() > 0)
    );
}

#[test]
fn a_filter_chooses_and_a_session_is_found_through_its_flow() {
    let engine = engine(Mix::TenthTunnels, 500, 50, 5_000);
    let tunnels = Term {
        field: "protocol".into(),
        relation: "=".into(),
        is_negated: false,
        values: vec!["tunnel".into()],
    };
    let mut wanted = spec(Kind::Flows, Column::Client);
    wanted.filter = Filter::new(&[tunnels]).expect("fits");
    let flows = listed(&engine, wanted, 100);
    let sessions = listed(&engine, spec(Kind::Sessions, Column::Worst), 7);
    assert_eq!(sessions.ranks.len(), engine.sessions().count());
    assert_eq!(flows.ranks.len(), sessions.ranks.len());
    for rank in &flows.ranks {
        let (id, _) = engine
            .ranked_flow(rank)
            .and_then(|f| f.session)
            .expect("a tunnel");
        assert!(engine.session(id).is_some());
    }
}

#[test]
fn what_is_in_the_place_of_another_is_not_taken_for_it() {
    let engine = engine(Mix::TenthTunnels, 100, 10, 1_000);
    let mut pass = listed(&engine, spec(Kind::Flows, Column::Bytes), 100);
    pass.ranks[0].id ^= 1;
    assert!(engine.ranked_flow(&pass.ranks[0]).is_none());
    let mut pass = listed(&engine, spec(Kind::Sessions, Column::Last), 100);
    pass.ranks[0].id ^= 1;
    assert!(engine.ranked_session(&pass.ranks[0]).is_none());
}
