//! What an IP protocol number announces. TCP never gets here.

use super::walk::{Next, Step, Tunnel, Walk};
use super::{Disposition, ethertype, gre, ip_step, ipv6, mpls, udp};

/// Decodes the header that protocol `number` announces.
pub(crate) fn step(walk: &mut Walk<'_>, number: u8) -> Step {
    match number {
        17 => udp::step(walk),
        1 => Err(Disposition::Icmp),
        58 => Err(Disposition::Icmpv6),
        50 => Err(Disposition::Esp),
        132 => Err(Disposition::Sctp),
        47 => gre::step(walk),
        // RFC 2003 and RFC 4213 section 3: IP in IP, no header between.
        4 | 41 => {
            walk.note_tunnel(Tunnel::IpInIp, 0);
            ip_step(walk)
        }
        51 => authentication(walk),
        // RFC 3378 section 3: EtherIP, two bytes of version and reserved bits.
        97 => {
            walk.note_tunnel(Tunnel::EtherIp, 0);
            walk.advance(2, Disposition::TruncatedTunnel)?;
            Ok(Next::Ethernet)
        }
        // RFC 4023 section 3.
        137 => mpls::step(walk),
        // RFC 8986 section 9: Ethernet below an SRv6 header.
        143 if walk.is_ipv6 => Ok(Next::EtherType(ethertype::TRANSPARENT_ETHERNET)),
        // Hop-by-hop, routing, destination options (RFC 8200 section 4), mobility
        // (RFC 6275), HIP (RFC 7401), shim6 (RFC 5533). Only IPv6 has them.
        ipv6::HOP_BY_HOP | 43 | 60 | 135 | 139 | 140 if walk.is_ipv6 => ipv6::extension(walk),
        44 if walk.is_ipv6 => ipv6::fragment(walk),
        _ => Err(Disposition::OtherIpProtocol),
    }
}

/// Authentication header, RFC 4302 section 2: not encrypted, its length in units
/// of four bytes less two.
fn authentication(walk: &mut Walk<'_>) -> Step {
    let [next_header, units] = *walk.rest.array(0).ok_or(Disposition::TruncatedIp)?;
    walk.advance((usize::from(units) + 2) * 4, Disposition::TruncatedIp)?;
    Ok(Next::Protocol(next_header))
}
