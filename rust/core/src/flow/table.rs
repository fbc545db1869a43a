//! The bounded flow table: keyed hash, slab of records, pressure and refusal.
//!
//! The hash is keyed per process, so nobody outside can aim at a bucket (bug class
//! B15). Nothing that leaves the engine may depend on it: records are visited in
//! slab order, which depends on the input alone.

use super::addresses::Addresses;
use super::delta::Delta;
use super::index::Index;
use super::key::FlowKey;
use super::prepared::{NO_GUESS, Prepared, Preparer};
use super::record::{Aside, DetailSlab, Details, Flow, FlowRecord, NO_SESSION, TallySlab};
use super::slab::{Slab, per_chunk};
use super::tally::{NOTHING, Tally};
use crate::decode::decode;
use crate::frame::Frame;
use crate::prefetch::prefetch;
use crate::segment::{Endpoint, Head, TcpFlags};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Records looked at when a full table needs room, at most and at least. Bounds the cost
/// of one packet; fewer after each search in vain, so that a flood that can only be
/// refused costs little more than the look-up (guesses).
const PRESSURE_LOOKS: usize = 64;
const PRESSURE_LOOKS_IN_VAIN: usize = 4;
/// Records looked at for a tunnel: in a table with one ordinary flow in 64 a place is
/// missed once in ten million (e^-16).
const TUNNEL_LOOKS: usize = 1_024;
/// Idle time after which an ordinary flow may go under pressure (guess, between
/// Suricata's 60 s for new flows and its 600 s for established ones).
const IDLE_UNDER_PRESSURE_NS: i64 = 60 * NANOS_PER_SECOND;
/// Idle time of half-open and closed flows under pressure (Snort: 30 s embryonic).
const HALF_OPEN_UNDER_PRESSURE_NS: i64 = 5 * NANOS_PER_SECOND;
/// One part in this many of the table is kept from half-open flows: beyond their share
/// each new one takes the place of another, so that a flood leaves room for conversations
/// (guess: an eighth; a tap that sees millions of flows begin at once keeps the rest).
const KEPT_FROM_HALF_OPEN: usize = 8;
/// Flows between asking for the memory of one and dropping it (guess: some 500 ns).
const DROPPED_AHEAD: u32 = 8;
/// Idle time after which any flow without a session goes: Linux keeps established
/// conntrack entries for five days, a capture rarely spans one.
const IDLE_NS: i64 = 86_400 * NANOS_PER_SECOND;
/// Index slots of 8 bytes a flow at the emptiest, just after growing.
const INDEX_BYTES: usize = 22;

/// Where a record was found.
pub enum Entry {
    /// Existing record.
    Found(u32),
    /// New record.
    Created(u32),
    /// The table is full of flows younger than the pressure limits.
    Refused,
}

/// A flow's own bytes.
const fn flow_bytes(keeps_totals: bool) -> usize {
    let totals = if keeps_totals { size_of::<Tally>() } else { 0 };
    size_of::<FlowRecord>() + size_of::<Details>() + totals
}

/// All flows.
pub struct FlowTable {
    index: Index,
    preparer: Preparer,
    records: Slab<FlowRecord, { per_chunk(size_of::<FlowRecord>()) }>,
    /// By the same number, away from what most segments need.
    details: DetailSlab,
    /// By the same number, where flows are listed.
    tallies: Option<TallySlab>,
    /// By the same number, of IPv6 conversations.
    addresses: Addresses,
    free: Vec<u32>,
    /// What `max_records` was made of.
    max_bytes: usize,
    max_records: usize,
    hand: u32,
    /// Flows that are half open, and where the search for one to drop goes on.
    half_open: usize,
    half_open_hand: u32,
    looks: usize,
    sweep: u32,
    /// Flows dropped to make room.
    pub evicted: u64,
    /// Flows dropped because they were idle.
    pub expired: u64,
}

impl FlowTable {
    /// A table that holds at most `max_bytes` of records and index. With `keeps_totals` a flow
    /// has totals for lists.
    pub fn new(max_bytes: usize, keeps_totals: bool) -> Self {
        let mut table = Self {
            index: Index::new(),
            preparer: Preparer::default(),
            records: Slab::default(),
            details: Slab::default(),
            tallies: keeps_totals.then(Slab::default),
            addresses: Addresses::default(),
            free: Vec::new(),
            max_bytes,
            max_records: 1,
            hand: 0,
            half_open: 0,
            half_open_hand: 0,
            looks: PRESSURE_LOOKS,
            sweep: 0,
            evicted: 0,
            expired: 0,
        };
        table.bound(max_bytes);
        table
    }

