//! One tunnel session: a recognised connection with everything measured about it.
//! Measures; the verdicts stored here are put here by `engine`, made by `detect`.
//!
//! Directions are roles: index 0 is what the client sends (to the headend), index 1
//! what the headend sends (to the client). A role that is only guessed says so.
//!
//! What only some sessions need is boxed and made when it is first needed.

mod ends;
mod id;
mod more;
mod recheck;

use self::ends::headend_of;
pub use self::id::certainty;
pub(crate) use self::id::session_id;
use self::more::{Place, Skip};
pub(crate) use self::recheck::Recheck;
use crate::ctcp::esp::{EspArrival, Sa};
use crate::ctcp::identity::Identity;
use crate::ctcp::ike::{IkeMeter, IsakmpHeader};
use crate::ctcp::recognise::{CTCP_PORT, Payload, TunnelPacket, classify, packets_in};
use crate::ctcp::wireguard::handshake;
use crate::flow::FlowKey;
use crate::flow::candidate::Recognised;
use crate::flow::record::Flow;
use crate::segment::{Endpoint, Head, Segment, TcpFlags};
use crate::tcp::half_stream::{Arrival, Copies, HalfStream, Offer, Recent};
use crate::time::{NANOS_PER_MILLI, Timestamp};

/// Index of the client's half-stream.
pub const TO_HEADEND: usize = 0;
/// Index of the headend's half-stream.
pub const TO_CLIENT: usize = 1;

/// Data of both sides this long after a close take the close back.
const IGNORED_CLOSE_NS: i64 = 2_000 * NANOS_PER_MILLI;

/// IKE messages in a row without an answer that mean something: fewer may be one lost packet.
pub(crate) const MANY_UNANSWERED: u32 = 3;

/// Payload above this cannot be one frame of a path with 1,500-byte packets: an
/// offload has merged segments.
const ONE_FRAME_BYTES: u32 = 1_460;

/// Segments of this session by framing, one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framing {
    /// Ends in a trailer.
    pub with_trailer: u64,
    /// Whole segment captured and no trailer at its end: the stream was re-cut.
    pub without_trailer: u64,
    /// More than one tunnel packet in the segment.
    pub merged: u64,
}

/// A SYN with another sequence number on a live connection. It takes over only
/// when the other side answers it or data follows its numbers: one forged SYN
/// must not end a session (CVE-2025-59147 class).
#[derive(Clone, Copy, Debug)]
pub struct PendingSyn {
    /// Direction of the SYN.
    pub dir: usize,
    /// Its offer.
    pub offer: Offer,
}

/// One tunnel session.
#[derive(Clone, Debug)]
pub struct Session {
    /// What each side sent.
    pub half: [HalfStream; 2],
    /// The last packets of both sides.
    copies: Copies,
    /// ESP loss meter of the current SA, by direction.
    sas: [Sa; 2],
    /// IKE messages.
    ike: IkeMeter,
    /// Both ends, and what not every session has.
    place: Place,
    /// Last packet.
    pub last: Timestamp,
    /// See [`Self::id`]: 48 bits.
    id: [u16; 3],
    /// Index of the flow record.
    pub flow: u32,
    /// Tunnel id of the SPAN transport.
    pub tunnel: u32,
    /// 1 for the first connection on this 4-tuple, 2 for the next, ...
    pub generation: u16,
    /// Observation points that saw it, one bit each.
    pub taps: u16,
    /// What it was recognised as.
    pub kind: Recognised,
    /// What [`mark`] names.
    marks: u16,
    /// When it is looked at again.
    pub(crate) recheck: Recheck,
}

