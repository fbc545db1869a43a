//! What few half-streams ever have: holes, repeated bytes, copies of a mirror, a close.
//! Boxed, so that a stream to which nothing happens does not pay for it.

use super::numbers::{Far, Few};
use super::small::Gap;
use super::{LATEST, TtlByKind};
use crate::tcp::holes::HoleList;
use crate::time::MaybeTime;

/// The rare part of a half-stream: with the word that the heap takes before it 192 bytes.
#[derive(Clone, Debug)]
pub(super) struct Rare {
    /// What lies here where there is no such box.
    pub(super) few: Few,
    /// Numbers that outgrew their place.
    pub(super) far: Option<Box<Far>>,
    /// Packets before there was a session, where those are many.
    pub(super) before: u16,
    /// Bytes not seen.
    pub(super) holes: HoleList,
    /// Some of them may not be counted yet.
    pub(super) is_unsettled: bool,
    /// Holes that outlived the reorder window.
    pub(super) holes_total: u32,
    /// Bytes of those.
    pub(super) hole_bytes_total: u64,
    /// When the last such hole opened.
    pub(super) last_loss: MaybeTime,
    /// Holes ever passed by an ACK in one jump (the receiver steps over holes).
    pub(super) holes_stepped_over: u16,
    /// Holes an ACK proved to be the tap's own loss.
    pub(super) gaps_proven: u32,
    /// Of those the ones that the totals of the tap do not have yet: of one round.
    pub(super) gaps_untold: u16,
    /// Segments of the other side with SACK blocks since `snd_una` moved.
    pub(super) sack_run: u32,
    /// Data segments since the last forwarded copy; counted from the first one on.
    pub(super) data_since_copy: u32,
    /// Segments of the other side with SACK blocks in all.
    pub(super) sack_segments: u32,
    /// Segments that repeated bytes already seen.
    pub(super) retransmissions: u32,
    /// Segments that closed a hole within the reorder window.
    pub(super) reordered: u32,
    /// Segments with bytes seen before that began at the ACK which `restarted_at` names,
    /// from no farther than `NEAR_RESTART`; and its low half.
    pub(super) restarts: u16,
    pub(super) restarted_at: u32,
    /// Packets delivered twice by the network.
    pub(super) network_duplicates: u32,
    /// Packets the mirror delivered twice (dropped before analysis).
    pub(super) span_duplicates: u32,
    /// Of those with a payload and a TTL one lower: seen again behind a router.
    pub(super) forwarded_copies: u32,
    /// Time of the last forwarded copy.
    pub(super) last_copy: MaybeTime,
    /// The SYN's number, where it is not the first one or that before it.
    pub(super) iss: u32,
    /// Largest window that a SYN of the other side offered when there was a session.
    pub(super) syn_window: u16,
    /// Zero windows this side advertised.
    pub(super) zero_windows: u32,
    /// The last time an ACK stood still for `PAUSE_NS` or more and then moved on.
    pub(super) last_pause: MaybeTime,
    /// FIN seen at.
    pub(super) fin: MaybeTime,
    /// RST seen at, and its TTL.
    pub(super) rst: MaybeTime,
    pub(super) rst_ttl: u8,
}

const _: () = assert!(size_of::<Rare>() == 184);

impl Rare {
    /// Holes that turned out to be the tap's own loss; at most 24 at once.
    pub(super) fn note_proven(&mut self, gaps: u16) {
        self.gaps_proven = self.gaps_proven.saturating_add(gaps.into());
        self.gaps_untold = self.gaps_untold.saturating_add(gaps);
    }
}

/// One more of what nobody counts beyond four billion in one stream; saturates.
pub(super) fn one_more(count: &mut u32) {
    *count = count.saturating_add(1);
}

/// Nothing happened.
pub(super) static NOTHING: Rare = Rare {
    few: Few {
        data_gaps: [Gap::NONE; LATEST - 1],
        opposite_usual: Gap::NONE,
        ttl: TtlByKind {
            data: 0,
            pure_ack: 0,
            handshake: 0,
        },
    },
    far: None,
    before: 0,
    holes: HoleList::EMPTY,
    is_unsettled: false,
    holes_total: 0,
    hole_bytes_total: 0,
    last_loss: MaybeTime::NONE,
    holes_stepped_over: 0,
    gaps_proven: 0,
    gaps_untold: 0,
    sack_run: 0,
    data_since_copy: 0,
    sack_segments: 0,
    retransmissions: 0,
    reordered: 0,
    restarts: 0,
    restarted_at: 0,
    network_duplicates: 0,
    span_duplicates: 0,
    forwarded_copies: 0,
    last_copy: MaybeTime::NONE,
    iss: 0,
    syn_window: 0,
    zero_windows: 0,
    last_pause: MaybeTime::NONE,
    fin: MaybeTime::NONE,
    rst: MaybeTime::NONE,
    rst_ttl: 0,
};
