//! IPv4 and IPv6: lengths, padding, fragments, extension headers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decode_support;

use ctcpmon_core::decode::Disposition;
use decode_support::*;

/// `packet` with its bytes from `at` replaced.
fn with(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut frame = ethernet(0x0800, &ipv4(6, &tcp_with(&[], &[])));
    frame.resize(60, 0);
    let segment = run(ETHERNET, &frame).unwrap();
    assert_eq!((segment.payload_len, segment.payload), (0, &[][..]));

    let mut frame = ethernet(0x86dd, &ipv6(6, &tcp_with(&[], b"x")));
    frame.resize(90, 0);
    let segment = run(ETHERNET, &frame).unwrap();
    assert_eq!((segment.payload_len, segment.payload), (1, &b"x"[..]));
}

#[test]
fn padding_behind_an_802_3_frame_is_not_payload() {
    // Total length 0 leaves only the length field of the frame to tell.
    let ip = with(ipv4_tcp(), 2, &[0, 0]);
    let body = snap(0x0800, &ip);
    let mut frame = ethernet(u16::try_from(body.len()).unwrap(), &body);
    frame.extend([0; 20]);
    assert_eq!(run(ETHERNET, &frame).unwrap().payload, PAYLOAD);
}

#[test]
fn total_length_zero_is_the_wire_length() {
    let payload = vec![7; 70_000];
    let frame = ethernet(0x0800, &with(ipv4(6, &tcp_with(&[], &payload)), 2, &[0, 0]));
    assert_eq!(run(ETHERNET, &frame).unwrap().payload_len, 70_000);
    let cut = run_cut(ETHERNET, &frame[..96], frame.len()).unwrap();
    assert_eq!((cut.payload_len, cut.payload.len()), (70_000, 42));

    let frame = ethernet(0x86dd, &with(ipv6(6, &tcp_with(&[], &payload)), 4, &[0, 0]));
    assert_eq!(run(ETHERNET, &frame).unwrap().payload_len, 70_000);
}

#[test]
fn a_super_segment_is_one_segment() {
    let payload = vec![7; 60_000];
    let frame = ethernet(0x0800, &ipv4(6, &tcp_with(&[], &payload)));
    let segment = run_cut(ETHERNET, &frame[..128], frame.len()).unwrap();
    assert_eq!((segment.payload_len, segment.payload.len()), (60_000, 74));
}

#[test]
fn a_frame_sliced_on_the_way_keeps_its_ip_length() {
    let frame = ethernet(0x0800, &ipv4(6, &tcp_with(&[], &[7; 1000])));
    let segment = run_cut(ETHERNET, &frame[..200], 200).unwrap();
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 146));
    let frame = ethernet(0x86dd, &ipv6(6, &tcp_with(&[], &[7; 1000])));
    let segment = run_cut(ETHERNET, &frame[..200], 200).unwrap();
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 126));
}

#[test]
fn an_original_length_that_lies_is_ignored() {
    assert_eq!(
        run_cut(ETHERNET, &ethernet_tcp(), 0).unwrap().payload,
        PAYLOAD
    );
}

#[test]
fn ipv4_headers_that_contradict_themselves() {
    for first in [0x40, 0x44, 0x05, 0x55, 0xf5] {
        let end = run(RAW, &with(ipv4_tcp(), 0, &[first])).unwrap_err();
        assert_eq!(end, Disposition::MalformedIp, "{first:#x}");
    }
    for total in 1..20 {
        let end = run(RAW, &with(ipv4_tcp(), 2, &[0, total])).unwrap_err();
        assert_eq!(end, Disposition::MalformedIp, "{total}");
    }
    // A total length with no room for TCP.
    for total in 20..40 {
        let end = run(RAW, &with(ipv4_tcp(), 2, &[0, total])).unwrap_err();
        assert_eq!(end, Disposition::MalformedTcp, "{total}");
    }
}

#[test]
fn ipv4_options_are_passed_over() {
    let mut packet = vec![0x4f, 0, 0, 90];
    packet.extend(&ipv4_tcp()[4..20]);
    packet.extend([1; 40]);
    packet.extend(tcp());
    assert_eq!(run(RAW, &packet).unwrap().payload, PAYLOAD);
    assert_eq!(
        run_cut(RAW, &packet[..59], 90).unwrap_err(),
        Disposition::TruncatedIp
    );
}

