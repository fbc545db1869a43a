//! Traffic for benchmarks and attack tests: frames by the million, made in memory, in
//! batches. Seeded: the same plan gives the same frames on every machine.
//!
//! Here: which packet of which flow comes next. How a frame is written is in `wire`, what
//! a flow sends in `ordinary` and `tunnels`, tuples that a weak hash cannot tell apart in
//! `families`. Not here: devices and losses with a truth about stalls (that is `sim`).
//!
//! Checksums of TCP are left 0 (`decode` verifies none): half of the time of making a
//! frame would go into them.

pub mod families;
mod ordinary;
mod tunnels;
mod wire;

use ctcpmon_core::frame::FrameBatch;

use crate::dice::Dice;
use crate::packet::{ACK, PSH, SYN};
use crate::sim::EPOCH_NS;
use families::{Family, Tuple};
use ordinary::Conversations;
use tunnels::Tunnels;
use wire::{Head, Wire};

/// What the packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// TCP conversations: requests, answers, ACKs, one segment in 200 sent twice; the
    /// popularity of flows is Zipf's, exponent 1.
    Ordinary,
    /// The same, every flow as likely as another: the worst case for caches.
    Uniform,
    /// cTCP sessions only.
    Tunnels,
    /// One packet in ten belongs to a cTCP session.
    TenthTunnels,
    /// Every packet a SYN of a flow not seen before.
    SynFlood,
    /// Every packet data of a flow not seen before, as after a restart of the monitor.
    DataFlood,
    /// Every packet an ESP packet in cTCP of a flow not seen before: each asks for a session.
    TunnelFlood,
    /// Every packet opens a hole in one cTCP session.
    HolesInOne,
    /// Every packet opens a hole in one of the cTCP sessions.
    HolesInMany,
    /// Every packet opens a hole in an ordinary conversation.
    HolesInOrdinary,
    /// cTCP sessions whose packets a proxy has cut anew: trailers are looked for in every one.
    Recut,
    /// Every packet a SYN of a flow not seen before, from one family of tuples.
    Family(Family),
}

impl Mix {
    /// Every mix, with the name that the command line takes.
    pub fn all() -> Vec<(String, Self)> {
        let mut all: Vec<(String, Self)> = [
            ("ordinary", Self::Ordinary),
            ("uniform", Self::Uniform),
            ("tunnels", Self::Tunnels),
            ("tenth-tunnels", Self::TenthTunnels),
            ("syn-flood", Self::SynFlood),
            ("data-flood", Self::DataFlood),
            ("tunnel-flood", Self::TunnelFlood),
            ("holes-in-one", Self::HolesInOne),
            ("holes-in-many", Self::HolesInMany),
            ("holes-in-ordinary", Self::HolesInOrdinary),
            ("recut", Self::Recut),
        ]
        .map(|(name, mix)| (name.to_owned(), mix))
        .into();
        all.extend(Family::ALL.map(|f| (format!("family-{}", f.name()), Self::Family(f))));
        all
    }

    /// The mix with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find_map(|(n, mix)| (n == name).then_some(mix))
    }
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kind of packets.
    pub mix: Mix,
    /// Ordinary conversations, at most 16 M.
    pub flows: u32,
    /// cTCP sessions, at most 1 M.
    pub sessions: u32,
    /// Packets over which the flows are opened, evenly: the rate of arrival is that of a
    /// capture with this many packets. 0: all are opened before anything else is sent, each with
    /// its handshake: a conversation of which there is only a SYN is not open.
    pub arrival_packets: u64,
    /// Packet time between two packets, ns.
    pub spacing_ns: i64,
    /// Share of cTCP packets lost before the tap.
    pub loss: f64,
    /// Captured bytes of an ordinary packet.
    pub snaplen: usize,
    /// Chance.
    pub seed: u64,
}

impl Plan {
    /// A plan with the usual figures: one packet a microsecond of packet time (a million
    /// a second), 96 captured bytes of an ordinary packet and all of a tunnel packet, 1 %
    /// loss in tunnels.
    pub fn new(mix: Mix, flows: u32, sessions: u32) -> Self {
        Self {
            mix,
            flows,
            sessions,
            arrival_packets: 0,
            spacing_ns: 1_000,
            loss: 0.01,
            snaplen: 96,
            seed: 1,
        }
    }

