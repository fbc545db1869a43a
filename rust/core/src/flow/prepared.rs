//! What is known of a frame before the table is asked: key, keyed hash, sender, head.
//! Needs no table, so that it may be made on the thread that reads, ahead of the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ahash::RandomState;

use super::excerpt::Excerpt;
use super::key::CompactKey;
use crate::ctcp::glance::{Glance, glance};
use crate::ctcp::recognise::CTCP_PORT;
use crate::decode::plain;
use crate::decode::{Disposition, walk_frame};
use crate::fold::fold;
use crate::frame::{Frame, FrameBatch, FrameMeta};
use crate::segment::{Addr, Content, Endpoint, Head, Offer, Segment, TcpFlags};
use crate::time::Timestamp;

/// Fractional part of the golden ratio, an odd multiplier with well spread bits (Knuth 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Record number that means none.
pub(super) const NO_GUESS: u32 = super::index::NONE;

/// `Prepared::payload_at` of a frame that takes a walk.
const WALKED: u16 = 0;

/// Bits of `Prepared::sender`: the addresses are of IPv6; what a glance at the payload told.
const V6: u8 = 2;
const NOTHING: u8 = 4;
const FOREIGN: u8 = 8;
const HEAD: u8 = NOTHING | FOREIGN;
/// What is counted and rare: [`Head::is_odd`].
const ODD: u8 = 16;
/// There is an excerpt.
const EXCERPT: u8 = 32;
/// Nobody glanced at the payload.
const UNSEEN: u8 = 64;

/// What is known of a frame ahead of its measurement; one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Prepared {
    pub(super) key: CompactKey,
    pub(super) hash: u64,
    /// Record that it most likely has.
    pub(super) guess: u32,
    sender: u8,
    end: Disposition,
    payload_at: u16,
    head: Head,
}

const _: () = assert!(size_of::<Prepared>() == 64);

impl Prepared {
    /// Nothing known.
    pub const NONE: Self = Self::ended(Disposition::Empty);

    const fn ended(end: Disposition) -> Self {
        Self {
            key: CompactKey::NONE,
            hash: 0,
            guess: NO_GUESS,
            sender: 0,
            end,
            payload_at: WALKED,
            head: Head {
                ts: Timestamp(0),
                seq: 0,
                ack: 0,
                payload_len: 0,
                window: 0,
                flags: TcpFlags(0),
                ttl: 0,
                options_len: 0,
                is_first_fragment: false,
                offer: Offer::NONE,
            },
        }
    }

    /// Index in the key of the segment's sender.
    #[inline]
    pub fn sender(&self) -> usize {
        usize::from(self.sender & 1)
    }

    /// True when the key has only a digest of the addresses.
    #[inline]
    pub fn is_v6(&self) -> bool {
        self.sender & V6 != 0
    }

    /// [`Head::is_odd`].
    #[inline]
    pub fn is_odd(&self) -> bool {
        self.sender & ODD != 0
    }

    /// Record that it most likely has.
    #[inline]
    pub fn guess(&self) -> u32 {
        self.guess
    }

