//! What an `EtherType` announces: IP, a tag, a label stack, or nothing of ours.
//!
//! Shared by Ethernet, the Linux cooked types, SNAP, GRE and C-HDLC. Tags are
//! decoded here because they end in another `EtherType`.

use super::walk::{Next, Step, Walk};
use super::{Disposition, ip_step, mpls, switch_tag};

/// RFC 894.
pub(crate) const IPV4: u16 = 0x0800;
/// RFC 826.
pub(crate) const ARP: u16 = 0x0806;
/// RFC 2464 section 3.
pub(crate) const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q customer tag.
pub(crate) const VLAN: u16 = 0x8100;
/// IEEE 802.1ad service tag.
const SERVICE_VLAN: u16 = 0x88a8;
/// Stacked tags of equipment older than 802.1ad.
const OLD_QINQ: [u16; 2] = [0x9100, 0x9200];
/// RFC 5332 section 4: downstream-assigned labels (all unicast).
pub(crate) const MPLS: u16 = 0x8847;
/// RFC 5332 section 4: upstream-assigned labels.
pub(crate) const MPLS_UPSTREAM: u16 = 0x8848;
/// RFC 2516 section 4, session stage.
const PPPOE_SESSION: u16 = 0x8864;
/// Transparent Ethernet bridging, RFC 1701; in GRE, GENEVE and NVGRE (RFC 7637).
pub(crate) const TRANSPARENT_ETHERNET: u16 = 0x6558;

/// Largest value of the type field that is a length, IEEE 802.3 clause 3.2.6.
const MAX_LENGTH: u16 = 1500;

/// Decodes the header that `ether_type` announces.
#[inline]
pub(crate) fn step(walk: &mut Walk<'_>, ether_type: u16) -> Step {
    match ether_type {
        IPV4 | IPV6 => ip_step(walk),
        VLAN | SERVICE_VLAN => vlan_tag(walk),
        other if OLD_QINQ.contains(&other) => vlan_tag(walk),
        ARP => Err(Disposition::Arp),
        MPLS | MPLS_UPSTREAM => mpls::step(walk),
        PPPOE_SESSION => super::link::pppoe::enter(walk),
        TRANSPARENT_ETHERNET => super::link::ethernet::enter(walk),
        other => switch_tag::step(walk, other),
    }
}

/// What follows a type field that may hold a length instead (Ethernet, VLAN).
#[inline]
pub(crate) fn type_or_length(walk: &mut Walk<'_>, value: u16) -> Next {
    if value > MAX_LENGTH {
        return Next::EtherType(value);
    }
    // The length tells the LLC frame from the padding behind it.
    walk.rest = walk.rest.limit(usize::from(value));
    Next::Llc
}

/// IEEE 802.1Q: tag control information, then the type field that it displaced.
fn vlan_tag(walk: &mut Walk<'_>) -> Step {
    let tag = walk.rest.u32(0).ok_or(Disposition::TruncatedLink)?;
    walk.note_vlan((tag >> 16) as u16);
    walk.advance(4, Disposition::TruncatedLink)?;
    Ok(type_or_length(walk, tag as u16))
}
