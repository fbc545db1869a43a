//! Encapsulations: the innermost TCP wins, nesting is bounded, lies do no harm.
#![allow(clippy::unwrap_used, reason = "tests")]

mod decode_support;

use ctcpmon_core::decode::{Disposition, MAX_LAYERS};
use ctcpmon_core::segment::Addr;
use decode_support::*;

#[test]
fn the_innermost_segment_is_reported() {
    for (name, is_tunnel, frame) in encapsulations(&ipv4_tcp()) {
        let segment = run(ETHERNET, &frame).unwrap_or_else(|end| panic!("{name}: {}", end.name()));
        assert_eq!(segment.payload, PAYLOAD, "{name}");
        assert_eq!(segment.payload_len, 10, "{name}");
        assert_eq!(segment.src.addr, Addr::v4([192, 0, 2, 1]), "{name}");
        assert_eq!((segment.ttl, segment.ip_id), (64, Some(0x1234)), "{name}");
        assert_eq!(segment.tunnel != 0, is_tunnel, "{name}");
    }
}

#[test]
fn a_cut_tunnel_never_yields_more_than_was_captured() {
    for (name, _, frame) in encapsulations(&ipv4_tcp()) {
        let payload_at = frame.len() - PAYLOAD.len();
        for cut in 1..frame.len() {
            // Cut by the snap length, and sliced on the wire: the same payload.
            for original_len in [frame.len(), cut] {
                match run_cut(ETHERNET, &frame[..cut], original_len) {
                    Ok(segment) => {
                        assert!(cut >= payload_at, "{name} cut at {cut}");
                        assert_eq!(segment.payload, &frame[payload_at..cut], "{name}");
                        assert_eq!(segment.payload_len, 10, "{name} cut at {cut}");
                    }
                    Err(end) => assert!(cut < payload_at, "{name} at {cut}: {}", end.name()),
                }
            }
        }
    }
}

