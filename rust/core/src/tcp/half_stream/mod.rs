//! One half-stream: what one side sent, as observed at the tap, and how the
//! other side acknowledged it. Measures; never judges.
//!
//! Words are those of RFC 9293 with "as observed" understood: `snd_nxt` is the
//! highest byte *seen*, `snd_una` the highest ACK *seen* from the other side.
//! For cTCP an ACK may step over a hole, so `snd_una` beyond a hole proves nothing
//! about the hole (docs/decisions/0003-hole-and-gap.md).
//!
//! Everything that a stream always has lies in a few cache lines; what few streams ever
//! have is boxed (`rare`), so a healthy one stays small (`rust/testkit/tests/session_memory.rs`).

mod acknowledged;
mod copies;
mod numbers;
mod rare;
mod readings;
mod recent;
mod small;
mod spacing;

use std::ops::Range;

pub use spacing::Spacing;

pub(crate) use self::copies::Copies;
use self::copies::Fingerprint;
use self::numbers::{Number, Numbers, Run, Tally};
use self::rare::{NOTHING, Rare, one_more};
pub(crate) use self::recent::Recent;
use self::small::Gap;
use self::spacing::{GapClasses, smoothed};
use super::seq::{first_number, near};
use crate::prefetch::prefetch_whole;
use crate::segment::{Segment, TcpFlags};
use crate::time::{MaybeTime, NANOS_PER_MILLI, Timestamp};

/// A hole younger than this may still be closed by reordering. Origin: three
/// milliseconds is Wireshark's out-of-order threshold, IPsec gateways with several
/// cores reorder by a few positions; 200 ms also covers two taps with skew (guess).
pub const REORDER_WINDOW_NS: i64 = 200 * NANOS_PER_MILLI;

/// An ACK that stands still this long below [`PAUSE_SEGMENTS`] new segments is a
/// pause worth remembering: above every round trip, below every release timer.
pub const PAUSE_NS: i64 = 2_000 * NANOS_PER_MILLI;
/// Segments sent into a pause.
pub const PAUSE_SEGMENTS: u32 = 3;

/// A sender that goes back farther than this may meet a tracker that lost the window scale
/// and refuses that segment alone (domain guide 2.5, test II), while what follows passes.
/// Origin: udp2raw's window without its scale (network.cpp).
const NEAR_RESTART: u64 = 40_960;

/// Stands for a number of packets before the session that is in the box of rare things.
const MANY_BEFORE: u8 = u8::MAX;

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
}

/// What a SYN offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// SYN sequence number.
    pub iss: u32,
    /// Window scale shift; `None`: no option.
    pub window_scale: Option<u8>,
    /// Time of the SYN.
    pub at: Timestamp,
}

/// Bits of `Numbers::marks`. Three of them say that the box of rare things has something
/// that a segment must look at: most of the time it has not, and is not touched.
mod mark {
    /// A window of the other side was seen.
    pub(super) const HAS_WINDOW: u8 = 1;
    /// The SYN of this side was seen.
    pub(super) const HAS_OFFER: u8 = 2;
    /// There may be a hole that no ACK has passed, or a run of SACK blocks.
    pub(super) const ACK_MATTERS: u8 = 4;
    /// The mirror showed a copy with a lower TTL.
    pub(super) const FORWARDED: u8 = 8;
    /// FIN or RST was seen.
    pub(super) const CLOSED: u8 = 16;
    /// An ACK of the other side was seen, and it is too far from what it acknowledges to be told
    /// by its lower half.
    pub(super) const HAS_UNA: u8 = 32;
    pub(super) const UNA_FAR: u8 = 64;
    /// A bit of the first time.
    pub(super) const FIRST_HIGH: u8 = 128;
}

/// One side's sending, and the other side's answer to it.
#[derive(Clone, Debug)]
pub struct HalfStream {
    /// Times, sequence numbers and sums, and what few streams have.
    numbers: Numbers,
    /// Gaps about as long as the longest one.
    gaps: GapClasses,
    /// Smallest and largest window the other side offered on data or ACKs.
    pub peer_window_range: (u16, u16),
    /// First window the other side offered, SYN included, unscaled; 0 when not known.
    pub peer_window_first: u16,
}

