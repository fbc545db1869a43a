//! The engines of a run: one, or one for each of two taps with a matcher between them.
//! Each tap is an observation domain of its own: both see the same sessions, perhaps
//! under the same addresses, so their flow tables must not mix.

use ctcpmon_core::detect::{Verdict, session_state};
use ctcpmon_core::engine::{Ending, Order, tap_bit};
use ctcpmon_core::flow::Preparer;
use ctcpmon_core::frame::Frame;
use ctcpmon_core::session::Session;
use ctcpmon_core::taps::{Counters, EspSighting, MatchedPair, Side, TapMatcher};
use ctcpmon_core::time::Timestamp;
use ctcpmon_core::{Config, Engine, Event};

use crate::kept::Kept;
use crate::reader::Batch;

/// Sessions that end with the input, handed on together (guess: half a millisecond of Python's time).
const AT_ONCE: usize = 128;

/// One thing that a run has to say.
#[derive(Clone, Debug)]
pub enum News {
    /// From the engine of one tap.
    Engine(Event),
    /// From both taps together.
    Device(Box<MatchedPair>),
}

impl News {
    /// Place in a batch: see [`crate::Replay::poll`].
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Engine(Event::Finding(_)) => 0,
            Self::Engine(Event::Ended(..)) => 1,
            Self::Device(_) => 2,
        }
    }
}

/// The observation point of a two-tap run; 0 is the one tap of any other run.
pub fn tap_of(side: Side) -> u16 {
    match side {
        Side::Client => 1,
        Side::Headend => 2,
    }
}

/// The engines of a run.
pub(crate) struct Observers {
    engines: Vec<Engine>,
    matcher: Option<TapMatcher>,
    news: Vec<News>,
    /// Recent frames of tunnel sessions; none when they are not kept.
    kept: Option<Kept>,
}

impl Observers {
    /// Engines with `keep_bytes` of memory for recent frames of tunnel sessions; 0: none.
    pub(crate) fn new(config: Config, has_two_taps: bool, keep_bytes: usize) -> Self {
        let mut engines = vec![Engine::new(config)];
        if has_two_taps {
            engines.push(Engine::new(config));
            engines.iter_mut().for_each(Engine::note_sightings);
        }
        if keep_bytes > 0 {
            engines.iter_mut().for_each(Engine::note_members);
        }
        Self {
            engines,
            matcher: has_two_taps.then(TapMatcher::default),
            news: Vec::new(),
            kept: (keep_bytes > 0).then(|| Kept::new(keep_bytes)),
        }
    }

    /// What prepares frames ahead of [`Observers::push`]; none with two taps, whose
    /// engines each have their own.
    pub(crate) fn preparer(&self) -> Option<Preparer> {
        match (self.engines.as_slice(), &self.matcher) {
            ([engine], None) => Some(engine.preparer()),
            _ => None,
        }
    }

    pub(crate) fn push(&mut self, batch: &mut Batch) {
        if std::mem::take(&mut batch.after_gap)
            && let Some(first) = batch.frames.frames.first()
        {
            // The frames of a batch are of one interface.
            let (tap, resumed) = (tap_bit(first.tap), first.ts);
            self.engines
                .iter_mut()
                .for_each(|engine| engine.capture_gap(tap, resumed));
        }
        let Batch {
            frames, prepared, ..
        } = batch;
        match (self.engines.as_mut_slice(), &self.matcher) {
            ([engine], None) if prepared.len() == frames.frames.len() => {
                engine.push_prepared(frames, prepared);
            }
            ([engine], None) => engine.push(frames),
            _ => return frames.iter().for_each(|frame| self.push_frame(&frame)),
        }
        if let ([engine], Some(kept)) = (self.engines.as_mut_slice(), &mut self.kept) {
            for member in engine.drain_members() {
                if let Some(meta) = frames.frames.get(member.frame) {
                    kept.put(member.session, &frames.frame(meta));
                }
            }
        }
    }

    /// Nothing comes from these taps any more.
    pub(crate) fn tap_down(&mut self, taps: u16) {
        self.engines
            .iter_mut()
            .for_each(|engine| engine.tap_down(taps));
    }

    /// Nothing was on the wire until `now`.
    pub(crate) fn pass_time(&mut self, now: Timestamp) {
        self.engines
            .iter_mut()
            .for_each(|engine| engine.pass_time(now));
    }