    /// Packets that open all flows and sessions, when they are opened first.
    pub fn opening_packets(&self) -> u64 {
        let sessions = u64::from(self.sessions) * tunnels::OPENING;
        match self.mix {
            Mix::Ordinary | Mix::Uniform | Mix::HolesInOrdinary => {
                u64::from(self.flows) * ordinary::OPENING
            }
            Mix::TenthTunnels => u64::from(self.flows) * ordinary::OPENING + sessions,
            Mix::Tunnels | Mix::HolesInMany | Mix::Recut => sessions,
            Mix::HolesInOne => tunnels::OPENING,
            Mix::SynFlood | Mix::DataFlood | Mix::TunnelFlood | Mix::Family(_) => 0,
        }
    }
}

/// A stream of frames.
pub struct Load {
    plan: Plan,
    dice: Dice,
    wire: Wire,
    sent: u64,
    conversations: Conversations,
    tunnels: Tunnels,
    tuples: Box<dyn Iterator<Item = Tuple>>,
}

impl Load {
    /// A stream with nothing sent.
    pub fn new(plan: &Plan) -> Self {
        let sessions = match plan.mix {
            Mix::HolesInOne => 1,
            _ => plan.sessions,
        };
        let family = match plan.mix {
            Mix::Family(family) => family,
            _ => Family::Random,
        };
        Self {
            plan: *plan,
            dice: Dice::new(plan.seed),
            wire: Wire::new(plan.snaplen),
            sent: 0,
            conversations: Conversations::new(plan.flows),
            tunnels: Tunnels::new(sessions),
            tuples: family.tuples(),
        }
    }

    /// Replaces what is in `batch` by the next `frames` frames.
    pub fn fill(&mut self, batch: &mut FrameBatch, frames: usize) {
        batch.clear();
        for _ in 0..frames {
            let ts_ns = EPOCH_NS + self.sent as i64 * self.plan.spacing_ns;
            self.wire.at(ts_ns);
            self.one(batch);
            self.sent += 1;
        }
    }

    fn one(&mut self, batch: &mut FrameBatch) {
        let (dice, wire) = (&mut self.dice, &mut self.wire);
        match self.plan.mix {
            Mix::Ordinary | Mix::Uniform | Mix::HolesInOrdinary => {
                self.ordinary(batch);
            }
            Mix::TenthTunnels => {
                let is_opening = self.tunnels.is_opening()
                    && (self.plan.arrival_packets > 0 || !self.conversations.is_opening());
                if is_opening || (!self.conversations.is_opening() && dice.chance(0.1)) {
                    self.tunnels.send(dice, wire, batch, self.plan.loss);
                } else {
                    self.ordinary(batch);
                }
            }
            Mix::Tunnels => self.tunnels.send(dice, wire, batch, self.plan.loss),
            Mix::HolesInOne | Mix::HolesInMany => self.tunnels.send(dice, wire, batch, 1.0),
            Mix::Recut => self.tunnels.send_recut(dice, wire, batch),
            Mix::SynFlood | Mix::Family(_) => {
                if let Some(tuple) = self.tuples.next() {
                    let head = Head::new(&tuple, 0, SYN, self.sent as u16);
                    wire.push(batch, &head, &[2, 4, 5, 0xb4], 0, &[]);
                }
            }
            Mix::DataFlood => {
                if let Some(tuple) = self.tuples.next() {
                    let seq = dice.bits() as u32;
                    let head = Head::new(&tuple, seq, ACK | PSH, self.sent as u16);
                    wire.push(batch, &head, &ordinary::TIMESTAMPS, 512, &[]);
                }
            }
            Mix::TunnelFlood => {
                if let Some(tuple) = self.tuples.next() {
                    tunnels::stranger(&tuple, dice, wire, batch);
                }
            }
        }
    }

