//! What is carried from one header to the next while one frame is decoded.
//!
//! Lives on the stack for one frame; nothing in it survives the frame.

use super::Disposition;
use super::span::Span;
use crate::frame::Frame;
use crate::segment::Addr;

/// What the next header is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// Payload of this `EtherType`.
    EtherType(u16),
    /// Payload of this IP protocol or IPv6 extension header of this number.
    Protocol(u8),
    /// IP of the version its first nibble says.
    Ip,
    /// Ethernet, as the payload of a tunnel.
    Ethernet,
    /// IEEE 802.2 LLC.
    Llc,
    /// PPP from its address and control or its protocol field.
    Ppp,
    /// ERSPAN type I, II or III, by its own version field.
    Erspan,
    /// The UDP payload for this tunnel.
    UdpTunnel(UdpTunnel),
}

/// Tunnels over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UdpTunnel {
    /// RFC 7348.
    Vxlan,
    /// draft-ietf-nvo3-vxlan-gpe.
    VxlanGpe,
    /// RFC 8926.
    Geneve,
    /// 3GPP TS 29.281.
    GtpU,
    /// RFC 8086: the UDP payload is GRE.
    Gre,
    /// RFC 2661.
    L2tp,
}

/// Result of one header: what follows, or where the frame ends.
pub(crate) type Step = Result<Next, Disposition>;

/// Kinds of tunnel, as mixed into [`Walk::tunnel`].
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Tunnel {
    Gre = 1,
    Erspan = 2,
    Vxlan = 3,
    Geneve = 4,
    IpInIp = 5,
    Gtp = 6,
    EtherIp = 7,
    L2tp = 8,
}

/// The state of one walk through one frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    /// What is left to decode.
    pub(crate) rest: Span<'a>,
    /// Outermost VLAN ids.
    pub(crate) vlan: [u16; 2],
    vlan_count: u8,
    /// Digest of tunnel kinds and ids from the outside in, 0 for none.
    pub(crate) tunnel: u32,
    /// Source of the innermost IP header.
    pub(crate) src: Addr,
    /// Destination of the innermost IP header.
    pub(crate) dst: Addr,
    /// TTL or hop limit of the innermost IP header.
    pub(crate) ttl: u8,
    /// The innermost IP header is IPv6.
    pub(crate) is_ipv6: bool,
    /// IPv4 identification; `None` for IPv6.
    pub(crate) ip_id: Option<u16>,
    /// IPv4 don't-fragment bit.
    pub(crate) dont_fragment: bool,
    /// The innermost IP packet is the first fragment of a larger one.
    pub(crate) is_first_fragment: bool,
}

impl<'a> Walk<'a> {
    #[inline]
    pub(crate) fn new(frame: &Frame<'a>) -> Self {
        Self {
            rest: Span::new(frame.bytes, frame.original_len),
            vlan: [0; 2],
            vlan_count: 0,
            tunnel: 0,
            src: Addr([0; 16]),
            dst: Addr([0; 16]),
            ttl: 0,
            is_ipv6: false,
            ip_id: None,
            dont_fragment: false,
            is_first_fragment: false,
        }
    }

    /// Moves past a header of `n` bytes, or ends the frame as `cut`.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize, cut: Disposition) -> Result<(), Disposition> {
        self.rest = self.rest.skip(n).ok_or(cut)?;
        Ok(())
    }

    /// Notes a VLAN tag; only the outermost two are kept.
    pub(crate) fn note_vlan(&mut self, tag_control: u16) {
        if let Some(slot) = self.vlan.get_mut(usize::from(self.vlan_count)) {
            *slot = tag_control & 0x0fff;
            self.vlan_count += 1;
        }
    }

    /// Notes a tunnel; the digest is never 0 afterwards.
    pub(crate) fn note_tunnel(&mut self, kind: Tunnel, id: u32) {
        // Multiplicative mixing (Knuth): spreads small ids, costs two instructions.
        // It only tells tunnels apart on the screen; nothing is keyed by it.
        let mixed = self.tunnel.rotate_left(5) ^ id ^ (u32::from(kind as u8) << 24);
        self.tunnel = mixed.wrapping_mul(0x9e37_79b1).max(1);
    }
}
