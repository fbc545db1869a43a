//! BSD loopback encapsulation (`LINKTYPE_NULL`, `LINKTYPE_LOOP`).
//!
//! Four bytes of address family: in the byte order of the capturing host for
//! `NULL`, in network order for `LOOP`. Files are read on other hosts, and some
//! writers mix the two up, so both orders are taken for both.

use crate::decode::Disposition::{NotIp, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// `AF_INET`, the same everywhere.
const INET: u32 = 2;
/// `AF_INET6` of Linux, Windows (Npcap), NetBSD and OpenBSD, FreeBSD, Darwin.
const INET6: [u32; 5] = [10, 23, 24, 28, 30];

/// Decodes the family.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let value = walk.rest.u32(0).ok_or(TruncatedLink)?;
    walk.advance(4, TruncatedLink)?;
    // A family fits in one byte; seen in the wrong order it is a huge number.
    let family = value.min(value.swap_bytes());
    if family == INET || INET6.contains(&family) {
        return Ok(Next::Ip);
    }
    // Some tunnel devices write an EtherType instead (tshark reads them so too).
    match u16::try_from(family) {
        Ok(ether_type) if ether_type > 1500 => Ok(Next::EtherType(ether_type)),
        _ => Err(NotIp),
    }
}
