//! The usual frame in one step: Ethernet II, at most one VLAN tag, IPv4 without options
//! or IPv6 without extension headers, whole packet, TCP.
//!
//! A shortcut through the walk, no second decoder: what is not plain is left to the
//! walk, and a test holds both to the same answer. Worth it because nearly every frame
//! is plain (estimated from a profile: a walk costs some 38 ns; all of preparing a plain
//! frame, hash included, 20).

#![expect(
    clippy::inline_always,
    reason = "what is read is used piece by piece by the caller; measured below"
)]

use super::link::ETHERNET;
use crate::frame::Frame;
use crate::segment::{Addr, Content, Endpoint, Head, Offer, Segment, TcpFlags};

/// Where the network header begins.
const IP: usize = 14;
/// Length of a VLAN tag.
const TAG: usize = 4;
/// Network and TCP headers without options.
const V4: usize = 40;
const V6: usize = 60;
/// Fragment offset and more-fragments.
const FRAGMENT: u16 = 0x3fff;
const DONT_FRAGMENT: u16 = 0x4000;

/// A plain frame, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(crate) head: Head,
    /// Where the payload begins in the frame.
    pub(crate) payload_at: u16,
}

/// A plain IPv6 frame, read, with its sender and receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainV6 {
    pub(crate) head: Head,
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) payload_at: u16,
}

/// A plain IPv4 frame, read: sender and receiver as address, and port in the lowest 16 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainV4 {
    pub(crate) head: Head,
    pub(crate) src: u64,
    pub(crate) dst: u64,
    pub(crate) payload_at: u16,
}

/// Reads a plain frame; `None` sends it to the walk.
#[inline]
pub(crate) fn read(frame: &Frame<'_>) -> Option<Plain> {
    if let Some(v4) = read_v4(frame) {
        let PlainV4 {
            mut head,
            payload_at,
            ..
        } = v4;
        read_options(frame, &mut head, payload_at);
        return Some(Plain { head, payload_at });
    }
    read_v6(frame).map(|v6| Plain {
        head: v6.head,
        payload_at: v6.payload_at,
    })
}

/// The packet of an Ethernet frame with at most one VLAN tag, where it begins, and its
/// `EtherType`.
#[inline(always)]
fn packet<'a>(frame: &Frame<'a>) -> Option<(&'a [u8], usize, [u8; 2])> {
    if frame.link != ETHERNET {
        return None;
    }
    let kind: &[u8; IP + TAG] = frame.bytes.first_chunk()?;
    if kind[12] == 0x81 && kind[13] == 0 {
        let packet = frame.bytes.get(IP + TAG..)?;
        return Some((packet, IP + TAG, [kind[16], kind[17]]));
    }
    Some((frame.bytes.get(IP..)?, IP, [kind[12], kind[13]]))
}

/// Reads what [`read_v4`] leaves: the options, where they are not the usual ones.
#[inline(always)]
pub(crate) fn read_options(frame: &Frame<'_>, head: &mut Head, payload_at: u16) {
    if head.options_len > 0 && !head.offer.has_timestamps() {
        walk_options(frame, head, payload_at);
    }
}

#[cold]
#[inline(never)]
fn walk_options(frame: &Frame<'_>, head: &mut Head, payload_at: u16) {
    let len = usize::from(head.options_len);
    let list = frame.bytes.get(usize::from(payload_at) - len..);
    let list = list.unwrap_or_default();
    head.offer = super::offer(list.get(..len).unwrap_or(list), len);
}

/// Reads a plain IPv4 frame but for unusual options, see [`read_options`]. Always in line: what it gives
/// is used piece by piece where it is called, and made a whole for nobody (measured: 6 ns a frame less).
#[inline(always)]
pub(crate) fn read_v4(frame: &Frame<'_>) -> Option<PlainV4> {
    let (packet, ip, kind) = packet(frame)?;
    let h: &[u8; V4] = packet.first_chunk()?;
    let fragment = u16::from_be_bytes([h[6], h[7]]);
    let total_len = usize::from(u16::from_be_bytes([h[2], h[3]]));
    if kind != [0x08, 0] || h[0] != 0x45 || h[9] != 6 || fragment & FRAGMENT != 0 {
        return None;
    }
    let tcp: &[u8; 20] = h.last_chunk()?;
    let src = u32::from_be_bytes([h[12], h[13], h[14], h[15]]);
    let dst = u32::from_be_bytes([h[16], h[17], h[18], h[19]]);
    let (head, payload_at) = finish(
        frame,
        packet,
        tcp,
        [ip, 20],
        total_len,
        h[8],
        Offer::of_usual,
    )?;
    Some(PlainV4 {
        head,
        src: u64::from(src) << 16 | u64::from(u16::from_be_bytes([tcp[0], tcp[1]])),
        dst: u64::from(dst) << 16 | u64::from(u16::from_be_bytes([tcp[2], tcp[3]])),
        payload_at,
    })
}

