//! One half-stream: what one side sent, as observed at the tap, and how the
//! other side acknowledged it. Measures; never judges.
//!
//! Words are those of RFC 9293 with "as observed" understood: `snd_nxt` is the
//! highest byte *seen*, `snd_una` the highest ACK *seen* from the other side.
//! For cTCP an ACK may step over a hole, so `snd_una` beyond a hole proves nothing
//! about the hole (docs/decisions/0003-hole-and-gap.md).

mod acknowledged;
mod spacing;

pub use spacing::Spacing;

use super::holes::HoleList;
use super::seq::Unwrap;
use crate::segment::{Segment, TcpFlags};
use crate::time::{NANOS_PER_MILLI, Timestamp};

/// A hole younger than this may still be closed by reordering. Origin: three
/// milliseconds is Wireshark's out-of-order threshold, IPsec gateways with several
/// cores reorder by a few positions; 200 ms also covers two taps with skew (guess).
pub const REORDER_WINDOW_NS: i64 = 200 * NANOS_PER_MILLI;
/// A copy with equal IP identification within this time is the same packet seen
/// twice by a mirror, not a retransmission: kernels retransmit after at least
/// 200 ms (RFC 6298 minimum as deployed) and with a new identification.
const SPAN_COPY_NS: i64 = 150 * NANOS_PER_MILLI;
/// The same without an identification to compare (0 with DF, or IPv6).
const SPAN_COPY_NO_ID_NS: i64 = 5 * NANOS_PER_MILLI;
/// Segments remembered for the copy test; a mirror's copies come close behind.
const RECENT: usize = 12;

/// An ACK that stands still this long below [`PAUSE_SEGMENTS`] new segments is a
/// pause worth remembering: above every round trip, below every release timer.
pub const PAUSE_NS: i64 = 2_000 * NANOS_PER_MILLI;
/// Segments sent into a pause.
pub const PAUSE_SEGMENTS: u32 = 3;

/// Latest data segments whose times are kept (guess: enough for a rate, few enough to
/// follow a back-off).
const LATEST: usize = 4;

/// What one data segment was, seen from the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Extends the highest byte seen.
    New,
    /// Bytes missed before, within the reorder window.
    Reordered,
    /// Bytes missed before, too late for reordering: somebody sent them again.
    LateFill,
    /// Bytes seen before, sent again.
    Retransmission,
    /// Bytes seen before with another content: sequence space used twice.
    ReusedSequence,
    /// The network delivered one packet twice (same identification, no mirror).
    NetworkDuplicate,
    /// No data and no sequence number used.
    NoData,
    /// A keepalive probe: at most one byte, one below the highest byte seen.
    Keepalive,
}

/// Identity of one packet for the copy test.
#[derive(Clone, Copy, Debug, Default)]
struct Fingerprint {
    ts: i64,
    digest: u64,
    ip_id: u16,
    ttl: u8,
}

/// TTL or hop limit by kind of segment; 0 means not seen. Kinds are kept apart
/// because endpoints build handshake and RST packets with another TTL than data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TtlByKind {
    /// Segments with payload.
    pub data: u8,
    /// Empty ACKs.
    pub pure_ack: u8,
    /// SYN segments.
    pub handshake: u8,
    /// RST segments.
    pub reset: u8,
}

/// What the SYN of this side offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The SYN was seen.
    pub seen: bool,
    /// SYN sequence number.
    pub iss: u32,
    /// Window scale shift; `None`: no option.
    pub window_scale: Option<u8>,
    /// SACK permitted.
    pub sack_permitted: bool,
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Option kinds in wire order, 0xff padded.
    pub layout: [u8; 8],
    /// Time of the SYN.
    pub at: Timestamp,
}

