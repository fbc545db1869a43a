//! The only door: frames in, findings and ended sessions out.
//!
//! Deterministic by construction: verdicts are made at multiples of [`TICK_NS`] of
//! packet time, before the first frame at or after that time, whatever the size of
//! the batches. Nothing handed out depends on the keyed hash of the flow table.

mod end_reason;
mod identities;
mod judging;
mod listing;
mod members;
mod room;
mod slots;
mod taking;
mod timing;

pub use self::end_reason::EndReason;
use self::identities::{Identities, Identity};
pub use self::judging::{Ending, MOST_HELD};
pub use self::members::Member;
use self::members::Members;
use self::room::Refusal;
use self::slots::Slots;
pub use self::timing::tap_bit;
use crate::clock::PacketClock;
use crate::detect::{Judgement, Verdict, session_state};
use crate::flow::candidate::Recognised;
use crate::flow::{FlowKey, FlowTable, PreparedBatch, Preparer};
use crate::rhythm::{Point, Rhythm};
use crate::segment::Segment;
use crate::session::{Effect, Session, TO_HEADEND};
use crate::stats::Stats;
use crate::tap::TapMeter;
use crate::taps::{EspSighting, read_esp};
use crate::tcp::half_stream::{Offer, Recent};
use crate::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};

/// Packet time between two rounds of judgement.
pub const TICK_NS: i64 = 250 * NANOS_PER_MILLI;
/// Sessions that are not healthy, or closing, are looked at again after this.
const RECHECK_NS: i64 = NANOS_PER_SECOND;
/// A closed session ends when it has been quiet for this long.
const LINGER_NS: i64 = 10 * NANOS_PER_SECOND;
/// A session without any packet for this long ends as idle (guess: above every
/// rekey and DPD interval in use).
const IDLE_NS: i64 = 7_200 * NANOS_PER_SECOND;
/// A stalled session in which no side has sent for this long is over: both gave up (guess:
/// many times the keepalive and DPD intervals in use, 5 to 30 s).
const ABANDONED_NS: i64 = 300 * NANOS_PER_SECOND;
/// Findings handed out per tick; the rest is counted.
const MAX_FINDINGS_PER_TICK: u32 = 4_096;
/// Limits of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Memory for what is kept of flows, bytes. Flow records and their index get three
    /// quarters at most, and less where tunnel sessions take more than the last quarter.
    pub max_flow_bytes: usize,
    /// Tunnel sessions tracked at once; fewer where their memory is not there.
    pub max_sessions: usize,
    /// Keeps totals of each flow for lists (`window`): 14 bytes more a flow.
    pub lists_flows: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_flow_bytes: 256 << 20,
            max_sessions: 100_000,
            lists_flows: true,
        }
    }
}

/// A change of one detector's verdict on one session.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Number of this finding in the run, from 1, without gaps.
    pub seq: u64,
    /// Packet time of the judgement.
    pub at: Timestamp,
    /// Index in [`DETECTORS`].
    pub detector: usize,
    /// The judgement.
    pub judgement: Judgement,
    /// The session at that moment.
    pub session: Session,
    /// Tap loss at that moment.
    pub tap_gap_ratio: Option<f64>,
}

/// What the engine hands out.
#[derive(Clone, Debug)]
pub enum Event {
    /// A verdict changed.
    Finding(Box<Finding>),
    /// A session ended.
    Ended(Box<Session>, EndReason),
}

/// Order of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Worst state first, then oldest stall, then id.
    #[default]
    Worst,
    /// Last packet first.
    Recent,
    /// By client and headend.
    Key,
}

