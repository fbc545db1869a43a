//! Apple's PKTAP (`LINKTYPE_PKTAP`): a header before another link type.

use super::{bsd_loopback, ethernet, raw_ip};
use crate::decode::Disposition::{MalformedLink, TruncatedLink, UnsupportedLinkType};
use crate::decode::walk::{Step, Walk};

/// Length, record type, link type, as far as they are needed.
const MIN_HEADER: usize = 12;

/// Decodes the header and the link header behind it; little-endian, as every
/// machine that writes it is. Names its types for the reason `ppi` does.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; MIN_HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    let len = u32::from_le_bytes([h[0], h[1], h[2], h[3]]) as usize;
    let link = u32::from_le_bytes([h[8], h[9], h[10], h[11]]);
    if len < MIN_HEADER {
        return Err(MalformedLink);
    }
    walk.advance(len, TruncatedLink)?;
    match link {
        0 | 108 => bsd_loopback::enter(walk),
        1 => ethernet::enter(walk),
        12 | 14 | 101 => raw_ip::enter(walk),
        _ => Err(UnsupportedLinkType),
    }
}
