//! IPv6 header and its extension headers, RFC 8200.
//!
//! Each extension header is a step of its own, so the layer counter bounds the
//! chain (bug class B9).

use super::Disposition;
use super::span::Span;
use super::walk::{Next, Step, Walk};
use crate::segment::Addr;

/// Length of the fixed header.
const HEADER: usize = 40;
/// Hop-by-hop options, RFC 8200 section 4.3.
pub(crate) const HOP_BY_HOP: u8 = 0;
/// Jumbo payload option, RFC 2675 section 2.
const JUMBO_OPTION: u8 = 0xc2;
/// Padding of a single byte, the one option without a length.
const PAD1: u8 = 0;

/// Decodes one fixed IPv6 header. The version nibble has been looked at.
#[inline]
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; HEADER] = walk.rest.array(0).ok_or(Disposition::TruncatedIp)?;
    let payload_len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let next_header = h[6];
    let [_, _, _, _, _, _, _, hop_limit, addresses @ ..] = h;
    let (Some(src), Some(dst)) = (addresses.first_chunk(), addresses.last_chunk()) else {
        return Err(Disposition::TruncatedIp);
    };
    walk.advance(HEADER, Disposition::TruncatedIp)?;
    if payload_len != 0 {
        walk.rest = walk.rest.claim(payload_len);
    } else if next_header == HOP_BY_HOP
        && let Some(len) = jumbo_len(walk.rest)
    {
        walk.rest = walk.rest.claim(len);
    }
    // Without a jumbo option a length of 0 is what segmentation offload leaves:
    // the length on the wire stands in for it.
    walk.src = Addr(*src);
    walk.dst = Addr(*dst);
    walk.ttl = *hop_limit;
    walk.is_ipv6 = true;
    walk.ip_id = None;
    walk.dont_fragment = false;
    walk.is_first_fragment = false;
    Ok(Next::Protocol(next_header))
}

/// Moves past an extension header of the common form: next header, then a length
/// in units of eight bytes beyond the first eight (RFC 8200 section 4.2, RFC 6564).
pub(crate) fn extension(walk: &mut Walk<'_>) -> Step {
    let [next_header, units] = *walk.rest.array(0).ok_or(Disposition::TruncatedIp)?;
    walk.advance((usize::from(units) + 1) * 8, Disposition::TruncatedIp)?;
    Ok(Next::Protocol(next_header))
}

/// Fragment header, RFC 8200 section 4.5. Offset 0 without more fragments is an
/// atomic fragment (RFC 6946) and whole.
pub(crate) fn fragment(walk: &mut Walk<'_>) -> Step {
    let [next_header, _, high, low, _, _, _, _] =
        *walk.rest.array(0).ok_or(Disposition::TruncatedIp)?;
    let field = u16::from_be_bytes([high, low]);
    walk.advance(8, Disposition::TruncatedIp)?;
    if field & 0xfff8 != 0 {
        return Err(Disposition::FragmentLater);
    }
    walk.is_first_fragment = field & 1 != 0;
    Ok(Next::Protocol(next_header))
}

/// Payload length from the jumbo option of the hop-by-hop header at the start of
/// `span`. At most 2,048 bytes are looked at, the largest extension header.
fn jumbo_len(span: Span<'_>) -> Option<usize> {
    let options = span.limit((usize::from(span.u8(1)?) + 1) * 8);
    let mut at = 2;
    loop {
        let kind = options.u8(at)?;
        if kind == PAD1 {
            at += 1;
            continue;
        }
        let len = options.u8(at + 1)?;
        if kind == JUMBO_OPTION {
            return (len == 4)
                .then(|| options.u32(at + 2))
                .flatten()
                .map(|n| n as usize);
        }
        at += 2 + usize::from(len);
    }
}
