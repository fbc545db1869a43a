//! UDP, looked at only for the ports of tunnels that mirror or carry TCP.

use super::Disposition;
use super::walk::{Next, Step, UdpTunnel, Walk};

/// Bytes of the header, RFC 768.
const HEADER: usize = 8;

/// Decodes one UDP header.
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    // What is cut here was UDP all the same: no other counter tells more.
    let h: &[u8; HEADER] = walk.rest.array(0).ok_or(Disposition::Udp)?;
    // By destination only: both ends send to the port, and the source is a hash.
    let tunnel = match u16::from_be_bytes([h[2], h[3]]) {
        4789 => UdpTunnel::Vxlan,
        4790 => UdpTunnel::VxlanGpe,
        6081 => UdpTunnel::Geneve,
        2152 => UdpTunnel::GtpU,
        4754 => UdpTunnel::Gre,
        1701 => UdpTunnel::L2tp,
        _ => return Err(Disposition::Udp),
    };
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    // 0 is what segmentation offload leaves (and RFC 2675 section 4).
    if len >= HEADER {
        walk.rest = walk.rest.limit(len);
    }
    walk.advance(HEADER, Disposition::Udp)?;
    Ok(Next::UdpTunnel(tunnel))
}