const _: () = assert!(size_of::<HalfStream>() == 152);

impl HalfStream {
    /// A half-stream with nothing seen, of a flow that began at `first`.
    pub fn new(first: Timestamp) -> Self {
        Self {
            numbers: Numbers::new(first),
            gaps: GapClasses::default(),
            peer_window_range: (u16::MAX, 0),
            peer_window_first: 0,
        }
    }

    /// Takes over `packets` that were seen since `first`, before there was a session.
    pub fn seen_before(&mut self, packets: u16, first: Timestamp) {
        self.numbers.before = u8::try_from(packets).unwrap_or(MANY_BEFORE);
        if self.numbers.before == MANY_BEFORE {
            self.rare_mut().before = packets;
        }
        if packets > 0 {
            self.numbers.set_first(first);
        }
    }

    /// The last of the packets seen before is measured after all.
    pub fn is_measured_after_all(&mut self) {
        match self.numbers.before {
            MANY_BEFORE => self.rare_mut().before -= 1,
            few => self.numbers.before = few.saturating_sub(1),
        }
    }

    /// The tunnel is up: a pause in the handshake is forgotten. There somebody typed a
    /// password or a message was sent again; it is no habit of this side.
    pub fn forget_handshake(&mut self) {
        if self.numbers.ns(Number::MaxGap) >= PAUSE_NS {
            self.gaps = GapClasses::default();
            self.numbers.set(Number::MaxGap, 0);
        }
    }

    /// Keeps the TTL of its SYN.
    pub(crate) fn set_handshake_ttl(&mut self, ttl: u8) {
        self.numbers.few_mut().ttl.handshake = ttl;
    }

    /// Keeps what the SYN of this side offered.
    pub fn set_offer(&mut self, offer: &Offer) {
        self.numbers.marks |= mark::HAS_OFFER;
        let scale = offer
            .window_scale
            .map_or(small::NO_SCALE, |scale| scale.min(14));
        self.numbers.small.set(small::SCALE, scale);
        if self.snd_nxt() == 0 {
            self.numbers.first_seq = offer.iss;
        }
        self.keep_iss(offer.iss);
    }

    /// Keeps the SYN's number by the first one.
    fn keep_iss(&mut self, iss: u32) {
        let behind = self.numbers.first_seq.wrapping_sub(iss);
        let behind = u8::try_from(behind).unwrap_or(u8::MAX);
        self.numbers.small.set(small::ISS_BEHIND, behind);
        if self.numbers.small.get(small::ISS_BEHIND) == small::ISS_IS_RARE {
            self.rare_mut().iss = iss;
        }
    }

    /// End of the segment whose ACK is timed, and when it was sent. The end is told by its
    /// lower half: between it and `nxt` lie less than 4 GB, or nobody acknowledges anything.
    fn timed(&self, nxt: u64) -> Option<(u64, Timestamp)> {
        let sent = self.numbers.time(Number::TimedAt)?;
        let beyond = (nxt as u32).wrapping_sub(self.numbers.timed_end);
        Some((nxt.saturating_sub(u64::from(beyond)), sent))
    }

    fn rare(&self) -> &Rare {
        self.numbers.rare().unwrap_or(&NOTHING)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.numbers.rare_mut()
    }

    /// Asks for the cache lines of what few streams have.
    #[inline]
    pub(crate) fn prefetch_rare(&self) {
        if let Some(rare) = self.numbers.rare() {
            prefetch_whole(rare);
        }
    }

    /// The next ACK may say something about its holes.
    #[inline]
    pub(crate) fn ack_matters(&self) -> bool {
        self.numbers.marks & mark::ACK_MATTERS != 0
    }

    /// Asks for its holes.
    #[inline]
    pub(crate) fn prefetch_holes(&self) {
        if let Some(rare) = self.numbers.rare() {
            rare.holes.prefetch();
        }
    }

    /// Counts a tunnel packet that ends in a trailer.
    pub fn count_trailer(&mut self) {
        self.numbers.count(Tally::Trailers);
    }

