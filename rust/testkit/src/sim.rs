//! The simulation: events in time order, one tap.

use std::collections::BTreeMap;

use crate::device::{Device, State};
use crate::packet::{self, ACK, PSH, RST, Record, SYN, Segment};
use crate::path::Crossing;
use crate::session::{AckHabit, Dress, Profile};
use crate::truth::Truth;

/// Where the tap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// At the client: before anything is lost.
    Client,
    /// Between the client-side loss and the device.
    ClientSide,
    /// Between the device and the headend.
    HeadendSide,
    /// At the headend.
    Headend,
    /// Both ports of the device in one mirror.
    BothPorts,
}

/// Sessions on one path.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Sessions.
    pub sessions: Vec<Profile>,
    /// Device.
    pub device: Device,
    /// Tap.
    pub tap: Tap,
}

/// Start of every scenario: 2026-11-23T02:58:00Z.
pub const EPOCH_NS: i64 = 1_795_402_680_000_000_000;
/// One-way delay from an endpoint to the device.
const LEG_US: i64 = 9_000;

#[derive(Debug)]
enum Event {
    Send(usize, usize, Vec<u8>, u8),
    AtDevice(usize, Segment),
    Arrive(Segment),
    /// A delayed ACK falls due.
    Owed(usize),
}

#[derive(Debug, Default)]
struct End {
    iss: u32,
    next: u32,
    rcv: Option<u32>,
    beyond: Vec<(u32, u32)>,
    sent: usize,
    received: usize,
    /// Last ACK heard, and how often in a row.
    heard: (u32, u32),
    ip_id: u16,
    closed: bool,
    /// Data arrived that no segment of this end has acknowledged since.
    owes: bool,
    /// A delayed ACK is waiting.
    waits: bool,
}

impl End {
    /// udp2raw: after three equal ACKs below what was sent the sender goes back to them.
    fn hear(&mut self, ack: u32) {
        self.heard = match self.heard {
            (last, n) if last == ack => (ack, n + 1),
            _ => (ack, 1),
        };
        if self.heard.1 >= 3 && self.next.wrapping_sub(ack) as i32 > 0 {
            self.next = ack;
            self.heard.1 = 0;
        }
    }

    fn receive(&mut self, segment: &Segment, habit: AckHabit) {
        let (start, end) = (segment.seq, segment.end());
        let Some(rcv) = self.rcv else {
            self.rcv = Some(end);
            return;
        };
        let ahead = |a: u32, b: u32| a.wrapping_sub(b) as i32;
        match habit {
            AckHabit::Highest => {
                if ahead(end, rcv) > 0 {
                    self.rcv = Some(end);
                }
            }
            AckHabit::Frozen => {
                if ahead(start, rcv) > 0 {
                    self.beyond.push((start, end));
                    return;
                }
                let mut rcv = if ahead(end, rcv) > 0 { end } else { rcv };
                while let Some(at) = self
                    .beyond
                    .iter()
                    .position(|(s, e)| ahead(*s, rcv) <= 0 && ahead(*e, rcv) > 0)
                {
                    rcv = self.beyond.swap_remove(at).1;
                }
                self.rcv = Some(rcv);
            }
        }
    }
}

impl Scenario {
    /// Runs everything and returns what the tap records, in time order.
    pub fn run(&self) -> Vec<Record> {
        self.run_with_truth().0
    }

    /// The same, and what really happened to each session.
    pub fn run_with_truth(&self) -> (Vec<Record>, Vec<Truth>) {
        let mut out = Vec::new();
        let mut truths = Vec::new();
        for (index, profile) in self.sessions.iter().enumerate() {
            let (records, truth) = Run::new(self, profile, index as u32).run();
            out.extend(records);
            truths.push(truth);
        }
        out.sort_by_key(|r: &Record| r.ts_ns);
        (out, truths)
    }
}