/// One side's sending, and the other side's answer to it.
#[derive(Clone, Debug, Default)]
pub struct HalfStream {
    seq: Unwrap,
    /// Highest byte seen plus one, unwrapped; 0 before the first segment.
    pub snd_nxt: u64,
    /// First sequence number seen, unwrapped.
    pub snd_first: u64,
    /// Highest ACK seen from the other side, unwrapped; `None` before the first.
    pub snd_una: Option<u64>,
    /// When `snd_una` last moved.
    pub una_moved: Timestamp,
    /// Since when unacknowledged data waits without `snd_una` moving.
    pub unacked_since: Option<Timestamp>,
    /// New data segments since `unacked_since`.
    pub segments_since_una: u32,
    /// Packets of the other side that repeated `snd_una` while data waited.
    pub ack_repeats: u32,
    /// Time of the last of them.
    pub ack_repeated: Timestamp,
    /// Of those the ones without data.
    pub bare_repeats: u32,
    /// Empty segments of the other side while data waited, up to the last move of `snd_una`.
    pub bare_acks: u64,
    /// Data segments up to the last move of `snd_una`.
    pub settled_segments: u64,
    /// New data segments since the last empty segment of the other side.
    pub segments_since_bare: u32,
    /// Duplicate ACKs in a row at `snd_una`: the five conditions of RFC 5681 section 2.
    pub dup_ack_run: u32,
    /// Duplicate ACKs in all.
    pub dup_acks: u64,
    /// Segments of the other side with SACK blocks since `snd_una` moved.
    pub sack_run: u32,
    /// Segments of the other side with SACK blocks in all.
    pub sack_segments: u64,
    /// Holes ever passed by an ACK in one jump (the receiver steps over holes).
    pub holes_stepped_over: u32,
    /// Holes an ACK proved to be the tap's own loss.
    pub gaps_proven: u32,
    /// Bytes not seen.
    pub holes: HoleList,
    /// Holes that outlived the reorder window.
    pub holes_total: u64,
    /// Bytes of those.
    pub hole_bytes_total: u64,
    /// When the last such hole opened.
    pub last_loss: Option<Timestamp>,
    /// Window the other side last offered, unscaled.
    pub peer_window: Option<u16>,
    /// Window the other side offered when `snd_una` last moved, unscaled.
    pub peer_window_at_una: u16,
    /// Largest and smallest window the other side offered on data or ACKs.
    pub peer_window_range: (u16, u16),
    /// Largest window the other side ever offered, SYN included, unscaled.
    pub peer_window_max: u16,
    /// First window the other side offered, SYN included, unscaled; 0 when not known.
    pub peer_window_first: u16,
    /// Smoothed data-to-ACK time, ns; 0 before the first sample.
    pub ack_rtt_ns: i64,
    /// Smallest data-to-ACK time, ns; `i64::MAX` before the first sample.
    pub ack_rtt_min_ns: i64,
    timing: Option<(u64, Timestamp)>,
    /// Packets, payload bytes, segments with payload, in all.
    pub packets: u64,
    /// Payload bytes in all.
    pub payload_bytes: u64,
    /// Segments with payload.
    pub data_segments: u64,
    /// Empty segments with only ACK set.
    pub pure_acks: u64,
    /// Segments that repeated bytes already seen.
    pub retransmissions: u64,
    /// When the last of them (or a late fill) was seen.
    pub last_retransmission: Option<Timestamp>,
    /// Segments that filled a hole too late for reordering.
    pub late_fills: u64,
    /// Segments that used sequence space again with other bytes.
    pub reused_sequence: u64,
    /// Segments that closed a hole within the reorder window.
    pub reordered: u64,
    /// Packets delivered twice by the network.
    pub network_duplicates: u64,
    /// Packets the mirror delivered twice (dropped before analysis).
    pub span_duplicates: u64,
    /// Of those with a payload and a TTL one lower: seen again behind a router.
    pub forwarded_copies: u64,
    /// Data segments since the last forwarded copy.
    pub data_since_copy: u32,
    /// Time of the last forwarded copy.
    pub last_copy: Timestamp,
    /// Zero windows this side advertised.
    pub zero_windows: u64,
    /// Keepalive probes this side sent.
    pub keepalives: u64,
    /// First packet.
    pub first_ts: Option<Timestamp>,
    /// Last packet.
    pub last_ts: Option<Timestamp>,
    /// Last segment with payload.
    pub last_data_ts: Option<Timestamp>,
    /// Times of the last segments with payload, oldest at `data_times_at`.
    data_times: [Timestamp; LATEST],
    data_times_at: u8,
    /// Spacing of packets.
    pub spacing: Spacing,
    /// TTLs by kind.
    pub ttl: TtlByKind,
    /// Longest time between two data segments, ns.
    pub max_data_gap_ns: i64,
    /// Empty ACKs since the last data segment.
    pub acks_since_data: u32,
    /// Data segments of the other side since the last data segment of this one.
    pub opposite_since_data: u32,
    /// The last time an ACK stood still for [`PAUSE_NS`] or more and then moved on.
    pub last_pause: Option<Timestamp>,
    /// The SYN of this side.
    pub offer: Offer,
    /// FIN seen at.
    pub fin: Option<Timestamp>,
    /// RST seen at, its sequence number and TTL.
    pub rst: Option<(Timestamp, u32, u8)>,
    recent: [Fingerprint; RECENT],
    recent_at: u8,
}

