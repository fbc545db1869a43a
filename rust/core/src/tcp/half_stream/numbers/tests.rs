use super::*;
use crate::tcp::seq::first_number;
use proptest::prelude::*;

const ODD_TIMES: [i64; 6] = [0, 1, -1, i64::MIN, i64::MAX, 1_795_402_680_000_000_000];

#[test]
fn every_time_comes_back_as_it_was() {
    for first in ODD_TIMES {
        let mut n = Numbers::new(Timestamp(first));
        assert_eq!(n.time(Number::LastTs), None);
        for at in ODD_TIMES {
            for near in [-5_000_000_000, -1, 0, 1, 1 << 47, 1 << 48, (1 << 48) - 2] {
                let ts = Timestamp(at.wrapping_add(near));
                n.set_time(Number::LastTs, ts);
                assert_eq!(n.time(Number::LastTs), Some(ts), "from {first}");
            }
        }
        n.clear(Number::LastTs);
        assert_eq!(n.time(Number::LastTs), None);
    }
}

#[test]
fn an_ordinary_stream_needs_no_box() {
    let first = Timestamp(1_795_402_680_123_456_789);
    let mut n = Numbers::new(first);
    n.set_first(first.plus(-1_000_000_000));
    n.set_time(Number::LastTs, first.plus(77 * 3_600 * 1_000_000_000));
    n.add(Tally::PureAcks, (1 << 24) - 1);
    assert!(n.rare().is_none());
    n.count(Tally::PureAcks);
    assert_eq!(n.tally(Tally::PureAcks), 1 << 24);
    n.add(Tally::PureAcks, u32::MAX);
    assert_eq!(n.tally(Tally::PureAcks), (1 << 32) + (1 << 24) - 1);
}

#[test]
fn the_box_takes_the_few_bytes_over() {
    let mut n = Numbers::new(Timestamp(0));
    n.few_mut().ttl.data = 64;
    n.rare_mut().reordered = 1;
    assert_eq!(n.few().ttl.data, 64);
    n.few_mut().ttl.data = 63;
    n.rare_mut().reordered += 1;
    assert_eq!((n.few().ttl.data, n.rare_mut().reordered), (63, 2));
}

#[test]
fn a_stream_of_months_needs_no_box_either() {
    let first = Timestamp(1_795_402_680_123_456_789);
    let mut n = Numbers::new(first);
    n.set_first(first);
    n.set_time(Number::AckRepeated, first);
    for hours in 1..24 * 150 {
        let now = first.plus(hours * 3_600_000_000_000);
        n.set_time(Number::LastTs, now);
        n.set_time(Number::LastData, now.plus(-3_600_000_000_000));
        assert_eq!(n.time(Number::LastTs), Some(now));
        assert_eq!(n.first(), Some(first));
    }
    assert!(n.rare().is_none());
    assert_eq!(n.time(Number::AckRepeated), None, "no run, no time");
}

#[test]
fn a_long_run_is_counted_on() {
    for (run, far) in [
        (Run::AckRepeats, u32::from(FAR_RUN)),
        (Run::BareRepeats, u32::from(FAR_SHORT_RUN)),
        (Run::DupAcks, u32::from(FAR_NIBBLE)),
    ] {
        let mut n = Numbers::new(Timestamp(0));
        for length in 1..200_000 {
            n.extend(run);
            assert_eq!(n.run(run), length);
            assert_eq!(n.far().is_some(), length >= far);
        }
        assert_eq!((n.run(Run::Others), n.run(Run::SinceUna)), (0, 0));
        assert_eq!(n.end(run), 199_999);
        assert_eq!(n.run(run), 0);
    }
}

#[test]
fn runs_of_half_a_byte_do_not_touch_each_other() {
    let mut n = Numbers::new(Timestamp(0));
    for _ in 0..9 {
        n.extend(Run::DupAcks);
        n.extend(Run::Others);
    }
    for _ in 0..20 {
        n.extend(Run::Others);
    }
    assert_eq!((n.run(Run::DupAcks), n.run(Run::Others)), (9, 29));
    assert_eq!(n.end(Run::Others), 29);
    assert_eq!((n.run(Run::DupAcks), n.run(Run::Others)), (9, 0));
}

