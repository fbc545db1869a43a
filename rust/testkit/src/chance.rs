//! Sessions by chance: a seed gives one session, a path, a device and a tap, over wide
//! ranges of what the lab and the field know. Draws; runs and compares nothing.

use crate::device::Device;
use crate::dice::Dice;
use crate::path::{Outage, Path};
use crate::session::{AckHabit, Profile, Stream};
use crate::sim::{Scenario, Tap};

/// One drawn session and how its capture was damaged.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Its seed.
    pub seed: u64,
    /// Pattern of the traffic.
    pub pattern: &'static str,
    /// Kind of device.
    pub device: &'static str,
    /// Kind of loss.
    pub loss: &'static str,
    /// The simulation.
    pub scenario: Scenario,
    /// The capture holds only this part, ms.
    pub kept_ms: (i64, i64),
    /// Share of records the tap missed.
    pub tap_loss: f64,
    /// Bytes of each frame that were kept.
    pub snaplen: usize,
}

const PATTERNS: [&str; 10] = [
    "office",
    "bulk_up",
    "bulk_down",
    "interactive",
    "voice",
    "low",
    "sparse",
    "keepalive",
    "oneway_up",
    "oneway_down",
];

/// Times and sizes of one direction.
type Times = Vec<(i64, usize)>;

/// Sends every `every_ms`, give or take `spread` of it.
fn beat(dice: &mut Dice, to_ms: i64, every_ms: i64, spread: f64, bytes: (i64, i64)) -> Times {
    let mut out = Vec::new();
    let mut t = 1_500 + dice.between(0, every_ms);
    while t < to_ms {
        out.push((t, dice.between(bytes.0, bytes.1) as usize));
        let factor = 1.0 + spread * (2.0 * dice.share() - 1.0);
        t += ((every_ms as f64 * factor) as i64).max(1);
    }
    out
}

/// Bursts with exponential pauses between them.
fn bursts(dice: &mut Dice, to_ms: i64, mean_ms: f64, n: (i64, i64), gap: (i64, i64)) -> Times {
    let bytes = dice.between(60, 1_200);
    let mut out = Vec::new();
    let mut t = 1_500 + dice.between(0, 1_000);
    while t < to_ms {
        for _ in 0..dice.between(n.0, n.1) {
            out.push((t, dice.between(56, bytes.max(57)) as usize));
            t += dice.between(gap.0, gap.1);
        }
        t += dice.exponential(mean_ms) as i64;
    }
    out.retain(|(t, _)| *t < to_ms);
    out
}

fn traffic(dice: &mut Dice, pattern: &str, to_ms: i64) -> [Times; 2] {
    match pattern {
        "office" => [200, 200].map(|every| beat(dice, to_ms, every, 0.3, (80, 900))),
        "bulk_up" | "bulk_down" => {
            let every = dice.between(250, 1_000);
            let mut bulk = Vec::new();
            let mut back = Vec::new();
            let mut t = 1_600;
            while t < to_ms {
                let n = dice.between(4, 6);
                bulk.extend((0..n).map(|i| (t + i * 2, 1_236)));
                back.extend((0..n / 2).map(|i| (t + 40 + i * 3, 92)));
                t += dice.between(every / 2, every * 3 / 2);
            }
            if pattern == "bulk_up" {
                [bulk, back]
            } else {
                [back, bulk]
            }
        }
        "interactive" => [0, 1].map(|_| {
            let mean = dice.between(1_000, 3_000) as f64;
            bursts(dice, to_ms, mean, (1, 5), (20, 200))
        }),
        "voice" => {
            let every = dice.between(20, 50);
            let bytes = dice.between(100, 220);
            [0, 1].map(|_| beat(dice, to_ms, every, 0.1, (bytes, bytes)))
        }
        "low" => [0, 1].map(|_| beat(dice, to_ms, 2_000, 0.2, (80, 500))),
        "sparse" => [0, 1].map(|_| {
            let every = dice.between(3_000, 6_000);
            beat(dice, to_ms, every, 0.5, (80, 400))
        }),
        "oneway_up" | "oneway_down" => {
            let every = dice.between(80, 600);
            let bytes = dice.between(100, 1_236);
            let data = beat(dice, to_ms, every, 0.3, (bytes, bytes));
            if pattern == "oneway_up" {
                [data, vec![]]
            } else {
                [vec![], data]
            }
        }
        _ => [vec![], vec![]],
    }
}

/// The path, with nothing lost by chance yet.
fn path(dice: &mut Dice) -> Path {
    let unsteady = dice.chance(0.4);
    Path {
        seed: dice.bits(),
        loss: [[0.0; 2]; 2],
        burst: 0.0,
        lossless_until_ms: 2_000,
        outages: vec![],
        leg_us: [dice.between(1_000, 60_000), dice.between(1_000, 40_000)],
        jitter_us: dice.between(0, 4_000),
        late: if unsteady { dice.share() * 0.02 } else { 0.0 },
        late_us: dice.between(2_000, 60_000),
        duplicate: if dice.chance(0.1) {
            dice.share() * 0.02
        } else {
            0.0
        },
        ttl: [dice.pick(&[64, 128]), dice.pick(&[64, 255])],
        routers: u8::from(dice.chance(0.7)),
    }
}

