//! Linux cooked capture, version 1 (`LINKTYPE_LINUX_SLL`): what `-i any` writes.

use crate::decode::Disposition::{self, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// Packet type, ARPHRD type, address length, eight address bytes, protocol.
const HEADER: usize = 16;
/// The protocol field holds an IEEE 802.2 LLC frame (`ETH_P_802_2`).
const PROTOCOL_LLC: u16 = 0x0004;
/// ARPHRD type of netlink: the protocol field is a netlink family, not a type.
const ARPHRD_NETLINK: u16 = 824;

/// Decodes the cooked header.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let arphrd = walk.rest.u16(2).ok_or(TruncatedLink)?;
    let protocol = walk.rest.u16(14).ok_or(TruncatedLink)?;
    walk.advance(HEADER, TruncatedLink)?;
    after(arphrd, protocol)
}

/// What the protocol field of either version announces.
pub(super) fn after(arphrd: u16, protocol: u16) -> Step {
    match protocol {
        _ if arphrd == ARPHRD_NETLINK => Err(Disposition::NotIp),
        PROTOCOL_LLC => Ok(Next::Llc),
        other => Ok(Next::EtherType(other)),
    }
}
