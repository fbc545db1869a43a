//! The network between the ends and the device: delay, loss, reordering, copies. What a
//! device does on purpose is in `device`.

use crate::dice::Dice;

/// A time in which a leg carries nothing.
#[derive(Clone, Debug)]
pub struct Outage {
    /// From, to, ms.
    pub from_ms: i64,
    /// End, ms.
    pub to_ms: i64,
    /// Direction it affects: to the headend, to the client.
    pub dirs: [bool; 2],
    /// 0: the client's leg, 1: the headend's.
    pub leg: usize,
}

/// Both legs of the path of one session. Legs: 0 client to device, 1 device to headend.
#[derive(Clone, Debug)]
pub struct Path {
    /// Chance.
    pub seed: u64,
    /// Loss share by direction and leg.
    pub loss: [[f64; 2]; 2],
    /// Share of packets lost after a lost one.
    pub burst: f64,
    /// Nothing is lost by chance before this, ms: the handshake is not repeated here.
    pub lossless_until_ms: i64,
    /// Outages.
    pub outages: Vec<Outage>,
    /// One-way delay of each leg, us.
    pub leg_us: [i64; 2],
    /// Jitter, us.
    pub jitter_us: i64,
    /// Share of packets that come `late_us` later than that.
    pub late: f64,
    /// How much later at most, us.
    pub late_us: i64,
    /// Share of packets that the network delivers twice.
    pub duplicate: f64,
    /// Initial TTL of client and headend.
    pub ttl: [u8; 2],
    /// Routers at the place of the device.
    pub routers: u8,
}

/// A path in use.
#[derive(Debug)]
pub(crate) struct Crossing {
    dice: Dice,
    was_lost: [[bool; 2]; 2],
}

impl Crossing {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            dice: Dice::new(path.seed),
            was_lost: [[false; 2]; 2],
        }
    }

    /// When a packet that starts at `us` reaches the other end of the leg; none: lost.
    pub(crate) fn cross(&mut self, path: &Path, us: i64, dir: usize, leg: usize) -> Vec<i64> {
        let ms = us / 1_000;
        let is_out = path
            .outages
            .iter()
            .any(|o| o.leg == leg && o.dirs[dir] && (o.from_ms..o.to_ms).contains(&ms));
        let share = if self.was_lost[dir][leg] {
            path.burst.max(path.loss[dir][leg])
        } else {
            path.loss[dir][leg]
        };
        let is_lost = ms >= path.lossless_until_ms && self.dice.chance(share);
        self.was_lost[dir][leg] = is_lost;
        if is_out || is_lost {
            return vec![];
        }
        let mut at = us + path.leg_us[leg] + self.dice.between(0, path.jitter_us);
        if self.dice.chance(path.late) {
            at += self.dice.between(0, path.late_us);
        }
        let mut all = vec![at];
        if self.dice.chance(path.duplicate) {
            all.push(at + self.dice.between(20, 3_000));
        }
        all
    }
}
