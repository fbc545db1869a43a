//! What the other side's ACK and window fields say about this side's data.

use super::{HalfStream, PAUSE_NS, PAUSE_SEGMENTS};
use crate::segment::{Segment, TcpFlags};
use crate::time::Timestamp;

impl HalfStream {
    /// Takes the ACK and window fields of a segment the *other* side sent.
    /// `usual_ns` is that side's smoothed packet spacing before this one.
    pub fn on_acked(&mut self, segment: &Segment<'_>, usual_ns: i64) {
        let ts = segment.ts;
        if segment.payload_len > 0 {
            let spacing = &mut self.spacing;
            if spacing.opposite_run == 0 {
                spacing.opposite_since = ts;
                spacing.opposite_usual_ns = usual_ns;
            }
            spacing.opposite_run = spacing.opposite_run.saturating_add(1);
            self.opposite_since_data = self.opposite_since_data.saturating_add(1);
        }
        if !segment.flags.any(TcpFlags::ACK) || segment.flags.any(TcpFlags::RST) {
            return;
        }
        let mut answered = 0;
        if segment.payload_len == 0 {
            answered = std::mem::take(&mut self.segments_since_bare);
        }
        let last_window = self.peer_window.replace(segment.window);
        self.peer_window_max = self.peer_window_max.max(segment.window);
        if !segment.flags.any(TcpFlags::SYN) {
            let (low, high) = self.peer_window_range;
            self.peer_window_range = (low.min(segment.window), high.max(segment.window));
        }
        if self.seq.is_unset() {
            // Nothing sent yet at this tap: the ACK gives the reference.
            let ack = self.seq.at(segment.ack);
            self.snd_first = ack;
            self.snd_nxt = ack;
        }
        let ack = self.seq.at(segment.ack);
        let Some(una) = self.snd_una else {
            self.snd_una = Some(ack);
            self.una_moved = ts;
            self.peer_window_at_una = segment.window;
            self.acked_to(ack, ts);
            return;
        };
        if ack > una {
            self.take_rtt(ack, ts);
            // Those that repeated the last number answered segments too.
            self.bare_acks += u64::from(self.bare_repeats) + u64::from(segment.payload_len == 0);
            self.snd_una = Some(ack);
            self.una_moved = ts;
            self.peer_window_at_una = segment.window;
            self.acked_to(ack, ts);
        } else if ack == una && self.snd_nxt > una {
            self.ack_repeats = self.ack_repeats.saturating_add(1);
            self.ack_repeated = ts;
            self.bare_repeats = self
                .bare_repeats
                .saturating_add(u32::from(segment.payload_len == 0));
            let is_dup = segment.payload_len == 0
                && !segment.flags.any(TcpFlags::SYN | TcpFlags::FIN)
                && last_window == Some(segment.window);
            let is_sacked = segment.options().sack_len > 0;
            if is_sacked {
                self.sack_run = self.sack_run.saturating_add(1);
                self.sack_segments += 1;
            }
            // A window that moves by an update is no duplicate (RFC 5681 section 2),
            // but with SACK blocks the ACK was sent because of a hole all the same.
            if is_dup || (segment.payload_len == 0 && is_sacked) {
                self.dup_ack_run = self.dup_ack_run.saturating_add(1);
                self.dup_acks += 1;
            }
        } else if answered > 0 {
            // Data of its own, or a later ACK, told the same first: it answered all the same.
            self.bare_acks += 1;
        }
    }

    fn acked_to(&mut self, ack: u64, ts: Timestamp) {
        if self.segments_since_una >= PAUSE_SEGMENTS
            && self.ack_repeats >= 2
            && self
                .unacked_since
                .is_some_and(|since| self.ack_repeated.since(since) >= PAUSE_NS)
        {
            self.last_pause = Some(ts);
        }
        let stepped = self
            .holes
            .iter()
            .filter(|h| h.end < ack && !h.is_acked)
            .count();
        self.gaps_proven += self.holes.acked(ack);
        self.holes_stepped_over = self.holes_stepped_over.saturating_add(stepped as u32);
        self.settled_segments = self.data_segments;
        self.segments_since_una = 0;
        self.ack_repeats = 0;
        self.bare_repeats = 0;
        self.dup_ack_run = 0;
        self.sack_run = 0;
        self.unacked_since = (ack < self.snd_nxt).then_some(ts);
        // The tap may miss data that the receiver has: never run behind the ACK.
        if self.timing.is_some_and(|(end, _)| end <= ack) {
            self.timing = None;
        }
    }

    fn take_rtt(&mut self, ack: u64, ts: Timestamp) {
        if let Some((end, sent)) = self.timing
            && ack >= end
        {
            let sample = ts.since(sent).max(0);
            self.ack_rtt_min_ns = self.ack_rtt_min_ns.min(sample);
            self.ack_rtt_ns = if self.ack_rtt_ns == 0 {
                sample
            } else {
                self.ack_rtt_ns + (sample - self.ack_rtt_ns) / 8
            };
            self.timing = None;
        }
    }
}
