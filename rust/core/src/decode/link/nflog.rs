//! Linux netfilter log (`LINKTYPE_NFLOG`): type-length-value records, one of
//! which is the packet.

use crate::decode::Disposition::{MalformedLink, NotIp, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// Family, version, resource id.
const HEADER: usize = 4;
/// Record type of the packet (`NFULA_PAYLOAD`).
const PAYLOAD: u16 = 9;
/// Records looked through; the kernel writes at most one of each of about 20 kinds.
const MAX_RECORDS: u32 = 64;

/// Walks the records up to the packet.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    walk.advance(HEADER, TruncatedLink)?;
    // Host byte order of the capturing machine; a length of 256 or more in the
    // first record (packet header, 8 bytes) is the other order.
    let first: [u8; 2] = *walk.rest.array(0).ok_or(TruncatedLink)?;
    let read: fn([u8; 2]) -> u16 = if first[0] == 0 && first[1] != 0 {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    for _ in 0..MAX_RECORDS {
        let [a, b, c, d] = *walk.rest.array(0).ok_or(TruncatedLink)?;
        let (len, kind) = (usize::from(read([a, b])), read([c, d]));
        if len < 4 {
            return Err(MalformedLink);
        }
        if kind == PAYLOAD {
            walk.rest = walk.rest.limit(len);
            walk.advance(4, TruncatedLink)?;
            return Ok(Next::Ip);
        }
        walk.advance(len.next_multiple_of(4), TruncatedLink)?;
    }
    Err(NotIp)
}
