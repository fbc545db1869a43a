//! Per-packet information (`LINKTYPE_PPI`): a header before another link type.

use super::{ethernet, ieee802_11, raw_ip};
use crate::decode::Disposition::{MalformedLink, TruncatedLink, UnsupportedLinkType};
use crate::decode::walk::{Step, Walk};

/// Version, flags, length, link type; all little-endian.
const MIN_HEADER: usize = 8;

/// Decodes the header and the link header behind it. The types are named here
/// and not searched for: a PPI header in a PPI header must not nest.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; MIN_HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    let len = usize::from(u16::from_le_bytes([h[2], h[3]]));
    let link = u32::from_le_bytes([h[4], h[5], h[6], h[7]]);
    if len < MIN_HEADER {
        return Err(MalformedLink);
    }
    walk.advance(len, TruncatedLink)?;
    match link {
        1 => ethernet::enter(walk),
        12 | 101 => raw_ip::enter(walk),
        105 => ieee802_11::enter(walk),
        _ => Err(UnsupportedLinkType),
    }
}
