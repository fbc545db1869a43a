//! When handshakes of `WireGuard` inside fake TCP fail, and which way. The messages themselves
//! are read and counted in `ctcp::wireguard`.

use crate::ctcp::wireguard::{Handshakes, Run};
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Initiations in a row that mean something (guess: three handshakes that failed; at one packet
/// lost in ten each way that happens to one in 150).
pub(super) const MANY: u8 = 4;
/// From the first of them to the last (guess: two retries of 5 s, so that copies do not count).
const MIN_RUN_NS: i64 = 10 * NANOS_PER_SECOND;

/// Initiations of side `dir` that repeat without an end.
fn failing(all: &Handshakes, dir: usize) -> Option<Run> {
    let run = all.run(dir)?;
    let is_failing = run.initiations >= MANY && run.last.since(run.since) >= MIN_RUN_NS;
    is_failing.then_some(run)
}

/// Initiations of side `dir` that nobody answers.
pub(super) fn unanswered(all: &Handshakes, dir: usize) -> Option<Run> {
    failing(all, dir).filter(|run| run.responses == 0)
}

/// Initiations of side `dir` that are answered at the tap, all but the newest, and repeated all
/// the same: what the other side sends does not arrive.
fn answered_in_vain(all: &Handshakes, dir: usize) -> Option<Run> {
    failing(all, dir).filter(|run| run.responses + 1 >= run.initiations)
}

/// Handshakes that began after `since` and show that what side `dir` sends does not arrive:
/// nobody answers its initiations, or those of the other side are answered and repeated all the
/// same.
pub(super) fn fail(all: &Handshakes, dir: usize, since: Timestamp) -> Option<Run> {
    [unanswered(all, dir), answered_in_vain(all, 1 - dir)]
        .into_iter()
        .flatten()
        .find(|run| run.since >= since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctcp::wireguard::Handshake;

    fn s(t: i64) -> Timestamp {
        Timestamp(t * NANOS_PER_SECOND)
    }

    #[test]
    fn one_in_two_minutes_is_no_failure() {
        let mut h = Handshakes::default();
        for n in 0..20 {
            h.on_message(0, Handshake::Initiation, s(n * 120));
            h.on_message(1, Handshake::Response, s(n * 120));
            assert!(!h.is_repeating());
        }
        assert_eq!((unanswered(&h, 0), answered_in_vain(&h, 0)), (None, None));
    }

    #[test]
    fn four_within_a_moment_are_copies() {
        let mut h = Handshakes::default();
        for n in 0..4 {
            h.on_message(0, Handshake::Initiation, s(3 * n));
        }
        assert_eq!(unanswered(&h, 0), None);
        h.on_message(0, Handshake::Initiation, s(12));
        assert!(unanswered(&h, 0).is_some());
    }

    #[test]
    fn repeated_ones_tell_which_way_fails() {
        let mut h = Handshakes::default();
        h.on_message(0, Handshake::Initiation, s(0));
        h.on_message(1, Handshake::Response, s(0));
        let mut vain = h;
        for n in 0..4 {
            assert!(unanswered(&h, 0).is_none() && answered_in_vain(&vain, 0).is_none());
            h.on_message(0, Handshake::Initiation, s(100 + 5 * n));
            vain.on_message(0, Handshake::Initiation, s(100 + 5 * n));
            if n < 3 {
                vain.on_message(1, Handshake::Response, s(100 + 5 * n));
            }
        }
        let run = |responses| Run {
            initiations: 4,
            responses,
            since: s(100),
            last: s(115),
        };
        let found = |all| (unanswered(all, 0), answered_in_vain(all, 0));
        assert_eq!(found(&h), (Some(run(0)), None));
        assert_eq!(found(&vain), (None, Some(run(3))));
        // What side 0 sends does not arrive; of side 1 in the other case.
        assert_eq!(fail(&h, 0, s(100)), Some(run(0)));
        assert_eq!(fail(&h, 1, s(100)), None);
        assert_eq!(fail(&vain, 1, s(100)), Some(run(3)));
        assert_eq!(fail(&vain, 1, s(101)), None, "it began before");
        vain.on_capture_gap();
        assert_eq!(answered_in_vain(&vain, 0), None);
    }
}
