//! What not every session has, boxed where it occurs, and how it is read.

use super::ends::Ends;
use super::{Framing, PendingSyn, Session, mark};
use crate::ctcp::esp::{self, EspArrival, EspMeter, Older, Sa};
use crate::ctcp::wireguard::Handshakes;
use crate::detect::{ALL_HEALTHY, DetectorStates};
use crate::flow::FlowKey;
use crate::prefetch::prefetch_whole;
use crate::tcp::half_stream::HalfStream;

/// Boxes, each made when it is first needed: with the word that the heap takes before it 64
/// bytes, for a rekey 96, for what is rare 160 and for verdicts 160 beside that.
#[derive(Clone, Debug, Default)]
pub(super) struct More {
    /// SAs before the current one, by direction; made at the first rekey.
    pub(super) older: Option<Box<[Older; 2]>>,
    /// Made with the first verdict that is not *healthy*; read in every round of judgement.
    detectors: Option<Box<DetectorStates>>,
    pub(super) rare: Option<Box<Rare>>,
    /// Both ends where they are no IPv4 addresses, and where they are.
    key: Option<Box<FlowKey>>,
    ends: Ends,
}

const _: () = assert!(size_of::<More>() == 48);

/// IPv4 ends, or the box in their place, which has them too.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Ends(Ends),
    More(Box<More>),
}

const _: () = assert!(size_of::<Place>() == 16);

impl Place {
    /// For these ends.
    pub(super) fn of(key: &FlowKey) -> Self {
        match Ends::of(key) {
            Some(ends) => Self::Ends(ends),
            None => Self::More(Box::new(More {
                key: Some(Box::new(*key)),
                ..More::default()
            })),
        }
    }

    pub(super) fn key(&self) -> FlowKey {
        match self {
            Self::Ends(ends) => ends.key(),
            Self::More(more) => more
                .key
                .as_deref()
                .copied()
                .unwrap_or_else(|| more.ends.key()),
        }
    }

    #[inline]
    fn more(&self) -> Option<&More> {
        match self {
            Self::Ends(_) => None,
            Self::More(more) => Some(more),
        }
    }

    #[inline]
    fn more_if_there(&mut self) -> Option<&mut More> {
        match self {
            Self::Ends(_) => None,
            Self::More(more) => Some(more),
        }
    }

    #[inline]
    fn more_mut(&mut self) -> &mut More {
        if let Self::Ends(ends) = *self {
            self.make_more(ends);
        }
        match self {
            Self::More(more) => more,
            Self::Ends(_) => unreachable!("it was just made"),
        }
    }

    #[cold]
    fn make_more(&mut self, ends: Ends) {
        *self = Self::More(Box::new(More {
            ends,
            ..More::default()
        }));
    }
}

/// What few sessions ever have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    /// A SYN waiting for an answer.
    pub(super) pending_syn: Option<PendingSyn>,
    /// Session this one continues.
    pub(super) linked: Option<u64>,
    /// Data segments by direction since the other side sent RST or FIN.
    pub(super) data_after_close: [u32; 2],
    /// By direction, see [`Framing`].
    pub(super) without_trailer: [u64; 2],
    pub(super) merged: [u64; 2],
    /// Segments larger than a frame: something merged them before they were captured.
    pub(super) oversized: u64,
    /// Made with the first handshake of `WireGuard`.
    pub(super) handshakes: Option<Box<Handshakes>>,
    /// The first ESP numbers of a direction that were skipped without a hole.
    pub(super) skips: [Option<Skip>; 2],
}

/// ESP numbers skipped where no byte is missing: the sender dropped them, or they are in a
/// merged segment that was taken for one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skip {
    pub(super) numbers: u32,
    /// Data segments of the direction by then.
    pub(super) at: u64,
}

impl Session {
    /// Asks for the cache lines of what is boxed.
    #[inline]
    pub(crate) fn prefetch_boxes(&self) {
        if let Some(more) = self.place.more() {
            prefetch_whole(more);
        }
        for half in &self.half {
            half.prefetch_rare();
        }
    }

    /// Asks for the boxes that a packet is measured by: those of a stream that was cut anew, or has holes
    /// which no ACK has passed. False where there is none. All that there are would be ten lines a packet,
    /// nearly all for nothing.
    #[inline]
    pub(crate) fn prefetch_boxes_of_packet(&self) -> bool {
        let [one, other] = self.half.each_ref().map(HalfStream::ack_matters);
        let may_be_recut = self.is(mark::MAY_BE_RECUT);
        if !(one | other | may_be_recut) {
            return false;
        }
        if let Some(more) = self.place.more().filter(|_| may_be_recut) {
            prefetch_whole(more);
        }
        for half in self.half.iter().filter(|half| half.ack_matters()) {
            half.prefetch_rare();
        }
        true
    }