    fn ordinary(&mut self, batch: &mut FrameBatch) {
        let by_popularity = self.plan.mix != Mix::Uniform;
        let opening = match self.plan.arrival_packets {
            0 => self.conversations.next_to_open(),
            _ => None,
        };
        let flow = opening.unwrap_or_else(|| {
            let every = self.plan.arrival_packets / u64::from(self.plan.flows.max(1));
            let opens = self.sent.is_multiple_of(every.max(1));
            let dice = &mut self.dice;
            self.conversations.choose(dice, opens, by_popularity)
        });
        let has_holes = self.plan.mix == Mix::HolesInOrdinary;
        self.conversations
            .send(flow, &mut self.dice, &mut self.wire, batch, has_holes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctcpmon_core::decode::decode;
    use ctcpmon_core::flow::FlowKey;
    use ctcpmon_core::{Config, Engine};
    use std::collections::BTreeSet;

    const PACKETS: usize = 20_000;

    fn counted(plan: &Plan) -> Engine {
        let mut engine = Engine::new(Config::default());
        let mut load = Load::new(plan);
        let mut batch = FrameBatch::default();
        let frames = plan.opening_packets() as usize + PACKETS;
        load.fill(&mut batch, frames);
        assert_eq!(batch.frames.len(), frames);
        assert!(batch.iter().all(|f| decode(&f).is_ok()));
        engine.push(&batch);
        engine
    }

    #[test]
    fn ordinary_conversations_are_whole_and_no_tunnels() {
        for mix in [Mix::Ordinary, Mix::Uniform] {
            let engine = counted(&Plan::new(mix, 1_000, 0));
            let counters = engine.stats().counters;
            assert_eq!(counters.conversations, 1_000);
            assert_eq!((counters.sessions, counters.tap_missed_segments), (0, 0));
            let share = counters.retransmissions as f64 / PACKETS as f64;
            assert!((0.001..0.01).contains(&share), "{share}");
        }
    }

    #[test]
    fn an_open_conversation_has_shaken_hands() {
        let plan = Plan::new(Mix::Uniform, 500, 0);
        let mut batch = FrameBatch::default();
        Load::new(&plan).fill(&mut batch, plan.opening_packets() as usize);
        let segments: Vec<_> = batch
            .iter()
            .map(|f| decode(&f).expect("a whole frame"))
            .collect();
        let flags: Vec<_> = segments.iter().map(|s| s.flags.0).collect();
        assert_eq!(flags, [SYN, SYN | ACK, ACK].repeat(500));
        let keys = segments.iter().map(|s| FlowKey::of(s).0);
        assert_eq!(keys.collect::<BTreeSet<_>>().len(), 500);
    }

    #[test]
    fn flows_arrive_over_the_whole_capture() {
        let mut plan = Plan::new(Mix::Ordinary, 2_000, 0);
        plan.arrival_packets = 20_000;
        let mut load = Load::new(&plan);
        let mut engine = Engine::new(Config::default());
        let mut batch = FrameBatch::default();
        for part in 1..=4_u64 {
            load.fill(&mut batch, 5_000);
            engine.push(&batch);
            assert_eq!(engine.stats().counters.conversations, part * 500);
        }
    }

    #[test]
    fn tunnels_lose_what_they_should() {
        let mut plan = Plan::new(Mix::Tunnels, 0, 50);
        plan.spacing_ns = 1_000_000;
        let engine = counted(&plan);
        assert_eq!(engine.stats().counters.sessions, 50);
        let (received, missing) = engine
            .sessions()
            .flat_map(|s| [0, 1].map(|dir| s.esp(dir).totals()))
            .fold((0, 0), |sum, got| (sum.0 + got.0, sum.1 + got.1));
        let share = missing as f64 / (received + missing) as f64;
        assert!((0.005..0.015).contains(&share), "{share}");
    }

    #[test]
    fn every_packet_of_a_flood_is_a_new_flow() {
        for mix in [Mix::SynFlood, Mix::DataFlood, Mix::TunnelFlood] {
            let engine = counted(&Plan::new(mix, 0, 0));
            assert_eq!(engine.flows(), PACKETS, "{mix:?}");
            let sessions = if mix == Mix::TunnelFlood { PACKETS } else { 0 };
            assert_eq!(engine.sessions().count(), sessions, "{mix:?}");
        }
    }

    #[test]
    fn every_packet_opens_a_hole() {
        for (mix, sessions) in [(Mix::HolesInOne, 1), (Mix::HolesInMany, 20)] {
            let engine = counted(&Plan::new(mix, 0, sessions));
            let holes: usize = engine
                .sessions()
                .flat_map(|s| s.half.each_ref().map(|h| h.holes().len()))
                .sum();
            let forgotten: u32 = engine
                .sessions()
                .flat_map(|s| s.half.each_ref().map(|h| h.holes().overflowed))
                .sum();
            assert_eq!(engine.sessions().count(), sessions as usize);
            assert_eq!(holes + forgotten as usize, PACKETS, "{mix:?}");
        }
        let missed = counted(&Plan::new(Mix::HolesInOrdinary, 100, 0));
        assert!(missed.stats().counters.tap_missed_segments as usize > PACKETS / 4);
    }
}
