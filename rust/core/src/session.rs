//! One tunnel session: a recognised connection with everything measured about it.
//! Measures; the verdicts stored here are put here by `engine`, made by `detect`.
//!
//! Directions are roles: index 0 is what the client sends (to the headend), index 1
//! what the headend sends (to the client). A role that is only guessed says so.

use crate::ctcp::esp::{EspArrival, EspMeter};
use crate::ctcp::identity::Identity;
use crate::ctcp::ike::IkeMeter;
use crate::ctcp::recognise::{CTCP_PORT, Certainty, Payload, TunnelPacket, classify, packets_in};
use crate::detect::DetectorStates;
use crate::flow::candidate::Recognised;
use crate::flow::{FlowKey, FlowRecord};
use crate::prefetch::prefetch;
use crate::segment::{Endpoint, Head, Segment, TcpFlags};
use crate::tcp::half_stream::{Arrival, HalfStream, Offer};
use crate::time::{NANOS_PER_MILLI, Timestamp};

/// Index of the client's half-stream.
pub const TO_HEADEND: usize = 0;
/// Index of the headend's half-stream.
pub const TO_CLIENT: usize = 1;

/// Data of both sides this long after a close take the close back.
const IGNORED_CLOSE_NS: i64 = 2_000 * NANOS_PER_MILLI;

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
    /// Too much was cut off to tell.
    pub cut: u64,
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
    /// Stable id: a digest of ends, first packet time and generation.
    pub id: u64,
    /// 1 for the first connection on this 4-tuple, 2 for the next, ...
    pub generation: u32,
    /// What it was recognised as.
    pub kind: Recognised,
    /// Both ends.
    pub key: FlowKey,
    /// Index of the flow record.
    pub flow: u32,
    /// Index in `key` of the headend.
    pub headend: usize,
    /// The SYN was seen, or a port names the headend.
    pub roles_known: bool,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// The start of the connection was not captured.
    pub is_midstream: bool,
    /// Some payload was cut so that trailers could not be read.
    pub is_cut: bool,
    /// What each side sent.
    pub half: [HalfStream; 2],
    /// ESP loss meter by direction.
    pub esp: [EspMeter; 2],
    /// Framing by direction.
    pub framing: [Framing; 2],
    /// IKE messages.
    pub ike: IkeMeter,
    /// What the ends said of themselves in clear.
    pub identity: Identity,
    /// A SYN waiting for an answer.
    pub pending_syn: Option<PendingSyn>,
    /// Session this one continues (same SPI or cookies).
    pub linked: Option<u64>,
    /// A later session continues this one.
    pub is_continued: bool,
    /// Data segments by direction since the other side sent RST or FIN.
    pub data_after_close: [u32; 2],
    /// Observation points that saw it, one bit each.
    pub taps: u16,
    /// Tunnel id of the SPAN transport.
    pub tunnel: u32,
    /// State of every detector.
    pub detectors: DetectorStates,
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
    /// A session for `record`, recognised by the segment at hand (not yet counted).
    pub fn new(
        record: &FlowRecord,
        key: FlowKey,
        flow: u32,
        kind: Recognised,
        generation: u32,
    ) -> Self {
        let (headend, roles_known) = headend_of(record, &key);
        let mut half = [HalfStream::new(), HalfStream::new()];
        for (role, h) in half.iter_mut().enumerate() {
            let index = if role == TO_HEADEND {
                1 - headend
            } else {
                headend
            };
            let lite = &record.halves[index];
            h.peer_window_first = record.halves[1 - index].last_window();
            h.peer_window_max = h.peer_window_first;
            h.packets = u64::from(lite.packets);
            if lite.has_syn() {
                let at = record
                    .first
                    .plus(i64::from(lite.syn_offset_ms) * NANOS_PER_MILLI);
                h.offer = Offer {
                    seen: true,
                    iss: lite.base,
                    window_scale: lite.window_scale(),
                    sack_permitted: lite.sack_permitted(),
                    mss: (lite.mss != 0).then_some(lite.mss),
                    layout: [0xff; 8],
                    at,
                };
                h.ttl.handshake = lite.ttl;
            }
            if lite.packets > 0 {
                h.first_ts = Some(record.first);
            }
        }
        Self {
            id: session_id(record.first, &key, generation),
            generation,
            kind,
            key,
            flow,
            headend,
            roles_known,
            first: record.first,
            last: record.last(),
            is_midstream: !record.halves.iter().any(super::flow::record::Half::has_syn),
            is_cut: false,
            half,
            esp: [EspMeter::default(); 2],
            framing: [Framing::default(); 2],
            ike: IkeMeter::default(),
            identity: Identity::default(),
            pending_syn: None,
            linked: None,
            is_continued: false,
            data_after_close: [0; 2],
            taps: 0,
            tunnel: 0,
            detectors: DetectorStates::default(),
        }
    }

    /// Asks for the cache lines that the next segment will need; see `Engine::push`.
    #[inline]
    pub(crate) fn prefetch(&self) {
        for half in &self.half {
            prefetch(&half.snd_nxt);
            prefetch(&half.packets);
            prefetch(&half.reordered);
        }
    }

    /// Client end.
    pub fn client(&self) -> Endpoint {
        self.key.end(1 - self.headend)
    }

    /// Headend end.
    pub fn server(&self) -> Endpoint {
        self.key.end(self.headend)
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
        let at = h.rst.map(|(at, _, _)| at).or(h.fin)?;
        let went_on = |h: &HalfStream| {
            h.last_data_ts
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
    /// the segment that made this session: the flow record has counted it already.
    pub fn on_segment(&mut self, index: usize, s: &Segment<'_>, is_promotion: bool) -> Effect {
        let dir = usize::from(index == self.headend);
        if self.half[dir].is_copy(s) {
            self.last = self.last.max(s.ts);
            return Effect::SpanCopy;
        }
        if let Some(offer) = self.generation_change(dir, s) {
            return Effect::NewGeneration(offer);
        }
        self.last = self.last.max(s.ts);
        self.taps |= 1 << (s.tap & 15);
        self.tunnel = s.tunnel;
        if is_promotion {
            self.half[dir].packets = self.half[dir].packets.saturating_sub(1);
        }
        let usual = self.half[dir].spacing.mean_gap_ns;
        let arrival = self.half[dir].on_sent(s);
        self.half[1 - dir].on_acked(s, usual);
        if s.payload_len == 0 {
            return Effect::Measured;
        }
        let closed = &self.half[1 - dir];
        if closed.rst.is_some() || closed.fin.is_some() {
            self.data_after_close[dir] = self.data_after_close[dir].saturating_add(1);
        }
        self.is_cut |= s.is_cut();
        self.on_payload(dir, s, arrival)
    }

    /// Takes the payload of one segment: one tunnel packet as the endpoints send it, or
    /// several (or parts) when an offload or a proxy re-cut the stream.
    fn on_payload(&mut self, dir: usize, s: &Segment<'_>, arrival: Arrival) -> Effect {
        let framing = &self.framing[dir];
        let may_be_merged =
            s.payload_len > ONE_FRAME_BYTES || framing.without_trailer > 0 || framing.merged > 0;
        if !may_be_merged || s.is_cut() {
            return self.on_tunnel_packet(dir, s, arrival);
        }
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
                ..*s
            };
            match self.on_tunnel_packet(dir, &part, arrival) {
                Effect::Measured => {}
                other => effect = other,
            }
        }
        self.framing[dir].merged += u64::from(packets > 1);
        effect
    }

    fn on_tunnel_packet(&mut self, dir: usize, s: &Segment<'_>, arrival: Arrival) -> Effect {
        let repeated = matches!(
            arrival,
            Arrival::Retransmission | Arrival::NetworkDuplicate | Arrival::Keepalive
        );
        let on_port = s.src.port == CTCP_PORT || s.dst.port == CTCP_PORT;
        let framing = &mut self.framing[dir];
        let (spi, seq) = match classify(s.payload, s.payload_len, on_port) {
            Payload::Ctcp(packet, _) => {
                framing.with_trailer += 1;
                match packet {
                    TunnelPacket::Ike(header) => {
                        if !repeated {
                            if let Some(h) = &header {
                                let message = s.payload.get(8..).unwrap_or_default();
                                self.identity.on_message(h, message, dir == TO_HEADEND);
                            }
                            let beyond = self.half[dir].unacked_bytes().unwrap_or(0);
                            self.ike.on_message(dir, header.as_ref(), s.ts, beyond);
                        }
                        return header.map_or(Effect::Measured, |h| Effect::Cookies(h.initiator));
                    }
                    TunnelPacket::Esp { spi, seq } => (spi, seq),
                    TunnelPacket::Ah => return Effect::Measured,
                }
            }
            Payload::LooseEsp { spi, seq, .. } => {
                framing.with_trailer += 1;
                (spi, seq)
            }
            Payload::EspHead { spi, seq } => {
                framing.cut += 1;
                (spi, seq)
            }
            _ if s.is_cut() => {
                framing.cut += 1;
                return Effect::Measured;
            }
            _ => {
                framing.without_trailer += 1;
                return Effect::Measured;
            }
        };
        // A stream that a proxy re-cut starts segments anywhere: believe an unknown
        // SPI only when the segment is whole.
        let known = self.esp[dir].knows(spi);
        if !known && self.framing[dir].without_trailer > 0 && self.esp[dir].current().is_some() {
            return Effect::Measured;
        }
        let esp = self.esp[dir].on_packet(spi, seq);
        if arrival == Arrival::Retransmission && matches!(esp, EspArrival::Forward { .. }) {
            let h = &mut self.half[dir];
            h.retransmissions = h.retransmissions.saturating_sub(1);
            h.reused_sequence += 1;
        }
        if esp == EspArrival::NewSa {
            Effect::NewSpi(dir, spi)
        } else {
            Effect::Measured
        }
    }

    /// Decides whether a segment belongs to a new connection on the same ends.
    fn generation_change(&mut self, dir: usize, s: &Segment<'_>) -> Option<Offer> {
        let flags = s.flags;
        if flags.any(TcpFlags::SYN) && !flags.any(TcpFlags::ACK) {
            let h = &self.half[dir];
            let is_other = if h.offer.seen {
                h.offer.iss != s.seq
            } else {
                h.data_segments > 0
            };
            if is_other {
                let options = s.options();
                self.pending_syn = Some(PendingSyn {
                    dir,
                    offer: Offer {
                        seen: true,
                        iss: s.seq,
                        window_scale: options.window_scale,
                        sack_permitted: options.sack_permitted,
                        mss: options.mss,
                        layout: options.layout,
                        at: s.ts,
                    },
                });
            }
            return None;
        }
        let pending = self.pending_syn?;
        let answered = flags.any(TcpFlags::SYN)
            && pending.dir != dir
            && s.ack == pending.offer.iss.wrapping_add(1);
        let followed = pending.dir == dir
            && s.payload_len > 0
            && (1..65_536).contains(&s.seq.wrapping_sub(pending.offer.iss))
            && !(-65_536..262_144).contains(&crate::tcp::seq::distance(
                s.seq,
                self.half[dir].snd_nxt as u32,
            ));
        (answered || followed).then_some(pending.offer)
    }

    /// A gap in the capture (nothing recorded on the whole tap): silence in it is
    /// no evidence, so every timer starts anew after it.
    pub fn on_capture_gap(&mut self, now: Timestamp) {
        for h in &mut self.half {
            if h.unacked_since.is_some() {
                h.unacked_since = Some(now);
            }
            h.segments_since_una = 0;
            h.ack_repeats = 0;
            h.bare_repeats = 0;
            h.dup_ack_run = 0;
            h.sack_run = 0;
            h.spacing.opposite_run = 0;
            if h.last_ts.is_some() {
                h.last_ts = Some(now);
            }
        }
        self.ike.unanswered = [0; 2];
        self.ike.unanswered_since = [None; 2];
        for dpd in &mut self.ike.dpd {
            dpd.pending = 0;
            dpd.pending_since = None;
        }
    }
}

