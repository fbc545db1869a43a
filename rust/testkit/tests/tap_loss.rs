//! How many packets the tap itself lost is estimated from ordinary conversations to within half
//! a percentage point (reliability goal R31), and is unknown where there are none.

use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::dice::Dice;
use ctcpmon_testkit::load::{Load, Mix, Plan};

const FRAMES: usize = 200_000;
const WITHIN: f64 = 0.005;

/// What is said about a tap that loses this share of all frames, `run` of them together.
fn estimate(mix: Mix, share: f64, run: u64, seed: u64) -> Option<f64> {
    let mut batch = FrameBatch::default();
    let plan = Plan {
        loss: 0.0,
        ..Plan::new(mix, 50, 50)
    };
    Load::new(&plan).fill(&mut batch, FRAMES);
    let mut dice = Dice::new(seed);
    let mut left = 0_u64;
    batch.frames.retain(|_| {
        if left == 0 && dice.chance(share / run as f64) {
            left = run;
        }
        let is_lost = left > 0;
        left = left.saturating_sub(1);
        !is_lost
    });
    let mut engine = Engine::new(Config::default());
    engine.push(&batch);
    engine.tap().gap_ratio()
}

#[test]
fn the_estimate_is_near_what_was_lost() {
    for mix in [Mix::Ordinary, Mix::Uniform, Mix::TenthTunnels] {
        for share in [0.0, 0.001, 0.01, 0.05] {
            for run in [1, 5] {
                let said = estimate(mix, share, run, 7).expect("there are ordinary conversations");
                assert!(
                    (said - share).abs() <= WITHIN,
                    "{mix:?}: {share} in runs of {run}, said {said}"
                );
            }
        }
    }
}

#[test]
fn without_ordinary_conversations_it_is_unknown() {
    for share in [0.0, 0.05] {
        assert_eq!(estimate(Mix::Tunnels, share, 1, 7), None);
    }
}
