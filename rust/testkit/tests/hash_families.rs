//! Tuples made to collide in weak hashes are flows like any other (reliability goal R9):
//! all find a place, all are found again, no probe reaches its limit. How long that takes
//! beside random tuples is measured by `benches/scaling.py`.

use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::families::Family;
use ctcpmon_testkit::load::{Load, Mix, Plan};

const TUPLES: usize = 200_000;

#[test]
fn every_member_of_every_family_finds_its_place_and_is_found_again() {
    for family in Family::ALL {
        let mut batch = FrameBatch::default();
        Load::new(&Plan::new(Mix::Family(family), 0, 0)).fill(&mut batch, TUPLES);
        assert_eq!(batch.frames.len(), TUPLES);
        let mut engine = Engine::new(Config::default());
        for _ in 0..2 {
            engine.push(&batch);
            let counters = engine.stats().counters;
            assert_eq!(engine.flows(), TUPLES, "{family:?}");
            assert_eq!(counters.conversations as usize, TUPLES, "{family:?}");
            assert_eq!(counters.flow_probes_exceeded, 0, "{family:?}");
            assert_eq!(counters.segments_without_flow, 0, "{family:?}");
        }
    }
}
