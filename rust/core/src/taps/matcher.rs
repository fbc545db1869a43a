//! Matches the sightings of two taps and keeps the numbers per pair of sessions.
//!
//! Every sighting waits, in the order of its tap, until the other tap has gone
//! [`WAIT_NS`] past the moment at which the packet was due there; then it is decided.
//! Which of the two taps comes first in the input makes no difference.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ahash::RandomState;
use hashbrown::HashMap;

use super::clock_offset::{ClockOffset, Estimate, Refusal};
use super::judge::{DeviceJudgement, TapMissed, UNDECIDED, judge};
use super::pair::{EspPacket, Flow};
use super::spi_track::{Seen, SpiTrack, Taken};
use super::watch::Watch;
use super::{EspSighting, LAST_WAIT_NS, Side, WAIT_NS};
use crate::segment::Endpoint;
use crate::session::{TO_CLIENT, TO_HEADEND};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Sightings of one tap that wait (guess: ten seconds at 100,000 ESP packets a
/// second; about 100 bytes each).
const MAX_WAITING: usize = 1 << 20;
/// SPIs followed at once (guess: a rekeying pair for each of 60,000 sessions).
const MAX_SPIS: usize = 1 << 18;
/// Sessions known at once, both taps together: twice what one engine tracks.
const MAX_SESSIONS: usize = 200_000;
/// Due for this long at the end of the input a packet is overdue: no queue holds it
/// that long, a release timer may.
const OVERDUE_NS: i64 = NANOS_PER_SECOND;
/// An SPI without a packet for this long makes room when there is none.
const SPI_IDLE_NS: i64 = 600 * NANOS_PER_SECOND;

/// What the matcher did and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// ESP packets seen, by side.
    pub sightings: [u64; 2],
    /// Pairs of sessions found.
    pub pairs: u64,
    /// Sessions of which no packet was seen at the other tap, by side.
    pub sessions_alone: [u64; 2],
    /// Packets that neither matched nor belong to a session that did.
    pub unpaired_pkts: u64,
    /// Seen again after they had been decided.
    pub late_pkts: u64,
    /// With a sequence number far from those in use.
    pub doubtful_pkts: u64,
    /// Of an SPI that two sessions share at one tap.
    pub shared_spi_pkts: u64,
    /// Decided early because too many waited.
    pub overflow_pkts: u64,
    /// Not followed because a table was full.
    pub refused_pkts: u64,
}

/// One session seen at both taps.
#[derive(Clone, Debug)]
pub struct MatchedPair {
    /// Session at the client-side tap and at the headend-side tap.
    pub sessions: [u64; 2],
    /// Client and headend as each tap sees them.
    pub ends: [(Endpoint, Endpoint); 2],
    /// What went to the headend and what went to the client.
    pub flows: [Flow; 2],
    /// The judgement on each direction.
    pub judgements: [DeviceJudgement; 2],
    /// Offset of the clocks, or why none is stated.
    pub clock: Result<Estimate, Refusal>,
    /// What each tap missed of the packets it is the first to see.
    pub missed: [TapMissed; 2],
    /// First and last packet, by the clock of the client-side tap where known.
    pub span: (Timestamp, Timestamp),
    /// Packet time of this report.
    pub at: Timestamp,
    /// Nothing will be added.
    pub is_final: bool,
}

#[derive(Debug)]
struct Pair {
    sessions: [u64; 2],
    ends: [(Endpoint, Endpoint); 2],
    flows: [Flow; 2],
    is_stopped: [bool; 2],
    has_ended: [bool; 2],
    span: (Timestamp, Timestamp),
}

#[derive(Debug)]
struct Known {
    ends: (Endpoint, Endpoint),
    pairs: Vec<u64>,
    has_ended: bool,
}

type SpiKey = (usize, u32);

/// What the other tap can say about a packet that it has not seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherTap {
    /// It was watching all the time.
    Watched,
    /// It was watching, and the input ended too soon.
    Overdue,
    /// It was not watching, or only just.
    Blind,
}

