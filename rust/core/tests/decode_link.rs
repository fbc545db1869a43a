//! One good frame per link type, whole and cut at every byte.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decode_support;

use ctcpmon_core::decode::{Disposition, LINK_TYPES};
use decode_support::*;

/// Headers of each link type in front of the usual packet. A link type without
/// a frame here fails the tests below.
fn good_frames(name: &str) -> Vec<Vec<u8>> {
    let ip = ipv4_tcp();
    let with = |header: &[u8]| [header, &ip].concat();
    match name {
        "ethernet" => vec![ethernet_tcp()],
        "linux_sll" => vec![
            with(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0]),
            [
                &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 4][..],
                &snap(0x0800, &ip),
            ]
            .concat(),
        ],
        "linux_sll2" => {
            vec![with(&[
                8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0,
            ])]
        }
        "raw" | "raw_dlt_12" | "raw_dlt_14" | "ipv4" => vec![ip],
        "ipv6" => vec![ipv6(6, &tcp())],
        "null" | "loop" => {
            let mut frames = vec![with(&[2, 0, 0, 0]), with(&[0, 0, 0, 2])];
            for family in [10, 23, 24, 28, 30] {
                frames.push([&[family, 0, 0, 0][..], &ipv6(6, &tcp())].concat());
                frames.push([&[0, 0, 0, family][..], &ipv6(6, &tcp())].concat());
            }
            frames
        }
        "ppp" => vec![with(&[0xff, 3, 0, 0x21]), with(&[0, 0x21]), with(&[0x21])],
        "ppp_hdlc" => vec![with(&[0xff, 3, 0, 0x21]), with(&[0x0f, 0, 8, 0])],
        "ppp_ether" => vec![pppoe(&with(&[0, 0x21]))],
        "c_hdlc" => vec![with(&[0x0f, 0, 8, 0]), with(&[0x8f, 0, 8, 0])],
        "ieee802_11" => vec![wlan(0), wlan(1), wlan(2), wlan(3)],
        "ieee802_11_radiotap" => vec![
            [&[0, 0, 8, 0, 0, 0, 0, 0][..], &wlan(1)].concat(),
            // Time and flags; data padding after the QoS header of 26 bytes.
            {
                let mut padded = wlan(1);
                padded.splice(26..26, [0, 0]);
                let header = [0, 0, 17, 0, 3, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0x20];
                [&header[..], &padded].concat()
            },
        ],
        "ppi" => vec![
            [&[0, 0, 8, 0, 105, 0, 0, 0][..], &wlan(0)].concat(),
            [&[0, 0, 8, 0, 1, 0, 0, 0][..], &ethernet_tcp()].concat(),
            with(&[0, 0, 8, 0, 101, 0, 0, 0]),
        ],
        "nflog" => {
            let len = u16::try_from(ip.len() + 4).unwrap();
            let head = [2, 0, 0, 0];
            let little = [
                &head[..],
                &[8, 0, 1, 0, 8, 0, 1, 0],
                &len.to_le_bytes(),
                &[9, 0],
                &ip,
            ];
            let big = [
                &head[..],
                &[0, 8, 0, 1, 8, 0, 1, 0],
                &len.to_be_bytes(),
                &[0, 9],
                &ip,
            ];
            vec![little.concat(), big.concat()]
        }
        "pktap" => {
            let mut header = vec![0; 108];
            header[0] = 108;
            header[8] = 1;
            let mut raw = header.clone();
            raw[8] = 12;
            let mut null = header.clone();
            null[8] = 0;
            null.extend([2, 0, 0, 0]);
            vec![
                [&header[..], &ethernet_tcp()].concat(),
                with(&raw),
                with(&null),
            ]
        }
        "ethernet_mpacket" => {
            vec![[&[0x55; 7][..], &[0xd5], &ethernet_tcp()].concat()]
        }
        other => panic!("no good frame for link type {other}"),
    }
}

/// An 802.11 data frame: plain, with `QoS`, with four addresses, with an A-MSDU.
fn wlan(form: u8) -> Vec<u8> {
    let body = snap(0x0800, &ipv4_tcp());
    let (first, second, extra) = match form {
        0 => (0x08, 0x01, vec![]),
        1 => (0x88, 0x02, vec![0, 0]),
        2 => (0x08, 0x03, vec![7; 6]),
        _ => {
            let mut extra = vec![0x80, 0];
            extra.extend([7; 12]);
            extra.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
            (0x88, 0x01, extra)
        }
    };
    let mut frame = vec![first, second];
    frame.extend([0; 22]);
    frame.extend(extra);
    frame.extend(body);
    frame
}

