//! Sessions by chance, a few seconds of them; the bin `chance` runs thousands.

use ctcpmon_testkit::chance::draw;
use ctcpmon_testkit::trial::{Outcome, run};

/// Seeds of the run in `cargo test`.
const SEEDS: std::ops::Range<u64> = 1..401;

#[test]
fn sessions_by_chance_are_judged_as_they_were() {
    let mut false_stalls = Vec::new();
    let (mut missed, mut found, mut unseen) = (0, 0, 0);
    for seed in SEEDS {
        match run(&draw(seed)).outcome {
            Outcome::FalseStall => false_stalls.push(seed),
            Outcome::Missed => missed += 1,
            Outcome::Found => found += 1,
            Outcome::Unseen => unseen += 1,
            Outcome::Quiet | Outcome::Hidden | Outcome::Alike | Outcome::Passing => {}
        }
    }
    // One in two hundred comes from pauses longer than any before (`chance` says which).
    assert!(
        false_stalls.len() <= 2,
        "false stalls, by seed: {false_stalls:?}"
    );
    assert!(found >= 50, "only {found} stalls found");
    assert!(missed * 20 <= found, "{missed} missed, {found} found");
    assert!(unseen <= 2, "{unseen} tunnels not recognised");
}

#[test]
fn a_seed_gives_one_session() {
    let (a, b) = (run(&draw(7)), run(&draw(7)));
    assert_eq!((a.outcome, a.said), (b.outcome, b.said));
    assert_eq!(a.dead_ms, b.dead_ms);
}
