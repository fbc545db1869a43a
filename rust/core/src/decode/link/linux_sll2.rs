//! Linux cooked capture, version 2 (`LINKTYPE_LINUX_SLL2`).

use super::linux_sll;
use crate::decode::Disposition::TruncatedLink;
use crate::decode::walk::{Step, Walk};

/// Protocol, reserved, interface index, ARPHRD type, packet type, address.
const HEADER: usize = 20;

/// Decodes the cooked header.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let protocol = walk.rest.u16(0).ok_or(TruncatedLink)?;
    let arphrd = walk.rest.u16(8).ok_or(TruncatedLink)?;
    walk.advance(HEADER, TruncatedLink)?;
    linux_sll::after(arphrd, protocol)
}