/// FNV-1a over the fields that make two captures of one packet equal. Not keyed:
/// it decides about one packet of one flow, it places nothing in a table.
fn digest(segment: &Segment<'_>) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |v: u64| {
        h = (h ^ v).wrapping_mul(PRIME);
        h ^= h >> 29;
    };
    mix(u64::from(segment.seq) << 32 | u64::from(segment.ack));
    mix(u64::from(segment.payload_len) << 32
        | u64::from(segment.window) << 8
        | u64::from(segment.flags.0));
    for chunk in segment.payload.chunks(8).take(6) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(u64::from_le_bytes(word));
    }
    h
}

impl HalfStream {
    /// A half-stream with nothing seen.
    pub fn new() -> Self {
        Self {
            ack_rtt_min_ns: i64::MAX,
            peer_window_range: (u16::MAX, 0),
            ..Self::default()
        }
    }

    /// True when any packet of this side was seen.
    pub fn is_seen(&self) -> bool {
        self.first_ts.is_some()
    }

    /// Bytes sent and not acknowledged; `None` until both are known.
    pub fn unacked_bytes(&self) -> Option<u64> {
        self.snd_una
            .map(|una| self.snd_nxt.saturating_sub(una.max(self.snd_first)))
    }

    /// Share of this side's segments that the other side used to answer with an empty
    /// ACK while its ACK still moved; `None` before twenty segments were answered (guess:
    /// an IKE handshake and as much again).
    pub fn bare_ack_share(&self) -> Option<f64> {
        // Not what came since: a reordered segment of a frozen stream is no settled one.
        let settled = self.settled_segments;
        (settled >= 20).then(|| self.bare_acks as f64 / settled as f64)
    }

    /// Mean time between data segments over the whole stream, and from the fourth last one
    /// until `now`, ns; `None` before there were twice as many.
    pub fn data_pace_ns(&self, now: Timestamp) -> Option<(i64, i64)> {
        if self.data_segments < 2 * LATEST as u64 {
            return None;
        }
        let first = self.first_ts?;
        let oldest = self.data_times[usize::from(self.data_times_at)];
        let before = self.data_segments as i64 - LATEST as i64;
        Some((
            oldest.since(first) / before,
            now.since(oldest) / LATEST as i64,
        ))
    }

    /// The hole at `snd_una`, if the other side's ACK stands at one.
    pub fn hole_at_una(&self) -> bool {
        self.snd_una
            .is_some_and(|una| self.holes.at_or_from(una).is_some())
    }

