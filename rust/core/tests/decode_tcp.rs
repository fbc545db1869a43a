//! The TCP header and its options.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decode_support;

use ctcpmon_core::decode::Disposition;
use ctcpmon_core::segment::TcpOptions;
use decode_support::*;

fn options(bytes: &[u8]) -> TcpOptions {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    run(RAW, &ipv4(6, &tcp_with(&padded, PAYLOAD)))
        .unwrap()
        .options()
}

#[test]
fn a_syn_says_what_it_offers() {
    let got = options(&[
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
    ]);
    assert_eq!(got.mss, Some(1460));
    assert_eq!(got.window_scale, Some(7));
    assert!(got.sack_permitted && !got.is_malformed);
    assert_eq!(got.timestamps, Some((7, 0)));
    assert_eq!(got.layout, [2, 4, 8, 1, 3, 0xff, 0xff, 0xff]);
}

#[test]
fn the_short_way_reads_what_the_long_way_reads() {
    let short = options(&[1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4]);
    assert_eq!(short.timestamps, Some((0x102, 0x304)));
    assert_eq!(short.layout, [1, 1, 8, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let long = options(&[1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 1, 1, 1, 1]);
    assert_eq!(long.timestamps, short.timestamps);
    assert_eq!(long.layout, [1, 1, 8, 1, 1, 1, 1, 0xff]);
}

#[test]
fn no_options_is_an_empty_layout() {
    let got = options(&[]);
    assert_eq!(got.layout, [0xff; 8]);
    assert_eq!(
        (got.mss, got.timestamps, got.sack_len, got.is_malformed),
        (None, None, 0, false)
    );
}

#[test]
fn sack_blocks() {
    for n in 0..=4_u8 {
        let mut bytes = vec![5, 2 + 8 * n];
        for i in 0..n {
            bytes.extend([0, 0, 0, i, 0, 0, 1, i]);
        }
        let got = options(&bytes);
        assert_eq!(got.sack_len, n);
        for i in 0..n {
            assert_eq!(
                got.sack[usize::from(i)],
                (u32::from(i), 0x100 + u32::from(i))
            );
        }
    }
    // Not whole blocks: not believed, and the list goes on behind it.
    let got = options(&[5, 9, 0, 0, 0, 0, 0, 0, 0, 4, 2]);
    assert!(got.sack_len == 0 && got.sack_permitted && !got.is_malformed);
}

#[test]
fn window_scale_is_clamped() {
    for shift in 0..=255 {
        assert_eq!(options(&[3, 3, shift]).window_scale, Some(shift.min(14)));
    }
}

#[test]
fn a_broken_length_ends_the_list() {
    for bad in [&[8, 0][..], &[8, 1], &[8, 200], &[254, 0], &[2, 41]] {
        let got = options(&[&[4, 2][..], bad, &[3, 3, 5, 0]].concat());
        assert!(got.sack_permitted && got.is_malformed, "{bad:?}");
        assert_eq!((got.window_scale, got.timestamps), (None, None));
        assert_eq!(got.layout, [4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }
    // A kind in the last byte has no room for its length.
    assert!(options(&[1, 1, 1, 8]).is_malformed);
    // A known kind with another length is stepped over.
    let got = options(&[2, 3, 9, 4, 2, 1, 1, 1]);
    assert!(got.mss.is_none() && got.sack_permitted && !got.is_malformed);
}

#[test]
fn option_bombs() {
    assert_eq!(options(&[1; 40]).layout, [1; 8]);
    assert!(!options(&[1; 40]).is_malformed);
    // After the end of the list nothing counts.
    let got = options(&[0, 3, 3, 5]);
    assert_eq!(
        (got.window_scale, got.layout[0], got.layout[1]),
        (None, 0, 0xff)
    );
    for kind in 0..=255 {
        for len in 0..=255 {
            let mut bytes = vec![kind, len];
            bytes.resize(40, kind);
            let got = options(&bytes);
            assert!(got.sack_len <= 4);
        }
    }
}

#[test]
fn options_cut_by_the_snap_length_keep_what_is_there() {
    let list = [
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let packet = ipv4(6, &tcp_with(&list, PAYLOAD));
    for cut in 40..packet.len() {
        let segment = run_cut(RAW, &packet[..cut], packet.len()).unwrap();
        let got = segment.options();
        assert!(!got.is_malformed, "cut at {cut}");
        assert_eq!(got.mss.is_some(), cut >= 44);
        assert_eq!(got.sack_permitted, cut >= 46);
        assert_eq!(got.timestamps.is_some(), cut >= 56);
        assert_eq!(got.window_scale.is_some(), cut >= 60);
        assert_eq!(segment.payload_len, 10);
        assert_eq!(segment.payload.len(), cut.saturating_sub(60));
    }
}

#[test]
fn twenty_bytes_make_a_segment() {
    let packet = ipv4_tcp();
    for cut in 20..40 {
        let end = run_cut(RAW, &packet[..cut], packet.len()).unwrap_err();
        assert_eq!(end, Disposition::TruncatedTcp, "cut at {cut}");
    }
    let segment = run_cut(RAW, &packet[..40], packet.len()).unwrap();
    assert_eq!((segment.payload_len, segment.payload.len()), (10, 0));
}

#[test]
fn data_offsets_that_cannot_be() {
    for words in 0..16_u8 {
        let mut segment = tcp();
        segment[12] = words << 4;
        let got = run(RAW, &ipv4(6, &segment)).map(|s| s.payload_len);
        let expected = match words {
            5 => Ok(10),
            6 => Ok(6),
            7 => Ok(2),
            _ => Err(Disposition::MalformedTcp),
        };
        assert_eq!(got, expected, "data offset {words}");
    }
}
