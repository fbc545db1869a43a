use super::super::{IsakmpHeader, is_informational};
use super::*;
use crate::time::NANOS_PER_MILLI;
use proptest::prelude::*;

fn header(version: u8, exchange: u8) -> [u8; 28] {
    let mut b = [0; 28];
    b[0] = 1;
    b[17] = version;
    b[18] = exchange;
    b[27] = 92;
    b
}

#[test]
fn reads_what_ike_sends_and_nothing_else() {
    assert!(IsakmpHeader::parse(&header(0x10, 4)).is_some());
    assert!(IsakmpHeader::parse(&header(0x10, 7)).is_none());
    assert!(IsakmpHeader::parse(&header(0x30, 4)).is_none());
    assert!(IsakmpHeader::parse(&header(0x10, 4)[..27]).is_none());
}

#[test]
fn pairs_questions_and_answers_by_order() {
    let mut m = IkeMeter::default();
    m.on_message(0, None, Timestamp(0), 0);
    m.on_message(1, None, Timestamp(50), 0);
    m.on_message(0, None, Timestamp(100), 0);
    m.on_message(0, None, Timestamp(200), 0);
    assert_eq!(
        (m.answered(0), m.unanswered(0), m.rtt_min_ns(0)),
        (1, 2, 50)
    );
    assert_eq!(m.unanswered_since(0), Some(Timestamp(100)));
    assert_eq!(m.unanswered_since(1), None);
}

#[test]
fn the_last_word_of_a_negotiation_waits_for_nothing() {
    let quick = IsakmpHeader::parse(&header(0x10, 32));
    let dpd = IsakmpHeader::parse(&header(0x10, 5));
    let mut m = IkeMeter::default();
    m.on_message(1, quick.as_ref(), Timestamp(0), 0);
    m.on_message(0, quick.as_ref(), Timestamp(50), 0);
    m.on_message(0, dpd.as_ref(), Timestamp(900), 0);
    m.on_message(0, dpd.as_ref(), Timestamp(990), 0);
    assert_eq!(m.unanswered(0), 2);
    assert_eq!(m.unanswered_since(0), Some(Timestamp(900)));
}

#[test]
fn dpd_tells_answers_from_questions() {
    let h = IsakmpHeader::parse(&header(0x10, 5));
    let s = |t: i64| Timestamp(t * 1_000 * NANOS_PER_MILLI);
    let mut m = IkeMeter::default();
    for t in [0, 10, 20, 30] {
        m.on_message(0, h.as_ref(), s(t), 7);
        m.on_message(1, h.as_ref(), s(t).plus(40 * NANOS_PER_MILLI), 0);
    }
    assert_eq!((m.dpd(0).asked, m.dpd(0).answered), (4, 4));
    assert_eq!(m.dpd(1).asked, 0, "answers are no questions");
    assert!(m.dpd(0).is_answered() && !m.dpd(1).is_answered());
    assert_eq!(
        (m.dpd(0).arrived.get(), m.dpd(0).arrived_beyond),
        (Some(s(30)), 7)
    );
    m.on_message(0, h.as_ref(), s(40), 900);
    m.on_message(1, h.as_ref(), s(45), 0);
    assert_eq!(
        (m.dpd(0).pending, m.dpd(1).asked),
        (1, 1),
        "five seconds later is no answer"
    );
    assert_eq!(m.dpd(0).arrived_beyond, 7);
}

/// Version and exchange: mostly informational, some quick, some that are none.
const EXCHANGES: [(u8, u8); 7] = [
    (0x10, 5),
    (0x10, 5),
    (0x10, 5),
    (0x10, 5),
    (0x20, 37),
    (0x10, 32),
    (0x10, 7),
];

proptest! {
    /// Packed into few bytes it says what plain numbers would.
    #[test]
    fn says_what_plain_numbers_would(
        messages in prop::collection::vec(
            (0usize..2, 0usize..4, -30i64..60, 0u64..5, prop::sample::select(&EXCHANGES)),
            1..80,
        ),
    ) {
        // Near, over seconds, and over days.
        const STEPS: [i64; 4] = [1, NANOS_PER_MILLI, 100 * NANOS_PER_MILLI, 1 << 46];
        let mut m = IkeMeter::default();
        let mut dpd = [DpdMeter::default(); 2];
        let (mut told, mut before) = ([None; 2], 0);
        let (mut sent, mut waits, mut since) = ([0u32; 2], [0u32; 2], [None; 2]);
        let (mut last, mut min) = ([None; 2], [0i64; 2]);
        let mut now = Timestamp(1_795_402_680_000_000_000);
        for (dir, scale, steps, beyond, (version, exchange)) in messages {
            now = now.plus(steps * STEPS[scale]);
            let other = 1 - dir;
            let header = IsakmpHeader::parse(&header(version, exchange));
            m.on_message(dir, header.as_ref(), now, beyond);
            if let Some(asked) = last[other].filter(|_| waits[other] > 0) {
                let rtt = now.since(asked).max(1);
                min[other] = if min[other] == 0 { rtt } else { rtt.min(min[other]) };
            }
            sent[dir] += 1;
            (waits[other], since[other]) = (0, None);
            if is_informational(exchange) && !is_informational(before) {
                (waits[dir], since[dir]) = (0, None);
            }
            before = if header.is_some() { exchange } else { before };
            waits[dir] += 1;
            since[dir] = since[dir].or(Some(now));
            last[dir] = Some(now);
            if exchange == 5 {
                told[dir] = Some(now);
            }
            if is_informational(exchange)
                && (dpd[other].asked == 0 || !dpd[other].answer(now))
            {
                dpd[dir].ask(now, beyond);
            }
            for d in 0..2 {
                prop_assert_eq!(m.dpd(d), dpd[d]);
                prop_assert_eq!((m.messages(d), m.unanswered(d)), (sent[d], waits[d]));
                prop_assert_eq!((m.unanswered_since(d), m.last(d)), (since[d], last[d]));
                prop_assert_eq!((m.last_informational(d), m.rtt_min_ns(d)), (told[d], min[d]));
            }
        }
    }
}

#[test]
fn many_messages_are_counted_on() {
    let mut m = IkeMeter::default();
    for n in 0..140_000 {
        m.on_message(0, None, Timestamp(n), 0);
    }
    assert_eq!((m.messages(0), m.messages(1)), (140_000, 0));
    assert_eq!(m.unanswered(0), 65_535);
}