/// While a source route is under way the header names the next hop; the conversation
/// is with the last address of the route (as in tshark).
#[test]
fn a_source_route_ends_at_its_last_address() {
    let routed = |options: &[u8]| {
        let mut packet = ipv4(6, &[options, &tcp()].concat());
        packet[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
        packet
    };
    let end = |options: &[u8]| {
        run(RAW, &routed(options))
            .unwrap()
            .dst
            .addr
            .to_ip()
            .to_string()
    };
    for kind in [131, 137] {
        let route = [1, kind, 11, 4, 10, 0, 0, 1, 192, 0, 2, 77];
        assert_eq!(end(&route), "192.0.2.77");
        let used_up = [1, kind, 11, 12, 10, 0, 0, 1, 192, 0, 2, 77];
        assert_eq!(end(&used_up), "198.51.100.2");
    }
    // Record route, a route of no address, one that does not fit, one behind the end.
    for other in [
        &[7, 7, 4, 10, 0, 0, 1, 0][..],
        &[131, 3, 4, 0],
        &[131, 40, 4, 10],
        &[131, 1, 4, 10],
        &[131, 2, 1, 1],
        &[0, 131, 7, 4, 10, 0, 0, 1],
    ] {
        assert_eq!(end(other), "198.51.100.2", "{other:?}");
    }
}

#[test]
fn ipv4_fragments() {
    let first = with(ipv4_tcp(), 6, &[0x20, 0]);
    let segment = run(RAW, &first).unwrap();
    assert!(segment.is_first_fragment && !segment.dont_fragment);
    assert_eq!(segment.payload_len, 10);
    for offset in [1_u16, 2, 0x1000, 0x1fff] {
        for flags in [0, 0x2000, 0x4000] {
            let later = with(ipv4_tcp(), 6, &(flags | offset).to_be_bytes());
            assert_eq!(run(RAW, &later).unwrap_err(), Disposition::FragmentLater);
        }
    }
    // A first fragment of eight bytes holds ports but no TCP header.
    let tiny = with(ipv4(6, &tcp()[..8]), 6, &[0x20, 0]);
    assert_eq!(run(RAW, &tiny).unwrap_err(), Disposition::TruncatedTcp);
    // One that ends inside the options is a segment without payload.
    let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let inside = with(ipv4(6, &tcp_with(&options, PAYLOAD)[..24]), 6, &[0x20, 0]);
    let segment = run(RAW, &inside).unwrap();
    assert_eq!(
        (segment.payload_len, segment.options().timestamps),
        (0, None)
    );
    assert!(!segment.options().is_malformed);
    assert!(!run(RAW, &ipv4_tcp()).unwrap().is_first_fragment);
}

#[test]
fn an_outer_fragment_does_not_shorten_the_inner_packet() {
    let inner = ipv4(6, &tcp_with(&[], &[7; 1000]));
    let outer = with(ipv4(47, &gre(0, 0x0800, &[], &inner)[..600]), 6, &[0x20, 0]);
    let segment = run(RAW, &outer).unwrap();
    assert!(!segment.is_first_fragment);
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 556));
}

#[test]
fn the_innermost_ip_header_says_what_it_is() {
    // IPv6 in a first fragment is whole; IPv4 in IPv6 has no extension headers.
    let outer = with(ipv4(41, &ipv6(6, &tcp())), 6, &[0x20, 0]);
    let segment = run(RAW, &outer).unwrap();
    assert_eq!((segment.is_first_fragment, segment.ip_id), (false, None));
    let fragment = [&[6, 0, 0, 0, 0, 0, 0, 1][..], &tcp()].concat();
    let inner = ipv6(4, &ipv4(44, &fragment));
    assert_eq!(run(RAW, &inner).unwrap_err(), Disposition::OtherIpProtocol);
}

