//! Tags that switches put in front of the frame they forward, and that a SPAN
//! port shows: Cisco metadata (`TrustSec`), VN-Tag, E-Tag, `FabricPath`, and provider
//! backbone bridging. Their contents are passed over.

use super::Disposition::{NotIp, TruncatedLink};
use super::ethertype::type_or_length;
use super::walk::{Next, Step, Walk};

/// Cisco metadata: version, length, option, security group tag, type field.
const CISCO_METADATA: u16 = 0x8909;
/// Cisco VN-Tag: four bytes, type field.
const VN_TAG: u16 = 0x8926;
/// IEEE 802.1BR E-Tag: six bytes, type field.
const E_TAG: u16 = 0x893f;
/// Cisco `FabricPath`: tree and hop count in two bytes, then an Ethernet header.
const FABRIC_PATH: u16 = 0x8903;
/// IEEE 802.1ah service tag: four bytes, then an Ethernet header.
const BACKBONE_SERVICE: u16 = 0x88e7;

/// Passes over the tag that `ether_type` announces.
pub(crate) fn step(walk: &mut Walk<'_>, ether_type: u16) -> Step {
    match ether_type {
        CISCO_METADATA | E_TAG => before_type(walk, 6),
        VN_TAG => before_type(walk, 4),
        FABRIC_PATH => before_ethernet(walk, 2),
        BACKBONE_SERVICE => before_ethernet(walk, 4),
        _ => Err(NotIp),
    }
}

fn before_type(walk: &mut Walk<'_>, len: usize) -> Step {
    let value = walk.rest.u16(len).ok_or(TruncatedLink)?;
    walk.advance(len + 2, TruncatedLink)?;
    Ok(type_or_length(walk, value))
}

fn before_ethernet(walk: &mut Walk<'_>, len: usize) -> Step {
    walk.advance(len, TruncatedLink)?;
    Ok(Next::Ethernet)
}