/// Which end of the key is the headend, and whether that is known.
fn headend_of(record: &FlowRecord, key: &FlowKey) -> (usize, bool) {
    if record.opener < 2 {
        return (1 - usize::from(record.opener), true);
    }
    let (low, high) = (key.low.port, key.high.port);
    if (low == CTCP_PORT) != (high == CTCP_PORT) {
        return (usize::from(high == CTCP_PORT), true);
    }
    (usize::from(high < low), false)
}

/// Digest of ends, first packet time and generation. Unkeyed on purpose: the same
/// capture must name its sessions alike on every machine. Places nothing in a table.
fn session_id(first: Timestamp, key: &FlowKey, generation: u32) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        for b in bytes {
            h = (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for end in [key.low, key.high] {
        mix(&end.addr.0);
        mix(&end.port.to_be_bytes());
    }
    mix(&first.0.to_be_bytes());
    mix(&generation.to_be_bytes());
    // Final avalanche (splitmix64), so that the 48 bits shown depend on all of it.
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (h ^ (h >> 31)) >> 16
}

/// Name of the certainty in outputs.
pub fn certainty(kind: Recognised) -> Certainty {
    match kind {
        Recognised::Ctcp(c) => c,
        Recognised::FakeTcp(_) => Certainty::Behaviour,
        Recognised::IkeTcp | Recognised::PlainIke => Certainty::Exact,
    }
}
