//! Frames in: batches in steps, and what every segment goes through on its way to its flow.

use super::Engine;
use super::room::Refusal;
use crate::ctcp::recognise::TRAILER_LEN;
use crate::decode::{self, Disposition, decode};
use crate::flow::candidate::{Candidate, Look, Neighbour, Pattern};
use crate::flow::record::NO_SESSION;
use crate::flow::table::Entry;
use crate::flow::{Excerpt, FlowKey, Prepared, PreparedBatch};
use crate::frame::{Frame, FrameBatch};
use crate::prefetch::{prefetch, prefetch_headers};
use crate::segment::{Content, Head};
use crate::session::Session;
use crate::time::Timestamp;

/// Frames between the steps of a batch (measured: 12 to 32 serve alike; what is prepared must
/// stay in the first-level cache, and three times as many are under way).
const AHEAD: usize = 16;

/// Frames between asking for a session and measuring in it (guess: some 200 ns).
const SESSION_AHEAD: usize = 6;
/// The same for what is boxed, whose address the session has, and for what a box has the address of.
const BOXES_AHEAD: usize = 3;
const IN_BOXES_AHEAD: usize = 1;
/// Sessions asked for and not measured in yet are remembered here.
const UNDER_WAY: usize = 8;

const _: () = assert!(UNDER_WAY > SESSION_AHEAD);

impl Engine {
    /// Takes a batch of frames.
    pub fn push(&mut self, batch: &FrameBatch) {
        let mut prepared = std::mem::take(&mut self.prepared);
        prepared.resize(batch.frames.len());
        self.push_in_steps::<true>(batch, &mut prepared);
        self.prepared = prepared;
    }

    /// Takes a batch of frames that were prepared by [`Engine::preparer`], in order; frames
    /// without their counterpart in `prepared` are not taken.
    pub fn push_prepared(&mut self, batch: &FrameBatch, prepared: &mut PreparedBatch) {
        self.push_in_steps::<false>(batch, prepared);
    }

    /// Takes one frame.
    pub fn push_frame(&mut self, frame: &Frame<'_>) {
        let prepared = self.table.preparer().prepare(frame);
        self.take(frame.ts, || *frame, &prepared, None);
    }

    /// Takes frames in steps: while one is measured, the processor is asked for the record of
    /// one behind it and for the slot of the index of one behind that. The memory comes while
    /// others are worked on, where one frame after the other would wait for every line; and it
    /// is asked for one line at a time, because only so many can be under way (by groups of 32
    /// a frame took 3 to 20 ns more, with a million flows). Only the last step changes
    /// anything, and it trusts no guess of the others, so the outcome is that of `push_frame`.
    ///
    /// `PREPARES`: the frames are prepared here, some ahead of the first step.
    #[inline(never)]
    fn push_in_steps<const PREPARES: bool>(
        &mut self,
        batch: &FrameBatch,
        ahead: &mut PreparedBatch,
    ) {
        let len = ahead.len().min(batch.frames.len());
        let frames = &batch.frames[..len];
        let prepared = &mut ahead.frames[..len];
        let excerpts = &mut ahead.excerpts[..];
        // One that this batch opens is in the caches anyway.
        let has_sessions = self.slots.live() > 0;
        let mut under_way = [NO_SESSION; UNDER_WAY];
        for newest in 0..len + 2 * AHEAD {
            if PREPARES && newest.is_multiple_of(AHEAD) && newest < len {
                let group = newest..(newest + AHEAD).min(len);
                let out = (&mut prepared[group.clone()], &mut excerpts[group.clone()]);
                self.table
                    .preparer()
                    .prepare_all::<false>(batch, &frames[group], out);
            }
            if let Some(p) = prepared.get(newest) {
                self.table.prefetch_index(p);
            }
            if !PREPARES && let Some(soon) = prepared.get(newest + AHEAD) {
                // Of another processor's making: slow to come.
                prefetch(soon);
            }
            // Wrapping: before the first there is none either.
            let guessed = newest.wrapping_sub(AHEAD);
            if let Some(p) = prepared.get_mut(guessed) {
                let is_syn = self.table.guess(p);
                if !PREPARES
                    && is_syn
                    && let Some(meta) = frames.get(guessed)
                {
                    // Its options are looked at; it was read on another processor.
                    prefetch_headers(batch.frame(meta).bytes);
                }
            }
            let at = newest.wrapping_sub(2 * AHEAD);
            let (Some(p), Some(meta)) = (prepared.get(at), frames.get(at)) else {
                continue;
            };
            if has_sessions {
                let soon = at + SESSION_AHEAD;
                let ahead = prepared.get(soon).zip(frames.get(soon));
                under_way[soon % UNDER_WAY] = ahead.map_or(NO_SESSION, |(ahead, meta)| {
                    self.prefetch_session(ahead, excerpts.get(soon), || batch.frame(meta))
                });
                let sooner = &mut under_way[(at + BOXES_AHEAD) % UNDER_WAY];
                if *sooner != NO_SESSION && !self.prefetch_boxes(*sooner) {
                    *sooner = NO_SESSION;
                }
                let next = under_way[(at + IN_BOXES_AHEAD) % UNDER_WAY];
                if let Some(session) = (next != NO_SESSION).then(|| self.slots.get(next)).flatten()
                {
                    session.prefetch_in_boxes_of_packet();
                }
            }
            self.take(meta.ts, || batch.frame(meta), p, excerpts.get(at));
        }
    }