/// Reads a plain IPv6 frame.
#[inline(never)]
pub(crate) fn read_v6(frame: &Frame<'_>) -> Option<PlainV6> {
    let (packet, ip, kind) = packet(frame)?;
    let h: &[u8; V6] = packet.first_chunk()?;
    let payload_len = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if kind != [0x86, 0xdd] || h[0] >> 4 != 6 || h[6] != 6 || payload_len == 0 {
        return None;
    }
    let (src, dst) = ends_v6(h)?;
    let tcp: &[u8; 20] = h.last_chunk()?;
    let total_len = 40 + payload_len;
    let (head, payload_at) = finish(frame, packet, tcp, [ip, 40], total_len, h[7], Offer::read)?;
    Some(PlainV6 {
        head,
        src,
        dst,
        payload_at,
    })
}

/// Both ends of a plain IPv6 packet.
#[inline]
fn ends_v6(h: &[u8; V6]) -> Option<(Endpoint, Endpoint)> {
    let (fixed, tcp) = h.split_first_chunk::<40>()?;
    let [_, _, _, _, _, _, _, _, addresses @ ..] = fixed;
    let end = |addr: [u8; 16], at: usize| Endpoint {
        addr: Addr(addr),
        port: word(tcp, at),
    };
    Some((
        end(*addresses.first_chunk()?, 0),
        end(*addresses.last_chunk()?, 2),
    ))
}

/// What both versions share: the head, and where the payload begins in the frame. The packet begins at `ip` in
/// the frame, its TCP header at `tcp_at` in the packet.
#[inline(always)]
fn finish(
    frame: &Frame<'_>,
    packet: &[u8],
    tcp: &[u8; 20],
    [ip, tcp_at]: [usize; 2],
    total_len: usize,
    ttl: u8,
    offer: impl FnOnce(&[u8], usize) -> Offer,
) -> Option<(Head, u16)> {
    let header_len = usize::from(tcp[12] >> 4) * 4;
    if header_len < 20 || total_len < tcp_at + header_len {
        return None;
    }
    let options_len = header_len - 20;
    let options = packet.get(tcp_at + 20..).unwrap_or_default();
    let options = options.get(..options_len).unwrap_or(options);
    let head = Head {
        ts: frame.ts,
        seq: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        ack: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        payload_len: (total_len - tcp_at - header_len) as u32,
        window: u16::from_be_bytes([tcp[14], tcp[15]]),
        flags: TcpFlags(tcp[13]),
        ttl,
        options_len: options_len as u8,
        is_first_fragment: false,
        offer: offer(options, options_len),
    };
    Some((head, (ip + tcp_at + header_len) as u16))
}

/// Two bytes of the frame; 0 beyond its end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u16 {
    let pair = bytes.get(at..).and_then(|rest| rest.first_chunk());
    pair.map_or(0, |pair| u16::from_be_bytes(*pair))
}

/// What a plain frame carries; `head` and `payload_at` are those that were read from it.
#[inline]
pub(crate) fn content<'a>(bytes: &'a [u8], head: &Head, payload_at: u16) -> Content<'a> {
    let (payload, option_bytes) = parts(bytes, head, payload_at);
    let tcp_at = (usize::from(payload_at) - usize::from(head.options_len)).saturating_sub(20);
    Content {
        payload,
        option_bytes,
        ports: [word(bytes, tcp_at), word(bytes, tcp_at + 2)],
    }
}

/// Payload and options of a plain frame, of which no byte is looked at.
#[inline]
pub(crate) fn parts<'a>(bytes: &'a [u8], head: &Head, payload_at: u16) -> (&'a [u8], &'a [u8]) {
    let payload_at = usize::from(payload_at);
    let options_at = payload_at - usize::from(head.options_len);
    // Padding behind the packet is no payload.
    let payload = bytes.get(payload_at..).unwrap_or_default();
    let options = bytes.get(options_at..).unwrap_or_default();
    (
        payload.get(..head.payload_len as usize).unwrap_or(payload),
        options
            .get(..usize::from(head.options_len))
            .unwrap_or(options),
    )
}

/// What the headers of a plain frame of IPv4 say besides its ends and its head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeaderRest {
    pub(crate) ip_id: u16,
    /// Flags and offset.
    fragment: u16,
    pub(crate) checksum: u16,
    /// Of the VLAN tag; 0 without one.
    pub(crate) vlan: u16,
}

impl HeaderRest {
    pub(crate) fn dont_fragment(self) -> bool {
        self.fragment & DONT_FRAGMENT != 0
    }
}

/// Reads it; `None` only for a frame that `head` and `payload_at` were not read from.
#[inline]
pub(crate) fn rest_of_v4(bytes: &[u8], head: &Head, payload_at: u16) -> Option<HeaderRest> {
    let tcp_at = usize::from(payload_at).checked_sub(usize::from(head.options_len) + 20)?;
    let ip = tcp_at.checked_sub(20)?;
    let h: &[u8; V4] = bytes.get(ip..)?.first_chunk()?;
    Some(HeaderRest {
        ip_id: u16::from_be_bytes([h[4], h[5]]),
        fragment: u16::from_be_bytes([h[6], h[7]]),
        checksum: u16::from_be_bytes([h[36], h[37]]),
        vlan: if ip == IP + TAG {
            word(bytes, IP) & 0x0fff
        } else {
            0
        },
    })
}