/// One engine; belongs to one thread.
pub struct Engine {
    config: Config,
    clock: PacketClock,
    next_tick: Option<Timestamp>,
    /// Frames before this do no more to the clock than move it; see [`PacketClock::goes_on`].
    calm_until: Timestamp,
    /// Taps from which nothing comes: a bit for each.
    down: u16,
    table: FlowTable,
    slots: Slots,
    /// Sessions that are attempts, see [`Engine::has_room_for_attempt`].
    attempts: usize,
    /// What a mirror's copies are told by.
    recent: Recent,
    /// Sessions to judge at the next tick, see [`judging::due`].
    dirty: Vec<u64>,
    rechecks: Vec<u32>,
    /// Places of the sessions that were held in the last round.
    held: Vec<u32>,
    identities: Identities,
    tap: TapMeter,
    tunnel_holes: u64,
    tunnel_gaps: u64,
    stats: Stats,
    events: Vec<Event>,
    findings_this_tick: u32,
    first_seen: Option<Timestamp>,
    rhythm: Rhythm,
    /// What is known of the frames of a batch; its memory is kept between batches.
    prepared: PreparedBatch,
    /// ESP packets seen, when a second tap waits for them; `None` costs nothing.
    sightings: Option<Vec<EspSighting>>,
    /// Which frames were of tunnel sessions, when somebody keeps them; `None` costs nothing.
    members: Option<Members>,
}

impl Engine {
    /// An engine with nothing seen.
    pub fn new(config: Config) -> Self {
        Self {
            table: FlowTable::new(config.max_flow_bytes / 4 * 3, config.lists_flows),
            config,
            clock: PacketClock::default(),
            next_tick: None,
            calm_until: Timestamp(i64::MIN),
            down: 0,
            slots: Slots::default(),
            attempts: 0,
            recent: Recent::default(),
            dirty: Vec::new(),
            rechecks: Vec::new(),
            held: Vec::new(),
            identities: Identities::default(),
            tap: TapMeter::default(),
            tunnel_holes: 0,
            tunnel_gaps: 0,
            stats: Stats::default(),
            events: Vec::new(),
            findings_this_tick: 0,
            first_seen: None,
            rhythm: Rhythm::default(),
            prepared: PreparedBatch::default(),
            sightings: None,
            members: None,
        }
    }

    /// Notes every ESP packet from here on; the caller takes them out after each frame.
    pub fn note_sightings(&mut self) {
        self.sightings.get_or_insert_default();
    }

    /// Takes the ESP packets noted since the last call.
    pub fn drain_sightings(&mut self) -> impl Iterator<Item = EspSighting> {
        self.sightings.iter_mut().flat_map(|noted| noted.drain(..))
    }

    /// What prepares frames for [`Engine::push_prepared`].
    pub fn preparer(&self) -> Preparer {
        self.table.preparer().clone()
    }

    fn open_session(
        &mut self,
        at: u32,
        key: FlowKey,
        dir: usize,
        kind: Recognised,
        s: &Segment<'_>,
    ) {
        if !self.has_room_for_session() {
            self.refuse_session(at, Refusal::Full);
            return;
        }
        self.stats.counters.sessions += 1;
        let details = self.table.get_mut(at).1;
        details.generation = details.generation.saturating_add(1);
        let generation = details.generation;
        let mut session = Session::new(self.table.flow(at), key, at, kind, generation);
        let is_attempt = self.table.get_mut(at).0.is_half_open();
        session.set_attempt(is_attempt);
        self.attempts += usize::from(is_attempt);
        let index = self.slots.put(session);
        self.table.get_mut(at).0.session = index;
        self.divide_memory();
        self.measure(index, dir, s, true);
    }

    /// Measures one segment in its session.
    fn measure(&mut self, index: u32, dir: usize, s: &Segment<'_>, is_promotion: bool) {
        let Some(session) = self.slots.get_mut(index) else {
            return;
        };
        if !session.is_dirty() {
            session.set_dirty(true);
            self.dirty.push(judging::due(session.id(), index));
        }
        if session.is_attempt() && !self.table.get_mut(session.flow).0.is_half_open() {
            session.set_attempt(false);
            self.attempts -= 1;
        }
        let effect = session.on_segment(dir, s, is_promotion, &mut self.recent);
        if let Some(noted) = &mut self.sightings
            && !matches!(effect, Effect::SpanCopy | Effect::NewGeneration(_))
        {
            read_esp(session, dir, s, noted);
        }
        if let Some(members) = &mut self.members
            && !matches!(effect, Effect::NewGeneration(_))
        {
            members.note(self.stats.counters.frames, session.id());
        }
        match effect {
            Effect::Measured => {}
            Effect::SpanCopy => self.stats.counters.span_duplicates += 1,
            Effect::NewGeneration(offer) => self.renew(index, dir, s, offer),
            Effect::NewSpi(role, spi) => {
                let headend = session.server().addr;
                self.link(index, Identity::Spi(headend, role, spi));
            }
            Effect::Cookies(initiator) => {
                let headend = session.server().addr;
                self.link(index, Identity::Cookie(headend, initiator));
            }
        }
    }

