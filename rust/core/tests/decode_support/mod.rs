//! Frames made in code for the decode tests: each function puts one header in
//! front of bytes. No decoding here.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use ctcpmon_core::decode::{Disposition, decode};
use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::segment::Segment;
use ctcpmon_core::time::Timestamp;

pub(crate) const ETHERNET: u16 = 1;
pub(crate) const RAW: u16 = 101;
pub(crate) const PAYLOAD: &[u8] = b"ten bytes!";
pub(crate) const SRC_PORT: u16 = 40_000;
pub(crate) const DST_PORT: u16 = 10_000;

/// Decodes `bytes` as a whole frame.
pub(crate) fn run(link: u16, bytes: &[u8]) -> Result<Segment<'_>, Disposition> {
    run_cut(link, bytes, bytes.len())
}

/// Decodes `bytes` as the captured part of a frame of `original_len`.
pub(crate) fn run_cut(
    link: u16,
    bytes: &[u8],
    original_len: usize,
) -> Result<Segment<'_>, Disposition> {
    decode(&Frame {
        ts: Timestamp(7),
        link: LinkType(link),
        tap: 3,
        original_len: u32::try_from(original_len).unwrap(),
        bytes,
    })
}

/// The payload of `segment` lies inside `bytes`, not only beside it.
pub(crate) fn is_inside(segment: &Segment<'_>, bytes: &[u8]) -> bool {
    let outer = bytes.as_ptr_range();
    let inner = segment.payload.as_ptr_range();
    segment.payload.is_empty() || (outer.start <= inner.start && inner.end <= outer.end)
}

fn concat(header: &[u8], body: &[u8]) -> Vec<u8> {
    [header, body].concat()
}

fn len16(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes()
}

pub(crate) fn tcp_with(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
    let mut b = Vec::new();
    b.extend(SRC_PORT.to_be_bytes());
    b.extend(DST_PORT.to_be_bytes());
    b.extend([
        0, 0, 0, 100, 0, 0, 0, 200, offset, 0x18, 0x20, 0, 0xab, 0xcd, 0, 0,
    ]);
    b.extend(options);
    b.extend(payload);
    b
}

pub(crate) fn tcp() -> Vec<u8> {
    tcp_with(&[], PAYLOAD)
}

pub(crate) fn udp(dst_port: u16, body: &[u8]) -> Vec<u8> {
    let mut b = vec![0xc0, 0];
    b.extend(dst_port.to_be_bytes());
    b.extend(len16(8 + body.len()));
    b.extend([0, 0]);
    concat(&b, body)
}

pub(crate) fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut b = vec![0x45, 0];
    b.extend(len16(20 + body.len()));
    b.extend([
        0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
    ]);
    concat(&b, body)
}

pub(crate) fn ipv6(next_header: u8, body: &[u8]) -> Vec<u8> {
    let mut b = vec![0x60, 0, 0, 0];
    b.extend(len16(body.len()));
    b.extend([next_header, 63]);
    b.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    b.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    concat(&b, body)
}

pub(crate) fn ethernet(ether_type: u16, body: &[u8]) -> Vec<u8> {
    let mut b = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    b.extend(ether_type.to_be_bytes());
    concat(&b, body)
}

pub(crate) fn vlan(id: u16, ether_type: u16, body: &[u8]) -> Vec<u8> {
    concat(&concat(&id.to_be_bytes(), &ether_type.to_be_bytes()), body)
}

pub(crate) fn mpls(label: u32, is_bottom: bool, body: &[u8]) -> Vec<u8> {
    concat(
        &(label << 12 | u32::from(is_bottom) << 8 | 64).to_be_bytes(),
        body,
    )
}

pub(crate) fn snap(ether_type: u16, body: &[u8]) -> Vec<u8> {
    let mut b = vec![0xaa, 0xaa, 3, 0, 0, 0];
    b.extend(ether_type.to_be_bytes());
    concat(&b, body)
}

pub(crate) fn pppoe(body: &[u8]) -> Vec<u8> {
    let mut b = vec![0x11, 0, 0, 1];
    b.extend(len16(body.len()));
    concat(&b, body)
}