    /// Tests whether a packet of this side, which is end `sender` of the key, is a second sight of one of the last
    /// packets; counts it when it is. A copy takes no further part.
    pub(crate) fn is_copy(
        &mut self,
        sender: usize,
        segment: &Segment<'_>,
        copies: &mut Copies,
        recent: &mut Recent,
    ) -> bool {
        let ts = segment.ts;
        let packet = Fingerprint::of(segment, sender);
        let nxt = self.snd_nxt();
        // A quarter of the sequence space: what lies half of it away may have been placed
        // behind when it was first seen.
        let is_ahead = nxt != 0 && segment.seq.wrapping_sub(nxt as u32) < 1 << 30;
        if !copies::brings_new_bytes(segment, is_ahead)
            && let Some(ttl) = copies.ttl_of_original(packet, ts, recent)
        {
            let rare = self.rare_mut();
            one_more(&mut rare.span_duplicates);
            if segment.payload_len > 0 && segment.ttl < ttl {
                one_more(&mut rare.forwarded_copies);
                rare.data_since_copy = 0;
                rare.last_copy = ts.into();
                self.numbers.marks |= mark::FORWARDED;
            }
            return true;
        }
        copies.remember(packet, ts, recent);
        false
    }

    /// The bytes just taken for a retransmission were others: sequence space used twice.
    pub fn reused_sequence(&mut self) {
        let rare = self.rare_mut();
        rare.retransmissions = rare.retransmissions.saturating_sub(1);
    }

    /// A gap in the capture: silence in it is no evidence, so every timer starts anew.
    pub fn on_capture_gap(&mut self, now: Timestamp) {
        if self.unacked_since().is_some() {
            self.numbers.set_time(Number::UnackedSince, now);
        }
        for run in [
            Run::SinceUna,
            Run::AckRepeats,
            Run::BareRepeats,
            Run::DupAcks,
            Run::Opposite,
        ] {
            self.numbers.end(run);
        }
        if let Some(rare) = self.numbers.rare_if_there() {
            rare.sack_run = 0;
        }
        if self.last_ts().is_some() {
            self.numbers.set_time(Number::LastTs, now);
        }
    }

    /// Takes a segment this side, end `sender` of the key, sent; the session's `copies` know it already.
    pub(crate) fn on_sent(
        &mut self,
        sender: usize,
        segment: &Segment<'_>,
        copies: &Copies,
    ) -> Arrival {
        self.count_packet(segment);
        let flags = segment.flags;
        if flags.any(TcpFlags::RST | TcpFlags::SYN | TcpFlags::FIN) {
            self.note_control(segment);
            if flags.any(TcpFlags::RST) {
                self.numbers.add_payload_bytes(segment.payload_len);
                return Arrival::NoData;
            }
        }
        if segment.window == 0 && !flags.any(TcpFlags::SYN) {
            one_more(&mut self.rare_mut().zero_windows);
        }
        let (nxt, start) = self.unwrap_from(segment.seq);
        let len = u64::from(segment.seg_len());
        let end = start + len;
        if start == nxt && len > 0 && segment.seg_len() == segment.payload_len {
            let una = self.numbers.una_below(nxt);
            self.numbers.go_on(nxt, segment.payload_len);
            self.note_new(segment, end, una);
            return Arrival::New;
        }
        if start >= nxt && len > 0 {
            self.advance(segment, start, end, nxt);
            return Arrival::New;
        }
        self.numbers.add_payload_bytes(segment.payload_len);
        if segment.payload_len <= 1
            && len <= 1
            && start + 1 == nxt
            && !flags.any(TcpFlags::SYN | TcpFlags::FIN)
        {
            return Arrival::Keepalive;
        }
        if len == 0 {
            return Arrival::NoData;
        }
        self.place(sender, segment, start..end, nxt, copies)
    }

    /// Notes what a RST, a SYN or a FIN says; beside a RST nothing else counts.
    #[cold]
    fn note_control(&mut self, segment: &Segment<'_>) {
        let (ts, flags) = (segment.ts, segment.flags);
        if flags.any(TcpFlags::RST) {
            let rare = self.rare_mut();
            rare.rst = ts.into();
            rare.rst_ttl = segment.ttl;
            self.numbers.marks |= mark::CLOSED;
            return;
        }
        if flags.any(TcpFlags::SYN) && self.iss().is_none() {
            self.set_offer(&Offer {
                iss: segment.seq,
                window_scale: segment.options().window_scale,
                at: ts,
            });
        }
        if flags.any(TcpFlags::FIN) {
            self.rare_mut().fin = ts.into();
            self.numbers.marks |= mark::CLOSED;
        }
    }

