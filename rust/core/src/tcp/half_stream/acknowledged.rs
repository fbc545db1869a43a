//! What the other side's ACK and window fields say about this side's data.

use super::numbers::{Number, Run, Tally};
use super::rare::one_more;
use super::small::Gap;
use super::spacing::smoothed;
use super::{HalfStream, PAUSE_NS, PAUSE_SEGMENTS, mark};
use crate::segment::{Segment, TcpFlags};
use crate::time::Timestamp;

impl HalfStream {
    /// Takes the ACK and window fields of a segment the *other* side sent.
    /// `usual_ns` is that side's smoothed packet spacing before this one.
    pub fn on_acked(&mut self, segment: &Segment<'_>, usual_ns: i64) {
        let ts = segment.ts;
        if segment.payload_len > 0 {
            if self.opposite_run() == 0 {
                self.numbers.set_time(Number::OppositeSince, ts);
                self.numbers.few_mut().opposite_usual = Gap::of(usual_ns);
            }
            self.numbers.extend(Run::Opposite);
            self.numbers.extend(Run::OppositeSinceData);
        }
        if !segment.flags.any(TcpFlags::ACK) || segment.flags.any(TcpFlags::RST) {
            return;
        }
        let mut answered = 0;
        if segment.payload_len == 0 {
            answered = self.numbers.end(Run::SinceBare);
        }
        let last_window = self.peer_window();
        self.numbers.last_window = segment.window;
        self.numbers.marks |= mark::HAS_WINDOW;
        if !segment.flags.any(TcpFlags::SYN) {
            let (low, high) = self.peer_window_range;
            self.peer_window_range = (low.min(segment.window), high.max(segment.window));
        } else if segment.window > self.peer_window_max() {
            self.rare_mut().syn_window = segment.window;
        }
        // Where nothing was sent yet at this tap, the ACK gives the reference.
        let (nxt, ack) = self.unwrap_from(segment.ack);
        let Some(una) = self.numbers.una_below(nxt) else {
            self.numbers.set_una_below(nxt, ack);
            self.acked_to(ack, nxt, ts);
            if self.timed(nxt).is_some_and(|(end, _)| end <= ack) {
                self.numbers.clear(Number::TimedAt);
            }
            return;
        };
        if ack > una {
            self.take_rtt(ack, nxt, ts);
            // Those that repeated the last number answered segments too.
            let is_bare = u32::from(segment.payload_len == 0);
            let bare = self.bare_repeats().saturating_add(is_bare);
            self.numbers.add(Tally::BareAcks, bare);
            self.numbers.set_una_below(nxt, ack);
            self.acked_to(ack, nxt, ts);
        } else if ack == una && nxt > una {
            self.numbers.extend(Run::AckRepeats);
            self.numbers.set_time(Number::AckRepeated, ts);
            if segment.payload_len == 0 {
                self.numbers.extend(Run::BareRepeats);
            }
            let is_dup = segment.payload_len == 0
                && !segment.flags.any(TcpFlags::SYN | TcpFlags::FIN)
                && last_window == Some(segment.window);
            let is_sacked = segment.options().sack_len > 0;
            if is_sacked {
                let rare = self.rare_mut();
                rare.sack_run = rare.sack_run.saturating_add(1);
                one_more(&mut rare.sack_segments);
                self.numbers.marks |= mark::ACK_MATTERS;
            }
            // A window that moves by an update is no duplicate (RFC 5681 section 2),
            // but with SACK blocks the ACK was sent because of a hole all the same.
            if is_dup || (segment.payload_len == 0 && is_sacked) {
                self.numbers.extend(Run::DupAcks);
                self.numbers.extend(Run::AllDupAcks);
            }
        } else if answered > 0 {
            // Data of its own, or a later ACK, told the same first: it answered all the same.
            self.numbers.count(Tally::BareAcks);
        }
    }

    fn acked_to(&mut self, ack: u64, nxt: u64, ts: Timestamp) {
        if self.segments_since_una() >= PAUSE_SEGMENTS
            && self.ack_repeats() >= 2
            && self
                .unacked_since()
                .is_some_and(|since| self.ack_repeated().since(since) >= PAUSE_NS)
        {
            self.rare_mut().last_pause = ts.into();
        }
        if self.numbers.marks & mark::ACK_MATTERS != 0
            && let Some(rare) = self.numbers.rare_if_there()
        {
            let (proven, stepped_over) = rare.holes.acked(ack);
            rare.note_proven(proven);
            rare.holes_stepped_over = rare.holes_stepped_over.saturating_add(stepped_over);
            rare.sack_run = 0;
            // Where the last hole is passed all are.
            if rare
                .holes
                .iter()
                .next_back()
                .is_none_or(|hole| hole.is_acked)
            {
                self.numbers.marks &= !mark::ACK_MATTERS;
            }
        }
        for run in [
            Run::Unsettled,
            Run::SinceUna,
            Run::AckRepeats,
            Run::BareRepeats,
            Run::DupAcks,
        ] {
            self.numbers.end(run);
        }
        if ack < nxt {
            self.numbers.set_time(Number::UnackedSince, ts);
        } else {
            self.numbers.clear(Number::UnackedSince);
        }
    }

    fn take_rtt(&mut self, ack: u64, nxt: u64, ts: Timestamp) {
        if let Some((end, sent)) = self.timed(nxt)
            && ack >= end
        {
            let sample = ts.since(sent).max(0);
            let rtt_ns = smoothed(self.ack_rtt_ns(), sample);
            self.numbers.set(Number::AckRtt, rtt_ns as u64);
            self.numbers.clear(Number::TimedAt);
        }
    }
}