pub(crate) fn gre(flags: u16, protocol: u16, fields: &[u8], body: &[u8]) -> Vec<u8> {
    [
        &flags.to_be_bytes()[..],
        &protocol.to_be_bytes()[..],
        fields,
        body,
    ]
    .concat()
}

/// The usual packet: IPv4 with TCP.
pub(crate) fn ipv4_tcp() -> Vec<u8> {
    ipv4(6, &tcp())
}

/// The usual frame.
pub(crate) fn ethernet_tcp() -> Vec<u8> {
    ethernet(0x0800, &ipv4_tcp())
}

/// Encapsulations of an IPv4 packet into an Ethernet frame, each with whether it
/// counts as a tunnel.
pub(crate) fn encapsulations(ip: &[u8]) -> Vec<(&'static str, bool, Vec<u8>)> {
    let eth = ethernet(0x0800, ip);
    let over_ip = |protocol, body: &[u8]| ethernet(0x0800, &ipv4(protocol, body));
    let over_udp =
        |port, header: &[u8], body: &[u8]| over_ip(17, &udp(port, &concat(header, body)));
    let ppp = concat(&[0xff, 3, 0, 0x21], ip);
    let short_ppp = concat(&[0x21], ip);
    let pptp_key = concat(&len16(short_ppp.len()), &[0, 9]);
    let erspan_2 = concat(&[0x10, 5, 0, 7, 0, 0, 0, 0], &eth);
    let erspan_3 = concat(&[0x20, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], &eth);
    let erspan_3_ip = concat(
        &[
            0x20, 5, 0, 7, 0, 0, 0, 0, 0, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        ],
        ip,
    );
    let length_frame = |body: &[u8]| ethernet(u16::try_from(body.len()).unwrap(), body);
    let gpe = [0x0c, 0, 0, 1, 0, 0, 9, 0];
    vec![
        ("plain", false, eth.clone()),
        ("vlan", false, ethernet(0x8100, &vlan(5, 0x0800, ip))),
        (
            "qinq",
            false,
            ethernet(0x88a8, &vlan(5, 0x8100, &vlan(6, 0x0800, ip))),
        ),
        (
            "qinq 9100",
            false,
            ethernet(0x9100, &vlan(5, 0x9200, &vlan(6, 0x0800, ip))),
        ),
        (
            "mpls",
            false,
            ethernet(0x8847, &mpls(16, false, &mpls(17, true, ip))),
        ),
        (
            "mpls upstream",
            false,
            ethernet(0x8848, &mpls(17, true, ip)),
        ),
        (
            "pseudo-wire with control word",
            false,
            ethernet(0x8847, &mpls(17, true, &concat(&[0, 0, 0, 1], &eth))),
        ),
        (
            "pseudo-wire",
            false,
            ethernet(0x8847, &mpls(17, true, &eth)),
        ),
        ("llc snap", false, length_frame(&snap(0x0800, ip))),
        ("llc ip", false, length_frame(&concat(&[6, 6, 3], ip))),
        ("vlan llc", false, {
            let snap = snap(0x0800, ip);
            ethernet(0x8100, &vlan(5, u16::try_from(snap.len()).unwrap(), &snap))
        }),
        (
            "pppoe",
            false,
            ethernet(0x8864, &pppoe(&concat(&[0, 0x21], ip))),
        ),
        (
            "pppoe compressed",
            false,
            ethernet(0x8864, &pppoe(&short_ppp)),
        ),
        ("ppp mpls", false, {
            ethernet(0x8864, &pppoe(&concat(&[2, 0x81], &mpls(1, true, ip))))
        }),
        (
            "cisco metadata",
            false,
            ethernet(0x8909, &concat(&[1, 1, 0, 1, 0, 7, 8, 0], ip)),
        ),
        (
            "vn-tag",
            false,
            ethernet(0x8926, &concat(&[0, 1, 0, 2, 8, 0], ip)),
        ),
        (
            "e-tag",
            false,
            ethernet(0x893f, &concat(&[0, 1, 0, 2, 0, 0, 8, 0], ip)),
        ),
        (
            "fabricpath",
            false,
            ethernet(0x8903, &concat(&[0, 0x60], &eth)),
        ),
        (
            "802.1ah",
            false,
            ethernet(0x88e7, &concat(&[0, 0, 0, 9], &eth)),
        ),
        ("gre", true, over_ip(47, &gre(0, 0x0800, &[], ip))),
        (
            "gre key",
            true,
            over_ip(47, &gre(0x2000, 0x0800, &[0, 0, 0, 9], ip)),
        ),
        ("gre routing", true, {
            let fields = [0, 0, 0, 0, 0, 1, 0, 4, 1, 1, 1, 1, 0, 0, 0, 0];
            over_ip(47, &gre(0x4000, 0x0800, &fields, ip))
        }),
        (
            "gre ethernet",
            true,
            over_ip(47, &gre(0, 0x6558, &[], &eth)),
        ),
        (
            "gre mpls",
            true,
            over_ip(47, &gre(0, 0x8847, &[], &mpls(9, true, ip))),
        ),
        (
            "gre wccp",
            true,
            over_ip(47, &gre(0, 0x883e, &[], &concat(&[0x80, 0, 1, 2], ip))),
        ),
        (
            "gre in udp",
            true,
            over_udp(4754, &[], &gre(0, 0x0800, &[], ip)),
        ),
        ("pptp", true, {
            let fields = concat(&pptp_key, &[0, 0, 0, 1]);
            over_ip(47, &gre(0x3001, 0x880b, &fields, &short_ppp))
        }),
        ("pptp ack", true, {
            let fields = concat(&pptp_key, &[0, 0, 0, 1, 0, 0, 0, 2]);
            over_ip(47, &gre(0x3081, 0x880b, &fields, &short_ppp))
        }),
        (
            "eoip",
            true,
            over_ip(47, &gre(0x2001, 0x6400, &[0, 54, 9, 0], &eth)),
        ),
        ("erspan i", true, over_ip(47, &gre(0, 0x88be, &[], &eth))),
        (
            "erspan ii",
            true,
            over_ip(47, &gre(0x1000, 0x88be, &[0, 0, 0, 1], &erspan_2)),
        ),
        (
            "erspan iii",
            true,
            over_ip(47, &gre(0x1000, 0x22eb, &[0, 0, 0, 1], &erspan_3)),
        ),
        ("erspan iii ip", true, {
            over_ip(47, &gre(0x1000, 0x22eb, &[0, 0, 0, 1], &erspan_3_ip))
        }),
        (
            "vxlan",
            true,
            over_udp(4789, &[8, 0, 0, 0, 0, 0, 9, 0], &eth),
        ),
        ("vxlan-gpe", true, over_udp(4790, &gpe, ip)),
        (
            "geneve",
            true,
            over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 9, 0], &eth),
        ),
        ("geneve options", true, {
            over_udp(6081, &[1, 0, 8, 0, 0, 0, 9, 0, 1, 1, 1, 1], ip)
        }),
        (
            "gtp-u",
            true,
            over_udp(2152, &[0x30, 255, 0, 0, 0, 0, 0, 9], ip),
        ),
        ("gtp-u extension", true, {
            over_udp(
                2152,
                &[0x34, 255, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0],
                ip,
            )
        }),
        (
            "l2tp",
            true,
            over_udp(1701, &[0x40, 2, 0, 0, 0, 7, 0, 9], &ppp),
        ),
        ("ip in ip", true, over_ip(4, ip)),
        ("ipv4 in ipv6", true, ethernet(0x86dd, &ipv6(4, ip))),
        ("etherip", true, over_ip(97, &concat(&[0x30, 0], &eth))),
        ("mpls in ip", false, over_ip(137, &mpls(1, true, ip))),
        ("srv6 ethernet", false, ethernet(0x86dd, &ipv6(143, &eth))),
        (
            "ah",
            false,
            over_ip(51, &{
                // The header authenticates what follows, here the packet's own TCP.
                concat(
                    &[
                        6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                    ],
                    &tcp(),
                )
            }),
        ),
    ]
}
