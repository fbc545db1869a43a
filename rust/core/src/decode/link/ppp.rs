//! PPP (`LINKTYPE_PPP`, `LINKTYPE_PPP_HDLC`), and PPP in other protocols.

use super::c_hdlc;
use crate::decode::Disposition::{NotIp, TruncatedLink};
use crate::decode::ethertype;
use crate::decode::walk::{Next, Step, Walk};

/// Address and control of RFC 1662 section 3.1; left out once negotiated.
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
/// RFC 1332 section 2.
const IPV4: u16 = 0x0021;
/// RFC 5072 section 2.
const IPV6: u16 = 0x0057;
/// RFC 3032 section 4.
const MPLS: u16 = 0x0281;
const MPLS_UPSTREAM: u16 = 0x0283;

/// Decodes address and control, if any, and the protocol field.
pub(crate) fn enter(walk: &mut Walk<'_>) -> Step {
    if walk.rest.array(0) == Some(&ADDRESS_CONTROL) {
        walk.advance(2, TruncatedLink)?;
    }
    let first = walk.rest.u8(0).ok_or(TruncatedLink)?;
    // An odd first byte is a compressed protocol field, RFC 1661 section 2.
    let protocol = if first & 1 != 0 {
        walk.advance(1, TruncatedLink)?;
        u16::from(first)
    } else {
        let protocol = walk.rest.u16(0).ok_or(TruncatedLink)?;
        walk.advance(2, TruncatedLink)?;
        protocol
    };
    match protocol {
        IPV4 | IPV6 => Ok(Next::Ip),
        MPLS | MPLS_UPSTREAM => Ok(Next::EtherType(ethertype::MPLS)),
        _ => Err(NotIp),
    }
}

/// PPP in HDLC framing, or Cisco HDLC: the address byte tells.
pub(super) fn enter_hdlc(walk: &mut Walk<'_>) -> Step {
    match walk.rest.u8(0) {
        Some(c_hdlc::UNICAST | c_hdlc::MULTICAST) => c_hdlc::enter(walk),
        _ => enter(walk),
    }
}