fn lose(dice: &mut Dice, kind: &str, p: &mut Profile, path: &mut Path, to_ms: i64) {
    let dir = dice.between(0, 1) as usize;
    let n = p.streams[dir].more.len() as i64;
    match kind {
        "single" => {
            let at = vec![5 + dice.between(0, (n * 2 / 3).max(3)) as usize];
            if dice.chance(0.6) {
                p.streams[dir].lose = at;
            } else {
                p.streams[dir].lose_behind = at;
            }
        }
        "random" | "bursts" => {
            let share = 0.001 + dice.share() * 0.029;
            path.loss = [[share / 2.0; 2]; 2];
            path.burst = if kind == "bursts" { 0.6 } else { 0.0 };
        }
        "outage" => {
            let first = dice.between(8_000, to_ms / 2);
            for n in 0..dice.between(1, 2) {
                let from_ms = first + n * dice.between(12_000, 20_000);
                path.outages.push(Outage {
                    from_ms,
                    to_ms: from_ms + dice.between(1_000, 5_000),
                    dirs: dice.pick(&[[true, true], [true, false], [false, true]]),
                    leg: dice.between(0, 1) as usize,
                });
            }
        }
        _ => {}
    }
}

/// The session of a seed.
pub fn draw(seed: u64) -> Draw {
    let mut dice = Dice::new(seed);
    let dice = &mut dice;
    let to_ms = dice.between(60_000, 200_000);
    let pattern = dice.pick(&PATTERNS);
    let mut p = Profile::new((seed % 200) as u8 + 20, 0, to_ms);
    p.streams = traffic(dice, pattern, to_ms).map(|more| Stream {
        more,
        to_ms,
        from_ms: to_ms + 1,
        ..Stream::silent()
    });
    p.ack = [0, 1].map(|_| dice.pick(&[AckHabit::Highest, AckHabit::Frozen]));
    let full = dice.chance(0.35);
    for side in 0..2 {
        p.window[side] = if full {
            65_535
        } else {
            dice.pick(&[6_000, 8_192, 12_000, 14_000, 16_384, 32_768, 65_535])
        };
        if !full && dice.chance(0.3) {
            p.syn_window[side] = Some(dice.pick(&[8_192, 16_384, 65_535]));
        }
        match dice.between(0, 4) {
            0 => p.bare_ack_every[side] = 2,
            1 => p.bare_ack_every[side] = 1,
            2 => p.delayed_ack_ms[side] = 200,
            _ => {}
        }
    }
    let beats = pattern == "keepalive";
    if beats || dice.chance(0.15) {
        p.heartbeat_ms = [0, 1].map(|_| dice.between(5_000, 10_000));
        if dice.chance(0.3) {
            p.heartbeat_ms[dice.between(0, 1) as usize] = 0;
        }
    }
    if dice.chance(if beats { 0.7 } else { 0.5 }) {
        p.dpd_every_ms = dice.between(5_000, 20_000);
    }
    let mut path = path(dice);
    let fault_ms = dice.between(15_000, to_ms - 35_000);
    let (kind, device) = match dice.between(0, 99) {
        0..=39 => ("none", Device::None),
        40..=59 => ("tracking", Device::Tracking { reset: false }),
        60..=66 => ("resetting", Device::Tracking { reset: true }),
        67..=76 => ("holding", Device::Inspection { release_ms: None }),
        77..=83 => {
            let release_ms = Some(dice.between(4_000, 5_000));
            ("releasing", Device::Inspection { release_ms })
        }
        84..=87 => ("dropping", Device::Dropping { after_ms: 4_000 }),
        88..=94 => ("state_lost", Device::StateLost { at_ms: fault_ms }),
        _ => {
            p.headend_dies_ms = Some(fault_ms);
            ("crash", Device::None)
        }
    };
    let is_own_fault = matches!(kind, "state_lost" | "crash");
    let loss = if is_own_fault && dice.chance(0.6) {
        "none"
    } else {
        dice.pick(&[
            "none", "none", "single", "single", "single", "random", "random", "bursts", "outage",
            "outage",
        ])
    };
    lose(dice, loss, &mut p, &mut path, to_ms);
    p.path = Some(path);
    let tap = dice.pick(&[
        Tap::Client,
        Tap::ClientSide,
        Tap::ClientSide,
        Tap::HeadendSide,
        Tap::Headend,
        Tap::BothPorts,
    ]);
    let mut kept_ms = (-1_000, to_ms + 60_000);
    if dice.chance(0.15) {
        kept_ms.0 = dice.between(3_000, to_ms / 2);
    }
    if dice.chance(0.15) {
        kept_ms.1 = dice.between(to_ms / 2, to_ms);
    }
    Draw {
        seed,
        pattern,
        device: kind,
        loss,
        scenario: Scenario {
            sessions: vec![p],
            device,
            tap,
        },
        kept_ms,
        tap_loss: if dice.chance(0.2) {
            dice.share() * 0.05
        } else {
            0.0
        },
        snaplen: dice.pick(&[65_535, 65_535, 96]),
    }
}