    /// What a glance at the payload of its frame told, or tells.
    #[inline]
    pub(crate) fn glance<'a>(&self, frame: impl FnOnce() -> Frame<'a>) -> Glance {
        match self.sender & (NOTHING | FOREIGN | UNSEEN) {
            NOTHING => Glance::Nothing,
            FOREIGN => Glance::Foreign,
            HEAD => Glance::Head,
            UNSEEN => self.glance_at(&frame(), self.key.ports()),
            _ => Glance::Look,
        }
    }

    /// Glances at the payload of its frame.
    #[inline]
    fn glance_at(&self, frame: &Frame<'_>, ports: [u16; 2]) -> Glance {
        let len = self.head.payload_len;
        if len == 0 {
            return Glance::Look;
        }
        // Padding behind the packet is no payload.
        let payload = frame
            .bytes
            .get(usize::from(self.payload_at)..)
            .unwrap_or_default();
        let payload = payload.get(..len as usize).unwrap_or(payload);
        if ports.contains(&CTCP_PORT) && !payload.is_empty() {
            // What a glance says there too.
            return Glance::Look;
        }
        glance(payload, len, ports)
    }

    /// Notes what a glance told.
    #[inline]
    fn note_glance(&mut self, glance: Glance) {
        self.sender |= match glance {
            Glance::Look => 0,
            Glance::Nothing => NOTHING,
            Glance::Foreign => FOREIGN,
            Glance::Head => HEAD,
        };
    }

    /// How the frame ends; [`Disposition::Tcp`] when it has a key and a head.
    #[inline]
    pub fn end(&self) -> Disposition {
        self.end
    }

    /// The head of its segment.
    #[inline]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the segment carries, where that can be told without a walk; `frame` is the
    /// one that this was made of.
    #[inline]
    pub fn content<'a>(&self, frame: &Frame<'a>) -> Option<Content<'a>> {
        (self.payload_at != WALKED)
            .then(|| plain::content(frame.bytes, &self.head, self.payload_at))
    }

    /// An excerpt of its frame was made.
    #[inline]
    pub(crate) fn has_excerpt(&self) -> bool {
        self.sender & EXCERPT != 0
    }

    /// The whole segment, where that can be told without a walk; `frame` as above, and its
    /// time is taken. `excerpt` is that of the frame, where one was made.
    #[inline]
    pub(crate) fn segment<'a>(
        &self,
        frame: &Frame<'a>,
        excerpt: Option<&Excerpt>,
    ) -> Option<Segment<'a>> {
        if let Some(excerpt) = excerpt
            && self.has_excerpt()
        {
            let end = (&self.key, self.sender());
            return Some(excerpt.segment(frame, &self.head, self.payload_at, end));
        }
        if self.payload_at == WALKED {
            return None;
        }
        plain::segment_at(frame, &self.head, self.payload_at)
    }
}

/// What is known of the frames of a batch ahead of the engine.
#[derive(Debug, Default)]
pub struct PreparedBatch {
    pub(crate) frames: Vec<Prepared>,
    /// One for each frame.
    pub(crate) excerpts: Vec<Excerpt>,
}

impl PreparedBatch {
    /// Frames that are prepared.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Forgets them, and keeps the memory.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// Makes room for `frames`; what stands there is to be written over.
    pub(crate) fn resize(&mut self, frames: usize) {
        self.frames.resize(frames, Prepared::NONE);
        self.excerpts.resize(frames, Excerpt::default());
    }
}

/// Preparing this frame panics: for tests of what that costs.
#[cfg(feature = "panics-on-request")]
pub const PANICS: &[u8] = b"a frame that makes the decoder panic, for tests";

/// Where what is known of frames is written: one place for each.
type Out<'a> = (&'a mut [Prepared], &'a mut [Excerpt]);

/// Does `all`, and where that panics does it again frame by frame, so that a bug costs the frames
/// it is met with and no other: nothing is kept between frames, and what was half made is made
/// anew. The ordinary way costs one guard and one call for all frames.
fn guarded<T>(frames: &[T], (out, excerpts): Out<'_>, all: impl Fn(&[T], Out<'_>)) {
    let few = frames.len().min(out.len()).min(excerpts.len());
    let (frames, out, excerpts) = (&frames[..few], &mut out[..few], &mut excerpts[..few]);
    let whole = catch_unwind(AssertUnwindSafe(|| all(frames, (out, excerpts))));
    if whole.is_err() {
        one_by_one(frames, (out, excerpts), &all);
    }
}

