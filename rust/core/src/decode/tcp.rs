//! TCP header, RFC 9293 section 3.1: the last step of a walk.

use super::Disposition;
use super::walk::Walk;
use crate::frame::Frame;
use crate::segment::{Endpoint, Head, Offer, Segment, TcpFlags};

/// Header length without options.
const MIN_HEADER: usize = 20;

/// The segment at the end of `walk`. Twenty captured bytes are enough for one.
#[inline]
pub(crate) fn segment<'a>(frame: &Frame<'a>, walk: &Walk<'a>) -> Result<Segment<'a>, Disposition> {
    let rest = walk.rest;
    let Some(h) = rest.array::<MIN_HEADER>(0) else {
        // A packet whose own length has no room for a header is broken; a cut frame
        // and a tiny first fragment are not.
        let is_short = rest.wire_len() < MIN_HEADER && !walk.is_first_fragment;
        return Err(if is_short {
            Disposition::MalformedTcp
        } else {
            Disposition::TruncatedTcp
        });
    };
    let header_len = usize::from(h[12] >> 4) * 4;
    // A first fragment may end inside the options.
    if header_len < MIN_HEADER || (header_len > rest.wire_len() && !walk.is_first_fragment) {
        return Err(Disposition::MalformedTcp);
    }
    let list = rest.limit(header_len).bytes();
    let option_bytes = list.get(MIN_HEADER..).unwrap_or_default();
    let options_len = header_len - MIN_HEADER;
    Ok(Segment {
        head: Head {
            ts: frame.ts,
            seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
            ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
            payload_len: rest.wire_len().saturating_sub(header_len) as u32,
            window: u16::from_be_bytes([h[14], h[15]]),
            flags: TcpFlags(h[13]),
            ttl: walk.ttl,
            options_len: options_len as u8,
            is_first_fragment: walk.is_first_fragment,
            offer: Offer::read(option_bytes, options_len),
        },
        tap: frame.tap,
        src: Endpoint {
            addr: walk.src,
            port: u16::from_be_bytes([h[0], h[1]]),
        },
        dst: Endpoint {
            addr: walk.dst,
            port: u16::from_be_bytes([h[2], h[3]]),
        },
        checksum: u16::from_be_bytes([h[16], h[17]]),
        gist: None,
        payload: rest.bytes().get(header_len..).unwrap_or_default(),
        option_bytes,
        ip_id: walk.ip_id,
        dont_fragment: walk.dont_fragment,
        vlan: walk.vlan,
        tunnel: walk.tunnel,
    })
}
