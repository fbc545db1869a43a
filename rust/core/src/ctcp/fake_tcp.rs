//! Fake-TCP tunnels by how they behave: udp2raw and phantun.
//!
//! Both write TCP headers by hand, and a few fields give the hand away
//! (udp2raw network.cpp; phantun fake-tcp/src). The SYN alone never decides: what
//! follows must keep the pattern.

use crate::segment::{Content, Head, TcpFlags};

/// The product a flow behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// wangyu-/udp2raw in faketcp mode.
    Udp2raw,
    /// dndx/phantun.
    Phantun,
    /// Raw WireGuard transport packets as TCP payload, maker unknown.
    WireGuard,
}

impl Product {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp2raw => "udp2raw",
            Self::Phantun => "phantun",
            Self::WireGuard => "wireguard",
        }
    }
}

/// udp2raw draws the window of every packet from this range.
const UDP2RAW_WINDOW: core::ops::RangeInclusive<u16> = 40_960..=41_471;

/// What a SYN looks like.
pub fn by_syn(syn: &Head, content: &Content<'_>) -> Option<Product> {
    if !syn.flags.any(TcpFlags::SYN) {
        return None;
    }
    // The cheap marks first: nearly every SYN ends here.
    let may_be = UDP2RAW_WINDOW.contains(&syn.window) || (syn.seq == 0 && syn.window == u16::MAX);
    if !may_be {
        return None;
    }
    let o = content.options(syn);
    let layout = |kinds: &[u8]| {
        o.layout.starts_with(kinds) && o.layout.get(kinds.len()).is_none_or(|k| *k == 0xff)
    };
    if layout(&[2, 4, 8, 1, 3])
        && o.window_scale == Some(5)
        && o.mss == Some(1460)
        && UDP2RAW_WINDOW.contains(&syn.window)
    {
        return Some(Product::Udp2raw);
    }
    if syn.seq == 0 && layout(&[1, 3]) && o.window_scale == Some(14) && syn.window == u16::MAX {
        return Some(Product::Phantun);
    }
    None
}

/// True when a segment after the SYN keeps the pattern of `product`.
pub fn keeps_pattern(product: Product, segment: &Head, content: &Content<'_>) -> bool {
    let flags = segment.flags.0;
    match product {
        Product::Udp2raw => {
            UDP2RAW_WINDOW.contains(&segment.window)
                && content.options(segment).layout.starts_with(&[1, 1, 8])
        }
        Product::Phantun => {
            segment.window == u16::MAX
                && flags & !TcpFlags::PSH == TcpFlags::ACK
                && flags & TcpFlags::PSH == 0
                && segment.options_len == 0
        }
        Product::WireGuard => true,
    }
}

/// Segments with data that must keep the pattern before the flow is called a
/// tunnel (guess: with udp2raw's 1-in-128 window range, six in a row by chance is
/// below 2^-40; for phantun the SYN with number 0 is rare by itself).
pub const PATTERN_SEGMENTS: u8 = 6;
