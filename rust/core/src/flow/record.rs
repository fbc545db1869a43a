//! The compact record of an ordinary TCP conversation: enough for honest totals,
//! for measuring the tap's own loss, and for promoting a flow to a tunnel session
//! later without losing what its handshake said.

use super::candidate::Candidate;
use super::key::CompactKey;
use crate::segment::{Head, Offer, TcpFlags};
use crate::tcp::seq::distance;
use crate::time::Timestamp;

/// Marks a record without a tunnel session.
pub const NO_SESSION: u32 = u32::MAX;

/// Segments of one side alone that are more than an attempt to connect: a SYN and its
/// first repetition are two.
const ATTEMPT_SEGMENTS: u16 = 3;

/// Unit of `FlowRecord::last_units`, as a power of two in ns.
const LAST_SHIFT: u32 = 28;

/// Bits of `Half::bits`.
mod bit {
    pub(super) const HAS_SEQ: u8 = 1;
    pub(super) const HAS_ACK: u8 = 2;
    pub(super) const SYN: u8 = 4;
    pub(super) const FIN: u8 = 8;
    pub(super) const WINDOW_SCALE: u8 = 32;
    pub(super) const HAS_BASE: u8 = 64;
}

/// One side of an ordinary conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// The ISN; one below the first sequence number seen when there was no SYN.
    pub base: u32,
    /// Highest byte seen plus one.
    pub next: u32,
    last_ack: u32,
    hole: (u32, u32),
    /// Packets, saturated: a session counts its own.
    pub packets: u16,
    window: u16,
    /// Largest payload seen, bytes, saturated.
    largest: u16,
    bits: u8,
    scale: u8,
    /// TTL of the SYN, 0 when not seen.
    pub ttl: u8,
}

impl Half {
    /// True when the SYN of this side was seen.
    pub fn has_syn(&self) -> bool {
        self.bits & bit::SYN != 0
    }

    /// Window scale offered in the SYN.
    pub fn window_scale(&self) -> Option<u8> {
        (self.bits & bit::WINDOW_SCALE != 0).then_some(self.scale)
    }

    /// Window of the last segment of this side, unscaled.
    pub fn last_window(&self) -> u16 {
        self.window
    }
}

/// What one segment added to the totals of ordinary TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delta {
    /// Starts below the highest byte seen (tshark: retransmission or out of order).
    pub is_retransmission: bool,
    /// Five conditions of RFC 5681 section 2.
    pub is_dup_ack: bool,
    /// Window 0 outside RST.
    pub is_zero_window: bool,
    /// A SYN opened a new conversation on this 4-tuple.
    pub is_reuse: bool,
    /// Segments that an ACK proved to have passed unseen: the tap's own loss.
    pub tap_missed: u32,
}

/// One conversation, in two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct FlowRecord {
    /// Both ends.
    pub key: CompactKey,
    /// First packet.
    pub first: Timestamp,
    /// Last packet after the first, in units of 2^28 ns (a quarter of a second; the range
    /// is 36 years, above any step of a clock that a capture has shown).
    last_units: u32,
    /// Tunnel session, or `NO_SESSION`.
    pub session: u32,
    /// By index in the key.
    pub halves: [Half; 2],
    /// Tunnel sessions that were opened on these ends.
    pub generation: u16,
    /// Recognition still under way.
    pub candidate: Candidate,
    /// Index of the side that sent the SYN without ACK; 2 when unknown.
    pub opener: u8,
    /// FIN from both sides or a RST was seen.
    pub is_closed: bool,
    /// Slot in use (free slots stay in the slab).
    pub is_used: bool,
}

// The table asks for the first and the last field, and so for both lines.
const _: () = assert!(
    core::mem::offset_of!(FlowRecord, key) < 64
        && core::mem::offset_of!(FlowRecord, is_used) >= 64
        && size_of::<FlowRecord>() == 128
);

impl FlowRecord {
    /// A record for the first segment of a conversation.
    pub fn new(key: CompactKey, ts: Timestamp) -> Self {
        Self {
            key,
            first: ts,
            last_units: 0,
            halves: [Half::default(); 2],
            candidate: Candidate::default(),
            session: NO_SESSION,
            generation: 0,
            opener: 2,
            is_closed: false,
            is_used: true,
        }
    }

    /// A new connection on the same ends; what the flow was recognised as stays.
    pub fn renew(&mut self, ts: Timestamp) {
        *self = Self {
            candidate: self.candidate,
            generation: self.generation,
            ..Self::new(self.key, ts)
        };
    }

    /// Last packet, to a quarter of a second.
    pub fn last(&self) -> Timestamp {
        self.first.plus(i64::from(self.last_units) << LAST_SHIFT)
    }

    /// True while only one side has ever sent.
    pub fn is_one_way(&self) -> bool {
        self.halves.iter().any(|h| h.packets == 0)
    }

