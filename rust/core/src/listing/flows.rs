//! TCP conversations as rows of a list.

use super::{Column, Subject, Word};
use crate::flow::{Flow, FlowKey, FlowTable};
use crate::segment::Endpoint;
use crate::session::session_id;
use crate::time::Timestamp;

/// One conversation as it is now; arrays are by side, the client first.
#[derive(Clone, Debug)]
pub struct FlowRow {
    /// Client and server.
    pub ends: [Endpoint; 2],
    /// The side that opened was seen; else the lower port is taken for the server's.
    pub opener_known: bool,
    /// `open`, `opening`, `one_way` or `closed`.
    pub state: &'static str,
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes of the streams, each once.
    pub bytes: [u64; 2],
    /// Segments that repeated or filled, saturated at `u16::MAX`, as the next three.
    pub retransmissions: u16,
    /// Duplicate ACKs.
    pub dup_acks: u16,
    /// Windows of 0.
    pub zero_windows: u16,
    /// Segments that the tap missed.
    pub missing: u16,
    /// First packet.
    pub first: Timestamp,
    /// Last packet, to a second.
    pub last: Timestamp,
    /// Id and generation of the last tunnel session in it, which may have ended.
    pub session: Option<(u64, u16)>,
}

/// Index in the key of the side that is taken for the client.
fn client_of(flow: Flow<'_>) -> usize {
    let [low, high] = flow.record().key.ports();
    flow.opener().unwrap_or(usize::from(low <= high))
}

fn state_of(flow: Flow<'_>) -> &'static str {
    let record = flow.record();
    if record.is_closed() {
        "closed"
    } else if record.is_half_open() {
        "opening"
    } else if record.is_one_way() {
        "one_way"
    } else {
        "open"
    }
}

/// What tells a conversation from another in the same place.
pub(crate) fn flow_id(flow: Flow<'_>) -> u64 {
    let (one, other) = flow.record().key.words();
    let mixed = one ^ other.rotate_left(32) ^ (flow.first().0 as u64).rotate_left(17);
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(crate) fn flow_row(table: &FlowTable, at: u32) -> Option<FlowRow> {
    let flow = table.used(at)?;
    let client = client_of(flow);
    let both = [client, 1 - client];
    let ends = table.ends(at);
    let [low, high] = ends;
    let session = (flow.sessions() > 0).then(|| {
        let generation = flow.sessions();
        let id = session_id(flow.first(), &FlowKey { low, high }, generation.into());
        (id, generation)
    });
    Some(FlowRow {
        ends: both.map(|side| ends[side]),
        opener_known: flow.opener().is_some(),
        state: state_of(flow),
        packets: both.map(|side| flow.packets(side)),
        bytes: both.map(|side| flow.bytes(side)),
        retransmissions: flow.retransmissions(),
        dup_acks: flow.dup_acks(),
        zero_windows: flow.zero_windows(),
        missing: flow.missed(),
        first: flow.first(),
        last: flow.last(),
        session,
    })
}

/// A conversation while a pass looks at it: nothing is put together that is not asked for.
pub(crate) struct FlowSubject<'a> {
    pub(crate) table: &'a FlowTable,
    pub(crate) flow: Flow<'a>,
    pub(crate) at: u32,
}

impl Subject for FlowSubject<'_> {
    fn number(&self, column: Column) -> Option<i64> {
        let flow = self.flow;
        Some(match column {
            Column::Packets => (flow.packets(0) + flow.packets(1)) as i64,
            Column::Bytes => flow.bytes(0).saturating_add(flow.bytes(1)) as i64,
            Column::Retransmissions => i64::from(flow.retransmissions()),
            Column::DupAcks => i64::from(flow.dup_acks()),
            Column::ZeroWindows => i64::from(flow.zero_windows()),
            Column::Missing | Column::Worst => i64::from(flow.missed()),
            Column::First => flow.first().0,
            Column::Last => flow.last().0,
            Column::Stalled | Column::Holes | Column::Client | Column::Server => return None,
        })
    }

    fn word(&self, word: Word) -> &'static str {
        let is_closed = self.flow.record().is_closed();
        match word {
            Word::State | Word::Was => state_of(self.flow),
            Word::Protocol if self.flow.sessions() > 0 => "tunnel",
            Word::Protocol => "tcp",
            Word::Ended => ["open", "closed"][usize::from(is_closed)],
        }
    }

    fn ends(&self) -> [Endpoint; 2] {
        let (ends, client) = (self.table.ends(self.at), client_of(self.flow));
        [ends[client], ends[1 - client]]
    }
}
