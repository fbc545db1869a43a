//! Ethernet II and IEEE 802.3 (`LINKTYPE_ETHERNET`). Tags are `EtherType`s.

use crate::decode::Disposition::TruncatedLink;
use crate::decode::ethertype;
use crate::decode::walk::{Step, Walk};

/// Two MAC addresses and the type field.
const HEADER: usize = 14;

/// Decodes one Ethernet header, of the link or inside a tunnel.
#[inline]
pub(crate) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    walk.advance(HEADER, TruncatedLink)?;
    Ok(ethertype::type_or_length(
        walk,
        u16::from_be_bytes([h[12], h[13]]),
    ))
}
