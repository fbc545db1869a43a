//! What is kept of an ordinary TCP conversation: enough for honest totals, for measuring
//! the tap's own loss, and for promoting a flow to a tunnel session later without losing
//! what its handshake said. One cache line for what every segment needs, and beside it, in
//! another place, what few do.

use super::candidate::{Candidate, Pattern};
use super::delta::Delta;
use super::key::CompactKey;
use super::slab::{Slab, per_chunk};
use super::tally::Tally;
use crate::segment::{Addr, Endpoint, Head, TcpFlags};
use crate::tcp::seq::distance;
use crate::time::Timestamp;

/// Marks a record without a tunnel session.
pub const NO_SESSION: u32 = u32::MAX;

/// Marks a record that no conversation uses.
const FREE: u32 = u32::MAX - 1;

/// Window scale that no SYN offered.
const NO_SCALE: u8 = u8::MAX;

/// Segments of one side alone that are more than an attempt to connect: a SYN and its
/// first repetition are two.
const ATTEMPT_SEGMENTS: u16 = 3;

/// Unit of `FlowRecord::last_units`, as a power of two in ns: about a second, which counts
/// 146 years from the epoch of Unix. Nothing is dropped for less than five seconds of silence.
const LAST_SHIFT: u32 = 30;

/// Bits of `FlowRecord::bits`, by side.
mod bit {
    pub(super) const HAS_SEQ: u8 = 1;
    pub(super) const HAS_ACK: u8 = 2;
    pub(super) const SYN: u8 = 4;
    pub(super) const FIN: u8 = 8;
    /// A hole is open, see `Details`.
    pub(super) const HOLE: u8 = 16;
    pub(super) const HAS_BASE: u8 = 64;
}

/// Bits of `FlowRecord::marks`.
mod mark {
    pub(super) const CLOSED: u8 = 1;
    /// The opener is known, and which it is.
    pub(super) const OPENED: u8 = 2;
    pub(super) const OPENER_HIGH: u8 = 4;
    /// The addresses are of IPv6: the key has a digest of them.
    pub(super) const V6: u8 = 8;
    /// More than an attempt to connect, see [`super::FlowRecord::is_half_open`].
    pub(super) const SETTLED: u8 = 16;
}

/// What most segments of a conversation need, in one cache line; arrays are by index in
/// the key.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct FlowRecord {
    /// Both ends.
    pub key: CompactKey,
    /// Last packet, in units of 2^30 ns since the epoch of Unix.
    last_units: u32,
    /// Tunnel session, [`NO_SESSION`], or [`FREE`].
    pub session: u32,
    /// Highest byte seen plus one.
    next: [u32; 2],
    last_ack: [u32; 2],
    /// Packets; what does not fit is in the details.
    packets: [u16; 2],
    window: [u16; 2],
    /// Largest payload seen, bytes, saturated.
    largest: [u16; 2],
    /// Recognition still under way.
    pub candidate: Candidate,
    bits: [u8; 2],
    marks: u8,
}

const _: () = assert!(size_of::<FlowRecord>() == 64);

/// What few segments of a conversation need: its start, and its holes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details {
    /// First packet.
    first: Timestamp,
    /// The ISN; one below the first sequence number seen when there was no SYN.
    base: [u32; 2],
    hole: [(u32, u32); 2],
    /// Window scale offered in the SYN, or [`NO_SCALE`].
    scale: [u8; 2],
    /// TTL of the SYN, 0 when not seen.
    ttl: [u8; 2],
    /// Tunnel sessions that were opened on these ends.
    pub generation: u16,
    /// Pattern of a fake-TCP maker that the flow keeps so far.
    pub pattern: Pattern,
}

const _: () = assert!(size_of::<Details>() == 40);

/// Where the details of a flow lie, and its totals, where some are kept: most segments need
/// not even know.
pub(super) struct Aside<'a> {
    pub(super) slab: &'a mut DetailSlab,
    pub(super) tallies: Option<&'a mut TallySlab>,
    pub(super) at: u32,
}

