//! GRE: RFC 1701 (with routing), RFC 2784, RFC 2890 and, as version 1, the
//! enhanced GRE of PPTP (RFC 2637 section 4.1).

use super::Disposition::{self, MalformedTunnel, NotIp, TruncatedTunnel};
use super::walk::{Next, Step, Tunnel, Walk};

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Version 1 only, RFC 2637 section 4.1.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// ERSPAN type I and II (draft-foschiano-erspan-03 sections 4.1 and 4.2).
const ERSPAN: u16 = 0x88be;
/// ERSPAN type III (same draft, section 4.3).
const ERSPAN_III: u16 = 0x22eb;
/// PPP in version 1, RFC 2637 section 4.1.
const PPP: u16 = 0x880b;
/// Ethernet over IP of `MikroTik` in version 1; the vendor publishes no document,
/// tshark decodes it so.
const EOIP: u16 = 0x6400;
/// WCCP redirection, draft-wilson-wrec-wccp-v2-00 section 3.12.
const WCCP: u16 = 0x883e;

/// Source route entries followed; RFC 1701 names no limit, four is more than
/// any router was seen to send. A guess.
const MAX_ROUTES: u32 = 4;

/// Decodes one GRE header.
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let word = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
    let (flags, protocol) = ((word >> 16) as u16, word as u16);
    let version = flags & VERSION;
    if version > 1 {
        return Err(MalformedTunnel);
    }
    walk.advance(4, TruncatedTunnel)?;
    // The offset field is there when either bit is, RFC 1701.
    if flags & (CHECKSUM | ROUTING) != 0 {
        walk.advance(4, TruncatedTunnel)?;
    }
    let mut key = 0;
    if flags & KEY != 0 {
        key = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
        walk.advance(4, TruncatedTunnel)?;
    }
    if flags & SEQUENCE != 0 {
        walk.advance(4, TruncatedTunnel)?;
    }
    if version == 1 {
        return version_1(walk, flags, protocol, key);
    }
    if flags & ROUTING != 0 {
        source_routes(walk)?;
    }
    walk.note_tunnel(Tunnel::Gre, key);
    match protocol {
        // Type I has no header of its own, and GRE without sequence number marks it.
        ERSPAN if flags & SEQUENCE == 0 => Ok(Next::Ethernet),
        ERSPAN | ERSPAN_III => Ok(Next::Erspan),
        PPP => Ok(Next::Ppp),
        WCCP => wccp(walk),
        other => Ok(Next::EtherType(other)),
    }
}

/// Version 1, PPTP: the key holds the payload length and the call id.
fn version_1(walk: &mut Walk<'_>, flags: u16, protocol: u16, key: u32) -> Step {
    if flags & ACKNOWLEDGEMENT != 0 {
        walk.advance(4, TruncatedTunnel)?;
    }
    if protocol == EOIP {
        walk.note_tunnel(Tunnel::Gre, key);
        return Ok(Next::Ethernet);
    }
    // The call id differs per direction but belongs to one call.
    walk.note_tunnel(Tunnel::Gre, key & 0xffff);
    let payload_len = (key >> 16) as usize;
    // A bare acknowledgement carries no PPP.
    if protocol != PPP || flags & SEQUENCE == 0 || payload_len == 0 {
        return Err(NotIp);
    }
    walk.rest = walk.rest.limit(payload_len);
    Ok(Next::Ppp)
}

/// Source route entries, RFC 1701: address family, offset, length; a null entry ends.
fn source_routes(walk: &mut Walk<'_>) -> Result<(), Disposition> {
    for _ in 0..MAX_ROUTES {
        let entry = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
        let (family, len) = (entry >> 16, (entry & 0xff) as usize);
        walk.advance(4 + len, TruncatedTunnel)?;
        if family == 0 && len == 0 {
            return Ok(());
        }
    }
    Err(MalformedTunnel)
}

/// Version 2 of WCCP puts four bytes before the IP header, version 1 none; a first nibble of 4
/// cannot be a redirect header, whose first byte holds flags in its top bits.
fn wccp(walk: &mut Walk<'_>) -> Step {
    if walk.rest.u8(0).ok_or(TruncatedTunnel)? >> 4 != 4 {
        walk.advance(4, TruncatedTunnel)?;
    }
    Ok(Next::Ip)
}