    /// Notes that session `index` carries `identity`; links it to the session that
    /// carried it before.
    #[inline(never)]
    fn link(&mut self, index: u32, identity: Identity) {
        let Some(id) = self.slots.get(index).map(Session::id) else {
            return;
        };
        let limit = self.config.max_sessions.saturating_mul(4);
        if let Some(before) = self.identities.carried_by(&identity, id, limit)
            && let Some(session) = self.slots.get_mut(index)
        {
            session.link_to(before);
        }
    }

    /// Ends session `index` and starts the next generation on the same ends.
    #[cold]
    fn renew(&mut self, index: u32, dir: usize, s: &Segment<'_>, offer: Offer) {
        let Some(old) = self.slots.get(index) else {
            return;
        };
        let (flow, key, kind) = (old.flow, old.key(), old.kind);
        let opener = old.pending_syn().map_or(TO_HEADEND, |p| p.dir);
        let opener_end = if opener == TO_HEADEND {
            1 - old.headend()
        } else {
            old.headend()
        };
        self.end_session(index, EndReason::Reused);
        self.table.renew(flow, offer.at, opener_end);
        self.table.measure(flow, dir, &s.head);
        self.open_session(flow, key, dir, kind, s);
        let index = self.table.get_mut(flow).0.session;
        if let Some(session) = self.slots.get_mut(index) {
            session.half[TO_HEADEND].set_offer(&offer);
            session.has_start();
        }
    }

    fn end_session(&mut self, index: u32, reason: EndReason) {
        let Some(session) = self.slots.take(index) else {
            return;
        };
        self.attempts -= usize::from(session.is_attempt());
        self.table.release_session(session.flow);
        self.divide_memory();
        self.events.push(Event::Ended(Box::new(session), reason));
    }

    /// Takes everything made since the last call.
    pub fn drain_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// True when events wait.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.counters.flows_evicted = self.table.evicted;
        stats.counters.flows_expired = self.table.expired;
        stats.counters.flow_probes_exceeded = self.table.probes_exceeded();
        stats
    }

    /// Tap loss estimate.
    pub fn tap(&self) -> TapMeter {
        self.tap
    }

    /// First and newest packet time.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.first_seen.zip(self.clock.now())
    }

    /// When the frames came, oldest first.
    pub fn rhythm(&self) -> &[Point] {
        self.rhythm.points()
    }

    /// Flows in the table.
    pub fn flows(&self) -> usize {
        self.table.len()
    }

    /// Live sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter()
    }

    /// Live sessions chosen, sorted and cut.
    pub fn snapshot(
        &self,
        limit: usize,
        offset: usize,
        state: Option<Verdict>,
        order: Order,
    ) -> Vec<Session> {
        let mut rows: Vec<&Session> = self
            .sessions()
            .filter(|s| state.is_none_or(|want| session_state(s) == want))
            .collect();
        rows.sort_unstable_by(|a, b| {
            let by_id = a.id().cmp(&b.id());
            match order {
                Order::Worst => session_state(b)
                    .cmp(&session_state(a))
                    .then_with(|| {
                        let at = |s: &Session| s.detectors().stall.map_or(i64::MAX, |x| x.at.0);
                        at(a).cmp(&at(b))
                    })
                    .then(by_id),
                Order::Recent => b.last.cmp(&a.last).then(by_id),
                Order::Key => (a.client(), a.server())
                    .cmp(&(b.client(), b.server()))
                    .then(by_id),
            }
        });
        rows.into_iter().skip(offset).take(limit).cloned().collect()
    }
}