    /// The highest byte seen plus one, and `seq` unwrapped against it. The first number of
    /// all becomes both.
    #[inline]
    fn unwrap_from(&mut self, seq: u32) -> (u64, u64) {
        match self.snd_nxt() {
            0 => self.begin_at(seq),
            nxt => (nxt, near(nxt, seq)),
        }
    }

    #[cold]
    fn begin_at(&mut self, seq: u32) -> (u64, u64) {
        let iss = self.iss();
        self.numbers.first_seq = seq;
        let first = first_number(seq);
        self.numbers.set_nxt(first);
        if let Some(iss) = iss {
            self.keep_iss(iss);
        }
        (first, first)
    }

    fn count_packet(&mut self, segment: &Segment<'_>) {
        let ts = segment.ts;
        let numbers = &mut self.numbers;
        match numbers.time(Number::LastTs) {
            None => numbers.set_time(Number::LastTs, ts),
            Some(last) => {
                let gap_ns = ts.since(last).max(0);
                let longest_ns = numbers.ns(Number::MaxGap);
                self.gaps.take(gap_ns, longest_ns);
                if gap_ns > longest_ns {
                    numbers.set(Number::MaxGap, gap_ns as u64);
                }
                let mean_ns = smoothed(numbers.ns(Number::MeanGap), gap_ns);
                numbers.set(Number::MeanGap, mean_ns as u64);
                if ts > last {
                    numbers.set_time(Number::LastTs, ts);
                }
            }
        }
        let run = u8::try_from(numbers.end(Run::Opposite)).unwrap_or(u8::MAX);
        numbers.max_opposite_run = numbers.max_opposite_run.max(run);
        if !numbers.has_first() {
            numbers.set_first(ts);
        }
        if segment.flags.any(TcpFlags::RST | TcpFlags::SYN) {
            self.numbers.extend(Run::Others);
            if !segment.flags.any(TcpFlags::RST) {
                self.numbers.few_mut().ttl.handshake = segment.ttl;
            }
        } else if segment.payload_len > 0 {
            self.count_data(ts);
            self.numbers.few_mut().ttl.data = segment.ttl;
        } else {
            self.numbers.count(Tally::PureAcks);
            self.numbers.extend(Run::AcksSinceData);
            self.numbers.few_mut().ttl.pure_ack = segment.ttl;
        }
    }

    fn count_data(&mut self, ts: Timestamp) {
        self.numbers.count(Tally::DataSegments);
        self.numbers.extend(Run::Unsettled);
        if self.numbers.marks & mark::FORWARDED != 0 {
            let rare = self.rare_mut();
            rare.data_since_copy = rare.data_since_copy.saturating_add(1);
        }
        if let Some(last) = self.last_data_ts() {
            let gap_ns = ts.since(last);
            if gap_ns > self.max_data_gap_ns() {
                self.numbers.set(Number::MaxDataGap, gap_ns as u64);
            }
            let at = usize::from(self.numbers.small.get(small::GAP_AT)) % (LATEST - 1);
            self.numbers.few_mut().data_gaps[at] = Gap::of(gap_ns);
            let next = (at + 1) % (LATEST - 1);
            self.numbers.small.set(small::GAP_AT, next as u8);
        }
        self.numbers.set_time(Number::LastData, ts);
        self.numbers.end(Run::AcksSinceData);
        self.numbers.end(Run::OppositeSinceData);
    }

    /// Bytes at or beyond the highest one seen.
    fn advance(&mut self, segment: &Segment<'_>, start: u64, end: u64, nxt: u64) {
        let una = self.numbers.una_below(nxt);
        if start > nxt {
            self.open_hole(nxt, start, segment.ts, una);
        }
        self.numbers.jump(nxt, end, segment.payload_len);
        self.note_new(segment, end, una);
    }

