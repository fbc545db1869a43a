//! Link types: one file each, one list. A decoder moves past the link header and
//! says what follows; it does not look further.
//!
//! To add one: a file here, a line in [`LINK_TYPES`], and a frame for it in
//! `tests/decode_link.rs` (which fails while there is none).

mod bsd_loopback;
mod c_hdlc;
pub(crate) mod ethernet;
mod ieee802_11;
mod linux_sll;
mod linux_sll2;
mod mpacket;
mod nflog;
mod pktap;
mod ppi;
pub(crate) mod ppp;
pub(crate) mod pppoe;
mod radiotap;
mod raw_ip;

use super::walk::{Step, Walk};
use crate::frame::LinkType;

/// A link type that can be decoded.
#[derive(Clone, Copy, Debug)]
pub struct LinkDecoder {
    /// Its number in capture files.
    pub link: LinkType,
    /// Its name in the registry, without `LINKTYPE_`, in lower case.
    pub name: &'static str,
    pub(crate) enter: fn(&mut Walk<'_>) -> Step,
}

const fn decoder(number: u16, name: &'static str, enter: fn(&mut Walk<'_>) -> Step) -> LinkDecoder {
    LinkDecoder {
        link: LinkType(number),
        name,
        enter,
    }
}

/// `LINKTYPE_ETHERNET`.
pub(crate) const ETHERNET: LinkType = LinkType(1);

/// The one list of link types; searched in order for each frame, so the usual
/// ones come first. Numbers: <https://www.tcpdump.org/linktypes.html>, except 12
/// and 14, the values of `DLT_RAW` that some systems write unmapped.
pub const LINK_TYPES: &[LinkDecoder] = &[
    decoder(1, "ethernet", ethernet::enter),
    decoder(113, "linux_sll", linux_sll::enter),
    decoder(276, "linux_sll2", linux_sll2::enter),
    decoder(101, "raw", raw_ip::enter),
    decoder(12, "raw_dlt_12", raw_ip::enter),
    decoder(14, "raw_dlt_14", raw_ip::enter),
    decoder(228, "ipv4", raw_ip::enter),
    decoder(229, "ipv6", raw_ip::enter),
    decoder(0, "null", bsd_loopback::enter),
    decoder(108, "loop", bsd_loopback::enter),
    decoder(9, "ppp", ppp::enter),
    decoder(50, "ppp_hdlc", ppp::enter_hdlc),
    decoder(51, "ppp_ether", pppoe::enter),
    decoder(104, "c_hdlc", c_hdlc::enter),
    decoder(105, "ieee802_11", ieee802_11::enter),
    decoder(127, "ieee802_11_radiotap", radiotap::enter),
    decoder(192, "ppi", ppi::enter),
    decoder(239, "nflog", nflog::enter),
    decoder(258, "pktap", pktap::enter),
    decoder(274, "ethernet_mpacket", mpacket::enter),
];

/// The decoder of `link`.
#[inline]
pub(crate) fn find(link: LinkType) -> Option<&'static LinkDecoder> {
    LINK_TYPES.iter().find(|decoder| decoder.link == link)
}
