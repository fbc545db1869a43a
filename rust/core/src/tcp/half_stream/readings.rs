//! What is read of a half-stream: by the detectors, for rows, and while measuring.

use super::numbers::{Number, Run, Tally};
use super::{HalfStream, LATEST, MANY_BEFORE, Spacing, TtlByKind, mark, small};
use crate::tcp::holes::HoleList;
use crate::tcp::seq::first_number;
use crate::time::Timestamp;

impl HalfStream {
    /// Sequence number of this side's SYN; `None`: not seen.
    pub fn iss(&self) -> Option<u32> {
        if self.numbers.marks & mark::HAS_OFFER == 0 {
            return None;
        }
        Some(match self.numbers.small.get(small::ISS_BEHIND) {
            small::ISS_IS_RARE => self.rare().iss,
            behind => self.numbers.first_seq.wrapping_sub(u32::from(behind)),
        })
    }

    /// Window scale shift that this side's SYN offered.
    pub fn window_scale(&self) -> Option<u8> {
        let scale = self.numbers.small.get(small::SCALE);
        (scale != small::NO_SCALE).then_some(scale)
    }

    /// Highest byte seen plus one, unwrapped; 0 before the first segment. All other
    /// sequence numbers are unwrapped against it.
    #[inline]
    pub fn snd_nxt(&self) -> u64 {
        self.numbers.nxt()
    }

    /// First sequence number seen, unwrapped.
    pub fn snd_first(&self) -> u64 {
        match self.snd_nxt() {
            0 => 0,
            _ => first_number(self.numbers.first_seq),
        }
    }

    /// Highest ACK seen from the other side, unwrapped; `None` before the first.
    pub fn snd_una(&self) -> Option<u64> {
        self.numbers.una()
    }

    /// Since when unacknowledged data waits without `snd_una` moving.
    pub fn unacked_since(&self) -> Option<Timestamp> {
        self.numbers.time(Number::UnackedSince)
    }

    /// New data segments since [`Self::unacked_since`].
    #[inline]
    pub fn segments_since_una(&self) -> u32 {
        self.numbers.run(Run::SinceUna)
    }

    /// Packets of the other side that repeated `snd_una` while data waited.
    #[inline]
    pub fn ack_repeats(&self) -> u32 {
        self.numbers.run(Run::AckRepeats)
    }

    /// Of those the ones without data.
    #[inline]
    pub fn bare_repeats(&self) -> u32 {
        self.numbers.run(Run::BareRepeats)
    }

    /// New data segments since the last empty segment of the other side.
    pub fn segments_since_bare(&self) -> u32 {
        self.numbers.run(Run::SinceBare)
    }

    /// Duplicate ACKs in a row at `snd_una`: the five conditions of RFC 5681 section 2.
    pub fn dup_ack_run(&self) -> u32 {
        self.numbers.run(Run::DupAcks)
    }

    /// Empty ACKs since the last data segment.
    pub fn acks_since_data(&self) -> u32 {
        self.numbers.run(Run::AcksSinceData)
    }

    /// Data segments of the other side since the last data segment of this one.
    pub fn opposite_since_data(&self) -> u32 {
        self.numbers.run(Run::OppositeSinceData)
    }

    /// Time of the last packet that repeated `snd_una` while data waited.
    pub fn ack_repeated(&self) -> Timestamp {
        self.numbers.time(Number::AckRepeated).unwrap_or_default()
    }

    /// Duplicate ACKs in all.
    pub fn dup_acks(&self) -> u64 {
        u64::from(self.numbers.run(Run::AllDupAcks))
    }

    /// Segments of the other side with SACK blocks since `snd_una` moved.
    pub fn sack_run(&self) -> u32 {
        self.rare().sack_run
    }

    /// Segments of the other side with SACK blocks in all.
    pub fn sack_segments(&self) -> u64 {
        self.rare().sack_segments.into()
    }

    /// Holes ever passed by an ACK in one jump (the receiver steps over holes).
    pub fn holes_stepped_over(&self) -> u32 {
        self.rare().holes_stepped_over.into()
    }

    /// Times this side went back to the very byte that the ACK names, where it still stands.
    pub fn restarts_at_una(&self) -> u16 {
        let rare = self.rare();
        if self
            .snd_una()
            .is_some_and(|una| una as u32 == rare.restarted_at)
        {
            rare.restarts
        } else {
            0
        }
    }

