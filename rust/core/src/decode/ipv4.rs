//! IPv4 header, RFC 791 section 3.1.
//!
//! The total length decides how long the packet was: Ethernet padding behind it
//! is not payload, and a frame shorter than it was sliced on its way to the tap
//! (SPAN truncation, ERSPAN) without the file knowing. Taking the shorter of the
//! two instead would open a hole in sequence space at every sliced segment.

use super::Disposition;
use super::walk::{Next, Step, Walk};
use crate::segment::Addr;

/// Header length without options.
const MIN_HEADER: usize = 20;
/// Don't-fragment bit of the flags and offset field.
const DONT_FRAGMENT: u16 = 0x4000;
/// More-fragments bit.
const MORE_FRAGMENTS: u16 = 0x2000;
/// Fragment offset in units of eight bytes.
const OFFSET: u16 = 0x1fff;

/// Loose and strict source route, RFC 791 section 3.1.
const SOURCE_ROUTES: [u8; 2] = [131, 137];

/// Decodes one IPv4 header. The version nibble has been looked at.
#[inline]
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; MIN_HEADER] = walk.rest.array(0).ok_or(Disposition::TruncatedIp)?;
    let header_len = usize::from(h[0] & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([h[2], h[3]]));
    if header_len < MIN_HEADER {
        return Err(Disposition::MalformedIp);
    }
    // A total length of 0 is what segmentation offload and BIG TCP leave: the
    // length on the wire stands in for it, as in tshark.
    if total_len != 0 {
        if total_len < header_len {
            return Err(Disposition::MalformedIp);
        }
        walk.rest = walk.rest.claim(total_len);
    }
    let options = walk.rest.limit(header_len);
    walk.advance(header_len, Disposition::TruncatedIp)?;

    let fragment = u16::from_be_bytes([h[6], h[7]]);
    if fragment & OFFSET != 0 {
        return Err(Disposition::FragmentLater);
    }
    walk.src = Addr::v4([h[12], h[13], h[14], h[15]]);
    walk.dst = Addr::v4([h[16], h[17], h[18], h[19]]);
    if header_len > MIN_HEADER
        && let Some(last) = end_of_source_route(options.bytes())
    {
        walk.dst = Addr::v4(last);
    }
    walk.ttl = h[8];
    walk.is_ipv6 = false;
    walk.ip_id = Some(u16::from_be_bytes([h[4], h[5]]));
    walk.dont_fragment = fragment & DONT_FRAGMENT != 0;
    walk.is_first_fragment = fragment & MORE_FRAGMENTS != 0;
    Ok(Next::Protocol(h[9]))
}

/// The last address of a source route that is not used up: the destination that the
/// transport means (RFC 9293 section 3.1, pseudo-header), while the header names the
/// next hop. At most 40 bytes of options, so at most 40 steps.
#[cold]
fn end_of_source_route(header: &[u8]) -> Option<[u8; 4]> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;

    let mut rest = header.get(MIN_HEADER..)?;
    loop {
        let &[kind, ref tail @ ..] = rest else {
            return None;
        };
        if kind == END {
            return None;
        }
        if kind == NO_OPERATION {
            rest = tail;
            continue;
        }
        let len = usize::from(*tail.first()?);
        let (option, after) = rest.split_at_checked(len).filter(|_| len >= 2)?;
        if SOURCE_ROUTES.contains(&kind) {
            let &[_, _, pointer, ref addresses @ ..] = option else {
                return None;
            };
            // The pointer counts from the option's first byte, which is 1.
            let is_used_up = usize::from(pointer) > len;
            return addresses.last_chunk().copied().filter(|_| !is_used_up);
        }
        rest = after;
    }
}
