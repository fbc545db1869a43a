//! Segments and their bytes: Ethernet, IPv4, TCP and the cTCP payloads.

use ctcpmon_core::frame::{Frame, LinkType};
use ctcpmon_core::time::Timestamp;

use crate::session::Dress;

/// One segment on the simulated path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// 0 from the client, 1 from the headend.
    pub dir: usize,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK.
    pub ack: u32,
    /// Control bits.
    pub flags: u8,
    /// SEG.WND.
    pub window: u16,
    /// Payload.
    pub payload: Vec<u8>,
    /// TCP options, padded to a multiple of four.
    pub options: Vec<u8>,
    /// TTL as it left its sender.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: u16,
}

/// Control bits.
pub const FIN: u8 = 1;
/// Control bits.
pub const SYN: u8 = 2;
/// Control bits.
pub const RST: u8 = 4;
/// Control bits.
pub const PSH: u8 = 8;
/// Control bits.
pub const ACK: u8 = 16;

impl Segment {
    /// First sequence number behind this segment.
    pub fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.payload.len() as u32)
            .wrapping_add(u32::from(self.flags & (SYN | FIN) != 0))
    }
}

/// A frame as the tap records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub ts_ns: i64,
    /// Ethernet frame.
    pub frame: Vec<u8>,
}

impl Record {
    /// The frame as a whole capture of Ethernet shows it.
    pub fn captured(&self) -> Frame<'_> {
        Frame {
            ts: Timestamp(self.ts_ns),
            link: LinkType(1),
            tap: 0,
            original_len: self.frame.len() as u32,
            bytes: &self.frame,
        }
    }
}

/// An IPv4 address and a TCP port.
pub type End = ([u8; 4], u16);

fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let high = u32::from(pair[0]) << 8;
            sum += high | pair.get(1).map_or(0, |b| u32::from(*b));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The Ethernet frame of a segment between two ends.
pub fn frame(segment: &Segment, client: End, headend: End) -> Vec<u8> {
    let (src, dst) = if segment.dir == 0 {
        (client, headend)
    } else {
        (headend, client)
    };
    let tcp_len = 20 + segment.options.len() + segment.payload.len();
    let mut ip = vec![0x45, 0];
    ip.extend(((20 + tcp_len) as u16).to_be_bytes());
    ip.extend(segment.ip_id.to_be_bytes());
    ip.extend([0x40, 0, segment.ttl, 6, 0, 0]);
    ip.extend(src.0);
    ip.extend(dst.0);
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut tcp = Vec::with_capacity(tcp_len);
    tcp.extend(src.1.to_be_bytes());
    tcp.extend(dst.1.to_be_bytes());
    tcp.extend(segment.seq.to_be_bytes());
    tcp.extend(segment.ack.to_be_bytes());
    tcp.push(((20 + segment.options.len()) as u8 / 4) << 4);
    tcp.push(segment.flags);
    tcp.extend(segment.window.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(&segment.options);
    tcp.extend(&segment.payload);
    let pseudo = [0, 6, (tcp_len >> 8) as u8, tcp_len as u8];
    let sum = checksum(&[&src.0, &dst.0, &pseudo, &tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut out = vec![
        2,
        0,
        0,
        0,
        0,
        1 + segment.dir as u8,
        2,
        0,
        0,
        0,
        0,
        2 - segment.dir as u8,
    ];
    out.extend([8, 0]);
    out.extend(ip);
    out.extend(tcp);
    out
}

fn trailer(protocol: u8) -> [u8; 16] {
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, protocol, 1, 0,
    ]
}

/// One ESP packet in cTCP, `len` bytes in all (at least 40).
pub fn esp(spi: u32, seq: u32, len: usize) -> Vec<u8> {
    let mut out = spi.to_be_bytes().to_vec();
    out.extend(seq.to_be_bytes());
    // Bytes that look like ciphertext and are the same in every run.
    let mut x = u64::from(spi) << 32 | u64::from(seq) | 1;
    while out.len() < len.max(40) - 16 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.push(x as u8);
    }
    out.extend(trailer(0x32));
    out
}

/// One IKEv1 message in cTCP: exchange, cookies, `len` bytes of ISAKMP.
pub fn ike(exchange: u8, initiator: u64, responder: u64, message_id: u32, len: usize) -> Vec<u8> {
    let len = len.max(28);
    let mut out = vec![1, 0xf4, 1, 0xf4];
    out.extend(((8 + len) as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(initiator.to_be_bytes());
    out.extend(responder.to_be_bytes());
    out.extend([1, 0x10, exchange, u8::from(message_id != 0)]);
    out.extend(message_id.to_be_bytes());
    out.extend((len as u32).to_be_bytes());
    out.extend((28..len).map(|i| (i * 37) as u8));
    out.extend(trailer(0x11));
    out
}

/// Bytes that look encrypted, no two packets alike.
pub fn opaque(number: u32, bytes: usize) -> Vec<u8> {
    let mut x = number.wrapping_mul(0x9e37_79b1) | 1;
    (0..bytes)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            (x >> 11) as u8
        })
        .collect()
}

/// TCP options of a segment sent at `now`, as each maker writes them.
pub fn options(dress: Dress, is_syn: bool, now: u32) -> Vec<u8> {
    let [a, b, c, d] = now.to_be_bytes();
    match (dress, is_syn) {
        (Dress::Ctcp, true) => vec![2, 4, 5, 0x64],
        (Dress::Udp2raw, true) => vec![
            2, 4, 0x05, 0xb4, 4, 2, 8, 10, a, b, c, d, 0, 0, 0, 0, 1, 3, 3, 5,
        ],
        (Dress::Udp2raw, false) => vec![1, 1, 8, 10, a, b, c, d, 0, 0, 0, 1],
        (Dress::Phantun, true) => vec![1, 3, 3, 14],
        (Dress::Ctcp | Dress::Phantun, false) => vec![],
    }
}