#[test]
fn tunnel_ids_tell_tunnels_apart() {
    let digest = |vni: u8| {
        let body = [&[8, 0, 0, 0, 0, 0, vni, 0][..], &ethernet_tcp()].concat();
        run(RAW, &ipv4(17, &udp(4789, &body))).unwrap().tunnel
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// Wraps a packet `n` times, as far as one 64 KiB frame has room.
fn nested(n: usize, wrap: &dyn Fn(&[u8]) -> Vec<u8>, core: Vec<u8>) -> Vec<u8> {
    let mut packet = core;
    for _ in 0..n {
        let outer = wrap(&packet);
        if outer.len() > 0xffff {
            break;
        }
        packet = outer;
    }
    packet
}

#[test]
fn nesting_is_bounded() {
    type Wrap = (&'static str, u16, Box<dyn Fn(&[u8]) -> Vec<u8>>);
    let wraps: Vec<Wrap> = vec![
        ("ip in ip", RAW, Box::new(|p| ipv4(4, p))),
        ("ip in ip6", RAW, Box::new(|p| ipv6(4, p))),
        ("gre", RAW, Box::new(|p| ipv4(47, &gre(0, 0x0800, &[], p)))),
        (
            "gre ethernet",
            RAW,
            Box::new(|p| ipv4(47, &gre(0, 0x6558, &[], &ethernet(0x0800, p)))),
        ),
        (
            "vxlan",
            RAW,
            Box::new(|p| {
                ipv4(
                    17,
                    &udp(
                        4789,
                        &[&[8, 0, 0, 0, 0, 0, 9, 0][..], &ethernet(0x0800, p)].concat(),
                    ),
                )
            }),
        ),
        (
            "gtp-u",
            RAW,
            Box::new(|p| {
                ipv4(
                    17,
                    &udp(2152, &[&[0x30, 255, 0, 0, 0, 0, 0, 9][..], p].concat()),
                )
            }),
        ),
        (
            "pppoe",
            RAW,
            Box::new(|p| ipv4(47, &gre(0, 0x8864, &[], &pppoe(&[&[0x21][..], p].concat())))),
        ),
    ];
    for (name, link, wrap) in &wraps {
        for n in [1, 2, 3, 4, 5, 7, 8, 14, 15, 16, 17, 100, 1000, 5000] {
            let frame = nested(n, wrap, ipv4_tcp());
            match run(*link, &frame) {
                Ok(segment) => {
                    assert!(n < MAX_LAYERS as usize, "{name} x {n}");
                    assert_eq!(segment.payload, PAYLOAD);
                }
                Err(end) => {
                    assert!(n > 3 && end == Disposition::DepthExceeded, "{name} x {n}");
                }
            }
        }
    }
}

#[test]
fn tag_and_label_bombs_are_bounded() {
    for n in 1..=5000 {
        let tags = [0, 5, 0x81, 0].repeat(n - 1);
        let stack = [&tags[..], &vlan(5, 0x0800, &ipv4_tcp())].concat();
        let tagged = run(ETHERNET, &ethernet(0x8100, &stack)).map(|s| s.payload_len);
        let labels = mpls(1, false, &[]).repeat(n - 1);
        let stack = [&labels[..], &mpls(1, true, &ipv4_tcp())].concat();
        let labelled = run(ETHERNET, &ethernet(0x8847, &stack)).map(|s| s.payload_len);
        // Ethernet, the tags, IP and TCP are the layers.
        let expected = if n + 3 <= MAX_LAYERS as usize {
            Ok(10)
        } else {
            Err(Disposition::DepthExceeded)
        };
        assert_eq!(tagged, expected, "{n} tags");
        assert_eq!(labelled, expected, "{n} labels");
    }
}

#[test]
fn all_gre_flags_survive_truncation() {
    for bits in 0..32_u16 {
        for version in 0..8 {
            for protocol in [
                0x0800, 0x6558, 0x88be, 0x22eb, 0x880b, 0x8847, 0x883e, 0x6400,
            ] {
                let flags = bits << 11 | 0x0080 | version;
                let body = gre(flags, protocol, &[0; 24], &ethernet_tcp());
                let frame = ipv4(47, &body);
                for cut in 20..=frame.len() {
                    if let Ok(segment) = run_cut(RAW, &frame[..cut], frame.len()) {
                        assert!(is_inside(&segment, &frame[..cut]));
                    }
                }
            }
        }
    }
}

#[test]
fn all_gre_flags_place_the_payload() {
    for bits in 0..32_u16 {
        let flags = bits << 11;
        let mut fields = Vec::new();
        if flags & 0xc000 != 0 {
            fields.extend([1, 1, 0, 0]);
        }
        if flags & 0x2000 != 0 {
            fields.extend([0, 0, 0, 9]);
        }
        if flags & 0x1000 != 0 {
            fields.extend([0, 0, 0, 1]);
        }
        if flags & 0x4000 != 0 {
            fields.extend([0, 1, 0, 4, 9, 9, 9, 9, 0, 0, 0, 0]);
        }
        let frame = ipv4(47, &gre(flags, 0x0800, &fields, &ipv4_tcp()));
        assert_eq!(
            run(RAW, &frame).unwrap().payload,
            PAYLOAD,
            "flags {flags:#x}"
        );
    }
}

/// An IP length of 0 leaves only the tunnel's own length to tell padding apart.
#[test]
fn padding_behind_a_tunnel_payload_is_not_payload() {
    let mut ip = ipv4_tcp();
    ip[2..4].copy_from_slice(&[0, 0]);
    let ppp = [&[0x21][..], &ip].concat();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &ethernet(0x0800, &ip)].concat();
    let pptp = [0, u8::try_from(ppp.len()).unwrap(), 0, 9, 0, 0, 0, 1];
    let mut frames = [
        ethernet(0x8864, &pppoe(&ppp)),
        ethernet(
            0x0800,
            &ipv4(17, &[&udp(4789, &vxlan)[..], &[0; 9]].concat()),
        ),
        ethernet(
            0x0800,
            &ipv4(
                47,
                &[&gre(0x3001, 0x880b, &pptp, &ppp)[..], &[0; 9]].concat(),
            ),
        ),
    ];
    for frame in &mut frames {
        frame.extend([0; 9]);
        assert_eq!(run(ETHERNET, frame).unwrap().payload, PAYLOAD);
    }
}

#[test]
fn a_pseudo_wire_mac_address_may_look_like_ip() {
    for first in [0x00, 0x40, 0x60, 0x80] {
        let mut inner = ethernet_tcp();
        inner[0] = first;
        let frame = ethernet(0x8847, &mpls(17, true, &inner));
        assert_eq!(
            run(ETHERNET, &frame).unwrap().payload,
            PAYLOAD,
            "{first:#x}"
        );
    }
    let frame = ethernet(0x8847, &mpls(17, true, &ipv6(6, &tcp())));
    assert_eq!(run(ETHERNET, &frame).unwrap().payload, PAYLOAD);
    let frame = ethernet(0x8847, &mpls(17, true, &[0x10, 0, 0, 0x21, 0, 0]));
    assert_eq!(run(ETHERNET, &frame).unwrap_err(), Disposition::NotIp);
}

#[test]
fn gre_versions_beyond_one_are_malformed() {
    let frame = ipv4(47, &gre(2, 0x0800, &[], &ipv4_tcp()));
    assert_eq!(run(RAW, &frame).unwrap_err(), Disposition::MalformedTunnel);
}

#[test]
fn endless_source_routes_end() {
    let routes = [0, 1, 0, 0].repeat(5000);
    let frame = ipv4(
        47,
        &gre(0x4000, 0x0800, &[&[0; 4][..], &routes].concat(), &[]),
    );
    assert_eq!(run(RAW, &frame).unwrap_err(), Disposition::MalformedTunnel);
}

#[test]
fn a_port_alone_does_not_make_a_tunnel() {
    for port in [53, 1701, 2152, 4789, 6081] {
        let frame = ipv4(17, &udp(port, &[0xff; 40]));
        let end = run(RAW, &frame).unwrap_err();
        // 0xff sets the VXLAN bit: what follows is then Ethernet without IP.
        assert!(
            matches!(end, Disposition::Udp | Disposition::NotIp),
            "{port}: {}",
            end.name()
        );
    }
    assert_eq!(run(RAW, &ipv4(17, &[0, 1])).unwrap_err(), Disposition::Udp);
}

#[test]
fn tcp_quoted_by_icmp_is_never_a_segment() {
    let quoted = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &ipv4_tcp()].concat();
    assert_eq!(run(RAW, &ipv4(1, &quoted)).unwrap_err(), Disposition::Icmp);
    let quoted = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &ipv6(6, &tcp())].concat();
    assert_eq!(
        run(RAW, &ipv6(58, &quoted)).unwrap_err(),
        Disposition::Icmpv6
    );
}