    /// Asks for what these boxes have the address of; they are there by now.
    #[inline]
    pub(crate) fn prefetch_in_boxes_of_packet(&self) {
        if self.is(mark::MAY_BE_RECUT)
            && let Some(rare) = self.rare()
        {
            prefetch_whole(rare);
        }
        for half in &self.half {
            if half.ack_matters() {
                half.prefetch_holes();
            }
        }
    }

    /// Handshakes of `WireGuard` inside.
    pub fn handshakes(&self) -> Handshakes {
        let rare = self.rare();
        rare.and_then(|rare| rare.handshakes.as_deref().copied())
            .unwrap_or_default()
    }

    /// State of every detector.
    pub fn detectors(&self) -> &DetectorStates {
        let more = self.place.more();
        more.and_then(|more| more.detectors.as_deref())
            .unwrap_or(&ALL_HEALTHY)
    }

    /// The same, to change it.
    pub fn detectors_mut(&mut self) -> &mut DetectorStates {
        self.place.more_mut().detectors.get_or_insert_default()
    }

    /// True when no detector ever said anything.
    pub fn was_always_healthy(&self) -> bool {
        self.place
            .more()
            .is_none_or(|more| more.detectors.is_none())
    }

    /// Session this one continues (same SPI or cookies).
    pub fn linked(&self) -> Option<u64> {
        self.rare()?.linked
    }

    /// Notes that this session continues session `id`; the first one noted stays.
    pub fn link_to(&mut self, id: u64) {
        self.rare_mut().linked.get_or_insert(id);
    }

    /// A SYN waiting for an answer.
    pub fn pending_syn(&self) -> Option<PendingSyn> {
        if !self.is(mark::HAS_PENDING_SYN) {
            return None;
        }
        self.rare()?.pending_syn
    }

    /// Data segments in direction `dir` since the other side sent RST or FIN.
    pub fn data_after_close(&self, dir: usize) -> u32 {
        self.rare().map_or(0, |rare| rare.data_after_close[dir])
    }

    /// Segments in direction `dir` by framing.
    pub fn framing(&self, dir: usize) -> Framing {
        let rare = self.rare();
        Framing {
            with_trailer: self.half[dir].trailers(),
            without_trailer: rare.map_or(0, |rare| rare.without_trailer[dir]),
            merged: rare.map_or(0, |rare| rare.merged[dir]),
        }
    }

    /// Segments larger than a frame: something merged them before they were captured.
    pub fn oversized(&self) -> u64 {
        self.rare().map_or(0, |rare| rare.oversized)
    }

    /// Data segments of direction `dir` since ESP numbers were skipped for the first time where no
    /// byte is missing.
    pub fn segments_since_skip(&self, dir: usize) -> Option<u64> {
        let skip = self.rare()?.skips[dir].as_ref()?;
        Some(self.half[dir].data_segments().saturating_sub(skip.at))
    }

    fn rare(&self) -> Option<&Rare> {
        self.place.more()?.rare.as_deref()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.place.more_mut().rare.get_or_insert_default()
    }

    /// The same where it is there.
    pub(super) fn rare_if_there(&mut self) -> Option<&mut Rare> {
        self.place.more_if_there()?.rare.as_deref_mut()
    }

    /// ESP meter of direction `dir`.
    pub fn esp(&self, dir: usize) -> EspMeter<'_> {
        let more = self.place.more();
        let older = more.and_then(|more| more.older.as_ref());
        EspMeter {
            current: &self.sas[dir],
            older: older.map(|older| &older[dir]),
        }
    }

    /// Takes one ESP packet of direction `dir`.
    pub(super) fn on_esp(&mut self, dir: usize, spi: u32, seq: u32) -> EspArrival {
        // The box is not looked into for a packet of the current SA.
        let older = if self.sas[dir].is(spi) {
            None
        } else {
            let more = self.place.more_if_there();
            more.and_then(|more| more.older.as_mut())
        };
        let older = older.map(|older| &mut older[dir]);
        let arrival = esp::on_packet(&mut self.sas[dir], older, spi, seq);
        if arrival == EspArrival::NewSa {
            let before = std::mem::replace(&mut self.sas[dir], Sa::new(spi, seq));
            if before.is_seen() {
                let more = self.place.more_mut();
                more.older.get_or_insert_default()[dir].take(before);
            }
        }
        arrival
    }

    /// True when a segment of direction `dir` was not one whole tunnel packet, or may have been.
    pub(super) fn is_recut(&self, dir: usize) -> bool {
        // Asked first: the box is memory that is waited for.
        self.is(mark::MAY_BE_RECUT)
            && self.rare().is_some_and(|rare| {
                rare.without_trailer[dir] > 0 || rare.merged[dir] > 0 || rare.skips[dir].is_some()
            })
    }
}