#[test]
fn every_protocol_has_one_counter() {
    let expected = [
        (1, Disposition::Icmp),
        (2, Disposition::OtherIpProtocol),
        (17, Disposition::Udp),
        (50, Disposition::Esp),
        (58, Disposition::Icmpv6),
        (59, Disposition::OtherIpProtocol),
        (132, Disposition::Sctp),
        (0, Disposition::OtherIpProtocol),
        (44, Disposition::OtherIpProtocol),
    ];
    for (protocol, end) in expected {
        assert_eq!(
            run(RAW, &ipv4(protocol, &[0; 64])).unwrap_err(),
            end,
            "{protocol}"
        );
    }
    assert_eq!(run(RAW, &ipv6(50, &[0; 64])).unwrap_err(), Disposition::Esp);
    assert_eq!(
        run(RAW, &ipv6(59, &[0; 64])).unwrap_err(),
        Disposition::OtherIpProtocol
    );
}

fn extension(next_header: u8, units: u8, body: &[u8]) -> Vec<u8> {
    let mut header = vec![next_header, units];
    header.resize((usize::from(units) + 1) * 8, 0);
    [&header[..], body].concat()
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    for kind in [0, 43, 60, 135, 139, 140] {
        for units in [0, 1, 255] {
            let segment_bytes = ipv6(kind, &extension(6, units, &tcp()));
            let segment = run(RAW, &segment_bytes).unwrap();
            assert_eq!(
                (segment.payload, segment.ip_id, segment.ttl),
                (PAYLOAD, None, 63)
            );
        }
    }
    // AH counts in units of four bytes, less two.
    let mut ah = vec![6, 4];
    ah.resize(24, 0);
    ah.extend(tcp());
    assert_eq!(run(RAW, &ipv6(51, &ah)).unwrap().payload, PAYLOAD);
    // Past the end of the packet.
    let long = ipv6(60, &with(extension(6, 0, &tcp()), 1, &[200]));
    assert_eq!(run(RAW, &long).unwrap_err(), Disposition::TruncatedIp);
}

#[test]
fn ipv6_fragments() {
    let fragment = |field: u16| {
        let [high, low] = field.to_be_bytes();
        ipv6(44, &[&[6, 0, high, low, 0, 0, 0, 1][..], &tcp()].concat())
    };
    assert!(!run(RAW, &fragment(0)).unwrap().is_first_fragment);
    assert!(run(RAW, &fragment(1)).unwrap().is_first_fragment);
    assert_eq!(
        run(RAW, &fragment(8)).unwrap_err(),
        Disposition::FragmentLater
    );
    assert_eq!(
        run(RAW, &fragment(9)).unwrap_err(),
        Disposition::FragmentLater
    );
}

#[test]
fn ipv6_jumbo_payload() {
    let payload = vec![7; 70_000];
    let tcp = tcp_with(&[], &payload);
    let len = u32::try_from(tcp.len() + 8).unwrap().to_be_bytes();
    let hop_by_hop = [&[6, 0, 0xc2, 4][..], &len, &tcp].concat();
    let mut frame = ethernet(0x86dd, &with(ipv6(0, &hop_by_hop), 4, &[0, 0]));
    frame.extend([0; 9]);
    let segment = run(ETHERNET, &frame).unwrap();
    assert_eq!(segment.payload_len, 70_000);
    // A hop-by-hop header full of padding does not hide or lengthen anything.
    for byte in [0, 1, 0xc2, 0xff] {
        let mut options = vec![6, 255];
        options.resize(2048, byte);
        let packet = with(ipv6(0, &[&options[..], &tcp[..40]].concat()), 4, &[0, 0]);
        let _ = run(RAW, &packet);
    }
}

#[test]
fn ipv6_extension_bombs_are_bounded() {
    for kind in [0, 43, 60, 135] {
        for n in 1..=500 {
            let mut body = [kind, 0, 0, 0, 0, 0, 0, 0].repeat(n - 1);
            body.extend(extension(6, 0, &tcp()));
            let got = run(RAW, &ipv6(kind, &body)).map(|s| s.payload_len);
            let expected = if n <= 14 {
                Ok(10)
            } else {
                Err(Disposition::DepthExceeded)
            };
            assert_eq!(got, expected, "{n} of {kind}");
        }
    }
}