    pub(crate) fn push_frame(&mut self, frame: &Frame<'_>) {
        let side = if frame.tap == tap_of(Side::Headend) && self.matcher.is_some() {
            Side::Headend
        } else {
            Side::Client
        };
        let Some(engine) = self.engines.get_mut(side.index()) else {
            return;
        };
        engine.push_frame(frame);
        if let Some(kept) = &mut self.kept {
            for member in engine.drain_members() {
                kept.put(member.session, frame);
            }
        }
        if self.matcher.is_some() {
            self.collect(side);
        }
    }

    /// Moves what the engine of `side` has to say on, to the matcher too.
    fn collect(&mut self, side: Side) {
        let (Some(engine), Some(matcher)) =
            (self.engines.get_mut(side.index()), self.matcher.as_mut())
        else {
            return;
        };
        if engine.has_events() {
            for event in engine.drain_events() {
                if let Event::Ended(session, _) = &event {
                    matcher.session_ended(side, session.id());
                }
                self.news.push(News::Engine(event));
            }
        }
        for sighting in engine.drain_sightings() {
            matcher.take(&EspSighting { side, ..sighting });
        }
        if let Some((first, now)) = engine.span() {
            matcher.advance(side, first, now);
        }
        if matcher.has_reports() {
            let reports = matcher.drain().into_iter();
            self.news.extend(reports.map(|r| News::Device(Box::new(r))));
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty() || self.engines.iter().any(Engine::has_events)
    }

    pub(crate) fn drain_news(&mut self) -> Vec<News> {
        if self.matcher.is_none() {
            let events = self.engines.iter_mut().flat_map(Engine::drain_events);
            self.news.extend(events.map(News::Engine));
        }
        std::mem::take(&mut self.news)
    }

    /// Ends the input: judges everything once more. What it gives is for [`Observers::end_some`].
    pub(crate) fn begin_end(&mut self) -> Vec<Ending> {
        self.engines.iter_mut().map(Engine::begin_end).collect()
    }

    /// Ends some sessions, so that who makes words of them need not wait for all; false when that was the
    /// last part. With a matcher everything at once, then the matcher.
    pub(crate) fn end_some(&mut self, ending: &mut [Ending]) -> bool {
        let mut engines = self.engines.iter_mut().zip(ending);
        if self.matcher.is_none() {
            return engines.any(|(engine, ending)| engine.end_some(ending, AT_ONCE));
        }
        for (engine, ending) in engines {
            engine.end_some(ending, usize::MAX);
        }
        for side in Side::ALL {
            self.collect(side);
        }
        if let Some(matcher) = &mut self.matcher {
            matcher.finish();
            let reports = matcher.drain().into_iter();
            self.news.extend(reports.map(|r| News::Device(Box::new(r))));
        }
        false
    }

    /// Recent frames of tunnel sessions, where they are kept.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// Hands them over.
    pub(crate) fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    pub(crate) fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// What the matcher counted; `None` with one tap.
    pub(crate) fn matched(&self) -> Option<Counters> {
        self.matcher.as_ref().map(TapMatcher::counters)
    }

    pub(crate) fn session(&self, id: u64) -> Option<&Session> {
        self.engines.iter().find_map(|engine| engine.session(id))
    }

    pub(crate) fn snapshot(
        &self,
        limit: usize,
        offset: usize,
        state: Option<Verdict>,
        order: Order,
    ) -> Vec<Session> {
        if let [engine] = self.engines.as_slice() {
            return engine.snapshot(limit, offset, state, order);
        }
        let most = limit.saturating_add(offset);
        let mut rows: Vec<Session> = self
            .engines
            .iter()
            .flat_map(|engine| engine.snapshot(most, 0, state, order))
            .collect();
        // Each half is sorted; a stable sort by the leading part of the order merges them.
        match order {
            Order::Worst => rows.sort_by_key(|s| std::cmp::Reverse(session_state(s))),
            Order::Recent => rows.sort_by_key(|s| std::cmp::Reverse(s.last)),
            Order::Key => rows.sort_by_key(|s| (s.client(), s.server())),
        }
        rows.into_iter().skip(offset).take(limit).collect()
    }
}