struct Run<'a> {
    scenario: &'a Scenario,
    profile: &'a Profile,
    queue: BTreeMap<(i64, u64), Event>,
    order: u64,
    ends: [End; 2],
    device: State,
    crossing: Option<Crossing>,
    truth: Truth,
    records: Vec<Record>,
    esp: [u32; 2],
    spi: [u32; 2],
    cookies: (u64, u64),
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, profile: &'a Profile, index: u32) -> Self {
        let mut ends = [End::default(), End::default()];
        for (i, end) in ends.iter_mut().enumerate() {
            end.iss = 0x1000_0000 + index * 0x0123_4567 + i as u32 * 0x5555_0001;
            if profile.dress == Dress::Phantun {
                end.iss = 0;
            }
            end.next = end.iss;
            end.ip_id = (index * 977 + i as u32 * 31) as u16;
        }
        let client = u32::from(profile.client.1) << 8 | index;
        Self {
            scenario,
            profile,
            queue: BTreeMap::new(),
            order: 0,
            ends,
            device: State::default(),
            crossing: profile.path.as_ref().map(Crossing::new),
            truth: Truth::default(),
            records: vec![],
            esp: [0; 2],
            // Of this client alone: the headend never sees them from another one.
            spi: [0x2000_0000 | client, 0x3000_0000 | client],
            cookies: (
                0xc1c2_0000_0000_0000 | u64::from(client),
                0xd1d2_0000_0000_0000 | u64::from(client),
            ),
        }
    }

    fn at(&mut self, us: i64, event: Event) {
        self.order += 1;
        self.queue.insert((us, self.order), event);
    }

    fn run(mut self) -> (Vec<Record>, Truth) {
        let start = self.profile.start_ms * 1_000;
        self.at(start, Event::Send(0, 0, vec![], SYN));
        if self.profile.dress != Dress::Ctcp {
            self.schedule_data();
            return self.play();
        }
        let (i, r) = self.cookies;
        let handshake = match &self.profile.path {
            Some(path) => 2 * (path.leg_us[0] + path.leg_us[1] + path.late_us),
            None => 0,
        };
        // The shape of aggressive mode, XAUTH, mode config and quick mode.
        for (n, (dir, exchange, id, len)) in [
            (0, 4, 0, 560),
            (1, 4, 0, 332),
            (0, 4, 0, 172),
            (1, 6, 7, 76),
            (0, 6, 7, 92),
            (0, 32, 9, 300),
            (1, 32, 9, 180),
            (0, 32, 9, 60),
        ]
        .into_iter()
        .enumerate()
        {
            let responder = if n == 0 { 0 } else { r };
            let us = start + handshake + 60_000 + n as i64 * 90_000;
            self.at(
                us,
                Event::Send(
                    dir,
                    0,
                    packet::ike(exchange, i, responder, id, len),
                    ACK | PSH,
                ),
            );
        }
        self.schedule_data();
        self.play()
    }

    fn play(mut self) -> (Vec<Record>, Truth) {
        while let Some((&(us, order), _)) = self.queue.iter().next() {
            if let Some(event) = self.queue.remove(&(us, order)) {
                self.handle(us, event);
            }
        }
        (self.records, self.truth)
    }

    /// Times at which a packet that starts at `us` ends its leg.
    fn cross(&mut self, us: i64, dir: usize, leg: usize) -> Vec<i64> {
        match (&self.profile.path, &mut self.crossing) {
            (Some(path), Some(crossing)) => crossing.cross(path, us, dir, leg),
            _ => vec![us + LEG_US],
        }
    }

    fn schedule_data(&mut self) {
        let profile = self.profile;
        let more = profile.broadcasts.iter().map(|s| (1, s));
        for (dir, stream) in profile.streams.iter().enumerate().chain(more) {
            let mut t = stream.from_ms;
            while t <= stream.to_ms {
                if let Some((_, end)) = stream.quiet.iter().find(|(a, b)| (*a..*b).contains(&t)) {
                    t = *end;
                    continue;
                }
                self.at(t * 1_000, Event::Send(dir, stream.bytes, vec![], ACK | PSH));
                t += stream.every_ms.max(1);
            }
            for (ms, bytes) in &stream.more {
                self.at(ms * 1_000, Event::Send(dir, *bytes, vec![], ACK | PSH));
            }
        }
        for dir in 0..2 {
            let every = profile.heartbeat_ms[dir];
            let mut t = profile.start_ms + 2_500 + 1_000 * dir as i64;
            while every > 0 && t <= profile.streams[dir].to_ms {
                self.at(t * 1_000, Event::Send(dir, 0, vec![], ACK));
                t += every;
            }
        }
        let last = profile.streams.iter().map(|s| s.to_ms).max().unwrap_or(0);
        let (i, r) = self.cookies;
        if profile.dpd_every_ms > 0 {
            let mut t = profile.start_ms + 2_000 + profile.dpd_every_ms;
            while t <= last {
                let message = packet::ike(5, i, r, t as u32, 92);
                self.at(t * 1_000, Event::Send(0, 0, message, ACK | PSH));
                t += profile.dpd_every_ms;
            }
        }
        if let Some(t) = profile.logout_ms {
            let message = packet::ike(5, i, r, t as u32, 84);
            self.at(t * 1_000, Event::Send(0, 0, message, ACK | PSH));
            self.at(t * 1_000 + 500_000, Event::Send(0, 0, vec![], RST));
        }
    }

    fn handle(&mut self, us: i64, event: Event) {
        match event {
            Event::Send(dir, bytes, payload, flags) => self.send(us, dir, bytes, payload, flags),
            Event::AtDevice(number, segment) => self.at_device(us, number, segment),
            Event::Arrive(segment) => self.arrive(us, &segment),
            Event::Owed(dir) => {
                self.ends[dir].waits = false;
                if self.ends[dir].owes {
                    self.send(us, dir, 0, vec![], ACK);
                }
            }
        }
    }

    fn send(&mut self, us: i64, dir: usize, bytes: usize, payload: Vec<u8>, flags: u8) {
        let dead = dir == 1
            && self
                .profile
                .headend_dies_ms
                .is_some_and(|t| us >= t * 1_000);
        if dead || self.ends[dir].closed {
            return;
        }
        let payload = if bytes > 0 {
            self.esp[dir] += 1;
            match self.profile.dress {
                Dress::Ctcp => packet::esp(self.spi[dir], self.esp[dir], bytes),
                _ => packet::opaque(self.esp[dir], bytes),
            }
        } else {
            payload
        };
        let flags = match self.profile.dress {
            Dress::Phantun => flags & !PSH,
            _ => flags,
        };
        let end = &mut self.ends[dir];
        end.ip_id = end.ip_id.wrapping_add(1);
        let is_reset = flags & RST != 0;
        let segment = Segment {
            dir,
            seq: if is_reset { 0 } else { end.next },
            ack: if is_reset { 0 } else { end.rcv.unwrap_or(0) },
            flags,
            window: match self.profile.dress {
                Dress::Udp2raw => 40_960 + end.ip_id.wrapping_mul(37) % 512,
                _ => self.profile.syn_window[dir]
                    .filter(|_| flags & SYN != 0)
                    .unwrap_or(self.profile.window[dir]),
            },
            options: packet::options(self.profile.dress, flags & SYN != 0, us as u32),
            ttl: match &self.profile.path {
                Some(path) => path.ttl[dir],
                None => [128, 255][dir],
            },
            ip_id: end.ip_id,
            payload,
        };
        if !is_reset {
            end.next = segment.end();
        }
        end.closed |= is_reset;
        end.owes = false;
        let number = if segment.payload.is_empty() {
            usize::MAX
        } else {
            end.sent
        };
        end.sent += usize::from(number != usize::MAX);
        if number != usize::MAX {
            self.truth.note_sent(dir, segment.seq, us);
        }
        self.record(us, [Tap::Client, Tap::Headend][dir], &segment);
        if self.profile.streams[dir].lose.contains(&number) {
            return;
        }
        for at in self.cross(us, dir, dir) {
            self.at(at, Event::AtDevice(number, segment.clone()));
        }
    }

    fn at_device(&mut self, us: i64, number: usize, segment: Segment) {
        let dir = segment.dir;
        let before = if dir == 0 {
            Tap::ClientSide
        } else {
            Tap::HeadendSide
        };
        // A queue that is let go may hold segments of both directions.
        let behind = [Tap::HeadendSide, Tap::ClientSide];
        self.record(us, before, &segment);
        let routers = self.profile.path.as_ref().map_or(1, |path| path.routers);
        let outcome = self.device.take(&self.scenario.device, segment, us / 1_000);
        for mut out in outcome.deliver {
            if self.scenario.device != Device::Proxy || out.ttl != 64 {
                out.ttl -= routers;
            }
            self.record(us + 60, behind[out.dir], &out);
            let lost = self.profile.streams[out.dir].lose_behind.contains(&number);
            let times = self.cross(us, out.dir, 1 - out.dir);
            for at in times.into_iter().filter(|_| !lost) {
                self.at(at, Event::Arrive(out.clone()));
            }
        }
        for out in outcome.answer {
            self.record(us + 80, before, &out);
            for at in self.cross(us, out.dir, 1 - out.dir) {
                self.at(at, Event::Arrive(out.clone()));
            }
        }
    }

    fn record(&mut self, us: i64, place: Tap, segment: &Segment) {
        let at_device = [Tap::ClientSide, Tap::HeadendSide].contains(&place);
        if self.scenario.tap != place && !(self.scenario.tap == Tap::BothPorts && at_device) {
            return;
        }
        let frame = packet::frame(segment, self.profile.client, self.profile.headend);
        self.records.push(Record {
            ts_ns: EPOCH_NS + us * 1_000,
            frame,
        });
    }

    fn arrive(&mut self, us: i64, segment: &Segment) {
        let to = 1 - segment.dir;
        self.record(us, [Tap::Client, Tap::Headend][to], segment);
        if to == 1
            && self
                .profile
                .headend_dies_ms
                .is_some_and(|t| us >= t * 1_000)
        {
            return;
        }
        if segment.flags & RST != 0 {
            self.ends[to].closed = true;
            if self.scenario.device == (Device::Tracking { reset: true }) {
                self.truth.torn_us.get_or_insert(us);
            }
            return;
        }
        if self.ends[to].closed {
            return;
        }
        if !segment.payload.is_empty() {
            self.truth.note_delivered(segment.dir, segment.seq, us);
            self.ends[to].owes = true;
            let delay = self.profile.delayed_ack_ms[to];
            if delay > 0 && !self.ends[to].waits {
                self.ends[to].waits = true;
                self.at(us + delay * 1_000, Event::Owed(to));
            }
        }
        // Empty segments carry no byte to acknowledge.
        if segment.end() != segment.seq {
            let habit = self.profile.ack[to];
            self.ends[to].receive(segment, habit);
        }
        if self.profile.dress == Dress::Udp2raw && !segment.payload.is_empty() {
            self.ends[to].hear(segment.ack);
        }
        let every = self.profile.bare_ack_every[to];
        if every > 0 && !segment.payload.is_empty() {
            self.ends[to].received += 1;
            if self.ends[to].received.is_multiple_of(every) {
                self.at(us + 200, Event::Send(to, 0, vec![], ACK));
            }
        }
        if segment.flags & SYN != 0 {
            let flags = if to == 1 { SYN | ACK } else { ACK };
            self.at(us + 100, Event::Send(to, 0, vec![], flags));
        }
        // A DPD request is answered by the same exchange.
        let is_request =
            to == 1 && segment.payload.len() == 8 + 92 + 16 && segment.payload[26] == 5;
        if is_request {
            let (i, r) = self.cookies;
            self.at(
                us + 2_000,
                Event::Send(1, 0, packet::ike(5, i, r, us as u32, 92), ACK | PSH),
            );
        }
    }
}