impl Aside<'_> {
    #[inline]
    fn get(&mut self) -> &mut Details {
        self.slab.get_mut(self.at)
    }

    fn tally(&mut self) -> Option<&mut Tally> {
        self.tallies.as_mut().map(|slab| slab.get_mut(self.at))
    }

    /// The highest byte of a side has passed sequence number 0.
    #[cold]
    fn wrap(&mut self, side: usize) {
        if let Some(tally) = self.tally() {
            tally.wrap(side);
        }
    }

    /// A counter of packets is full; what it goes on from.
    #[cold]
    fn carry(&mut self, side: usize) -> u16 {
        self.tally().map_or(u16::MAX, |tally| tally.carry(side))
    }
}

/// The details of all flows.
pub(super) type DetailSlab = Slab<Details, { per_chunk(size_of::<Details>()) }>;

/// The totals of all flows, where they are kept.
pub(super) type TallySlab = Slab<Tally, { per_chunk(size_of::<Tally>()) }>;

/// A flow as it is when it becomes a tunnel session.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    record: &'a FlowRecord,
    details: &'a Details,
    tally: &'a Tally,
}

impl<'a> Flow<'a> {
    pub(super) fn new(record: &'a FlowRecord, details: &'a Details, tally: &'a Tally) -> Self {
        Self {
            record,
            details,
            tally,
        }
    }

    /// First packet.
    pub fn first(&self) -> Timestamp {
        self.details.first
    }

    /// Last packet, to a second; not before the first.
    pub fn last(&self) -> Timestamp {
        self.record.last().max(self.details.first)
    }

    /// Index of the side that sent the SYN without ACK, when known.
    pub fn opener(&self) -> Option<usize> {
        let marks = self.record.marks;
        (marks & mark::OPENED != 0).then_some(usize::from(marks & mark::OPENER_HIGH != 0))
    }

    /// Packets of a side.
    pub fn packets(&self, side: usize) -> u64 {
        let counted = self.record.packets[side];
        self.tally.packets(side, counted)
    }

    /// Bytes of the stream of a side by its sequence numbers: each once, however often sent.
    pub fn bytes(&self, side: usize) -> u64 {
        let (bits, start) = (
            self.record.bits[side],
            self.details.base[side].wrapping_add(1),
        );
        if bits & bit::HAS_SEQ == 0 || bits & bit::HAS_BASE == 0 {
            return 0;
        }
        let sent = self.tally.bytes(side, start, self.record.next[side]);
        sent.saturating_sub(u64::from(bits & bit::FIN != 0))
    }

    /// Segments that repeated or filled, saturated at `u16::MAX`, as all of these.
    pub fn retransmissions(&self) -> u16 {
        self.tally.retransmissions
    }

    /// Duplicate ACKs.
    pub fn dup_acks(&self) -> u16 {
        self.tally.dup_acks
    }

    /// Segments with window 0.
    pub fn zero_windows(&self) -> u16 {
        self.tally.zero_windows
    }

    /// Segments that the tap missed; none of a tunnel.
    pub fn missed(&self) -> u16 {
        self.tally.missed
    }

    /// Tunnel sessions that were opened on these ends.
    pub fn sessions(&self) -> u16 {
        self.details.generation
    }

    /// The record.
    pub fn record(&self) -> &FlowRecord {
        self.record
    }

    /// Both ends, the lower one first; `v6` are the addresses of an IPv6 conversation.
    pub(super) fn ends(&self, v6: Option<[Addr; 2]>) -> [Endpoint; 2] {
        let ports = self.record.key.ports();
        let addresses = match v6 {
            Some(known) if self.record.is_v6() => known,
            _ => self.record.key.v4_addresses(),
        };
        [0, 1].map(|side| Endpoint {
            addr: addresses[side],
            port: ports[side],
        })
    }

    /// The ISN of a side whose SYN was seen.
    pub fn isn(&self, side: usize) -> Option<u32> {
        (self.record.bits[side] & bit::SYN != 0).then_some(self.details.base[side])
    }

