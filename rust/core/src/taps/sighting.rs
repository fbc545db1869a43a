//! One ESP packet seen at one tap, and how it is read from a segment. Only SPIs that
//! the session's own ESP meter believes in count: in a stream that was re-cut, any
//! eight bytes may look like a header.

use super::Side;
use crate::ctcp::recognise::{CTCP_PORT, Certainty, Payload, TunnelPacket, classify, packets_in};
use crate::segment::{Endpoint, Segment};
use crate::session::{Session, TO_HEADEND, certainty};
use crate::time::Timestamp;

/// One ESP packet seen at one tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspSighting {
    /// Which tap.
    pub side: Side,
    /// [`crate::session::TO_HEADEND`] or [`crate::session::TO_CLIENT`].
    pub dir: usize,
    /// Security parameter index.
    pub spi: u32,
    /// Sequence number as sent (the low half of an extended one).
    pub seq: u32,
    /// Capture time, by the clock of that tap.
    pub ts: Timestamp,
    /// Payload bytes of the TCP segment that carried it.
    pub segment_bytes: u32,
    /// Session at that tap.
    pub session: u64,
    /// It was recognised by several segments in a row: those before the last of them
    /// were seen and not noted.
    pub is_late_recognised: bool,
    /// Client and headend as that tap sees them.
    pub ends: (Endpoint, Endpoint),
}

/// Reads the ESP packets of segment `s`, which `session` has just measured, and adds
/// them to `out`.
pub fn read_esp(session: &Session, index: usize, s: &Segment<'_>, out: &mut Vec<EspSighting>) {
    if s.payload_len == 0 {
        return;
    }
    let dir = usize::from(index == session.headend());
    let on_port = s.src.port == CTCP_PORT || s.dst.port == CTCP_PORT;
    let mut take = |payload: &[u8], wire_len: u32| {
        let (Payload::Ctcp(TunnelPacket::Esp { spi, seq }, _)
        | Payload::LooseEsp { spi, seq, .. }
        | Payload::EspHead { spi, seq }) = classify(payload, wire_len, on_port)
        else {
            return;
        };
        if session.esp(dir).knows(spi) {
            out.push(EspSighting {
                // Which tap it is, the owner of the engine knows.
                side: Side::ALL[TO_HEADEND],
                dir,
                spi,
                seq,
                ts: s.ts,
                segment_bytes: s.payload_len,
                session: session.id(),
                is_late_recognised: certainty(session.kind) < Certainty::Exact,
                ends: (session.client(), session.server()),
            });
        }
    };
    if s.is_cut() {
        take(s.payload, s.payload_len);
    } else {
        packets_in(s.payload).for_each(|packet| take(packet, packet.len() as u32));
    }
}
