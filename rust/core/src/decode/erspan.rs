//! ERSPAN type II and III headers, draft-foschiano-erspan-03.
//!
//! Type I has no header and is told from type II by GRE (see `gre`).

use super::Disposition::{MalformedTunnel, NotIp, TruncatedTunnel};
use super::walk::{Next, Step, Tunnel, Walk};

/// Version field of type II (section 4.2).
const TYPE_II: u32 = 1;
/// Version field of type III (section 4.3).
const TYPE_III: u32 = 2;
/// Bytes of the optional platform-specific subheader of type III.
const SUBHEADER: usize = 8;

/// Decodes one ERSPAN header.
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let word = walk.rest.u32(0).ok_or(TruncatedTunnel)?;
    walk.note_tunnel(Tunnel::Erspan, word & 0x3ff);
    match word >> 28 {
        TYPE_II => {
            walk.advance(8, TruncatedTunnel)?;
            Ok(Next::Ethernet)
        }
        TYPE_III => {
            let last = walk.rest.u32(8).ok_or(TruncatedTunnel)?;
            walk.advance(12, TruncatedTunnel)?;
            if last & 1 != 0 {
                walk.advance(SUBHEADER, TruncatedTunnel)?;
            }
            // Frame type: 0 is Ethernet, 2 a bare IP packet.
            match last >> 10 & 0x1f {
                0 => Ok(Next::Ethernet),
                2 => Ok(Next::Ip),
                _ => Err(NotIp),
            }
        }
        _ => Err(MalformedTunnel),
    }
}
