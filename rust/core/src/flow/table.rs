//! The bounded flow table: keyed hash, slab of records, pressure and refusal.
//!
//! The hash is keyed per process, so nobody outside can aim at a bucket (bug class
//! B15). Nothing that leaves the engine may depend on it: records are visited in
//! slab order, which depends on the input alone.

use ahash::RandomState;
use hashbrown::HashTable;

use super::key::FlowKey;
use super::record::{FlowRecord, NO_SESSION};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Records looked at when a full table needs room. Bounds the cost of one packet.
const PRESSURE_LOOKS: usize = 64;
/// Idle time after which an ordinary flow may go under pressure (guess, between
/// Suricata's 60 s for new flows and its 600 s for established ones).
const IDLE_UNDER_PRESSURE_NS: i64 = 60 * NANOS_PER_SECOND;
/// Idle time of half-open and closed flows under pressure (Snort: 30 s embryonic).
const HALF_OPEN_UNDER_PRESSURE_NS: i64 = 5 * NANOS_PER_SECOND;
/// Idle time after which any flow without a session goes: Linux keeps established
/// conntrack entries for five days, a capture rarely spans one.
const IDLE_NS: i64 = 86_400 * NANOS_PER_SECOND;

/// Where a record was found.
pub enum Entry {
    /// Existing record.
    Found(u32),
    /// New record.
    Created(u32),
    /// The table is full of flows younger than the pressure limits.
    Refused,
}

/// All flows.
pub struct FlowTable {
    index: HashTable<u32>,
    hasher: RandomState,
    records: Vec<FlowRecord>,
    free: Vec<u32>,
    max_records: usize,
    hand: usize,
    sweep: usize,
    /// Flows dropped to make room.
    pub evicted: u64,
    /// Flows dropped because they were idle.
    pub expired: u64,
}

impl FlowTable {
    /// A table that holds at most `max_bytes` of records and index.
    pub fn new(max_bytes: usize) -> Self {
        let per_flow = size_of::<FlowRecord>() + 8;
        Self {
            index: HashTable::new(),
            hasher: RandomState::new(),
            records: Vec::new(),
            free: Vec::new(),
            max_records: (max_bytes / per_flow).clamp(1, u32::MAX as usize - 1),
            hand: 0,
            sweep: 0,
            evicted: 0,
            expired: 0,
        }
    }

    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when the table holds no flow.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The record at `at`.
    pub fn get_mut(&mut self, at: u32) -> &mut FlowRecord {
        &mut self.records[at as usize]
    }

    /// Finds or makes the record of `key`.
    pub fn entry(&mut self, key: &FlowKey, now: Timestamp) -> Entry {
        let hash = self.hasher.hash_one(key);
        let records = &self.records;
        if let Some(at) = self
            .index
            .find(hash, |at| records[*at as usize].key == *key)
        {
            return Entry::Found(*at);
        }
        if self.index.len() >= self.max_records && !self.make_room(now) {
            return Entry::Refused;
        }
        let record = FlowRecord::new(*key, now);
        let at = if let Some(at) = self.free.pop() {
            self.records[at as usize] = record;
            at
        } else {
            self.records.push(record);
            self.records.len() as u32 - 1
        };
        let (records, hasher) = (&self.records, &self.hasher);
        self.index
            .insert_unique(hash, at, |at| hasher.hash_one(records[*at as usize].key));
        Entry::Created(at)
    }

    fn remove(&mut self, at: u32) {
        let hash = self.hasher.hash_one(self.records[at as usize].key);
        if let Ok(entry) = self.index.find_entry(hash, |x| *x == at) {
            entry.remove();
            self.records[at as usize].is_used = false;
            self.free.push(at);
        }
    }

    /// Second-chance hand over the slab; flows with a session are never evicted here.
    fn make_room(&mut self, now: Timestamp) -> bool {
        for _ in 0..PRESSURE_LOOKS.min(self.records.len()) {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.records.len();
            let r = &self.records[at];
            let limit = if r.is_closed || r.is_one_way() {
                HALF_OPEN_UNDER_PRESSURE_NS
            } else {
                IDLE_UNDER_PRESSURE_NS
            };
            if r.is_used && r.session == NO_SESSION && now.since(r.last) > limit {
                self.remove(at as u32);
                self.evicted += 1;
                return true;
            }
        }
        false
    }

    /// One step of the incremental idle sweep: at most 1/256 of the slab.
    pub fn sweep(&mut self, now: Timestamp) {
        let steps = (self.records.len() / 256 + 16).min(self.records.len());
        for _ in 0..steps {
            self.sweep = (self.sweep + 1) % self.records.len().max(1);
            let r = &self.records[self.sweep];
            if r.is_used && r.session == NO_SESSION && now.since(r.last) > IDLE_NS {
                self.remove(self.sweep as u32);
                self.expired += 1;
            }
        }
    }

    /// Takes the session off a record so that the flow becomes ordinary again.
    pub fn release_session(&mut self, at: u32) {
        if let Some(r) = self.records.get_mut(at as usize) {
            r.session = NO_SESSION;
        }
    }
}
