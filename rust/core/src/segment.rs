//! A TCP segment as decode hands it on: plain numbers, no judgement, no state.

use crate::ctcp::recognise::exact_esp;
use crate::gist::{Gist, digest};
use crate::time::Timestamp;

/// An IP address; IPv4 is held as an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    /// An IPv4 address from its four bytes.
    pub const fn v4(b: [u8; 4]) -> Self {
        let mut mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
        mapped.split_at_mut(12).1.copy_from_slice(&b);
        Self(mapped)
    }

    /// The standard library's form, for printing.
    pub fn to_ip(self) -> std::net::IpAddr {
        std::net::Ipv6Addr::from(self.0).to_canonical()
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub addr: Addr,
    /// TCP port.
    pub port: u16,
}

/// TCP control bits, RFC 9293 section 3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The ACK field is significant.
    pub const ACK: u8 = 0x10;
    /// The urgent field is significant.
    pub const URG: u8 = 0x20;

    /// An ACK and nothing else that moves the state of a connection.
    pub const PLAIN_ACK: Self = Self(Self::ACK);

    /// An ACK without SYN, FIN or RST, as most segments are.
    #[inline]
    pub const fn is_plain_ack(self) -> bool {
        self.0 & (Self::ACK | Self::SYN | Self::FIN | Self::RST) == Self::ACK
    }

    /// True when any of `bits` is set.
    pub const fn any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// What the TCP options of one segment said.
///
/// `absent` is `None`; a broken option list keeps what stood before the break
/// and sets `is_malformed` (bug class B8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size, only meaningful on SYN.
    pub mss: Option<u16>,
    /// Window scale shift, clamped to 14 (RFC 7323 section 2.3).
    pub window_scale: Option<u8>,
    /// SACK permitted (RFC 2018 section 2).
    pub sack_permitted: bool,
    /// Timestamp value and echo reply (RFC 7323 section 3).
    pub timestamps: Option<(u32, u32)>,
    /// SACK blocks (left, right edge), first `sack_len` valid.
    pub sack: [(u32, u32); 4],
    /// Number of valid SACK blocks.
    pub sack_len: u8,
    /// Option kinds in wire order, first eight, 0xff-padded: tells stacks apart.
    pub layout: [u8; 8],
    /// The list ended in an option that does not fit.
    pub is_malformed: bool,
}

/// What every segment says in a few numbers: all that an ordinary conversation is
/// measured by, small enough to be made for many frames ahead of their measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// Capture time of the frame.
    pub ts: Timestamp,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK; meaningless without the ACK flag.
    pub ack: u32,
    /// Payload length on the wire in bytes, from the IP length (from the
    /// original frame length when the IP length is 0, as TSO and BIG TCP leave it).
    pub payload_len: u32,
    /// SEG.WND as sent, unscaled.
    pub window: u16,
    /// Control bits.
    pub flags: TcpFlags,
    /// IPv4 TTL or IPv6 hop limit of the innermost IP header.
    pub ttl: u8,
    /// Length of the option list on the wire, bytes.
    pub options_len: u8,
    /// First fragment of a larger packet: `payload_len` covers this fragment only.
    pub is_first_fragment: bool,
    /// What the options say that a flow record keeps.
    pub offer: Offer,
}

/// The options of a segment in two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    scale: u8,
    bits: u8,
}

impl Offer {
    const SCALE: u8 = 1;
    const TIMESTAMPS: u8 = 4;
    const MALFORMED: u8 = 8;
    /// No-op, no-op, timestamps of ten bytes.
    const USUAL: u32 = 0x0101_080a;

    /// No options.
    pub const NONE: Self = Self { scale: 0, bits: 0 };

    /// What the captured part `list` of an option list of `len` bytes says.
    #[inline]
    pub fn read(list: &[u8], len: usize) -> Self {
        let usual = Self::of_usual(list, len);
        // One question for both, so that the processor need not guess which of them it is.
        if (len == 0) | usual.has_timestamps() {
            return usual;
        }
        crate::decode::offer(list, len)
    }