#[test]
fn any_first_time_comes_back() {
    let first = Timestamp(1_795_402_680_123_456_789);
    for (by, is_near) in [
        (0, true),
        (-2_000_000_000, true),
        (2_000_000_000, true),
        (-10_000_000_000, false),
        (20_000_000_000, false),
        (i64::MIN, false),
    ] {
        let mut n = Numbers::new(first);
        assert_eq!(n.first(), None);
        n.set_first(first.plus(by));
        assert_eq!(n.first(), Some(first.plus(by)));
        assert_eq!(n.rare().is_none(), is_near, "{by}");
    }
}

proptest! {
    /// Whatever the times are, and however often the origin moves.
    #[test]
    fn times_of_days_come_back_as_they_were(
        steps in prop::collection::vec((0..TIMES.len(), 0i64..1 << 48, 20u32..48), 1..60),
        back in 0usize..60,
    ) {
        let first = Timestamp(1_795_402_680_123_456_789);
        let mut n = Numbers::new(first);
        n.set_first(first);
        n.extend(Run::Opposite);
        n.extend(Run::AckRepeats);
        let mut plain = [None; TIMES.len()];
        let mut now = first;
        for (i, (which, step, shift)) in steps.into_iter().enumerate() {
            let step = step >> (48 - shift);
            now = now.plus(if i == back { -step } else { step });
            n.set_time(TIMES[which], now);
            plain[which] = Some(now);
            prop_assert_eq!(TIMES.map(|t| n.time(t)), plain);
            prop_assert_eq!(n.first(), Some(first));
        }
    }

    #[test]
    fn every_number_comes_back_as_it_was(values in prop::collection::vec(any::<u64>(), 1..20)) {
        let mut n = Numbers::new(Timestamp(0));
        for v in values {
            for v in [v, v >> 16, v >> 24, v >> 30, v >> 32, v >> 33] {
                for number in [Number::SndNxt, Number::MaxGap, Number::AckRtt] {
                    n.set(number, v);
                    prop_assert_eq!(n.get(number), Some(v));
                }
                prop_assert_eq!(n.get(Number::LastTs), None);
                prop_assert_eq!(n.get(Number::MeanGap), None);
            }
        }
    }

    /// Highest byte, highest ACK and payload, wherever they are.
    #[test]
    fn distances_give_back_what_was_set(
        first_seq in any::<u32>(),
        steps in prop::collection::vec((0u8..5, any::<u64>(), 16u32..64), 1..60),
    ) {
        let mut n = Numbers::new(Timestamp(0));
        n.first_seq = first_seq;
        let (mut nxt, mut una, mut payload) = (first_number(first_seq), None, 0_u64);
        n.set_nxt(nxt);
        for (which, step, shift) in steps {
            let step = step >> shift;
            match which {
                0 => {
                    nxt += step;
                    n.set_nxt(nxt);
                }
                1 => {
                    let to = (nxt + step / 2).saturating_sub(step);
                    una = Some(to);
                    n.set_una(to);
                }
                2 => {
                    let bytes = u32::try_from(step).unwrap_or(u32::MAX);
                    n.go_on(nxt, bytes);
                    payload += u64::from(bytes);
                    nxt += u64::from(bytes);
                }
                3 => {
                    let bytes = u32::try_from(step).unwrap_or(u32::MAX);
                    payload += u64::from(bytes);
                    n.add_payload_bytes(bytes);
                }
                _ => {
                    // The payload ends there, behind a hole of any size or none; a SYN has none.
                    let bytes = u32::try_from(step / 3).unwrap_or(u32::MAX);
                    n.jump(nxt, nxt + step, bytes);
                    payload += u64::from(bytes);
                    nxt += step;
                }
            }
            prop_assert_eq!((n.nxt(), n.una(), n.payload_bytes()), (nxt, una, payload));
        }
    }
}