    /// Holes an ACK proved to be the tap's own loss.
    pub fn gaps_proven(&self) -> u32 {
        self.rare().gaps_proven
    }

    /// Bytes not seen.
    pub fn holes(&self) -> &HoleList {
        &self.rare().holes
    }

    /// Holes that outlived the reorder window.
    pub fn holes_total(&self) -> u64 {
        self.rare().holes_total.into()
    }

    /// Bytes of those.
    pub fn hole_bytes_total(&self) -> u64 {
        self.rare().hole_bytes_total
    }

    /// When the last such hole opened.
    pub fn last_loss(&self) -> Option<Timestamp> {
        self.rare().last_loss.get()
    }

    /// Window the other side last offered, unscaled.
    pub fn peer_window(&self) -> Option<u16> {
        (self.numbers.marks & mark::HAS_WINDOW != 0).then_some(self.numbers.last_window)
    }

    /// Smoothed data-to-ACK time, ns; 0 before the first sample.
    pub fn ack_rtt_ns(&self) -> i64 {
        self.numbers.ns(Number::AckRtt)
    }

    /// Packets in all.
    pub fn packets(&self) -> u64 {
        let before = match self.numbers.before {
            MANY_BEFORE => self.rare().before,
            few => few.into(),
        };
        u64::from(before) + self.measured_packets()
    }

    /// Those since there was a session.
    fn measured_packets(&self) -> u64 {
        self.data_segments() + self.pure_acks() + u64::from(self.numbers.run(Run::Others))
    }

    /// Payload bytes in all.
    pub fn payload_bytes(&self) -> u64 {
        self.numbers.payload_bytes()
    }

    /// Segments with payload.
    pub fn data_segments(&self) -> u64 {
        self.numbers.tally(Tally::DataSegments)
    }

    /// Empty segments with only ACK set.
    pub fn pure_acks(&self) -> u64 {
        self.numbers.tally(Tally::PureAcks)
    }

    /// Tunnel packets that end in a trailer.
    pub fn trailers(&self) -> u64 {
        self.numbers.tally(Tally::Trailers)
    }

    /// Segments that repeated bytes already seen.
    pub fn retransmissions(&self) -> u64 {
        self.rare().retransmissions.into()
    }

    /// Segments that closed a hole within the reorder window.
    pub fn reordered(&self) -> u64 {
        self.rare().reordered.into()
    }

    /// Packets delivered twice by the network.
    pub fn network_duplicates(&self) -> u64 {
        self.rare().network_duplicates.into()
    }

    /// Packets the mirror delivered twice (dropped before analysis).
    pub fn span_duplicates(&self) -> u64 {
        self.rare().span_duplicates.into()
    }

    /// Of those with a payload and a TTL one lower: seen again behind a router.
    pub fn forwarded_copies(&self) -> u64 {
        self.rare().forwarded_copies.into()
    }

    /// Data segments since the last forwarded copy.
    pub fn data_since_copy(&self) -> u32 {
        self.rare().data_since_copy
    }

    /// Time of the last forwarded copy.
    pub fn last_copy(&self) -> Timestamp {
        self.rare().last_copy.get().unwrap_or_default()
    }

    /// Zero windows this side advertised.
    pub fn zero_windows(&self) -> u64 {
        self.rare().zero_windows.into()
    }

    /// First packet.
    pub fn first_ts(&self) -> Option<Timestamp> {
        self.numbers.first()
    }

    /// TTLs seen last.
    pub fn ttl(&self) -> TtlByKind {
        self.numbers.few().ttl
    }

    /// Last packet.
    pub fn last_ts(&self) -> Option<Timestamp> {
        self.numbers.time(Number::LastTs)
    }

    /// Last segment with payload.
    #[inline]
    pub fn last_data_ts(&self) -> Option<Timestamp> {
        self.numbers.time(Number::LastData)
    }

    /// Longest time between two data segments, ns.
    pub fn max_data_gap_ns(&self) -> i64 {
        self.numbers.ns(Number::MaxDataGap)
    }

    /// Smoothed time between two packets, ns; 0 before the second one.
    pub fn mean_gap_ns(&self) -> i64 {
        self.numbers.ns(Number::MeanGap)
    }

    /// The last time an ACK stood still for [`PAUSE_NS`] or more and then moved on.
    pub fn last_pause(&self) -> Option<Timestamp> {
        self.rare().last_pause.get()
    }