    /// Tests whether a packet is a second sight of one of the last packets of
    /// this side; counts it when it is. A copy takes no further part.
    pub fn is_copy(&mut self, segment: &Segment<'_>) -> bool {
        let now = segment.ts.0;
        let ip_id = segment.ip_id.unwrap_or(0);
        let digest = digest(segment);
        let copy = self.recent.iter().find(|old| {
            old.digest == digest
                && old.ip_id == ip_id
                && now.saturating_sub(old.ts).abs()
                    <= if ip_id == 0 {
                        SPAN_COPY_NO_ID_NS
                    } else {
                        SPAN_COPY_NS
                    }
        });
        if let Some(old) = copy {
            self.span_duplicates += 1;
            if segment.payload_len > 0 && segment.ttl < old.ttl {
                self.forwarded_copies += 1;
                self.data_since_copy = 0;
                self.last_copy = segment.ts;
            }
            return true;
        }
        self.recent[usize::from(self.recent_at) % RECENT] = Fingerprint {
            ts: now,
            digest,
            ip_id,
            ttl: segment.ttl,
        };
        self.recent_at = self.recent_at.wrapping_add(1) % RECENT as u8;
        false
    }

    /// True when an older packet of this side with the same bytes is remembered.
    fn saw_same_bytes(&self, segment: &Segment<'_>) -> bool {
        let digest = digest(segment);
        self.recent
            .iter()
            .filter(|old| old.digest == digest)
            .count()
            > 1
    }

    /// Takes a segment this side sent.
    pub fn on_sent(&mut self, segment: &Segment<'_>) -> Arrival {
        let ts = segment.ts;
        self.count_packet(segment);
        let flags = segment.flags;
        if flags.any(TcpFlags::RST) {
            self.rst = Some((ts, segment.seq, segment.ttl));
            return Arrival::NoData;
        }
        if flags.any(TcpFlags::SYN) && !self.offer.seen {
            let options = segment.options();
            self.offer = Offer {
                seen: true,
                iss: segment.seq,
                window_scale: options.window_scale,
                sack_permitted: options.sack_permitted,
                mss: options.mss,
                layout: options.layout,
                at: ts,
            };
        }
        if flags.any(TcpFlags::FIN) {
            self.fin = Some(ts);
        }
        if segment.window == 0 && !flags.any(TcpFlags::SYN) {
            self.zero_windows += 1;
        }
        let first = self.seq.is_unset();
        let start = self.seq.at(segment.seq);
        let len = u64::from(segment.seg_len());
        let end = start + len;
        if first {
            self.snd_first = start;
            self.snd_nxt = start;
        }
        if segment.payload_len <= 1
            && len <= 1
            && !first
            && start + 1 == self.snd_nxt
            && !flags.any(TcpFlags::SYN | TcpFlags::FIN)
        {
            self.keepalives += 1;
            return Arrival::Keepalive;
        }
        if len == 0 {
            return Arrival::NoData;
        }
        self.place(segment, start, end)
    }

    fn count_packet(&mut self, segment: &Segment<'_>) {
        let ts = segment.ts;
        self.packets += 1;
        self.payload_bytes += u64::from(segment.payload_len);
        if let Some(last) = self.last_ts {
            self.spacing.on_gap(ts.since(last).max(0));
        }
        let run = self.spacing.opposite_run;
        self.spacing.max_opposite_run = self.spacing.max_opposite_run.max(run);
        self.spacing.opposite_run = 0;
        self.spacing.packets = self.spacing.packets.saturating_add(1);
        self.first_ts.get_or_insert(ts);
        self.last_ts = Some(self.last_ts.map_or(ts, |last| last.max(ts)));
        let ttl = if segment.flags.any(TcpFlags::RST) {
            &mut self.ttl.reset
        } else if segment.flags.any(TcpFlags::SYN) {
            &mut self.ttl.handshake
        } else if segment.payload_len > 0 {
            self.data_segments += 1;
            self.data_since_copy = self.data_since_copy.saturating_add(1);
            if let Some(last) = self.last_data_ts {
                self.max_data_gap_ns = self.max_data_gap_ns.max(ts.since(last));
            }
            self.last_data_ts = Some(ts);
            self.data_times[usize::from(self.data_times_at)] = ts;
            self.data_times_at = (self.data_times_at + 1) % LATEST as u8;
            self.acks_since_data = 0;
            self.opposite_since_data = 0;
            &mut self.ttl.data
        } else {
            self.pure_acks += 1;
            self.acks_since_data = self.acks_since_data.saturating_add(1);
            &mut self.ttl.pure_ack
        };
        *ttl = segment.ttl;
    }

