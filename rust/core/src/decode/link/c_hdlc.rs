//! Cisco HDLC (`LINKTYPE_C_HDLC`): address, control, `EtherType`; RFC 1547 section 4.3.1.

use crate::decode::Disposition::{NotIp, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// Address of a unicast frame.
pub(super) const UNICAST: u8 = 0x0f;
/// Address of a broadcast or multicast frame.
pub(super) const MULTICAST: u8 = 0x8f;

/// Decodes one Cisco HDLC header.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let [address, _, high, low] = *walk.rest.array(0).ok_or(TruncatedLink)?;
    if address != UNICAST && address != MULTICAST {
        return Err(NotIp);
    }
    walk.advance(4, TruncatedLink)?;
    Ok(Next::EtherType(u16::from_be_bytes([high, low])))
}