    /// FIN seen at.
    pub fn fin(&self) -> Option<Timestamp> {
        self.rare().fin.get()
    }

    /// RST seen at, and its TTL.
    pub fn rst(&self) -> Option<(Timestamp, u8)> {
        let rare = self.rare();
        rare.rst.get().map(|at| (at, rare.rst_ttl))
    }

    /// True when this side sent FIN or RST.
    pub fn sent_close(&self) -> bool {
        self.numbers.marks & mark::CLOSED != 0
    }

    /// Spacing of packets.
    pub fn spacing(&self) -> Spacing {
        Spacing {
            packets: u32::try_from(self.measured_packets()).unwrap_or(u32::MAX),
            max_gap_ns: self.numbers.ns(Number::MaxGap),
            mean_gap_ns: self.mean_gap_ns(),
            max_opposite_run: u32::from(self.numbers.max_opposite_run),
            opposite_run: self.opposite_run(),
            opposite_since: self.numbers.time(Number::OppositeSince).unwrap_or_default(),
            opposite_usual_ns: self.numbers.few().opposite_usual.ns(),
            classes: self.gaps,
        }
    }

    /// Data segments of the other side since the last packet of this one.
    #[inline]
    pub fn opposite_run(&self) -> u32 {
        self.numbers.run(Run::Opposite)
    }

    /// True when any packet of this side was seen.
    pub fn is_seen(&self) -> bool {
        self.first_ts().is_some()
    }

    /// Bytes sent and not acknowledged; `None` until both are known.
    pub fn unacked_bytes(&self) -> Option<u64> {
        self.snd_una()
            .map(|una| self.snd_nxt().saturating_sub(una.max(self.snd_first())))
    }

    /// Share of this side's segments that the other side used to answer with an empty
    /// ACK while its ACK still moved; `None` before twenty segments were answered (guess:
    /// an IKE handshake and as much again).
    pub fn bare_ack_share(&self) -> Option<f64> {
        // Not what came since: a reordered segment of a frozen stream is no settled one.
        let settled = self.data_segments() - u64::from(self.numbers.run(Run::Unsettled));
        (settled >= 20).then(|| self.numbers.tally(Tally::BareAcks) as f64 / settled as f64)
    }

    /// Mean time between data segments over the whole stream, and from the fourth last one
    /// until `now`, ns; `None` before there were twice as many.
    pub fn data_pace_ns(&self, now: Timestamp) -> Option<(i64, i64)> {
        let segments = self.data_segments();
        if segments < 2 * LATEST as u64 {
            return None;
        }
        let first = self.first_ts()?;
        let gaps = self.numbers.few().data_gaps.iter().map(|gap| gap.ns());
        let since_oldest = gaps.fold(0, i64::wrapping_add);
        let oldest = Timestamp(self.last_data_ts()?.0.wrapping_sub(since_oldest));
        let before = segments as i64 - LATEST as i64;
        Some((
            oldest.since(first) / before,
            now.since(oldest) / LATEST as i64,
        ))
    }

    /// The hole at `snd_una`, if the other side's ACK stands at one.
    pub fn hole_at_una(&self) -> bool {
        self.snd_una()
            .is_some_and(|una| self.holes().at_or_from(una).is_some())
    }

    /// The window the other side offers for this side's data, scaled when both
    /// SYNs were seen with the option (`peer_scale` is the other side's offer).
    pub fn window_bytes(&self, peer_scale: Option<u8>) -> Option<u64> {
        self.peer_window().map(|w| self.scaled(w, peer_scale))
    }

    /// The largest window the other side ever offered, scaled in the same way.
    pub fn max_window_bytes(&self, peer_scale: Option<u8>) -> u64 {
        self.scaled(self.peer_window_max(), peer_scale)
    }

    /// Largest window the other side ever offered, SYN included, unscaled.
    pub fn peer_window_max(&self) -> u16 {
        let (_, highest) = self.peer_window_range;
        let in_syn = self.rare().syn_window;
        self.peer_window_first.max(highest).max(in_syn)
    }

    fn scaled(&self, window: u16, peer_scale: Option<u8>) -> u64 {
        let both = self.window_scale().and(peer_scale);
        u64::from(window) << both.unwrap_or(0).min(14)
    }
}
