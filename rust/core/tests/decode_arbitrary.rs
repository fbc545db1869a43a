//! No bytes whatever make decode panic or hand out what was not captured.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decode_support;

use ctcpmon_core::decode::LINK_TYPES;
use decode_support::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn check(bytes: &[u8], original_len: usize) -> Result<(), TestCaseError> {
    for decoder in LINK_TYPES {
        if let Ok(segment) = run_cut(decoder.link.0, bytes, original_len) {
            prop_assert!(is_inside(&segment, bytes), "{}", decoder.name);
            prop_assert!(segment.payload.len() as u64 <= u64::from(segment.payload_len));
            prop_assert!(segment.options().sack_len <= 4);
            prop_assert!(segment.options().window_scale.unwrap_or(0) <= 14);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..200), original_len in 0_usize..0x1_0000) {
        check(&bytes, original_len)?;
    }

    /// Damage to good frames gets past the first headers, which noise does not.
    #[test]
    fn damaged_frames(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = encapsulations(&ipv4(6, &tcp_with(&[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2], PAYLOAD)));
        let (_, _, mut frame) = which.get(&all).clone();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let original_len = frame.len();
        frame.truncate(cut.index(original_len) + 1);
        check(&frame, original_len)?;
    }
}