    fn flow_bytes(&self) -> usize {
        flow_bytes(self.tallies.is_some())
    }

    /// Changes the bound. Flows beyond a smaller one stay until they go by themselves.
    pub fn bound(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
        let flows =
            max_bytes.saturating_sub(self.addresses.bytes()) / (self.flow_bytes() + INDEX_BYTES);
        self.max_records = flows.clamp(1, u32::MAX as usize - 1);
        self.index.expect(self.max_records);
    }

    /// Memory of records and index, bytes.
    pub fn bytes(&self) -> usize {
        self.records.len() * self.flow_bytes() + self.index.bytes() + self.addresses.bytes()
    }

    /// Records that are there, free ones included.
    pub fn places(&self) -> u32 {
        self.records.len() as u32
    }

    /// The conversation at `at`, if one is there.
    pub fn used(&self, at: u32) -> Option<Flow<'_>> {
        (at < self.places() && self.records.get(at).is_used()).then(|| self.flow(at))
    }

    /// Both ends of the conversation at `at`, the lower one first.
    pub fn ends(&self, at: u32) -> [Endpoint; 2] {
        let flow = self.flow(at);
        flow.ends(if flow.record().is_v6() {
            self.addresses.get(at)
        } else {
            None
        })
    }

    /// Keeps the addresses of a conversation of IPv6 that was created for `frame`.
    #[cold]
    pub fn note_addresses(&mut self, at: u32, key: &Prepared, frame: &Frame<'_>) {
        let segment = key.segment(frame, None).or_else(|| decode(frame).ok());
        let Some((ends, _)) = segment.as_ref().map(FlowKey::of) else {
            return;
        };
        let before = self.addresses.bytes();
        self.addresses.put(at, [ends.low.addr, ends.high.addr]);
        self.records.get_mut(at).set_v6();
        if self.addresses.bytes() != before {
            self.bound(self.max_bytes);
        }
    }

    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when the table holds no flow.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Flows that found no place because their hashes were alike: somebody aims.
    pub fn probes_exceeded(&self) -> u64 {
        self.index.probes_exceeded
    }

    /// The record at `at` and what is kept beside it.
    #[inline]
    pub fn get_mut(&mut self, at: u32) -> (&mut FlowRecord, &mut Details) {
        (self.records.get_mut(at), self.details.get_mut(at))
    }

    /// The flow at `at`.
    pub fn flow(&self, at: u32) -> Flow<'_> {
        let tally = self.tallies.as_ref().map(|slab| slab.get(at));
        Flow::new(
            self.records.get(at),
            self.details.get(at),
            tally.unwrap_or(&NOTHING),
        )
    }

    /// Hands over every conversation from `from` to before `until`; in one go those that lie
    /// side by side, so that little is done for each.
    pub fn each(&self, from: u32, until: u32, mut see: impl FnMut(u32, Flow<'_>)) {
        let (mut at, until) = (from, until.min(self.places()));
        while at < until {
            let records = self.records.run(at, until);
            let details = self.details.run(at, until);
            let tallies = self.tallies.as_ref().map(|slab| slab.run(at, until));
            let few = records.len().min(details.len());
            let few = tallies.map_or(few, |tallies| few.min(tallies.len()));
            if few == 0 {
                return;
            }
            for (n, (record, details)) in records.iter().zip(details).take(few).enumerate() {
                if record.is_used() {
                    let tally = tallies.and_then(|tallies| tallies.get(n));
                    let tally = tally.unwrap_or(&NOTHING);
                    see(at + n as u32, Flow::new(record, details, tally));
                }
            }
            at += few as u32;
        }
    }

    /// What prepares frames for this table.
    pub fn preparer(&self) -> &Preparer {
        &self.preparer
    }

    /// Asks for the slot of the index that `key` leads to.
    #[inline]
    pub fn prefetch_index(&self, key: &Prepared) {
        self.index.prefetch(key.hash);
    }

    /// Fills in the record that `key` most likely has, and asks for it. True for a SYN, which needs more.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "every frame goes through it")]
    pub fn guess(&self, key: &mut Prepared) -> bool {
        let is_syn = key.head().flags.any(TcpFlags::SYN);
        if let Some(guess) = self.index.peek(key.hash) {
            key.guess = guess;
            prefetch(self.records.get(guess));
            if is_syn {
                prefetch(self.details.get(guess));
            }
        }
        is_syn
    }

    /// The session of the record that `key` most likely has.
    #[inline]
    pub fn session_of(&self, key: &Prepared) -> u32 {
        if key.guess == NO_GUESS {
            return NO_SESSION;
        }
        self.records.get(key.guess).session
    }

    /// Measures a segment in the record that was guessed for it, where that is the right one and nothing out
    /// of the ordinary is to do: as [`FlowTable::entry`] and [`FlowTable::measure`] would.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "every segment goes through it")]
    pub fn measure_guessed(
        &mut self,
        key: &Prepared,
        head: &Head,
    ) -> Option<(Delta, &mut FlowRecord)> {
        if key.guess == NO_GUESS || !head.flags.is_plain_ack() {
            return None;
        }
        let record = self.records.get_mut(key.guess);
        if !record.is_used() || record.key != key.key || !record.is_settled() {
            return None;
        }
        let mut details = Aside {
            slab: &mut self.details,
            tallies: self.tallies.as_mut(),
            at: key.guess,
        };
        let delta = record.on_segment::<true>(&mut details, key.sender(), head);
        add_up(self.tallies.as_mut(), key.guess, delta);
        Some((delta, record))
    }

    /// Finds or makes the record of `key`.
    pub fn entry(&mut self, key: &Prepared, now: Timestamp) -> Entry {
        if key.guess != NO_GUESS {
            // A record that was given up meanwhile is not in use, or has another key.
            let record = self.records.get(key.guess);
            if record.is_used() && record.key == key.key {
                return Entry::Found(key.guess);
            }
        }
        let records = &self.records;
        if let Some(at) = self
            .index
            .find(key.hash, |at| records.get(at).key == key.key)
        {
            return Entry::Found(at);
        }
        let most_half_open = self.max_records - self.max_records / KEPT_FROM_HALF_OPEN;
        let has_room = (self.half_open >= most_half_open && self.drop_half_open())
            || self.index.len() < self.max_records
            || self.make_room(now);
        if has_room {
            self.create(key, now)
        } else {
            Entry::Refused
        }
    }

    /// Measures one segment sent by side `dir` in the record at `at`, which is handed back;
    /// see [`FlowRecord::on_segment`].
    #[inline(never)]
    pub fn measure(&mut self, at: u32, dir: usize, head: &Head) -> (Delta, &mut FlowRecord) {
        let record = self.records.get_mut(at);
        let was_half_open = record.is_half_open();
        let mut details = Aside {
            slab: &mut self.details,
            tallies: self.tallies.as_mut(),
            at,
        };
        let delta = record.on_segment::<false>(&mut details, dir, head);
        add_up(self.tallies.as_mut(), at, delta);
        record.settle();
        if was_half_open != record.is_half_open() {
            // Only a new conversation on the same ends makes one half open again.
            self.half_open = if was_half_open {
                self.half_open.saturating_sub(1)
            } else {
                self.half_open + 1
            };
        }
        (delta, record)
    }

    /// Starts a new conversation in the record at `at`; see [`FlowRecord::renew`].
    pub fn renew(&mut self, at: u32, now: Timestamp, opener: usize) {
        let (record, details) = (self.records.get_mut(at), self.details.get_mut(at));
        self.half_open += usize::from(!record.is_half_open());
        record.renew(details, now);
        if let Some(tallies) = &mut self.tallies {
            *tallies.get_mut(at) = Tally::default();
        }
        record.set_opener(opener);
    }

    /// Takes the next half-open flow out, the oldest as the slab lies.
    #[cold]
    fn drop_half_open(&mut self) -> bool {
        let len = self.records.len() as u32;
        for _ in 0..PRESSURE_LOOKS.min(self.records.len()) {
            let at = self.half_open_hand % len;
            self.half_open_hand = at + 1;
            let r = self.records.get(at);
            if r.is_used() && r.session == NO_SESSION && r.is_half_open() {
                self.remove(at);
                self.evicted += 1;
                self.prefetch_behind(self.half_open_hand);
                return true;
            }
        }
        false
    }

    /// Asks for what it takes to drop the flows that come next behind `hand`: a flood
    /// drops one with every packet.
    fn prefetch_behind(&self, hand: u32) {
        let len = self.records.len() as u32;
        let soon = self.records.get((hand + DROPPED_AHEAD) % len);
        self.index.prefetch(self.preparer.hash(&soon.key));
        prefetch(self.records.get((hand + 2 * DROPPED_AHEAD) % len));
    }

    /// Makes the record of a flow that was refused and has proved to be a tunnel: an
    /// ordinary flow goes for it, however young. Refused when there are only tunnels.
    #[cold]
    pub fn entry_of_tunnel(&mut self, key: &Prepared, now: Timestamp) -> Entry {
        let len = self.records.len() as u32;
        for _ in 0..TUNNEL_LOOKS.min(self.records.len()) {
            let at = self.hand;
            self.hand = (self.hand + 1) % len;
            let r = self.records.get(at);
            if r.is_used() && r.session == NO_SESSION {
                self.remove(at);
                self.evicted += 1;
                return self.create(key, now);
            }
        }
        Entry::Refused
    }

    fn create(&mut self, key: &Prepared, now: Timestamp) -> Entry {
        let record = FlowRecord::new(key.key, now);
        let details = Details::new(now);
        let at = if let Some(at) = self.free.pop() {
            *self.records.get_mut(at) = record;
            *self.details.get_mut(at) = details;
            if let Some(tallies) = &mut self.tallies {
                *tallies.get_mut(at) = Tally::default();
            }
            at
        } else {
            self.details.push(details);
            if let Some(tallies) = &mut self.tallies {
                tallies.push(Tally::default());
            }
            self.records.push(record)
        };
        if !self.index.insert(key.hash, at) {
            self.records.get_mut(at).free();
            self.free.push(at);
            return Entry::Refused;
        }
        self.half_open += 1;
        Entry::Created(at)
    }

    fn remove(&mut self, at: u32) {
        let record = self.records.get(at);
        let hash = self.preparer.hash(&record.key);
        let was_half_open = record.is_half_open();
        if self.index.remove(hash, at) {
            self.half_open -= usize::from(was_half_open).min(self.half_open);
            self.records.get_mut(at).free();
            self.free.push(at);
        }
    }

    /// Second-chance hand over the slab; flows with a session are never evicted here.
    fn make_room(&mut self, now: Timestamp) -> bool {
        let len = self.records.len() as u32;
        for _ in 0..self.looks.min(self.records.len()) {
            let at = self.hand;
            self.hand = (self.hand + 1) % len;
            let r = self.records.get(at);
            let limit = if r.is_closed() || r.is_one_way() {
                HALF_OPEN_UNDER_PRESSURE_NS
            } else {
                IDLE_UNDER_PRESSURE_NS
            };
            if r.is_used() && r.session == NO_SESSION && now.since(r.last()) > limit {
                self.remove(at);
                self.evicted += 1;
                self.looks = (self.looks * 2).min(PRESSURE_LOOKS);
                self.prefetch_behind(self.hand);
                return true;
            }
        }
        self.looks = (self.looks / 2).max(PRESSURE_LOOKS_IN_VAIN);
        false
    }

    /// One step of the incremental idle sweep: at most 1/256 of the slab.
    pub fn sweep(&mut self, now: Timestamp) {
        self.index.move_more();
        let len = self.records.len();
        let steps = (len / 256 + 16).min(len);
        for _ in 0..steps {
            self.sweep = (self.sweep + 1) % len.max(1) as u32;
            let r = self.records.get(self.sweep);
            if r.is_used() && r.session == NO_SESSION && now.since(r.last()) > IDLE_NS {
                self.remove(self.sweep);
                self.expired += 1;
            }
        }
    }

    /// Takes the session off a record so that the flow becomes ordinary again.
    pub fn release_session(&mut self, at: u32) {
        if (at as usize) < self.records.len() {
            self.records.get_mut(at).session = NO_SESSION;
        }
    }
}

/// Adds what a segment of the flow at `at` added to its totals, where they are kept.
#[inline]
fn add_up(tallies: Option<&mut TallySlab>, at: u32, delta: Delta) {
    if !delta.is_nothing()
        && let Some(tallies) = tallies
    {
        tallies.get_mut(at).add(delta);
    }
}

#[cfg(test)]
mod tests;