#[cold]
fn one_by_one<T>(frames: &[T], (out, excerpts): Out<'_>, all: &dyn Fn(&[T], Out<'_>)) {
    let places = out.chunks_mut(1).zip(excerpts.chunks_mut(1));
    for (frame, (prepared, excerpt)) in frames.chunks(1).zip(places) {
        let one = catch_unwind(AssertUnwindSafe(|| all(frame, (prepared, excerpt))));
        if one.is_err() {
            prepared.fill(Prepared::ended(Disposition::DecoderFailed));
        }
    }
}

/// Prepares frames. Its hash is keyed per process, so that nobody outside can aim at a slot of the table
/// (bug class B15); a table finds only what its own preparer made.
///
/// The hash is two folded multiplications (the 128-bit product, upper half on lower), the
/// mixing of wyhash and of `ahash` without AES: every bit of the key reaches every bit of
/// the first product's fold, and the second spreads it once more under a third secret.
#[derive(Clone, Debug)]
pub struct Preparer {
    secrets: [u64; 3],
}

impl Default for Preparer {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            secrets: [1_u64, 2, 3].map(|n| random.hash_one(n)),
        }
    }
}

impl Preparer {
    /// What is known of `frame`.
    #[inline]
    pub fn prepare(&self, frame: &Frame<'_>) -> Prepared {
        let (mut prepared, mut excerpt) = ([Prepared::NONE], [Excerpt::default()]);
        guarded(
            &[*frame],
            (&mut prepared, &mut excerpt),
            |frames, (out, excerpts)| {
                for (frame, (out, excerpt)) in frames.iter().zip(out.iter_mut().zip(excerpts)) {
                    self.prepare_into::<false>(frame, out, excerpt);
                }
            },
        );
        let [prepared] = prepared;
        prepared
    }

