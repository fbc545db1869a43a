//! IEEE 802.3br mPackets (`LINKTYPE_ETHERNET_MPACKET`): preamble, delimiter, frame.

use super::ethernet;
use crate::decode::Disposition::{FragmentLater, NotIp, TruncatedLink};
use crate::decode::walk::{Step, Walk};

/// Preamble and start delimiter together.
const HEADER: usize = 8;
/// Delimiters of whole frames and of first fragments: SMD-E, SMD-S0 to SMD-S3
/// (IEEE 802.3 table 99-1).
const STARTS: [u8; 5] = [0xd5, 0xe6, 0x4c, 0x7f, 0xb3];
/// Delimiters of continuation fragments, SMD-C0 to SMD-C3; they sit one byte
/// earlier, before the fragment count.
const CONTINUATIONS: [u8; 4] = [0x61, 0x52, 0x9e, 0x2a];

/// Decodes the delimiter and the Ethernet header behind it.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    if CONTINUATIONS.contains(&h[6]) {
        return Err(FragmentLater);
    }
    if !STARTS.contains(&h[7]) {
        return Err(NotIp);
    }
    walk.advance(HEADER, TruncatedLink)?;
    ethernet::enter(walk)
}