    /// Window scale offered in the SYN of a side.
    pub fn window_scale(&self, side: usize) -> Option<u8> {
        let scale = self.details.scale[side];
        (scale != NO_SCALE).then_some(scale)
    }

    /// TTL of the SYN of a side, 0 when not seen.
    pub fn ttl(&self, side: usize) -> u8 {
        self.details.ttl[side]
    }

    /// Window of the last segment of a side, unscaled.
    pub fn last_window(&self, side: usize) -> u16 {
        self.record.window[side]
    }
}

impl Details {
    /// Of a conversation that begins at `ts`.
    pub fn new(ts: Timestamp) -> Self {
        Self {
            first: ts,
            scale: [NO_SCALE; 2],
            ..Self::default()
        }
    }
}

impl FlowRecord {
    /// A record for the first segment of a conversation.
    pub fn new(key: CompactKey, ts: Timestamp) -> Self {
        Self {
            key,
            last_units: units(ts),
            session: NO_SESSION,
            next: [0; 2],
            last_ack: [0; 2],
            packets: [0; 2],
            window: [0; 2],
            largest: [0; 2],
            candidate: Candidate::default(),
            bits: [0; 2],
            marks: 0,
        }
    }

    /// True while a conversation uses the record: free ones stay in the slab.
    #[inline]
    pub fn is_used(&self) -> bool {
        self.session != FREE
    }

    /// Gives the record up.
    pub fn free(&mut self) {
        self.session = FREE;
    }

    /// A new connection on the same ends; what the flow was recognised as stays.
    pub fn renew(&mut self, details: &mut Details, ts: Timestamp) {
        *self = Self {
            candidate: self.candidate,
            marks: self.marks & mark::V6,
            ..Self::new(self.key, ts)
        };
        *details = Details {
            generation: details.generation,
            pattern: details.pattern,
            ..Details::new(ts)
        };
    }

    /// Notes which side opened the connection.
    pub fn set_opener(&mut self, side: usize) {
        self.marks = self.marks & !mark::OPENER_HIGH
            | mark::OPENED
            | if side == 0 { 0 } else { mark::OPENER_HIGH };
    }

    /// The addresses are kept elsewhere: the key has a digest of them.
    pub fn is_v6(&self) -> bool {
        self.marks & mark::V6 != 0
    }

    /// Notes that they are.
    pub(super) fn set_v6(&mut self) {
        self.marks |= mark::V6;
    }

    /// Last packet, to a second.
    pub fn last(&self) -> Timestamp {
        Timestamp(i64::from(self.last_units) << LAST_SHIFT)
    }

    /// FIN from both sides or a RST was seen.
    pub fn is_closed(&self) -> bool {
        self.marks & mark::CLOSED != 0
    }

    /// True while only one side has ever sent.
    pub fn is_one_way(&self) -> bool {
        self.packets.contains(&0)
    }

    /// True while nothing shows more than an attempt: one side alone has sent, and less
    /// than [`ATTEMPT_SEGMENTS`] (a flood; a one-way tap sees whole conversations so, and
    /// they soon have more).
    #[inline]
    pub fn is_half_open(&self) -> bool {
        let [one, other] = self.packets;
        one.min(other) == 0 && one.max(other) < ATTEMPT_SEGMENTS
    }

