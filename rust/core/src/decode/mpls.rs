//! MPLS label stack entries, and the guess at what lies below the last one.
//!
//! MPLS does not say what it carries. The first nibble is the usual guess
//! (RFC 4928 section 3): 4 and 6 are IP, 0 is a pseudo-wire control word
//! (RFC 4385 section 3), 1 an associated channel.

use super::Disposition;
use super::ethertype::{ARP, IPV4, IPV6, MPLS, VLAN};
use super::span::Span;
use super::walk::{Next, Step, Walk};

/// Bottom-of-stack bit of an entry, RFC 3032 section 2.1.
const BOTTOM: u32 = 0x100;
/// Bytes of two MAC addresses: where the type field of Ethernet lies.
const TYPE_OFFSET: usize = 12;
/// Bytes of a pseudo-wire control word.
const CONTROL_WORD: usize = 4;

/// Decodes one label stack entry.
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let entry = walk.rest.u32(0).ok_or(Disposition::TruncatedLink)?;
    walk.advance(4, Disposition::TruncatedLink)?;
    if entry & BOTTOM == 0 {
        return Ok(Next::EtherType(MPLS));
    }
    below(walk)
}

/// What the bottom label carries, by its looks.
fn below(walk: &mut Walk<'_>) -> Step {
    let first = walk.rest.u8(0).ok_or(Disposition::TruncatedLink)?;
    match first >> 4 {
        // A version nibble alone would take a MAC address that begins with 4 or 6
        // for IP; IPv4 also states a header length, and 0x45 is its usual start.
        4 if first & 0x0f >= 5 => Ok(Next::Ip),
        6 if !looks_like_ethernet(walk.rest, 0) => Ok(Next::Ip),
        // Control word first: a MAC address that starts with four zero bytes is rare.
        0 if looks_like_ethernet(walk.rest, CONTROL_WORD) => {
            walk.advance(CONTROL_WORD, Disposition::TruncatedLink)?;
            Ok(Next::Ethernet)
        }
        _ if looks_like_ethernet(walk.rest, 0) => Ok(Next::Ethernet),
        _ => Err(Disposition::NotIp),
    }
}

/// The type field of an Ethernet header at `at` is one that leads to IP.
fn looks_like_ethernet(span: Span<'_>, at: usize) -> bool {
    matches!(
        span.u16(at + TYPE_OFFSET),
        Some(IPV4 | IPV6 | VLAN | ARP | MPLS | 0x88a8 | 0x8848 | 0x8864)
    )
}