#[test]
fn every_link_type_has_a_good_frame() {
    for decoder in LINK_TYPES {
        for frame in good_frames(decoder.name) {
            let segment = run(decoder.link.0, &frame)
                .unwrap_or_else(|end| panic!("{}: {} {frame:02x?}", decoder.name, end.name()));
            assert_eq!(segment.payload, PAYLOAD, "{}", decoder.name);
            assert_eq!(segment.payload_len, 10);
            assert_eq!((segment.src.port, segment.dst.port), (SRC_PORT, DST_PORT));
            assert_eq!(
                (segment.seq, segment.ack, segment.window),
                (100, 200, 0x2000)
            );
            assert_eq!((segment.flags.0, segment.checksum), (0x18, 0xabcd));
            assert_eq!((segment.ts.0, segment.tap, segment.tunnel), (7, 3, 0));
        }
    }
}

#[test]
fn a_cut_frame_never_yields_more_than_was_captured() {
    for decoder in LINK_TYPES {
        for frame in good_frames(decoder.name) {
            let payload_at = frame.len() - PAYLOAD.len();
            for cut in 0..frame.len() {
                match run_cut(decoder.link.0, &frame[..cut], frame.len()) {
                    Ok(segment) => {
                        assert!(cut >= payload_at, "{} cut at {cut}", decoder.name);
                        assert_eq!(segment.payload, &frame[payload_at..cut]);
                        assert_eq!(segment.payload_len, 10);
                        assert!(segment.is_cut() && is_inside(&segment, &frame));
                    }
                    Err(end) => assert!(
                        cut < payload_at && (cut == 0) == (end == Disposition::Empty),
                        "{} cut at {cut}: {}",
                        decoder.name,
                        end.name()
                    ),
                }
            }
        }
    }
}

#[test]
fn an_unknown_link_type_is_named() {
    assert_eq!(
        run(147, &ethernet_tcp()).unwrap_err(),
        Disposition::UnsupportedLinkType
    );
    assert_eq!(run(147, &[]).unwrap_err(), Disposition::Empty);
}

#[test]
fn the_list_names_each_number_once() {
    for (i, a) in LINK_TYPES.iter().enumerate() {
        for b in &LINK_TYPES[i + 1..] {
            assert!(
                a.link != b.link && a.name != b.name,
                "{} and {}",
                a.name,
                b.name
            );
        }
    }
}

#[test]
fn frames_without_ip_are_counted_apart() {
    assert_eq!(
        run(ETHERNET, &ethernet(0x0806, &[0; 28])).unwrap_err(),
        Disposition::Arp
    );
    assert_eq!(
        run(ETHERNET, &ethernet(0x88cc, &[0; 46])).unwrap_err(),
        Disposition::NotIp
    );
    // Spanning tree: an 802.3 length frame with LLC.
    let bpdu = ethernet(38, &[0x42, 0x42, 3, 0, 0]);
    assert_eq!(run(ETHERNET, &bpdu).unwrap_err(), Disposition::NotIp);
    // Encrypted 802.11, and a null-data frame.
    let mut protected = wlan(0);
    protected[1] |= 0x40;
    assert_eq!(run(105, &protected).unwrap_err(), Disposition::NotIp);
    assert_eq!(run(105, &[0x48, 1, 0, 0]).unwrap_err(), Disposition::NotIp);
    let mut fragment = wlan(0);
    fragment[22] = 1;
    assert_eq!(run(105, &fragment).unwrap_err(), Disposition::FragmentLater);
}

#[test]
fn the_outermost_two_vlans_are_kept() {
    let frame = ethernet(
        0x88a8,
        &vlan(
            0xe005,
            0x8100,
            &vlan(6, 0x8100, &vlan(7, 0x0800, &ipv4_tcp())),
        ),
    );
    assert_eq!(run(ETHERNET, &frame).unwrap().vlan, [5, 6]);
    assert_eq!(run(ETHERNET, &ethernet_tcp()).unwrap().vlan, [0, 0]);
}

#[test]
fn pppoe_that_contradicts_itself_is_malformed() {
    let mut frame = ethernet(0x8864, &pppoe(&[0, 0x21]));
    frame[14] = 0x22;
    assert_eq!(
        run(ETHERNET, &frame).unwrap_err(),
        Disposition::MalformedLink
    );
    let discovery = ethernet(0x8864, &[0x11, 0x65, 0, 0, 0, 0]);
    assert_eq!(run(ETHERNET, &discovery).unwrap_err(), Disposition::NotIp);
}

#[test]
fn a_continued_mpacket_is_a_later_fragment() {
    let frame = [&[0x55; 6][..], &[0x61, 0xe6], &ethernet_tcp()].concat();
    assert_eq!(run(274, &frame).unwrap_err(), Disposition::FragmentLater);
    let frame = [&[0x55; 8][..], &ethernet_tcp()].concat();
    assert_eq!(run(274, &frame).unwrap_err(), Disposition::NotIp);
}