/// The segment of a plain frame; `None` sends the frame to the walk.
#[inline]
pub(super) fn segment<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    let plain = read(frame)?;
    segment_at(frame, &plain.head, plain.payload_at)
}

/// The segment of a plain frame whose head and start of the payload were read before.
/// `None` only for a frame that they were not read from. Its time is that of `frame`.
#[inline]
pub(crate) fn segment_at<'a>(
    frame: &Frame<'a>,
    head: &Head,
    payload_at: u16,
) -> Option<Segment<'a>> {
    let bytes = frame.bytes;
    let Content {
        payload,
        option_bytes,
        ..
    } = content(bytes, head, payload_at);
    let tcp_at = usize::from(payload_at).checked_sub(usize::from(head.options_len) + 20)?;
    let is_tagged = bytes.get(12..14) == Some(&[0x81, 0]);
    let ip = if is_tagged { IP + TAG } else { IP };
    let headers = bytes.get(ip..)?;
    // Each way makes its own: where they met, addresses were carried byte by byte (60 instructions).
    let made = |src, dst, ip_id, fragment: u16| Segment {
        head: Head {
            ts: frame.ts,
            ..*head
        },
        tap: frame.tap,
        src,
        dst,
        checksum: word(bytes, tcp_at + 16),
        payload,
        option_bytes,
        ip_id,
        dont_fragment: fragment & DONT_FRAGMENT != 0,
        vlan: [
            if is_tagged {
                word(bytes, IP) & 0x0fff
            } else {
                0
            },
            0,
        ],
        tunnel: 0,
        gist: None,
    };
    if tcp_at == ip + 20 {
        let h: &[u8; V4] = headers.first_chunk()?;
        let end = |addr: [u8; 4], port: [u8; 2]| Endpoint {
            addr: Addr::v4(addr),
            port: u16::from_be_bytes(port),
        };
        return Some(made(
            end([h[12], h[13], h[14], h[15]], [h[20], h[21]]),
            end([h[16], h[17], h[18], h[19]], [h[22], h[23]]),
            Some(u16::from_be_bytes([h[4], h[5]])),
            u16::from_be_bytes([h[6], h[7]]),
        ));
    }
    let (src, dst) = ends_v6(headers.first_chunk()?)?;
    Some(made(src, dst, None, 0))
}

#[cfg(test)]
mod tests {
    use super::super::{decode, walk_frame};
    use crate::frame::{Frame, LinkType};
    use crate::time::Timestamp;
    use proptest::prelude::*;

    /// A plain frame with 20 bytes of payload and 6 of padding.
    fn plain_frame(is_tagged: bool, is_ipv6: bool) -> Vec<u8> {
        let mut f = vec![2; 12];
        if is_tagged {
            f.extend([0x81, 0, 0x20, 0x64]);
        }
        if is_ipv6 {
            f.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 52, 6, 64]);
            f.extend([0x20; 16]);
            f.extend([0x30; 16]);
        } else {
            f.extend([0x08, 0, 0x45, 0, 0, 72, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0]);
            f.extend([10, 0, 0, 1, 198, 51, 100, 9]);
        }
        f.extend([0x9c, 0x40, 0x27, 0x10]);
        f.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        f.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        f.extend([7; 20]);
        f.extend([0; 6]);
        f
    }

    #[test]
    fn a_plain_frame_is_plain() {
        for (is_tagged, is_ipv6) in [(false, false), (true, false), (false, true), (true, true)] {
            let bytes = plain_frame(is_tagged, is_ipv6);
            let frame = Frame {
                ts: Timestamp(1),
                link: LinkType(1),
                tap: 0,
                original_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let got =
                super::segment(&frame).map(|s| (s.payload_len, s.payload.len(), s.options_len));
            assert_eq!(got, Some((20, 20, 12)), "{is_tagged} {is_ipv6}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        /// Whatever is done to a frame, the shortcut says what the walk says.
        #[test]
        fn agrees_with_the_walk(
            is_tagged: bool,
            is_ipv6: bool,
            damage in prop::collection::vec((12usize..116, any::<u8>()), 0..4),
            cut in 0usize..117,
            original_len in 0u32..140,
        ) {
            let mut bytes = plain_frame(is_tagged, is_ipv6);
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut);
            let frame = Frame {
                ts: Timestamp(1),
                link: LinkType(1),
                tap: 0,
                original_len,
                bytes: &bytes,
            };
            if let (Some(plain), Ok(segment)) = (super::read(&frame), walk_frame(&frame)) {
                let content = super::content(&bytes, &plain.head, plain.payload_at);
                prop_assert_eq!(format!("{content:?}"), format!("{:?}", segment.content()));
            }
            if !bytes.is_empty() {
                prop_assert_eq!(format!("{:?}", decode(&frame)), format!("{:?}", walk_frame(&frame)));
            }
        }
    }
}
