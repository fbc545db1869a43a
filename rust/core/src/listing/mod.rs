//! Long lists for a screen: which rows of a table are wanted, and in which order. A pass looks
//! at a table in steps, between which the engine works on; it changes nothing.
//!
//! A row is ranked by one number, so that a million of them are sorted fast and elsewhere.

mod filter;
pub(crate) mod flows;
pub(crate) mod sessions;

pub use filter::{Filter, MAX_TERMS, Term, Unfit};
pub use flows::FlowRow;
pub use sessions::rank_session;

use crate::segment::Endpoint;
use crate::time::Timestamp;

/// What a list is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tunnel sessions.
    Sessions,
    /// Every TCP conversation.
    Flows,
}

/// A number or an end by which rows are ranked or chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// State, then worst state, then since when: of flows, what is missing of them.
    Worst,
    /// When the stall began.
    Stalled,
    /// First packet.
    First,
    /// Last packet.
    Last,
    /// The end that opened.
    Client,
    /// The other end.
    Server,
    /// Packets of both sides.
    Packets,
    /// Bytes of both sides.
    Bytes,
    /// Segments that repeated or filled.
    Retransmissions,
    /// Duplicate ACKs.
    DupAcks,
    /// Windows of 0.
    ZeroWindows,
    /// Of flows: missed by the tap. Of sessions: ESP packets missing by their numbers.
    Missing,
    /// Lost segments seen in TCP.
    Holes,
}

impl Column {
    /// By its name in the door to Python.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "worst" => Self::Worst,
            "stalled" => Self::Stalled,
            "age" => Self::First,
            "idle" => Self::Last,
            "client" => Self::Client,
            "headend" => Self::Server,
            "packets" => Self::Packets,
            "bytes" => Self::Bytes,
            "retransmissions" => Self::Retransmissions,
            "dup_acks" => Self::DupAcks,
            "zero_windows" => Self::ZeroWindows,
            "missing" => Self::Missing,
            "holes" => Self::Holes,
            _ => return None,
        })
    }
}

/// A word by which rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// State now.
    State,
    /// Worst state ever.
    Was,
    /// Protocol of a tunnel, `tcp` for any other flow.
    Protocol,
    /// Why it ended, `open` while it lives.
    Ended,
}

/// A row that may be chosen and ranked.
pub(crate) trait Subject {
    /// A count, or a time in ns.
    fn number(&self, column: Column) -> Option<i64>;
    /// A word.
    fn word(&self, word: Word) -> &'static str;
    /// Client and server.
    fn ends(&self) -> [Endpoint; 2];
}

/// Which rows, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The table.
    pub kind: Kind,
    /// By what.
    pub order: Column,
    /// The other way round.
    pub is_reversed: bool,
    /// Which.
    pub filter: Filter,
}

/// The place of a row in a list; ranks sort in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    key: u64,
    /// Engine of the run.
    pub engine: u32,
    /// Place in the table.
    pub at: u32,
    /// What the row is, so that another one in its place is not taken for it.
    pub id: u64,
}

impl Rank {
    /// The rank of the row `id` in place `at`; lower keys come first.
    pub fn new(key: u64, id: u64, at: u32) -> Self {
        Self {
            key,
            engine: 0,
            at,
            id,
        }
    }
}

/// A look at a whole table, under way.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What is looked for.
    pub spec: Spec,
    /// Rows of the list so far, in no order.
    pub ranks: Vec<Rank>,
    /// Rows looked at, whether they are wanted or not.
    pub total: usize,
    /// Engine whose table is looked at.
    pub engine: u32,
    /// Place that is looked at next.
    pub next: u32,
    /// Reused for rows that are chosen by text.
    text: String,
}

impl Pass {
    /// A pass that has not begun.
    pub fn new(spec: Spec) -> Self {
        Self {
            spec,
            ranks: Vec::new(),
            total: 0,
            engine: 0,
            next: 0,
            text: String::new(),
        }
    }

    #[inline]
    pub(crate) fn take(
        &mut self,
        row: &impl Subject,
        at: u32,
        id: impl FnOnce() -> u64,
        now: Timestamp,
    ) {
        self.total += 1;
        if self.spec.filter.accepts(row, now, &mut self.text) {
            self.ranks.push(Rank {
                key: key(row, &self.spec),
                engine: self.engine,
                at,
                id: id(),
            });
        }
    }
}

/// What a row is sorted by: counts from the highest, times from the oldest, the last packet
/// from the newest, ends upwards.
#[inline]
fn key(row: &impl Subject, spec: &Spec) -> u64 {
    let number = row.number(spec.order).map(|n| n.max(0) as u64);
    let key = match spec.order {
        Column::First | Column::Stalled => number.unwrap_or(u64::MAX),
        Column::Client => end_key(row.ends()[0]),
        Column::Server => end_key(row.ends()[1]),
        Column::Worst
        | Column::Last
        | Column::Packets
        | Column::Bytes
        | Column::Retransmissions
        | Column::DupAcks
        | Column::ZeroWindows
        | Column::Missing
        | Column::Holes => !number.unwrap_or(0),
    };
    if spec.is_reversed { !key } else { key }
}

/// Address and port in one number: IPv4 whole, of IPv6 the first 47 bits.
fn end_key(end: Endpoint) -> u64 {
    let bytes = end.addr.0;
    let last = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    if end.addr == crate::segment::Addr::v4(last.to_be_bytes()) {
        return u64::from(last) << 16 | u64::from(end.port);
    }
    let first = bytes.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
    1 << 63 | first >> 17 << 16 | u64::from(end.port)
}

#[cfg(test)]
mod tests;