    /// True while nothing shows more than an attempt: one side alone has sent, and less
    /// than [`ATTEMPT_SEGMENTS`] (a flood; a one-way tap sees whole conversations so, and
    /// they soon have more).
    #[inline]
    pub fn is_half_open(&self) -> bool {
        let [one, other] = [self.halves[0].packets, self.halves[1].packets];
        one.min(other) == 0 && one.max(other) < ATTEMPT_SEGMENTS
    }

    /// Takes one segment sent by side `dir`.
    #[inline]
    pub fn on_segment(&mut self, dir: usize, s: &Head) -> Delta {
        let mut delta = Delta::default();
        let (flags, len) = (s.flags, s.seg_len());
        let is_syn = flags.0 & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
        if is_syn && self.halves[dir].bits & bit::HAS_BASE != 0 && self.halves[dir].base != s.seq {
            delta.is_reuse = true;
            if self.session == NO_SESSION {
                self.renew(s.ts);
                self.candidate = Candidate::default();
            }
        }
        let offset = s.ts.since(self.first).max(0);
        let units = u32::try_from(offset >> LAST_SHIFT).unwrap_or(u32::MAX);
        self.last_units = self.last_units.max(units);
        if is_syn {
            self.opener = dir as u8;
        } else if self.opener == 2 && flags.any(TcpFlags::SYN) {
            self.opener = 1 - dir as u8;
        }
        if flags.any(TcpFlags::RST) {
            self.is_closed = true;
        }
        let peer_next = self.halves[1 - dir].next;
        let me = &mut self.halves[dir];
        me.packets = me.packets.saturating_add(1);
        if flags.any(TcpFlags::SYN) && me.bits & bit::SYN == 0 {
            me.bits |= bit::SYN;
            me.ttl = s.ttl;
            me.offered(s.offer);
        }
        if me.bits & bit::HAS_BASE == 0 && !flags.any(TcpFlags::RST) {
            // Without its SYN a stream is taken to have begun one below (as tshark does).
            me.bits |= bit::HAS_BASE;
            me.base = if flags.any(TcpFlags::SYN) {
                s.seq
            } else {
                s.seq.wrapping_sub(1)
            };
        }
        if len > 0 {
            delta.is_retransmission = me.advance(s.seq, len, s.payload_len);
        }
        if flags.any(TcpFlags::ACK) {
            delta.is_dup_ack = len == 0
                && !flags.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
                && me.bits & bit::HAS_ACK != 0
                && s.ack == me.last_ack
                && s.window == me.window
                && s.window != 0
                && s.seq == me.next
                && peer_next != s.ack;
            me.last_ack = s.ack;
            me.bits |= bit::HAS_ACK;
        }
        delta.is_zero_window = s.window == 0 && !flags.any(TcpFlags::RST);
        me.window = s.window;
        if flags.any(TcpFlags::FIN) {
            me.bits |= bit::FIN;
        }
        if flags.any(TcpFlags::ACK) && !flags.any(TcpFlags::RST) {
            delta.tap_missed = self.halves[1 - dir].acknowledged(s.ack);
        }
        if self.halves.iter().all(|h| h.bits & bit::FIN != 0) {
            self.is_closed = true;
        }
        delta
    }
}

impl Half {
    /// Keeps what the SYN of this side offers.
    fn offered(&mut self, offer: Offer) {
        if let Some(scale) = offer.window_scale() {
            self.bits |= bit::WINDOW_SCALE;
            self.scale = scale;
        }
    }

    /// Moves the highest byte seen; true when the segment repeats or fills.
    fn advance(&mut self, seq: u32, len: u32, payload_len: u32) -> bool {
        let end = seq.wrapping_add(len);
        self.largest = self
            .largest
            .max(u16::try_from(payload_len).unwrap_or(u16::MAX));
        if self.bits & bit::HAS_SEQ == 0 {
            self.bits |= bit::HAS_SEQ;
            self.next = end;
            return false;
        }
        let ahead = distance(seq, self.next);
        if ahead < 0 {
            if distance(end, self.next) > 0 {
                self.next = end;
            }
            if distance(seq, self.hole.1) < 0 && distance(end, self.hole.0) > 0 {
                self.hole = (0, 0);
            }
            return !(payload_len <= 1 && ahead == -1);
        }
        if ahead > 0 && self.hole == (0, 0) {
            self.hole = (self.next, seq);
        }
        self.next = end;
        false
    }

    /// In true TCP an ACK for bytes never seen proves that the tap missed them
    /// (Zeek's capture-loss rule). Returns the estimated number of segments.
    fn acknowledged(&mut self, ack: u32) -> u32 {
        if self.bits & bit::HAS_SEQ == 0 {
            return 0;
        }
        let per_segment = u32::from(self.largest).max(536);
        let mut missed = 0;
        if self.hole != (0, 0) && distance(ack, self.hole.1) >= 0 {
            missed += self.hole.1.wrapping_sub(self.hole.0).div_ceil(per_segment);
            self.hole = (0, 0);
        }
        let beyond = distance(ack, self.next);
        if beyond > 0 && beyond < 1 << 24 {
            missed += (beyond as u32).div_ceil(per_segment);
            self.next = ack;
        }
        missed.min(64)
    }
}
