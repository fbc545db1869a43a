//! How flows and tunnel sessions share the memory that an engine may take. Numbers only;
//! the table and the sessions themselves live elsewhere.

use super::Engine;
use super::judging::MAX_PLACES;

/// Memory of a tunnel session with its places in the tables (`session_memory.rs` in the
/// testkit holds it there).
const SESSION_BYTES: usize = 600;
/// Sessions that are tracked whatever the bound on memory is: two and a half megabytes (guess).
const LEAST_SESSIONS: usize = 4_096;
/// Part of the sessions there is room for that attempts may be: who sends one packet each from addresses
/// of others does not keep out those who talk to each other. Snort's ceiling for flows of one side.
const ATTEMPTS: usize = 4;
/// Attempts that are tracked however little room there is (guess).
const LEAST_ATTEMPTS: usize = 1_024;

/// Why a tunnel has no session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// There is no room for any.
    Full,
    /// There are too many attempts.
    Attempt,
}

impl Engine {
    /// Memory of the sessions that counts against the bound, were there `more`, with the notes that
    /// they share.
    fn session_bytes(&self, more: usize) -> usize {
        let places = self.slots.places().max(self.slots.live() + more);
        let bytes = places * SESSION_BYTES + self.recent.bytes();
        bytes.saturating_sub(LEAST_SESSIONS * SESSION_BYTES)
    }

    /// True when one more session may be tracked.
    pub(super) fn has_room_for_session(&self) -> bool {
        let live = self.slots.live();
        let bytes = self.table.bytes() + self.session_bytes(1);
        live < self.config.max_sessions.min(MAX_PLACES)
            && (live < LEAST_SESSIONS || bytes <= self.config.max_flow_bytes)
    }

    /// True when one more session may be an attempt: one side alone has sent, and hardly anything.
    pub(super) fn has_room_for_attempt(&self) -> bool {
        let by_memory = self.config.max_flow_bytes / SESSION_BYTES;
        let most = self.config.max_sessions.min(MAX_PLACES).min(by_memory) / ATTEMPTS;
        self.attempts < most.max(LEAST_ATTEMPTS)
    }

    /// A flow shows a tunnel and there is no room for its session. Its next packets ask again (IKE in TCP shows
    /// itself once, in its first); it is counted once for each reason.
    pub(super) fn refuse_session(&mut self, at: u32, why: Refusal) {
        let is_attempt = matches!(why, Refusal::Attempt);
        if !self.table.get_mut(at).0.candidate.look_again(is_attempt) {
            return;
        }
        let c = &mut self.stats.counters;
        match why {
            Refusal::Full => c.sessions_refused += 1,
            Refusal::Attempt => c.sessions_put_off += 1,
        }
    }

    /// Leaves the flow table what the sessions do not take, and three tenths at least: each session
    /// has its record there, and those should not fill it (guess).
    pub(super) fn divide_memory(&mut self) {
        let whole = self.config.max_flow_bytes;
        let left = whole.saturating_sub(self.session_bytes(0));
        self.table
            .bound((whole / 4 * 3).min(left).max(whole / 10 * 3));
    }
}