    /// Asks for the session that a frame most likely belongs to, and for the excerpt of the frame or, without
    /// one, its headers and the trailer's end. Returns its number.
    #[inline]
    fn prefetch_session<'a>(
        &self,
        key: &Prepared,
        excerpt: Option<&Excerpt>,
        frame: impl FnOnce() -> Frame<'a>,
    ) -> u32 {
        let session = self.table.session_of(key);
        if session != NO_SESSION {
            self.slots.prefetch(session);
            if let Some(excerpt) = excerpt
                && key.has_excerpt()
            {
                prefetch(excerpt);
                return session;
            }
            let frame = frame();
            prefetch_headers(frame.bytes);
            // Its trailer may lie in two lines.
            if let Some([first, .., last]) = frame.bytes.last_chunk::<TRAILER_LEN>() {
                prefetch(first);
                prefetch(last);
            }
        }
        session
    }

    /// Asks for the boxes of a session that its next packet needs; false where it needs none.
    #[inline]
    fn prefetch_boxes(&self, session: u32) -> bool {
        self.slots
            .get(session)
            .is_some_and(Session::prefetch_boxes_of_packet)
    }

    /// Takes one frame. In line with all that every segment goes through: calls were a sixth of it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the body of one loop")]
    fn take<'a>(
        &mut self,
        captured: Timestamp,
        frame: impl Fn() -> Frame<'a>,
        prepared: &Prepared,
        excerpt: Option<&Excerpt>,
    ) {
        self.stats.counters.frames += 1;
        let ts = self.take_time(captured);
        self.stats.end(prepared.end());
        if prepared.end() != Disposition::Tcp {
            return;
        }
        let other;
        let head = if ts == prepared.head().ts {
            prepared.head()
        } else {
            other = Head {
                ts,
                ..*prepared.head()
            };
            &other
        };
        self.take_segment(head, frame, prepared, excerpt);
    }

    /// Takes the segment in `frame`. Most are measured by their head alone, the others read on.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the body of one loop; see `take`")]
    fn take_segment<'a>(
        &mut self,
        head: &Head,
        frame: impl Fn() -> Frame<'a>,
        prepared: &Prepared,
        excerpt: Option<&Excerpt>,
    ) {
        let dir = prepared.sender();
        let frame = || Frame {
            ts: head.ts,
            ..frame()
        };
        let content = || {
            let frame = frame();
            prepared.content(&frame).unwrap_or_else(|| {
                let walked = decode::walk_frame(&frame);
                walked.map(|s| s.content()).unwrap_or_default()
            })
        };
        if prepared.is_odd() {
            self.count_oddities(head);
        }
        let guessed = self.table.measure_guessed(prepared, head);
        let (at, delta, record) = if let Some((delta, record)) = guessed {
            (prepared.guess(), delta, record)
        } else {
            let entry = match self.table.entry(prepared, head.ts) {
                // A full table refuses strangers, no tunnel.
                Entry::Refused if is_tunnel(dir, head, &content()) => {
                    self.table.entry_of_tunnel(prepared, head.ts)
                }
                entry => entry,
            };
            let at = match entry {
                Entry::Found(at) => at,
                Entry::Created(at) => {
                    self.stats.counters.conversations += 1;
                    if prepared.is_v6() {
                        self.table.note_addresses(at, prepared, &frame());
                    }
                    at
                }
                Entry::Refused => {
                    self.stats.counters.segments_without_flow += 1;
                    return;
                }
            };
            let (delta, record) = self.table.measure(at, dir, head);
            (at, delta, record)
        };
        if !delta.is_nothing() {
            self.stats.counters.add(delta);
            self.stats.counters.tap_missed_segments += u64::from(delta.tap_missed);
            self.tap.missed += u64::from(delta.tap_missed);
        }
        if record.session != NO_SESSION {
            let slot = record.session;
            // Two calls and no name for what is inside, so that the segment is measured where it was made: a
            // copy of what was just written in small pieces waits for them (4 % of a tunnel's packet).
            let frame = frame();
            if let Some(s) = &prepared.segment(&frame, excerpt) {
                self.measure(slot, dir, s, false);
            } else if let Ok(s) = &decode(&frame) {
                self.measure(slot, dir, s, false);
            }
            return;
        }
        self.tap.seen += u64::from(head.payload_len > 0);
        let glance = || prepared.glance(frame);
        if !record.candidate.wants(head) || record.candidate.passes(dir, head, glance) {
            return;
        }
        let (record, details) = self.table.get_mut(at);
        let pattern = &mut details.pattern;
        let is_attempt = record.is_half_open();
        match record.candidate.look(pattern, dir, head, &content()) {
            Look::Undecided => {}
            Look::Neighbour(n) => self.count_neighbour(n),
            // What floods a full engine is not decoded a second time.
            Look::Tunnel(..) if !self.has_room_for_session() => {
                self.refuse_session(at, Refusal::Full);
            }
            Look::Tunnel(..) if is_attempt && !self.has_room_for_attempt() => {
                self.refuse_session(at, Refusal::Attempt);
            }
            Look::Tunnel(kind, _) => {
                if let Ok(s) = decode(&frame()) {
                    let (key, _) = FlowKey::of(&s);
                    self.open_session(at, key, dir, kind, &s);
                }
            }
        }
    }

    #[cold]
    fn count_oddities(&mut self, head: &Head) {
        let c = &mut self.stats.counters;
        c.first_fragments += u64::from(head.is_first_fragment);
        c.super_segments += u64::from(head.is_super());
        c.malformed_options += u64::from(head.offer.is_malformed());
    }

    fn count_neighbour(&mut self, neighbour: Neighbour) {
        let c = &mut self.stats.counters;
        match neighbour {
            Neighbour::Ndmp => c.flows_ndmp += 1,
            Neighbour::Tls => c.flows_tls += 1,
            Neighbour::Http => c.flows_http += 1,
        }
    }
}

/// True when a segment of an unknown flow tells a tunnel by itself.
fn is_tunnel(dir: usize, head: &Head, content: &Content<'_>) -> bool {
    let mut pattern = Pattern::default();
    let look = Candidate::default().look(&mut pattern, dir, head, content);
    matches!(look, Look::Tunnel(..))
}
