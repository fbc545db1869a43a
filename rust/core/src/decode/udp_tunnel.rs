//! Tunnels over UDP: VXLAN, VXLAN-GPE, GENEVE, GTP-U, GRE, L2TP.
//!
//! A port number proves nothing, so each header is checked for the bits that its
//! document fixes; what does not fit is plain UDP, not a malformed tunnel.

use super::Disposition::{NotIp, TruncatedTunnel, Udp};
use super::gre;
use super::walk::{Next, Step, Tunnel, UdpTunnel, Walk};

/// VXLAN flag: the network identifier is valid, RFC 7348 section 5.
const VNI_VALID: u32 = 0x0800_0000;
/// VXLAN-GPE flag: a next protocol is given.
const NEXT_PROTOCOL: u32 = 0x0400_0000;

/// Decodes one tunnel header.
pub(crate) fn step(walk: &mut Walk<'_>, tunnel: UdpTunnel) -> Step {
    match tunnel {
        UdpTunnel::Vxlan => vxlan(walk, false),
        UdpTunnel::VxlanGpe => vxlan(walk, true),
        UdpTunnel::Geneve => geneve(walk),
        UdpTunnel::GtpU => gtp_u(walk),
        UdpTunnel::Gre => gre::step(walk),
        UdpTunnel::L2tp => l2tp(walk),
    }
}

fn vxlan(walk: &mut Walk<'_>, is_gpe: bool) -> Step {
    let flags = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
    let vni = walk.rest.u32(4).ok_or(TruncatedTunnel)? >> 8;
    if flags & VNI_VALID == 0 {
        return Err(Udp);
    }
    walk.advance(8, TruncatedTunnel)?;
    walk.note_tunnel(Tunnel::Vxlan, vni);
    // draft-ietf-nvo3-vxlan-gpe section 3.1: 1 and 2 are IP, 3 is Ethernet.
    match flags & 0xff {
        1 | 2 if is_gpe && flags & NEXT_PROTOCOL != 0 => Ok(Next::Ip),
        3 if is_gpe && flags & NEXT_PROTOCOL != 0 => Ok(Next::Ethernet),
        _ if is_gpe && flags & NEXT_PROTOCOL != 0 => Err(NotIp),
        _ => Ok(Next::Ethernet),
    }
}

/// RFC 8926 section 3.4: version 0, options in units of four bytes, `EtherType`.
fn geneve(walk: &mut Walk<'_>) -> Step {
    let word = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
    let vni = walk.rest.u32(4).ok_or(TruncatedTunnel)? >> 8;
    if word >> 30 != 0 {
        return Err(Udp);
    }
    let options_len = (word >> 24 & 0x3f) as usize * 4;
    walk.advance(8 + options_len, TruncatedTunnel)?;
    walk.note_tunnel(Tunnel::Geneve, vni);
    Ok(Next::EtherType(word as u16))
}

/// 3GPP TS 29.281 section 5.1: version 1, protocol type GTP, message type G-PDU.
fn gtp_u(walk: &mut Walk<'_>) -> Step {
    const G_PDU: u8 = 255;
    /// Any of the E, S and PN flags.
    const OPTIONAL: u8 = 0x07;
    /// Extension headers followed; one (PDU session) is usual. A guess.
    const MAX_EXTENSIONS: u32 = 8;

    let [flags, kind, _, _] = *walk.rest.array(0).ok_or(TruncatedTunnel)?;
    let tunnel_id = walk.rest.u32(4).ok_or(TruncatedTunnel)?;
    if flags & 0xf0 != 0x30 || kind != G_PDU {
        return Err(Udp);
    }
    walk.advance(8, TruncatedTunnel)?;
    walk.note_tunnel(Tunnel::Gtp, tunnel_id);
    if flags & OPTIONAL == 0 {
        return Ok(Next::Ip);
    }
    // Sequence number, N-PDU number and next extension type come together.
    let mut extension = if flags & 0x04 == 0 {
        0
    } else {
        walk.rest.u8(3).ok_or(TruncatedTunnel)?
    };
    walk.advance(4, TruncatedTunnel)?;
    for _ in 0..MAX_EXTENSIONS {
        if extension == 0 {
            return Ok(Next::Ip);
        }
        let len = usize::from(walk.rest.u8(0).ok_or(TruncatedTunnel)?) * 4;
        // Length 0 would never end (bug class B6).
        let last = len.checked_sub(1).ok_or(Udp)?;
        extension = walk.rest.u8(last).ok_or(TruncatedTunnel)?;
        walk.advance(len, TruncatedTunnel)?;
    }
    Err(Udp)
}

/// RFC 2661 section 3.1: a data message of version 2 carries PPP.
fn l2tp(walk: &mut Walk<'_>) -> Step {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;

    let flags = walk.rest.u16(0).ok_or(TruncatedTunnel)?;
    if flags & CONTROL != 0 || flags & 0x000f != 2 {
        return Err(Udp);
    }
    walk.advance(if flags & LENGTH == 0 { 2 } else { 4 }, TruncatedTunnel)?;
    let ids = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
    walk.advance(if flags & SEQUENCE == 0 { 4 } else { 8 }, TruncatedTunnel)?;
    if flags & OFFSET != 0 {
        let padding = usize::from(walk.rest.u16(0).ok_or(TruncatedTunnel)?);
        walk.advance(2 + padding, TruncatedTunnel)?;
    }
    walk.note_tunnel(Tunnel::L2tp, ids);
    Ok(Next::Ppp)
}