/// Matches the ESP packets of two taps.
#[derive(Debug)]
pub struct TapMatcher {
    spis: HashMap<SpiKey, SpiTrack, RandomState>,
    waiting: [VecDeque<(Timestamp, SpiKey, u64)>; 2],
    known: HashMap<(usize, u64), Known, RandomState>,
    numbers: HashMap<[u64; 2], u64, RandomState>,
    pairs: BTreeMap<u64, Pair>,
    next_pair: u64,
    changed: BTreeSet<u64>,
    /// Pairs whose sessions ended, and the time of each tap then.
    closing: VecDeque<([Option<Timestamp>; 2], u64)>,
    clock: ClockOffset,
    missed: [TapMissed; 2],
    watch: [Option<Watch>; 2],
    reports: Vec<MatchedPair>,
    counters: Counters,
}

impl Default for TapMatcher {
    fn default() -> Self {
        let hasher = RandomState::new;
        Self {
            spis: HashMap::with_hasher(hasher()),
            waiting: Default::default(),
            known: HashMap::with_hasher(hasher()),
            numbers: HashMap::with_hasher(hasher()),
            pairs: BTreeMap::new(),
            next_pair: 0,
            changed: BTreeSet::new(),
            closing: VecDeque::new(),
            clock: ClockOffset::default(),
            missed: Default::default(),
            watch: [None, None],
            reports: Vec::new(),
            counters: Counters::default(),
        }
    }
}

impl TapMatcher {
    /// Takes one ESP packet seen at one tap.
    pub fn take(&mut self, s: &EspSighting) {
        let side = s.side.index();
        self.counters.sightings[side] += 1;
        let key = (s.dir, s.spi);
        if !self.knows(side, s) || !self.has_room(key, s.ts) {
            self.counters.refused_pkts += 1;
            return;
        }
        let track = self.spis.entry(key).or_default();
        if track.is_shared {
            self.counters.shared_spi_pkts += 1;
            return;
        }
        match track.take(s) {
            Taken::Waits(seq) => self.wait(side, s.ts, key, seq),
            Taken::Matched { at, is_recut, seq } => {
                self.wait(side, s.ts, key, seq);
                self.matched(s, at, is_recut);
            }
            Taken::Repeated => {
                if let Some(pair) = self.pair_of(side, s.session) {
                    pair.flows[s.dir].repeated += 1;
                }
            }
            Taken::Late => self.counters.late_pkts += 1,
            Taken::Doubtful => self.counters.doubtful_pkts += 1,
            Taken::Collision => {
                track.is_shared = true;
                self.counters.shared_spi_pkts += 1;
            }
        }
    }

    /// The tap at `side` has reached packet time `now`; its first frame was at `first`.
    pub fn advance(&mut self, side: Side, first: Timestamp, now: Timestamp) {
        self.watch[side.index()]
            .get_or_insert_with(|| Watch::new(first, now))
            .reach(now);
        self.expire(WAIT_NS);
        self.report_changes();
        self.close_pairs();
    }

    /// Decides every sighting that was due at the other tap more than `wait_ns` ago.
    fn expire(&mut self, wait_ns: i64) {
        for side in 0..2 {
            while let Some(&(ts, key, seq)) = self.waiting[side].front() {
                let due = self.due_at_other(side, key.0, ts);
                let (Some(due), Some(watch)) = (due, &self.watch[1 - side]) else {
                    break;
                };
                if !watch.has_passed(due, wait_ns) {
                    break;
                }
                let other = if watch.covers(due) {
                    OtherTap::Watched
                } else {
                    OtherTap::Blind
                };
                self.waiting[side].pop_front();
                self.decide(side, ts, key, seq, other);
            }
        }
    }

    /// Session `session` at the tap of `side` has ended.
    pub fn session_ended(&mut self, side: Side, session: u64) {
        let side = side.index();
        let Some(known) = self.known.get_mut(&(side, session)) else {
            return;
        };
        known.has_ended = true;
        if known.pairs.is_empty() {
            self.counters.sessions_alone[side] += 1;
            self.known.remove(&(side, session));
            return;
        }
        for number in known.pairs.clone() {
            let Some(pair) = self.pairs.get_mut(&number) else {
                continue;
            };
            pair.has_ended[side] = true;
            if pair.has_ended == [true; 2] {
                let now = |w: &Option<Watch>| w.as_ref().map(Watch::now);
                let ended = [now(&self.watch[0]), now(&self.watch[1])];
                self.closing.push_back((ended, number));
            }
        }
    }

