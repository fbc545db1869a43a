//! What a screen would have shown as held: the engine is asked ten times a second of packet time.

use ctcpmon_core::detect::{Held, HeldKind, Side, Verdict};
use ctcpmon_core::frame::Frame;
use ctcpmon_core::time::{NANOS_PER_MILLI, Timestamp};
use ctcpmon_core::{Config, Engine, Event};

use crate::packet::Record;

/// Between two looks; a screen looks five times a second.
const LOOK_NS: i64 = 100 * NANOS_PER_MILLI;

/// A session was shown as held without a break.
#[derive(Clone, Debug)]
pub struct Spell {
    /// Id and generation.
    pub session: (u64, u16),
    /// Port of the client.
    pub client_port: u16,
    /// Whose data.
    pub sender: Side,
    /// What showed it at first.
    pub kind: HeldKind,
    /// What it says of its beginning.
    pub since: Timestamp,
    /// When it was first shown.
    pub shown: Timestamp,
    /// When it was last shown.
    pub until: Timestamp,
    /// A stall was called within half a second of its end.
    pub is_called: bool,
}

/// Takes frames and notes what is held.
pub struct Watch {
    engine: Engine,
    next: Option<Timestamp>,
    open: Vec<Spell>,
    spells: Vec<Spell>,
    events: Vec<Event>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            engine: Engine::new(Config::default()),
            next: None,
            open: Vec::new(),
            spells: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl Watch {
    /// Takes one frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.engine.push_frame(frame);
        self.look();
    }

    /// Nothing was on the wire until `now`.
    pub fn pass_time(&mut self, now: Timestamp) {
        self.engine.pass_time(now);
        self.look();
    }

    fn look(&mut self) {
        let Some((_, now)) = self.engine.span() else {
            return;
        };
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now.plus(LOOK_NS));
        self.events.extend(self.engine.drain_events());
        let mut open = std::mem::take(&mut self.open);
        for (session, held) in self.engine.held() {
            let id = (session.id(), session.generation);
            let at = open.iter().position(|one| one.session == id);
            let mut spell = at.map_or_else(
                || begun(id, session.client().port, &held),
                |at| open.swap_remove(at),
            );
            spell.until = held.now;
            self.open.push(spell);
        }
        self.spells.extend(open);
    }

    /// Everything that was held, and what the engine said.
    ///
    /// # Panics
    ///
    /// When the engine holds something after its end.
    pub fn finish(mut self) -> (Vec<Spell>, Vec<Event>) {
        self.engine.finish();
        assert_eq!(
            self.engine.held().count(),
            0,
            "nothing is held after the end"
        );
        self.events.extend(self.engine.drain_events());
        self.spells.append(&mut self.open);
        for spell in &mut self.spells {
            spell.is_called = self.events.iter().any(|event| match event {
                Event::Finding(f) => {
                    f.judgement.verdict == Verdict::Stalled
                        && (f.session.id(), f.session.generation) == spell.session
                        && f.at.since(spell.until).abs() <= 5 * LOOK_NS
                }
                Event::Ended(..) => false,
            });
        }
        self.spells.sort_by_key(|one| (one.shown, one.session));
        (self.spells, self.events)
    }
}

fn begun(session: (u64, u16), client_port: u16, held: &Held) -> Spell {
    Spell {
        session,
        client_port,
        sender: held.sender,
        kind: held.kind,
        since: held.since,
        shown: held.now,
        until: held.now,
        is_called: false,
    }
}

/// The same over records.
pub fn watch(records: &[Record], snaplen: usize) -> (Vec<Spell>, Vec<Event>) {
    let mut watch = Watch::default();
    for r in records {
        watch.push(&Frame {
            bytes: &r.frame[..snaplen.min(r.frame.len())],
            ..r.captured()
        });
    }
    watch.finish()
}
