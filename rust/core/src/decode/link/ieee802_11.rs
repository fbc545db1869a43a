//! IEEE 802.11 (`LINKTYPE_IEEE802_11`): data frames in clear, clause 9.2.
//!
//! Monitor mode is no usual tap for a VPN, so only what costs nothing is done:
//! no decryption, no reassembly, and of an A-MSDU only its first subframe.

use crate::decode::Disposition::{self, FragmentLater, NotIp, TruncatedLink};
use crate::decode::walk::{Next, Step, Walk};

/// Header of a frame with three addresses.
const HEADER: usize = 24;
/// Destination, source and length of an A-MSDU subframe.
const SUBFRAME_HEADER: usize = 14;

/// Type and version bits of the first byte that a data frame has.
const DATA: u8 = 0x08;
const TYPE_AND_VERSION: u8 = 0x0f;
/// Subtype bit: no data.
const NO_DATA: u8 = 0x40;
/// Subtype bit: a `QoS` control field follows.
const QOS: u8 = 0x80;
/// Second byte: to and from the distribution system, hence a fourth address.
const FOUR_ADDRESSES: u8 = 0x03;
/// Second byte: encrypted.
const PROTECTED: u8 = 0x40;
/// Second byte: with `QoS`, an HT control field follows.
const ORDER: u8 = 0x80;
/// First `QoS` byte: the body is an A-MSDU.
const AGGREGATE: u8 = 0x80;

/// Decodes one frame.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    header(walk, false)
}

/// Decodes one frame; `is_padded` when the body starts on a multiple of four.
pub(super) fn header(walk: &mut Walk<'_>, is_padded: bool) -> Step {
    let [first, second] = *walk.rest.array(0).ok_or(TruncatedLink)?;
    if first & TYPE_AND_VERSION != DATA || first & NO_DATA != 0 || second & PROTECTED != 0 {
        return Err(NotIp);
    }
    let sequence_low = walk.rest.u8(22).ok_or(TruncatedLink)?;
    let mut len = HEADER;
    if second & FOUR_ADDRESSES == FOUR_ADDRESSES {
        len += 6;
    }
    let mut is_aggregate = false;
    if first & QOS != 0 {
        is_aggregate = walk.rest.u8(len).ok_or(TruncatedLink)? & AGGREGATE != 0;
        len += if second & ORDER == 0 { 2 } else { 6 };
    }
    if is_padded {
        len = len.next_multiple_of(4);
    }
    if is_aggregate {
        len += SUBFRAME_HEADER;
    }
    walk.advance(len, Disposition::TruncatedLink)?;
    // Fragment number, clause 9.2.4.4.
    if sequence_low & 0x0f != 0 {
        return Err(FragmentLater);
    }
    Ok(Next::Llc)
}