/// Bits of `Session::marks`.
mod mark {
    /// Index in the key of the headend.
    pub(super) const HEADEND: u16 = 1;
    /// Index of the half-stream that has the first packet of the session.
    pub(super) const FIRST: u16 = 2;
    /// See [`super::Session::roles_known`].
    pub(super) const ROLES_KNOWN: u16 = 4;
    /// See [`super::Session::is_midstream`].
    pub(super) const MIDSTREAM: u16 = 8;
    /// See [`super::Session::is_cut`].
    pub(super) const CUT: u16 = 16;
    /// See [`super::Session::ike_waits`].
    pub(super) const IKE_WAITS: u16 = 32;
    /// `rare` has a SYN that waits, or one did.
    pub(super) const HAS_PENDING_SYN: u16 = 64;
    /// Some segment was not one whole tunnel packet, see [`super::Session::is_recut`].
    pub(super) const MAY_BE_RECUT: u16 = 128;
    /// Noted for the next round of judgement.
    pub(super) const DIRTY: u16 = 256;
    /// See [`super::Session::is_attempt`].
    pub(super) const ATTEMPT: u16 = 512;
}

/// What one segment meant to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Measured.
    Measured,
    /// A mirror's second copy; nothing else was changed.
    SpanCopy,
    /// The connection was replaced: the old session ends before this segment.
    NewGeneration(Offer),
    /// First packet of an SA with this SPI in this direction.
    NewSpi(usize, u32),
    /// An IKE message with these cookies.
    Cookies(u64),
}

impl Session {
    /// A session for `of`, recognised by the segment at hand (not yet counted).
    pub fn new(of: Flow<'_>, key: FlowKey, flow: u32, kind: Recognised, generation: u16) -> Self {
        let (headend, roles_known) = headend_of(of, &key);
        let mut half = [(); 2].map(|()| HalfStream::new(of.first()));
        for (role, h) in half.iter_mut().enumerate() {
            let index = if role == TO_HEADEND {
                1 - headend
            } else {
                headend
            };
            h.peer_window_first = of.last_window(1 - index);
            let before = u16::try_from(of.packets(index)).unwrap_or(u16::MAX);
            h.seen_before(before, of.first());
            if let Some(iss) = of.isn(index) {
                h.set_offer(&Offer {
                    iss,
                    window_scale: of.window_scale(index),
                    at: of.first(),
                });
                h.set_handshake_ttl(of.ttl(index));
            }
        }
        let id = session_id(of.first(), &key, u32::from(generation));
        let mut session = Self {
            half,
            copies: Copies::default(),
            sas: Default::default(),
            ike: IkeMeter::default(),
            place: Place::of(&key),
            last: of.last(),
            id: [0, 1, 2].map(|n| (id >> (16 * n)) as u16),
            flow,
            tunnel: 0,
            generation,
            taps: 0,
            kind,
            marks: 0,
            recheck: Recheck::NONE,
        };
        session.mark(mark::HEADEND, headend == 1);
        let first_sender = (0..2).find(|role| session.half[*role].is_seen());
        session.mark(mark::FIRST, first_sender == Some(1));
        session.mark(mark::ROLES_KNOWN, roles_known);
        let is_midstream = (0..2).all(|side| of.isn(side).is_none());
        session.mark(mark::MIDSTREAM, is_midstream);
        debug_assert_eq!(session.first(), of.first(), "one of them is of its sender");
        session
    }

    fn is(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }

    fn mark(&mut self, mark: u16, to: bool) {
        self.marks = self.marks & !mark | if to { mark } else { 0 };
    }

    /// Stable id: a digest of ends, first packet time and generation.
    #[inline]
    pub fn id(&self) -> u64 {
        let [low, middle, high] = self.id.map(u64::from);
        low | middle << 16 | high << 32
    }

    /// First packet: one that was seen before there was a session, or that made it.
    pub fn first(&self) -> Timestamp {
        let half = &self.half[usize::from(self.is(mark::FIRST))];
        half.first_ts().unwrap_or(self.last)
    }

    /// The SYN was seen, or a port names the headend.
    pub fn roles_known(&self) -> bool {
        self.is(mark::ROLES_KNOWN)
    }

    /// The start of the connection was not captured.
    pub fn is_midstream(&self) -> bool {
        self.is(mark::MIDSTREAM)
    }

    /// The start was seen after all: it is that of the connection before it on the same ends.
    pub(crate) fn has_start(&mut self) {
        self.mark(mark::MIDSTREAM, false);
    }

    /// Some payload was cut so that trailers could not be read.
    pub fn is_cut(&self) -> bool {
        self.is(mark::CUT)
    }