    /// Notes that new bytes up to `end` wait for their ACK; `una` is the highest one seen.
    fn note_new(&mut self, segment: &Segment<'_>, end: u64, una: Option<u64>) {
        let ts = segment.ts;
        if una.is_none_or(|una| una < end) {
            self.numbers.extend(Run::SinceUna);
            self.numbers.extend(Run::SinceBare);
            if self.numbers.get(Number::UnackedSince).is_none() {
                self.numbers.set_time(Number::UnackedSince, ts);
            }
        }
        if segment.payload_len > 0 && self.numbers.get(Number::TimedAt).is_none() {
            self.numbers.timed_end = end as u32;
            self.numbers.set_time(Number::TimedAt, ts);
        }
    }

    /// Places bytes in sequence space that begin below `nxt`, the highest one seen plus one.
    #[inline(never)]
    fn place(
        &mut self,
        sender: usize,
        segment: &Segment<'_>,
        bytes: Range<u64>,
        nxt: u64,
        copies: &Copies,
    ) -> Arrival {
        let ts = segment.ts;
        let Range { start, end } = bytes;
        if end > nxt {
            self.numbers.set_nxt(end);
        }
        // Karn: an ambiguous segment gives no RTT sample.
        if self.timed(nxt).is_some_and(|(at, _)| start < at) {
            self.numbers.clear(Number::TimedAt);
        }
        if self.snd_una() == Some(start) && nxt - start <= NEAR_RESTART {
            let rare = self.rare_mut();
            if rare.restarted_at != start as u32 {
                (rare.restarts, rare.restarted_at) = (0, start as u32);
            }
            rare.restarts = rare.restarts.saturating_add(1);
        }
        let snd_first = self.snd_first();
        let rare = self.numbers.rare_mut();
        match rare.holes.fill(start, end.min(nxt), ts) {
            Some((_, age)) if age <= REORDER_WINDOW_NS => {
                one_more(&mut rare.reordered);
                Arrival::Reordered
            }
            Some(_) => {
                one_more(&mut rare.retransmissions);
                Arrival::LateFill
            }
            None if start < snd_first.max(rare.holes.forgotten_below) => {
                // Older than anything seen: a mid-stream start met reordering. Or it may
                // fill a hole that is not remembered: no proof that it was sent again.
                one_more(&mut rare.reordered);
                Arrival::Reordered
            }
            None if copies.same_bytes(Fingerprint::of(segment, sender)) > 1 => {
                // An older packet with the same bytes is remembered beside this one.
                one_more(&mut rare.network_duplicates);
                Arrival::NetworkDuplicate
            }
            None => {
                one_more(&mut rare.retransmissions);
                Arrival::Retransmission
            }
        }
    }

    #[cold]
    fn open_hole(&mut self, from: u64, to: u64, ts: Timestamp, una: Option<u64>) {
        self.numbers.marks |= mark::ACK_MATTERS;
        let rare = self.rare_mut();
        rare.holes.open(from, to, ts);
        rare.is_unsettled = true;
        if una.is_some_and(|una| una >= to) {
            // The receiver acknowledged these bytes before anything beyond
            // them was sent: it has them, the tap does not.
            if let Some(hole) = rare.holes.iter_mut().last() {
                hole.is_gap = true;
                hole.is_acked = true;
                rare.note_proven(1);
            }
        }
    }

    /// Counts the holes that outlived the reorder window by `now`. Returns their number, and
    /// that of the gaps proven since the last call.
    pub fn settle_holes(&mut self, now: Timestamp) -> (u64, u64) {
        let Some(rare) = self.numbers.rare_if_there() else {
            return (0, 0);
        };
        let mut settled = 0;
        if std::mem::take(&mut rare.is_unsettled) {
            let mut last = rare.last_loss.get();
            for hole in rare.holes.iter_mut().filter(|hole| !hole.is_counted) {
                if now.since(hole.opened) <= REORDER_WINDOW_NS {
                    rare.is_unsettled = true;
                    continue;
                }
                hole.is_counted = true;
                if !hole.is_gap {
                    settled += 1;
                    rare.hole_bytes_total += hole.bytes();
                    last = last.max(Some(hole.opened));
                }
            }
            rare.holes_total = rare.holes_total.saturating_add(settled);
            rare.last_loss = last.map_or(MaybeTime::NONE, Into::into);
        }
        let gaps = std::mem::take(&mut rare.gaps_untold);
        (settled.into(), gaps.into())
    }
}