    /// The same where the list is the usual one of an established connection (RFC 7323 appendix A): told without
    /// a walk, and where its end is cut off too. Of any other list it is as if there was none.
    #[inline]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "no branch where one would be guessed wrongly half of the time"
    )]
    pub(crate) fn of_usual(list: &[u8], len: usize) -> Self {
        let word = list.first_chunk().map_or(0, |w| u32::from_be_bytes(*w));
        let is_usual = (len == 12) & (word == Self::USUAL);
        Self {
            scale: 0,
            bits: if is_usual { Self::TIMESTAMPS } else { 0 },
        }
    }

    pub(crate) fn set_window_scale(&mut self, shift: u8) {
        self.scale = shift;
        self.bits |= Self::SCALE;
    }

    pub(crate) fn set_timestamps(&mut self) {
        self.bits |= Self::TIMESTAMPS;
    }

    pub(crate) fn set_malformed(&mut self) {
        self.bits |= Self::MALFORMED;
    }

    fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// Window scale shift.
    pub fn window_scale(self) -> Option<u8> {
        self.has(Self::SCALE).then_some(self.scale)
    }

    /// Carries timestamps.
    pub fn has_timestamps(self) -> bool {
        self.has(Self::TIMESTAMPS)
    }

    /// The list ended in an option that does not fit.
    pub fn is_malformed(self) -> bool {
        self.has(Self::MALFORMED)
    }
}

/// Payload above this cannot be one frame of any network in use: jumbo frames end
/// at 9,216 bytes.
const SUPER_SEGMENT_BYTES: u32 = 9_216;

impl Head {
    /// True for what is counted and rare: a fragment, a merged segment, options that do not fit.
    #[inline]
    pub fn is_odd(&self) -> bool {
        self.is_first_fragment || self.is_super() || self.offer.is_malformed()
    }

    /// Larger than one frame of any network in use.
    #[inline]
    pub fn is_super(&self) -> bool {
        self.payload_len > SUPER_SEGMENT_BYTES
    }

    /// SEG.LEN: payload plus one for SYN and one for FIN (RFC 9293 section 3.3.1).
    /// The only place where that is computed.
    pub fn seg_len(&self) -> u32 {
        self.payload_len
            .wrapping_add(u32::from(self.flags.any(TcpFlags::SYN)))
            .wrapping_add(u32::from(self.flags.any(TcpFlags::FIN)))
    }
}

/// What a segment carries, and its ports: what a flow is recognised by besides the head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a> {
    /// Captured part of the payload.
    pub payload: &'a [u8],
    /// Captured part of the option list.
    pub option_bytes: &'a [u8],
    /// Ports of both ends, in no order.
    pub ports: [u16; 2],
}

impl Content<'_> {
    /// What the options say; `head` is that of the same segment.
    pub fn options(&self, head: &Head) -> TcpOptions {
        crate::decode::tcp_options(self.option_bytes, usize::from(head.options_len))
    }
}

/// One TCP segment of one frame. Its head is read as if it were the segment's own.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Numbers of the header.
    pub head: Head,
    /// Observation point of the frame.
    pub tap: u16,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// Captured part of the payload; shorter than `payload_len` when cut.
    pub payload: &'a [u8],
    /// Captured part of the option list; read it with [`Segment::options`].
    pub option_bytes: &'a [u8],
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// IPv4 don't-fragment bit.
    pub dont_fragment: bool,
    /// Outermost VLAN tags, up to two, outer first; 0 means none. Part of no
    /// key: a SPAN may tag each direction differently.
    pub vlan: [u16; 2],
    /// Innermost tunnel that carried the segment to the tap, 0 for none
    /// (a digest of GRE/VXLAN/ERSPAN ids), kept apart from flow keys.
    pub tunnel: u32,
    /// The 16-bit TCP checksum field as captured (0 when cut).
    pub checksum: u16,
    /// What a session asks of it, where that was told ahead.
    pub gist: Option<Gist>,
}

impl core::ops::Deref for Segment<'_> {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl<'a> Segment<'a> {
    /// What the segment carries.
    #[inline]
    pub fn content(&self) -> Content<'a> {
        Content {
            payload: self.payload,
            option_bytes: self.option_bytes,
            ports: [self.src.port, self.dst.port],
        }
    }

    /// What the options say. Read on demand: of an ordinary segment nobody asks.
    #[inline]
    pub fn options(&self) -> TcpOptions {
        self.content().options(&self.head)
    }

    /// Digest of what makes two captures of a packet equal, of one sent by end `sender` of the key: who tells it ahead
    /// knows no other sides.
    #[inline]
    pub(crate) fn digest(&self, sender: usize) -> u64 {
        let told = self.gist.map(Gist::digest);
        debug_assert!(told.is_none_or(|told| told == digest(&self.head, self.payload, sender)));
        told.unwrap_or_else(|| digest(&self.head, self.payload, sender))
    }

    /// SPI and sequence number of an ESP packet with its whole trailer.
    #[inline]
    pub(crate) fn exact_esp(&self) -> Option<(u32, u32)> {
        match self.gist {
            Some(gist) => gist.exact_esp(),
            None => exact_esp(self.payload, self.payload_len),
        }
    }

    /// True when bytes of the payload are missing from the capture.
    pub fn is_cut(&self) -> bool {
        (self.payload.len() as u64) < u64::from(self.payload_len)
    }
}