    /// Places `start..end` in sequence space.
    fn place(&mut self, segment: &Segment<'_>, start: u64, end: u64) -> Arrival {
        let ts = segment.ts;
        if start >= self.snd_nxt {
            if start > self.snd_nxt {
                self.holes.open(self.snd_nxt, start, ts);
                if self.snd_una.is_some_and(|una| una >= start) {
                    // The receiver acknowledged these bytes before anything beyond
                    // them was sent: it has them, the tap does not.
                    if let Some(hole) = self.holes.iter_mut().last() {
                        hole.is_gap = true;
                        hole.is_acked = true;
                        self.gaps_proven += 1;
                    }
                }
            }
            self.snd_nxt = end;
            self.seq.advance(end);
            if self.snd_una.is_none_or(|una| una < end) {
                self.segments_since_una = self.segments_since_una.saturating_add(1);
                self.segments_since_bare = self.segments_since_bare.saturating_add(1);
                if self.unacked_since.is_none() {
                    self.unacked_since = Some(ts);
                }
            }
            if self.timing.is_none() && segment.payload_len > 0 {
                self.timing = Some((end, ts));
            }
            return Arrival::New;
        }
        let filled = self.holes.fill(start, end.min(self.snd_nxt), ts);
        if end > self.snd_nxt {
            self.snd_nxt = end;
            self.seq.advance(end);
        }
        // Karn: an ambiguous segment gives no RTT sample.
        if self.timing.is_some_and(|(at, _)| start < at) {
            self.timing = None;
        }
        match filled {
            Some((_, age)) if age <= REORDER_WINDOW_NS => {
                self.reordered += 1;
                Arrival::Reordered
            }
            Some(_) => {
                self.late_fills += 1;
                self.retransmissions += 1;
                self.last_retransmission = Some(ts);
                Arrival::LateFill
            }
            None if start < self.snd_first.max(self.holes.forgotten_below) => {
                // Older than anything seen: a mid-stream start met reordering. Or it may
                // fill a hole that is not remembered: no proof that it was sent again.
                self.reordered += 1;
                Arrival::Reordered
            }
            None if self.saw_same_bytes(segment) => {
                self.network_duplicates += 1;
                Arrival::NetworkDuplicate
            }
            None => {
                self.retransmissions += 1;
                self.last_retransmission = Some(ts);
                Arrival::Retransmission
            }
        }
    }

    /// Counts the holes that outlived the reorder window by `now`.
    pub fn settle_holes(&mut self, now: Timestamp) {
        let mut counted = 0;
        let mut bytes = 0;
        let mut last = self.last_loss;
        for hole in self.holes.iter_mut() {
            if !hole.is_counted && now.since(hole.opened) > REORDER_WINDOW_NS {
                hole.is_counted = true;
                if !hole.is_gap {
                    counted += 1;
                    bytes += hole.bytes();
                    last = last.max(Some(hole.opened));
                }
            }
        }
        self.holes_total += counted;
        self.hole_bytes_total += bytes;
        self.last_loss = last;
    }

    /// The window the other side offers for this side's data, scaled when both
    /// SYNs were seen with the option (`peer_scale` is the other side's offer).
    pub fn window_bytes(&self, peer_scale: Option<u8>) -> Option<u64> {
        self.peer_window.map(|w| self.scaled(w, peer_scale))
    }

    /// The largest window the other side ever offered, scaled in the same way.
    pub fn max_window_bytes(&self, peer_scale: Option<u8>) -> u64 {
        self.scaled(self.peer_window_max, peer_scale)
    }

    fn scaled(&self, window: u16, peer_scale: Option<u8>) -> u64 {
        let both = self.offer.window_scale.and(peer_scale);
        u64::from(window) << both.unwrap_or(0).min(14)
    }
}
