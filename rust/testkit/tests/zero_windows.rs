//! Segments that offer no window, and the times that one closed: a probe's answer repeats the first, not the
//! second.

use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::packet::{ACK, RST, Record, Segment, frame};

/// Segments that offer no window and times that one closed, of an ordinary conversation in which the client
/// offers these windows with these bits.
fn counted(offers: &[(u16, u8)]) -> (u64, u64) {
    let mut engine = Engine::new(Config::default());
    let ends = (([192, 0, 2, 7], 50_000), ([198, 51, 100, 1], 443));
    let segment = |dir, window, flags| Segment {
        dir,
        seq: 1_000,
        ack: 5_000,
        flags,
        window,
        payload: Vec::new(),
        options: Vec::new(),
        ttl: 64,
        ip_id: 1,
    };
    let answered = offers
        .iter()
        .flat_map(|(window, flags)| [segment(0, *window, *flags), segment(1, 8_192, ACK)]);
    for (at, segment) in answered.enumerate() {
        let record = Record {
            ts_ns: 1_700_000_000_000_000_000 + at as i64 * 1_000_000,
            frame: frame(&segment, ends.0, ends.1),
        };
        engine.push_frame(&record.captured());
    }
    let counters = &engine.stats().counters;
    (counters.zero_windows, counters.windows_closed)
}

#[test]
fn a_window_closes_once_however_often_that_is_said() {
    assert_eq!(
        counted(&[(512, ACK), (0, ACK), (0, ACK), (512, ACK)]),
        (2, 1)
    );
    assert_eq!(
        counted(&[(512, ACK), (0, ACK), (9, ACK), (0, ACK), (0, ACK)]),
        (3, 2)
    );
}

#[test]
fn a_window_that_was_never_seen_open_does_not_close() {
    assert_eq!(counted(&[(0, ACK), (0, ACK), (512, ACK)]), (2, 0));
}

#[test]
fn a_reset_offers_nothing() {
    assert_eq!(counted(&[(512, ACK), (0, RST | ACK)]), (0, 0));
}