    /// The same, unguarded, written where it stays: a copy of what was just written in small pieces
    /// makes the processor wait until they have left its store buffer (8 ns a frame).
    ///
    /// `AHEAD`: for another thread, far from the bytes by then. It gets a glance at the payload, and an excerpt of
    /// what may be a tunnel's; who has the bytes at hand looks itself, where that is wanted.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "one loop, and one call for a frame alone"
    )]
    fn prepare_into<const AHEAD: bool>(
        &self,
        frame: &Frame<'_>,
        out: &mut Prepared,
        excerpt: &mut Excerpt,
    ) {
        let Some(v4) = plain::read_v4(frame) else {
            *out = self.prepare_other::<AHEAD>(frame);
            return;
        };
        *out = self.with_key(CompactKey::of_v4(v4.src, v4.dst), v4.payload_at, v4.head);
        plain::read_options(frame, &mut out.head, v4.payload_at);
        out.sender |= if out.head.is_odd() { ODD } else { 0 };
        if !AHEAD {
            out.sender |= UNSEEN;
            return;
        }
        let ports = [v4.src as u16, v4.dst as u16];
        let glance = out.glance_at(frame, ports);
        out.note_glance(glance);
        let may_be_tunnel =
            ports.contains(&CTCP_PORT) || out.head.payload_len > 0 && glance == Glance::Look;
        if may_be_tunnel && excerpt.read_v4(frame, &out.head, v4.payload_at, out.sender()) {
            out.sender |= EXCERPT;
        }
    }

    /// The same for any other frame.
    #[inline(never)]
    fn prepare_other<const AHEAD: bool>(&self, frame: &Frame<'_>) -> Prepared {
        #[cfg(feature = "panics-on-request")]
        assert!(frame.bytes != PANICS, "a frame that asks for it");
        let keyed = |src: Endpoint, dst: Endpoint, payload_at: u16, head: Head| {
            let mut is_v6 = false;
            let key = CompactKey::of(&src, &dst, |low, high| {
                is_v6 = true;
                self.digest(low, high)
            });
            let mut prepared = self.with_key(key, payload_at, head);
            prepared.sender |= if is_v6 { V6 } else { 0 };
            prepared.sender |= if head.is_odd() { ODD } else { 0 };
            prepared
        };
        if let Some(v6) = plain::read_v6(frame) {
            let mut prepared = keyed(v6.src, v6.dst, v6.payload_at, v6.head);
            if AHEAD {
                let glance = prepared.glance_at(frame, [v6.src.port, v6.dst.port]);
                prepared.note_glance(glance);
            } else {
                prepared.sender |= UNSEEN;
            }
            return prepared;
        }
        match walk_frame(frame) {
            Ok(s) => keyed(s.src, s.dst, WALKED, s.head),
            Err(end) => Prepared::ended(end),
        }
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the parts are never a whole elsewhere"
    )]
    fn with_key(
        &self,
        (key, sender): (CompactKey, usize),
        payload_at: u16,
        head: Head,
    ) -> Prepared {
        Prepared {
            key,
            hash: self.hash(&key),
            guess: NO_GUESS,
            sender: sender as u8,
            end: Disposition::Tcp,
            payload_at,
            head,
        }
    }

    /// What is known of each of `frames`, which lie in `batch`; see `prepare_into`.
    pub(crate) fn prepare_all<const AHEAD: bool>(
        &self,
        batch: &FrameBatch,
        frames: &[FrameMeta],
        out: Out<'_>,
    ) {
        guarded(frames, out, |frames, (out, excerpts)| {
            for (meta, (prepared, excerpt)) in frames.iter().zip(out.iter_mut().zip(excerpts)) {
                self.prepare_into::<AHEAD>(&batch.frame(meta), prepared, excerpt);
            }
        });
    }

    /// What is known of all frames of `batch`, for another thread.
    pub fn prepare_batch(&self, batch: &FrameBatch, out: &mut PreparedBatch) {
        // Those of the batch before are all written over.
        out.resize(batch.frames.len());
        let PreparedBatch { frames, excerpts } = out;
        self.prepare_all::<true>(batch, &batch.frames, (frames, excerpts));
    }

    #[inline]
    pub(super) fn hash(&self, key: &CompactKey) -> u64 {
        let (a, b) = key.words();
        let [one, two, three] = self.secrets;
        fold(fold(a ^ one, b ^ two) ^ three, GOLDEN)
    }

    fn digest(&self, low: &Addr, high: &Addr) -> u64 {
        let [one, two, three] = self.secrets;
        let halves = |addr: &Addr| {
            let [upper, lower] = [0, 8].map(|at| {
                addr.0[at..]
                    .first_chunk()
                    .map_or(0, |half| u64::from_be_bytes(*half))
            });
            fold(upper ^ one, lower ^ two)
        };
        fold(halves(low) ^ three, halves(high) ^ one.rotate_left(32)) ^ halves(low).rotate_left(17)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prepares `frames` and panics at those that are `bad`, half way through.
    fn ends(frames: &[u32], bad: impl Fn(u32) -> bool) -> Vec<(u32, Disposition)> {
        let mut out = vec![Prepared::NONE; frames.len()];
        let mut excerpts = vec![Excerpt::default(); frames.len()];
        guarded(frames, (&mut out, &mut excerpts), |frames, (out, _)| {
            for (frame, out) in frames.iter().zip(out) {
                out.guess = *frame;
                assert!(!bad(*frame), "asked for");
                out.end = Disposition::Tcp;
            }
        });
        out.iter().map(|p| (p.guess, p.end)).collect()
    }

    #[test]
    fn a_panic_costs_its_own_frames_and_leaves_nothing_half_made() {
        let frames = [1, 2, 3, 4, 5, 6];
        let good = frames.map(|n| (n, Disposition::Tcp)).to_vec();
        assert_eq!(ends(&frames, |_| false), good);
        let failed = (NO_GUESS, Disposition::DecoderFailed);
        for bad in 1..=6 {
            let mut want = good.clone();
            want[bad as usize - 1] = failed;
            assert_eq!(ends(&frames, |n| n == bad), want);
        }
        assert_eq!(ends(&frames, |_| true), vec![failed; 6]);
        assert_eq!(ends(&[], |_| true), vec![]);
    }
}
