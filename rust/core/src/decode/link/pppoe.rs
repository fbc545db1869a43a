//! `PPPoE` (`LINKTYPE_PPP_ETHER`, and `EtherType` 0x8864), RFC 2516 section 4.

use crate::decode::Disposition::{MalformedLink, NotIp, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// Version and type, code, session, length.
const HEADER: usize = 6;
/// Version 1, type 1.
const VERSION_TYPE: u8 = 0x11;
/// Code of the session stage; the others are discovery.
const SESSION: u8 = 0;

/// Decodes one `PPPoE` header.
pub(crate) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    if h[0] != VERSION_TYPE {
        return Err(MalformedLink);
    }
    if h[1] != SESSION {
        return Err(NotIp);
    }
    walk.advance(HEADER, TruncatedLink)?;
    let len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    // 0 is what segmentation offload leaves; the IP length rules then.
    if len != 0 {
        walk.rest = walk.rest.limit(len);
    }
    Ok(Next::Ppp)
}
