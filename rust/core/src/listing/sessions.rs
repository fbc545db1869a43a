//! Tunnel sessions as rows of a list.

use super::{Column, Rank, Spec, Subject, Word, key};
use crate::detect::{Verdict, session_state, worst_state};
use crate::engine::EndReason;
use crate::segment::Endpoint;
use crate::session::Session;
use crate::time::{NANOS_PER_MILLI, Timestamp};

/// Bits of a time in ms that `worst` keeps: until the year 2527.
const TIME_BITS: u32 = 44;

/// A session with what ended it; `None` while it lives.
pub(crate) struct SessionSubject<'a>(pub(crate) &'a Session, pub(crate) Option<EndReason>);

fn both(of: impl Fn(usize) -> u64) -> i64 {
    of(0).saturating_add(of(1)).min(i64::MAX as u64) as i64
}

impl Subject for SessionSubject<'_> {
    fn number(&self, column: Column) -> Option<i64> {
        let session = self.0;
        let half = &session.half;
        Some(match column {
            Column::Worst => worst(session),
            Column::Stalled => session.detectors().stall?.at.0,
            Column::First => session.first().0,
            Column::Last => session.last.0,
            Column::Packets => both(|dir| half[dir].packets()),
            Column::Bytes => both(|dir| half[dir].payload_bytes()),
            Column::Retransmissions => both(|dir| half[dir].retransmissions()),
            Column::DupAcks => both(|dir| half[dir].dup_acks()),
            Column::ZeroWindows => both(|dir| half[dir].zero_windows()),
            Column::Missing => both(|dir| session.esp(dir).totals().1),
            Column::Holes => both(|dir| half[dir].holes_total()),
            Column::Client | Column::Server => return None,
        })
    }

    fn word(&self, word: Word) -> &'static str {
        match word {
            Word::State => session_state(self.0).name(),
            Word::Was => worst_state(self.0).name(),
            Word::Protocol => self.0.kind.name(),
            Word::Ended => self.1.map_or("open", EndReason::name),
        }
    }

    fn ends(&self) -> [Endpoint; 2] {
        [self.0.client(), self.0.server()]
    }
}

/// State, then worst state, then since when: the longer, the worse.
fn worst(session: &Session) -> i64 {
    let detectors = session.detectors();
    let state = session_state(session);
    let worst = detectors.worst.max(state);
    let stall = detectors.stall.map(|stall| stall.at);
    let since_ms = stall.unwrap_or(session.first()).0.max(0) / NANOS_PER_MILLI;
    let newest = (1 << TIME_BITS) - 1;
    let badness = |verdict: Verdict| verdict as i64;
    (badness(state) << 3 | badness(worst)) << TIME_BITS | (newest - since_ms.min(newest))
}

/// The rank of a session that somebody else keeps, if the list has it.
pub fn rank_session(
    spec: &Spec,
    session: &Session,
    reason: Option<EndReason>,
    (engine, at): (u32, u32),
    now: Timestamp,
    text: &mut String,
) -> Option<Rank> {
    let row = SessionSubject(session, reason);
    spec.filter.accepts(&row, now, text).then(|| Rank {
        key: key(&row, spec),
        engine,
        at,
        id: session.id(),
    })
}
