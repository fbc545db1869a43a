//! IEEE 802.2 LLC and SNAP, as found in 802.3 length frames, 802.11 and SLL.

use super::Disposition;
use super::walk::{Next, Step, Walk};

/// Service access point of SNAP, RFC 1042.
const SAP_SNAP: u8 = 0xaa;
/// Service access point of IP, RFC 948: no SNAP header.
const SAP_IP: u8 = 0x06;
/// Unnumbered information, poll bit clear.
const UNNUMBERED_INFORMATION: u8 = 0x03;
/// Organisation codes whose protocol id is an `EtherType`: RFC 1042, and the
/// bridge-tunnel encapsulation of IEEE 802.1H.
const ETHER_TYPE_OUIS: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];

/// Decodes one LLC header with its SNAP header.
pub(crate) fn step(walk: &mut Walk<'_>) -> Step {
    let [dsap, ssap, control] = *walk.rest.array(0).ok_or(Disposition::TruncatedLink)?;
    match (dsap, ssap, control) {
        (SAP_SNAP, SAP_SNAP, UNNUMBERED_INFORMATION) => {
            let oui: [u8; 3] = *walk.rest.array(3).ok_or(Disposition::TruncatedLink)?;
            let ether_type = walk.rest.u16(6).ok_or(Disposition::TruncatedLink)?;
            walk.advance(8, Disposition::TruncatedLink)?;
            if ETHER_TYPE_OUIS.contains(&oui) {
                Ok(Next::EtherType(ether_type))
            } else {
                Err(Disposition::NotIp)
            }
        }
        (SAP_IP, SAP_IP, UNNUMBERED_INFORMATION) => {
            walk.advance(3, Disposition::TruncatedLink)?;
            Ok(Next::Ip)
        }
        _ => Err(Disposition::NotIp),
    }
}
