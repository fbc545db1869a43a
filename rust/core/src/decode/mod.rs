//! From one captured frame to at most one TCP segment. No state between frames.
//!
//! Here: headers from the link to TCP, each in a file of its own, and the loop
//! that walks them. Not here: flows, reassembly, checksums, what TCP carries.
//! The invariant a newcomer would break: a step consumes one header and says
//! what follows; it never calls the next step, so depth is a counter in one loop
//! and not a stack (bug class B10).
//!
//! `span` holds the only reads of packet bytes; every other file asks it.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod disposition;
mod erspan;
mod ethertype;
mod gre;
mod ip_protocol;
mod ipv4;
mod ipv6;
pub mod link;
mod llc;
mod mpls;
pub(crate) mod plain;
mod span;
mod switch_tag;
mod tcp;
mod tcp_options;
mod udp;
mod udp_tunnel;
mod walk;

pub use disposition::Disposition;
pub use link::LINK_TYPES;
pub(crate) use tcp_options::{offer, parse as tcp_options};

use crate::frame::Frame;
use crate::segment::Segment;
use walk::{Next, Walk};

/// Most headers followed in one frame: link, each tag, each label, each IPv6
/// extension header, each tunnel and TCP count one. Suricata's limit, 16
/// (`decoder.max-layers`); beyond it a frame ends as `depth_exceeded`.
pub const MAX_LAYERS: u32 = 16;

/// IP protocol number of TCP, RFC 9293 section 3.1.
const TCP: u8 = 6;

/// Decodes one frame; `Err` names the one counter in which a frame that holds
/// no usable TCP segment ends. A frame that gives `Ok` counts as [`Disposition::Tcp`].
///
/// The innermost TCP header wins: a segment inside a tunnel is reported, not the
/// tunnel. Checksums are not verified.
#[inline]
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Disposition> {
    match plain::segment(frame) {
        Some(segment) => Ok(segment),
        None => walk_frame(frame),
    }
}

/// The loop over all headers.
pub(crate) fn walk_frame<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Disposition> {
    if frame.bytes.is_empty() {
        return Err(Disposition::Empty);
    }
    let link = link::find(frame.link).ok_or(Disposition::UnsupportedLinkType)?;
    let mut walk = Walk::new(frame);
    let mut next = (link.enter)(&mut walk)?;
    for _ in 1..MAX_LAYERS {
        next = match next {
            Next::EtherType(ether_type) => ethertype::step(&mut walk, ether_type)?,
            Next::Protocol(TCP) => return tcp::segment(frame, &walk),
            Next::Protocol(number) => ip_protocol::step(&mut walk, number)?,
            Next::Ip => ip_step(&mut walk)?,
            Next::Ethernet => link::ethernet::enter(&mut walk)?,
            Next::Llc => llc::step(&mut walk)?,
            Next::Ppp => link::ppp::enter(&mut walk)?,
            Next::Erspan => erspan::step(&mut walk)?,
            Next::UdpTunnel(tunnel) => udp_tunnel::step(&mut walk, tunnel)?,
        };
    }
    Err(Disposition::DepthExceeded)
}

/// IP of either version. The first nibble decides, not the `EtherType`: raw link
/// types have none, and the two never differ in good frames.
#[inline]
fn ip_step(walk: &mut Walk<'_>) -> walk::Step {
    match walk.rest.u8(0).map(|b| b >> 4) {
        Some(4) => ipv4::step(walk),
        Some(6) => ipv6::step(walk),
        Some(_) => Err(Disposition::MalformedIp),
        None => Err(Disposition::TruncatedIp),
    }
}