    /// Noted for the next round of judgement.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        self.is(mark::DIRTY)
    }

    #[inline]
    pub(crate) fn set_dirty(&mut self, to: bool) {
        self.mark(mark::DIRTY, to);
    }

    /// One side alone has sent, and hardly anything, as far as was noted.
    #[inline]
    pub(crate) fn is_attempt(&self) -> bool {
        self.is(mark::ATTEMPT)
    }

    #[inline]
    pub(crate) fn set_attempt(&mut self, to: bool) {
        self.mark(mark::ATTEMPT, to);
    }

    /// Both ends.
    pub fn key(&self) -> FlowKey {
        self.place.key()
    }

    /// Index in the key of the headend.
    #[inline]
    pub fn headend(&self) -> usize {
        usize::from(self.is(mark::HEADEND))
    }

    /// Client end.
    pub fn client(&self) -> Endpoint {
        self.key().end(1 - self.headend())
    }

    /// Headend end.
    pub fn server(&self) -> Endpoint {
        self.key().end(self.headend())
    }

    /// IKE messages.
    pub fn ike(&self) -> &IkeMeter {
        &self.ike
    }

    /// True when so many IKE messages of one side may wait for an answer that it means
    /// something, or a handshake of `WireGuard` is repeated; told without a look at either.
    pub fn ike_waits(&self) -> bool {
        self.is(mark::IKE_WAITS)
    }

    /// What the ends said of themselves in clear.
    pub fn identity(&self) -> &Identity {
        self.ike.identity()
    }

    /// True when only one side was ever seen.
    pub fn is_one_sided(&self) -> bool {
        self.half.iter().any(|h| !h.is_seen())
    }

    /// The close that side `closer` sent, if it was obeyed: FIN, or a RST after which
    /// not both sides went on. A RST is an event, not an end (reliability guide 5): one
    /// that somebody forged is ignored by both ends, one that a firewall forged is
    /// obeyed by the end that got it.
    pub fn close_in_force(&self, closer: usize) -> Option<Timestamp> {
        let h = &self.half[closer];
        if !h.sent_close() {
            return None;
        }
        let at = h.rst().map(|(at, _)| at).or(h.fin())?;
        let went_on = |h: &HalfStream| {
            h.last_data_ts()
                .is_some_and(|t| t.since(at) > IGNORED_CLOSE_NS)
        };
        (!self.half.iter().all(went_on)).then_some(at)
    }

    /// True when either side closed the connection and was obeyed.
    pub fn is_closed(&self) -> bool {
        (0..2).any(|side| self.close_in_force(side).is_some())
    }

    /// True for the families that never retransmit: the detectors judge these.
    pub fn never_retransmits(&self) -> bool {
        matches!(self.kind, Recognised::Ctcp(_) | Recognised::FakeTcp(_))
    }

    /// Takes one segment sent by end `index` of the key. `is_promotion` is true for
    /// the segment that made this session: the flow record has counted it already. `recent` is
    /// shared by all sessions of an engine.
    pub(crate) fn on_segment(
        &mut self,
        index: usize,
        s: &Segment<'_>,
        is_promotion: bool,
        recent: &mut Recent,
    ) -> Effect {
        let dir = usize::from(index == self.headend());
        if self.half[dir].is_copy(index, s, &mut self.copies, recent) {
            self.last = self.last.max(s.ts);
            return Effect::SpanCopy;
        }
        if (s.flags.any(TcpFlags::SYN) || self.is(mark::HAS_PENDING_SYN))
            && let Some(offer) = self.generation_change(dir, s)
        {
            return Effect::NewGeneration(offer);
        }
        self.last = self.last.max(s.ts);
        self.taps |= 1 << (s.tap & 15);
        self.tunnel = s.tunnel;
        if is_promotion {
            self.half[dir].is_measured_after_all();
        }
        let usual = self.half[dir].mean_gap_ns();
        let arrival = self.half[dir].on_sent(index, s, &self.copies);
        self.half[1 - dir].on_acked(s, usual);
        if s.payload_len == 0 {
            return Effect::Measured;
        }
        if self.half[1 - dir].sent_close() {
            let after = &mut self.rare_mut().data_after_close[dir];
            *after = after.saturating_add(1);
        }
        if s.is_cut() {
            self.mark(mark::CUT, true);
        }
        self.on_payload(dir, s, arrival)
    }

    /// Takes the payload of one segment: one tunnel packet as the endpoints send it, or
    /// several (or parts) when an offload or a proxy re-cut the stream.
    fn on_payload(&mut self, dir: usize, s: &Segment<'_>, arrival: Arrival) -> Effect {
        let may_be_merged = s.payload_len > ONE_FRAME_BYTES || self.is_recut(dir);
        if s.payload_len > ONE_FRAME_BYTES {
            self.rare_mut().oversized += 1;
        }
        if !may_be_merged || s.is_cut() {
            return self.on_tunnel_packet(dir, s, arrival);
        }
        self.on_merged(dir, s, arrival)
    }

    /// Takes a payload that may be of several tunnel packets.
    #[cold]
    fn on_merged(&mut self, dir: usize, s: &Segment<'_>, arrival: Arrival) -> Effect {
        let mut effect = Effect::Measured;
        let mut packets = 0;
        for packet in packets_in(s.payload) {
            packets += 1;
            let part = Segment {
                head: Head {
                    payload_len: packet.len() as u32,
                    ..s.head
                },
                payload: packet,
                gist: None,
                ..*s
            };
            match self.on_tunnel_packet(dir, &part, arrival) {
                Effect::Measured => {}
                other => effect = other,
            }
        }
        if packets > 1 {
            let rare = self.rare_mut();
            rare.merged[dir] += 1;
            let skip = rare.skips[dir].take();
            self.mark(mark::MAY_BE_RECUT, true);
            if let Some(skip) = skip {
                self.sas[dir].were_there(skip.numbers);
            }
        }
        effect
    }

    /// Notes ESP numbers skipped where no byte is missing; from here on each segment is
    /// looked through for more than one packet.
    #[cold]
    fn on_skip(&mut self, dir: usize, numbers: u32, s: &Segment<'_>) {
        let h = &self.half[dir];
        let begins = h.snd_nxt().saturating_sub(u64::from(s.seg_len()));
        let hole = h.holes().iter().next_back();
        let behind_hole = hole.is_some_and(|hole| hole.end == begins);
        if behind_hole || self.is_recut(dir) {
            return;
        }
        let at = h.data_segments();
        self.rare_mut().skips[dir] = Some(Skip { numbers, at });
        self.mark(mark::MAY_BE_RECUT, true);
    }

    fn on_tunnel_packet(&mut self, dir: usize, s: &Segment<'_>, arrival: Arrival) -> Effect {
        let repeated = matches!(
            arrival,
            Arrival::Retransmission | Arrival::NetworkDuplicate | Arrival::Keepalive
        );
        if let Recognised::FakeTcp(_) = self.kind
            && let Some(message) = handshake(s.payload, s.payload_len)
            && !repeated
        {
            let handshakes = self.rare_mut().handshakes.get_or_insert_default();
            handshakes.on_message(dir, message, s.ts);
            let is_repeating = handshakes.is_repeating();
            self.mark(mark::IKE_WAITS, is_repeating);
        }
        let (spi, seq) = if let Some(packet) = s.exact_esp() {
            self.half[dir].count_trailer();
            packet
        } else {
            match self.on_other_payload(dir, s, repeated) {
                Ok(packet) => packet,
                Err(effect) => return effect,
            }
        };
        if !self.sas[dir].is(spi) {
            // A stream that a proxy re-cut starts segments anywhere: believe an unknown
            // SPI only when the segment is whole.
            let known = self.esp(dir).knows(spi);
            if !known && self.framing(dir).without_trailer > 0 && self.sas[dir].is_seen() {
                return Effect::Measured;
            }
            if !self.sas[dir].is_seen() {
                self.half[dir].forget_handshake();
            }
        }
        let esp = self.on_esp(dir, spi, seq);
        if let EspArrival::Forward { skipped } = esp
            && skipped > 0
            && arrival == Arrival::New
        {
            self.on_skip(dir, skipped, s);
        }
        if arrival == Arrival::Retransmission && matches!(esp, EspArrival::Forward { .. }) {
            self.half[dir].reused_sequence();
        }
        if esp == EspArrival::NewSa {
            Effect::NewSpi(dir, spi)
        } else {
            Effect::Measured
        }
    }

    /// Takes a payload that is not simply an ESP packet with its trailer: SPI and sequence number if it has
    /// them, and otherwise what it meant.
    #[inline(never)]
    fn on_other_payload(
        &mut self,
        dir: usize,
        s: &Segment<'_>,
        repeated: bool,
    ) -> Result<(u32, u32), Effect> {
        let on_port = s.src.port == CTCP_PORT || s.dst.port == CTCP_PORT;
        match classify(s.payload, s.payload_len, on_port) {
            Payload::Ctcp(packet, _) => {
                self.half[dir].count_trailer();
                match packet {
                    TunnelPacket::Ike(header) => {
                        if !repeated {
                            self.on_ike(dir, header.as_ref(), s);
                        }
                        Err(header.map_or(Effect::Measured, |h| Effect::Cookies(h.initiator)))
                    }
                    TunnelPacket::Esp { spi, seq } => Ok((spi, seq)),
                    TunnelPacket::Ah => Err(Effect::Measured),
                }
            }
            Payload::LooseEsp { spi, seq, .. } => {
                self.half[dir].count_trailer();
                Ok((spi, seq))
            }
            Payload::EspHead { spi, seq } => Ok((spi, seq)),
            _ if s.is_cut() => Err(Effect::Measured),
            _ => {
                self.rare_mut().without_trailer[dir] += 1;
                self.mark(mark::MAY_BE_RECUT, true);
                Err(Effect::Measured)
            }
        }
    }

    fn on_ike(&mut self, dir: usize, header: Option<&IsakmpHeader>, s: &Segment<'_>) {
        let beyond = self.half[dir].unacked_bytes().unwrap_or(0);
        let ike = &mut self.ike;
        if let Some(h) = header {
            let message = s.payload.get(8..).unwrap_or_default();
            ike.read_identity(h, message, dir == TO_HEADEND);
        }
        ike.on_message(dir, header, s.ts, beyond);
        let waits = (0..2).any(|dir| ike.unanswered(dir) >= MANY_UNANSWERED);
        self.mark(mark::IKE_WAITS, waits);
    }

    /// Decides whether a segment belongs to a new connection on the same ends. None does that has no
    /// SYN and meets none that waits.
    #[cold]
    fn generation_change(&mut self, dir: usize, s: &Segment<'_>) -> Option<Offer> {
        let flags = s.flags;
        if flags.any(TcpFlags::SYN) && !flags.any(TcpFlags::ACK) {
            let h = &self.half[dir];
            let is_other = match h.iss() {
                Some(iss) => iss != s.seq,
                None => h.data_segments() > 0,
            };
            if is_other {
                let offer = Offer {
                    iss: s.seq,
                    window_scale: s.options().window_scale,
                    at: s.ts,
                };
                self.rare_mut().pending_syn = Some(PendingSyn { dir, offer });
                self.mark(mark::HAS_PENDING_SYN, true);
            }
            return None;
        }
        let pending = self.pending_syn()?;
        let answered = flags.any(TcpFlags::SYN)
            && pending.dir != dir
            && s.ack == pending.offer.iss.wrapping_add(1);
        let followed = pending.dir == dir
            && s.payload_len > 0
            && (1..65_536).contains(&s.seq.wrapping_sub(pending.offer.iss))
            && !(-65_536..262_144).contains(&crate::tcp::seq::distance(
                s.seq,
                self.half[dir].snd_nxt() as u32,
            ));
        (answered || followed).then_some(pending.offer)
    }

    /// A gap in the capture (nothing recorded on the whole tap): silence in it is
    /// no evidence, so every timer starts anew after it.
    pub fn on_capture_gap(&mut self, now: Timestamp) {
        for h in &mut self.half {
            h.on_capture_gap(now);
        }
        self.copies.forget_ages();
        self.ike.on_capture_gap();
        let rare = self.rare_if_there();
        if let Some(handshakes) = rare.and_then(|rare| rare.handshakes.as_mut()) {
            handshakes.on_capture_gap();
        }
    }
}