    /// Ends both inputs: what still waits stays undecided, every pair is reported.
    pub fn finish(&mut self) {
        self.expire(LAST_WAIT_NS);
        for side in 0..2 {
            while let Some((ts, key, seq)) = self.waiting[side].pop_front() {
                let is_overdue = self
                    .due_at_other(side, key.0, ts)
                    .zip(self.watch[1 - side].as_ref())
                    .is_some_and(|(due, w)| w.covers(due) && w.has_passed(due, OVERDUE_NS));
                let other = if is_overdue {
                    OtherTap::Overdue
                } else {
                    OtherTap::Blind
                };
                self.decide(side, ts, key, seq, other);
            }
        }
        self.changed.clear();
        self.closing.clear();
        for number in self.pairs.keys().copied().collect::<Vec<_>>() {
            self.close(number);
        }
        for (side, _) in self.known.keys() {
            self.counters.sessions_alone[*side] += 1;
        }
        self.known.clear();
    }

    /// Takes the reports made since the last call.
    pub fn drain(&mut self) -> Vec<MatchedPair> {
        std::mem::take(&mut self.reports)
    }

    /// True when reports wait.
    pub fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    /// What was done and refused.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sightings that wait, both taps together.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    fn knows(&mut self, side: usize, s: &EspSighting) -> bool {
        if self.known.contains_key(&(side, s.session)) {
            return true;
        }
        let has_room = self.known.len() < MAX_SESSIONS;
        if has_room {
            let known = Known {
                ends: s.ends,
                pairs: Vec::new(),
                has_ended: false,
            };
            self.known.insert((side, s.session), known);
        }
        has_room
    }

    fn has_room(&mut self, key: SpiKey, now: Timestamp) -> bool {
        if self.spis.len() < MAX_SPIS || self.spis.contains_key(&key) {
            return true;
        }
        self.spis.retain(|_, track| {
            !track.is_idle() || now.since(track.last).saturating_abs() < SPI_IDLE_NS
        });
        self.spis.len() < MAX_SPIS
    }

    fn wait(&mut self, side: usize, ts: Timestamp, key: SpiKey, seq: u64) {
        if self.waiting[side].len() >= MAX_WAITING
            && let Some((ts, key, seq)) = self.waiting[side].pop_front()
        {
            self.counters.overflow_pkts += 1;
            self.decide(side, ts, key, seq, OtherTap::Blind);
        }
        self.waiting[side].push_back((ts, key, seq));
    }

    /// When a packet seen at `side` is due at the other tap, by that tap's clock.
    fn due_at_other(&self, side: usize, dir: usize, ts: Timestamp) -> Option<Timestamp> {
        let raw = self.clock.expected(dir)?;
        Some(if side == dir {
            ts.plus(raw)
        } else {
            ts.plus(raw.saturating_neg())
        })
    }

    fn matched(&mut self, s: &EspSighting, at: [(Timestamp, u64); 2], is_recut: bool) {
        let (entered, left) = (at[s.dir].0, at[1 - s.dir].0);
        let raw = left.since(entered);
        self.clock.add(s.dir, entered, raw);
        self.missed[s.dir].of += 1;
        let number = self.pair_number([at[0].1, at[1].1], at[0].0);
        let Some(pair) = self.pairs.get_mut(&number) else {
            return;
        };
        pair.span.1 = pair.span.1.max(at[0].0);
        let flow = &mut pair.flows[s.dir];
        let packet = EspPacket {
            at: entered,
            spi: s.spi,
            seq: s.seq,
        };
        flow.on_matched(packet, raw, is_recut);
        if pair.is_stopped[s.dir] && flow.stop().is_none() {
            self.changed.insert(number);
        }
    }

    /// Number of the pair of these sessions, made when they are new.
    fn pair_number(&mut self, sessions: [u64; 2], first: Timestamp) -> u64 {
        if let Some(number) = self.numbers.get(&sessions) {
            return *number;
        }
        let number = self.next_pair;
        self.next_pair += 1;
        self.counters.pairs += 1;
        let mut ends = [(Endpoint::default(), Endpoint::default()); 2];
        let mut has_ended = [false; 2];
        for (side, session) in sessions.iter().enumerate() {
            if let Some(known) = self.known.get_mut(&(side, *session)) {
                ends[side] = known.ends;
                has_ended[side] = known.has_ended;
                known.pairs.push(number);
            }
        }
        let pair = Pair {
            sessions,
            ends,
            flows: Default::default(),
            is_stopped: [false; 2],
            has_ended,
            span: (first, first),
        };
        self.numbers.insert(sessions, number);
        self.pairs.insert(number, pair);
        number
    }

    /// The pair that packets of a session belong to when the other tap does not tell:
    /// its newest one (a NAT that binds anew gives a session another partner).
    fn pair_of(&mut self, side: usize, session: u64) -> Option<&mut Pair> {
        let number = self.known.get(&(side, session))?.pairs.last()?;
        self.pairs.get_mut(number)
    }

    /// Ends the wait of one packet seen at `side`.
    fn decide(&mut self, side: usize, ts: Timestamp, key: SpiKey, seq: u64, other: OtherTap) {
        let (dir, spi) = key;
        let Some(track) = self.spis.get_mut(&key) else {
            return;
        };
        let Some(Seen { at, .. }) = track.decide(seq) else {
            return;
        };
        let (None, Some((_, session))) = (at[1 - side], at[side]) else {
            return;
        };
        if track.is_shared {
            self.counters.shared_spi_pkts += 1;
            return;
        }
        let has_entered = side == dir;
        let other = if track.may_have_passed_unnoted(1 - side, seq) {
            OtherTap::Blind
        } else {
            other
        };
        if !(track.is_matched() || (has_entered && track.is_believed())) {
            self.counters.unpaired_pkts += 1;
            return;
        }
        let Some(number) = self
            .known
            .get(&(side, session))
            .and_then(|k| k.pairs.last().copied())
        else {
            self.counters.unpaired_pkts += 1;
            return;
        };
        let Some(pair) = self.pairs.get_mut(&number) else {
            return;
        };
        let flow = &mut pair.flows[dir];
        match (has_entered, other) {
            (true, OtherTap::Watched) => {
                flow.on_lost(EspPacket {
                    at: ts,
                    spi,
                    seq: seq as u32,
                });
                if !pair.is_stopped[dir] && flow.stop().is_some() {
                    self.changed.insert(number);
                }
            }
            (false, OtherTap::Watched) => {
                flow.appeared += 1;
                self.missed[dir].of += 1;
                self.missed[dir].missed += 1;
            }
            (true, other) => {
                flow.undecided_entered += 1;
                flow.overdue += u64::from(other == OtherTap::Overdue);
            }
            (false, _) => flow.undecided_left += 1,
        }
    }

    fn report_changes(&mut self) {
        for number in std::mem::take(&mut self.changed) {
            if let Some(report) = self.report(number, false) {
                self.reports.push(report);
            }
        }
    }

    fn close_pairs(&mut self) {
        while let Some((ended, number)) = self.closing.front() {
            // Everything seen before the end is decided.
            let is_over = ended.iter().zip(&self.waiting).all(|(ended, waiting)| {
                let oldest = waiting.front().map(|(ts, ..)| *ts);
                oldest.zip(*ended).is_none_or(|(ts, ended)| ts > ended)
            });
            if !is_over {
                return;
            }
            let number = *number;
            self.closing.pop_front();
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(report) = self.report(number, true) {
            self.reports.push(report);
        }
        let Some(pair) = self.pairs.remove(&number) else {
            return;
        };
        self.changed.remove(&number);
        self.numbers.remove(&pair.sessions);
        for (side, session) in pair.sessions.iter().enumerate() {
            // Both have ended: neither finds another partner.
            self.known.remove(&(side, *session));
        }
    }

    fn report(&mut self, number: u64, is_final: bool) -> Option<MatchedPair> {
        let missed = self.missed;
        let at = self.watch.iter().flatten().map(Watch::now).max()?;
        let clock = self.clock.estimate();
        let pair = self.pairs.get_mut(&number)?;
        let judgements = [TO_HEADEND, TO_CLIENT].map(|dir| match clock {
            Err(why) if why.is_about_the_taps() => UNDECIDED,
            _ => judge(&pair.flows[dir], missed[1 - dir]),
        });
        pair.is_stopped = [TO_HEADEND, TO_CLIENT].map(|dir| pair.flows[dir].stop().is_some());
        Some(MatchedPair {
            sessions: pair.sessions,
            ends: pair.ends,
            flows: pair.flows.clone(),
            judgements,
            clock,
            missed,
            span: pair.span,
            at,
            is_final,
        })
    }
}