    /// True once it is noted that this is more than an attempt: so it stays, unless a SYN begins anew.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.marks & mark::SETTLED != 0
    }

    /// Notes that, if it is so.
    #[inline]
    pub(super) fn settle(&mut self) {
        if !self.is_half_open() {
            self.marks |= mark::SETTLED;
        }
    }

    /// Takes one segment sent by side `dir`; `PLAIN` for an ACK without SYN, FIN or RST, as most are.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "every segment goes through it")]
    pub(super) fn on_segment<const PLAIN: bool>(
        &mut self,
        details: &mut Aside<'_>,
        dir: usize,
        s: &Head,
    ) -> Delta {
        let mut delta = Delta::default();
        // One of two, in a way that the compiler sees.
        let dir = dir & 1;
        let flags = if PLAIN { TcpFlags::PLAIN_ACK } else { s.flags };
        let len = if PLAIN { s.payload_len } else { s.seg_len() };
        if flags.any(TcpFlags::SYN) {
            let is_reuse = self.on_syn(details.get(), dir, s);
            delta.set(Delta::REUSE, is_reuse);
            if is_reuse
                && self.session == NO_SESSION
                && let Some(tally) = details.tally()
            {
                *tally = Tally::default();
            }
        }
        self.last_units = self.last_units.max(units(s.ts));
        let peer_next = self.next[1 - dir];
        self.packets[dir] = match self.packets[dir].checked_add(1) {
            Some(more) => more,
            None => details.carry(dir),
        };
        if self.bits[dir] & bit::HAS_BASE == 0 && !flags.any(TcpFlags::RST) {
            // Without its SYN a stream is taken to have begun one below (as tshark does).
            self.bits[dir] |= bit::HAS_BASE;
            details.get().base[dir] = if flags.any(TcpFlags::SYN) {
                s.seq
            } else {
                s.seq.wrapping_sub(1)
            };
        }
        if len > 0 && !self.goes_on(dir, s.seq, len, s.payload_len) {
            let repeats = self.advance(details, dir, s.seq, len, s.payload_len);
            delta.set(Delta::RETRANSMISSION, repeats);
        }
        if flags.any(TcpFlags::ACK) {
            let is_dup_ack = len == 0
                && !flags.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
                && self.bits[dir] & bit::HAS_ACK != 0
                && s.ack == self.last_ack[dir]
                && s.window == self.window[dir]
                && s.window != 0
                && s.seq == self.next[dir]
                && peer_next != s.ack;
            delta.set(Delta::DUP_ACK, is_dup_ack);
            self.last_ack[dir] = s.ack;
            self.bits[dir] |= bit::HAS_ACK;
        }
        if s.window == 0 && !flags.any(TcpFlags::RST) {
            delta.set(Delta::ZERO_WINDOW, true);
            delta.set(Delta::WINDOW_CLOSED, self.window[dir] != 0);
        }
        self.window[dir] = s.window;
        if flags.any(TcpFlags::FIN | TcpFlags::RST) {
            self.on_end(dir, flags);
        }
        if flags.any(TcpFlags::ACK) && !flags.any(TcpFlags::RST) {
            delta.tap_missed = self.acknowledged(details, 1 - dir, s.ack);
        }
        delta
    }

    /// Notes what a SYN says; true when it opens a new conversation on the same ends.
    #[inline(never)]
    fn on_syn(&mut self, details: &mut Details, dir: usize, s: &Head) -> bool {
        let is_first = !s.flags.any(TcpFlags::ACK);
        let has_base = self.bits[dir] & bit::HAS_BASE != 0;
        let is_reuse = is_first && has_base && details.base[dir] != s.seq;
        if is_reuse && self.session == NO_SESSION {
            self.renew(details, s.ts);
            self.candidate = Candidate::default();
            details.pattern = Pattern::default();
        }
        if is_first {
            self.set_opener(dir);
        } else if self.marks & mark::OPENED == 0 {
            self.set_opener(1 - dir);
        }
        if self.bits[dir] & bit::SYN == 0 {
            self.bits[dir] |= bit::SYN;
            details.ttl[dir] = s.ttl;
            if let Some(scale) = s.offer.window_scale() {
                details.scale[dir] = scale;
            }
        }
        is_reuse
    }

    #[inline(never)]
    fn on_end(&mut self, dir: usize, flags: TcpFlags) {
        if flags.any(TcpFlags::FIN) {
            self.bits[dir] |= bit::FIN;
        }
        if flags.any(TcpFlags::RST) || self.bits.iter().all(|b| b & bit::FIN != 0) {
            self.marks |= mark::CLOSED;
        }
    }

    /// Moves the highest byte seen of side `dir` where the segment begins right behind it, as most do; false
    /// where there is more to it, and nothing is moved then.
    #[inline]
    fn goes_on(&mut self, dir: usize, seq: u32, len: u32, payload_len: u32) -> bool {
        let (next, end) = (self.next[dir], seq.wrapping_add(len));
        if seq != next || end < next || self.bits[dir] & bit::HAS_SEQ == 0 {
            return false;
        }
        self.note_length(dir, payload_len);
        self.next[dir] = end;
        true
    }

    #[inline]
    fn note_length(&mut self, dir: usize, payload_len: u32) {
        let length = u16::try_from(payload_len).unwrap_or(u16::MAX);
        self.largest[dir] = self.largest[dir].max(length);
    }

    /// Moves the highest byte seen of side `dir`; true when the segment repeats or fills.
    #[inline(never)]
    fn advance(
        &mut self,
        details: &mut Aside<'_>,
        dir: usize,
        seq: u32,
        len: u32,
        payload_len: u32,
    ) -> bool {
        let end = seq.wrapping_add(len);
        self.note_length(dir, payload_len);
        if self.bits[dir] & bit::HAS_SEQ == 0 {
            self.bits[dir] |= bit::HAS_SEQ;
            self.next[dir] = end;
            let start = details.get().base[dir].wrapping_add(1);
            if end < start && distance(end, start) > 0 {
                details.wrap(dir);
            }
            return false;
        }
        let ahead = distance(seq, self.next[dir]);
        if ahead < 0 {
            if distance(end, self.next[dir]) > 0 {
                self.move_to(details, dir, end);
            }
            if self.bits[dir] & bit::HOLE != 0 {
                let (from, to) = details.get().hole[dir];
                if distance(seq, to) < 0 && distance(end, from) > 0 {
                    self.bits[dir] &= !bit::HOLE;
                }
            }
            return !(payload_len <= 1 && ahead == -1);
        }
        // Those of a tunnel are in its session.
        if ahead > 0 && self.bits[dir] & bit::HOLE == 0 && self.session == NO_SESSION {
            self.bits[dir] |= bit::HOLE;
            details.get().hole[dir] = (self.next[dir], seq);
        }
        self.move_to(details, dir, end);
        false
    }

    /// The highest byte seen of side `dir` is below `end` now.
    #[inline]
    fn move_to(&mut self, details: &mut Aside<'_>, dir: usize, end: u32) {
        if end < self.next[dir] {
            details.wrap(dir);
        }
        self.next[dir] = end;
    }

    /// In true TCP an ACK for bytes of side `dir` never seen proves that the tap missed them
    /// (Zeek's capture-loss rule). Returns the estimated number of segments.
    #[inline]
    fn acknowledged(&mut self, details: &mut Aside<'_>, dir: usize, ack: u32) -> u32 {
        if self.bits[dir] & bit::HAS_SEQ == 0 {
            return 0;
        }
        let beyond = distance(ack, self.next[dir]);
        if beyond <= 0 && self.bits[dir] & bit::HOLE == 0 {
            return 0;
        }
        self.missed(details, dir, ack, beyond)
    }

    /// The same where there is something to work out; none of a tunnel, whose ACKs prove nothing.
    #[inline(never)]
    fn missed(&mut self, details: &mut Aside<'_>, dir: usize, ack: u32, beyond: i32) -> u32 {
        let per_segment = u32::from(self.largest[dir]).max(536);
        let is_tunnel = self.session != NO_SESSION;
        let segments = |bytes: u32| {
            if is_tunnel {
                0
            } else {
                bytes.div_ceil(per_segment)
            }
        };
        let mut missed = 0;
        if self.bits[dir] & bit::HOLE != 0 {
            let (from, to) = details.get().hole[dir];
            if distance(ack, to) >= 0 {
                missed += segments(to.wrapping_sub(from));
                self.bits[dir] &= !bit::HOLE;
            }
        }
        if beyond > 0 && beyond < 1 << 24 {
            missed += segments(beyond as u32);
            if ack < self.next[dir] {
                details.wrap(dir);
            }
            self.next[dir] = ack;
        }
        missed.min(64)
    }
}

fn units(ts: Timestamp) -> u32 {
    u32::try_from(ts.0.max(0) >> LAST_SHIFT).unwrap_or(u32::MAX)
}
