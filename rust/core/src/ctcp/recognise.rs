//! Recognition of one TCP payload: cTCP by its trailer or its head, and the
//! neighbours that share its ports. Stateless; what needs several segments is
//! judged by [`super::super::flow::Candidate`].
//!
//! Layout (Wireshark packet-ipsec-tcp.c, ike-scan `--tcp=2`): one IKE or ESP packet
//! and a 16-byte trailer `00 00 00 00 | id | flags | 21 45 6c 69 10 | proto | 01 00`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::ike::IsakmpHeader;

/// Length of the trailer in bytes.
pub const TRAILER_LEN: usize = 16;
/// Bytes 8..13 of the trailer as ike-scan and QuickSec write them.
const MAGIC: [u8; 5] = [0x21, 0x45, 0x6c, 0x69, 0x10];
/// UDP source and destination port 500 at the head of an IKE packet.
pub(super) const UDP_500: [u8; 4] = [0x01, 0xf4, 0x01, 0xf4];
/// Numbers up to this name no SA on the wire (RFC 4303 section 2.1).
pub(super) const LEAST_SPI: u32 = 255;
/// Default cTCP port, also NDMP's and Webmin's.
pub const CTCP_PORT: u16 = 10_000;

/// How sure a recognition is; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// By how the flow behaves, without a byte that names the protocol.
    Behaviour,
    /// By the head of the payload; the trailer was cut off.
    Head,
    /// By Wireshark's loose rule: the magic constant differs.
    Loose,
    /// By the trailer constant: chance is below 2^-90.
    Exact,
}

impl Certainty {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Behaviour => "behaviour",
            Self::Head => "head",
            Self::Loose => "loose",
            Self::Exact => "exact",
        }
    }
}

/// The tunnel packet in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelPacket {
    /// IKE with its header, when enough of it was captured.
    Ike(Option<IsakmpHeader>),
    /// ESP.
    Esp {
        /// Security parameter index.
        spi: u32,
        /// Sequence number.
        seq: u32,
    },
    /// AH inside cTCP: accepted by one implementation, never seen.
    Ah,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// cTCP, and how sure.
    Ctcp(TunnelPacket, Certainty),
    /// Trailer cut off and the first eight bytes could be an ESP header: several
    /// in a row with rising numbers are needed.
    EspHead {
        /// First four bytes.
        spi: u32,
        /// Next four bytes.
        seq: u32,
    },
    /// The loose rule holds for ESP: several with one magic are needed.
    LooseEsp {
        /// First four bytes.
        spi: u32,
        /// Next four bytes.
        seq: u32,
        /// Trailer bytes 8..12.
        magic: u32,
    },
    /// `IKETCP` prefix of RFC 9329 section 3.
    IkeTcp,
    /// An ISAKMP message directly in the stream (Check Point, ike-scan `--tcp=1`).
    PlainIke(IsakmpHeader),
    /// NDMP record header.
    Ndmp,
    /// TLS record.
    Tls,
    /// HTTP request or answer.
    Http,
    /// WireGuard transport data: receiver index and counter.
    WireGuard {
        /// Receiver index.
        receiver: u32,
        /// Packet counter, low half.
        counter: u32,
    },
    /// None of the above.
    Other,
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    b.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    b.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// The trailer of an ESP packet but for the zeros, the id and four flags before it.
const ESP_TRAILER: u64 = 0x2145_6c69_1032_0100;

/// SPI and sequence number of an ESP packet with its whole trailer, as nearly all packets of cTCP are: what
/// [`classify`] calls [`Payload::Ctcp`] and [`Certainty::Exact`], told in a few steps. `None` says nothing.
#[inline]
pub fn exact_esp(payload: &[u8], wire_len: u32) -> Option<(u32, u32)> {
    if payload.len() != wire_len as usize || payload.len() <= TRAILER_LEN + 8 {
        return None;
    }
    let [before, trailer] = payload.last_chunk::<TRAILER_LEN>()?.as_chunks().0 else {
        return None;
    };
    let before = u64::from_be_bytes(*before);
    let spi_and_seq = u64::from_be_bytes(*payload.first_chunk()?);
    let spi = (spi_and_seq >> 32) as u32;
    let is_exact = before & 0xffff_ffff_0000_0fff == 0
        && u64::from_be_bytes(*trailer) == ESP_TRAILER
        && spi > LEAST_SPI;
    is_exact.then_some((spi, spi_and_seq as u32))
}

/// Classifies `payload`, of which `wire_len` bytes were on the wire; `on_ndmp_port`
/// is true when either port is 10000.
pub fn classify(payload: &[u8], wire_len: u32, on_ndmp_port: bool) -> Payload {
    let wire = wire_len as usize;
    if let Some(found) = by_trailer(payload, wire, on_ndmp_port) {
        return found;
    }
    if payload.starts_with(b"IKETCP") {
        return Payload::IkeTcp;
    }
    if let Some(header) = IsakmpHeader::parse(payload)
        && header.length == wire_len
    {
        return Payload::PlainIke(header);
    }
    if payload.len() < wire
        && let Some(found) = by_head(payload, wire)
    {
        return found;
    }
    if on_ndmp_port && is_ndmp(payload) {
        return Payload::Ndmp;
    }
    if matches!(payload, [0x14..=0x17, 3, 0..=4, ..]) {
        return Payload::Tls;
    }
    if is_http(payload) {
        return Payload::Http;
    }
    if let [4, 0, 0, 0, r0, r1, r2, r3, c0, c1, c2, c3, 0, 0, 0, 0, ..] = *payload
        && wire >= 32
    {
        return Payload::WireGuard {
            receiver: u32::from_le_bytes([r0, r1, r2, r3]),
            counter: u32::from_le_bytes([c0, c1, c2, c3]),
        };
    }
    if payload.len() < wire
        && let (Some(spi), Some(seq)) = (u32_at(payload, 0), u32_at(payload, 4))
        && spi > LEAST_SPI
        && !is_length(spi, wire)
    {
        return Payload::EspHead { spi, seq };
    }
    Payload::Other
}

/// Begins as a request or an answer of HTTP.
pub(super) fn is_http(payload: &[u8]) -> bool {
    [
        b"GET ".as_slice(),
        b"POST",
        b"HEAD",
        b"HTTP",
        b"PUT ",
        b"CONN",
        b"OPTI",
    ]
    .iter()
    .any(|m| payload.starts_with(m))
}

/// The trailer rules. The last two bytes may be cut off (Wireshark allows three,
/// which loses the protocol byte).
fn by_trailer(payload: &[u8], wire: usize, on_ndmp_port: bool) -> Option<Payload> {
    if wire <= TRAILER_LEN + 8 || payload.len() + 2 < wire {
        return None;
    }
    let trailer = payload.get(wire - TRAILER_LEN..)?;
    let zeros = trailer.get(..4)? == [0; 4];
    let low_flags = u16_at(trailer, 6)? & 0x0fff;
    let protocol = *trailer.get(13)?;
    if !zeros || low_flags != 0 {
        return None;
    }
    let packet = match protocol {
        0x11 if payload.starts_with(&UDP_500) || length_fits(payload, wire) => {
            let header = payload.get(8..).and_then(IsakmpHeader::parse);
            TunnelPacket::Ike(Some(header?))
        }
        0x32 => {
            let (spi, seq) = (u32_at(payload, 0)?, u32_at(payload, 4)?);
            if spi <= LEAST_SPI {
                return None;
            }
            TunnelPacket::Esp { spi, seq }
        }
        0x33 => TunnelPacket::Ah,
        _ => return None,
    };
    let exact =
        trailer.get(8..13)? == MAGIC && trailer.get(14..).is_some_and(|t| [1, 0].starts_with(t));
    if exact {
        return Some(Payload::Ctcp(packet, Certainty::Exact));
    }
    if on_ndmp_port && is_ndmp(payload) {
        return None;
    }
    match packet {
        TunnelPacket::Ike(_) => Some(Payload::Ctcp(packet, Certainty::Loose)),
        TunnelPacket::Esp { spi, seq } => Some(Payload::LooseEsp {
            spi,
            seq,
            magic: u32_at(trailer, 8)?,
        }),
        TunnelPacket::Ah => None,
    }
}

/// IKE by its head when the trailer was cut: the UDP length must agree with the
/// segment, give or take the 16 zero bytes that Cisco's own packets carry inside it.
fn by_head(payload: &[u8], wire: usize) -> Option<Payload> {
    let fits = length_fits(payload, wire);
    if !payload.starts_with(&UDP_500) {
        // ike-scan writes its own ports: the length and a whole ISAKMP header must do.
        let header = fits
            .then(|| payload.get(8..).and_then(IsakmpHeader::parse))
            .flatten()?;
        return Some(Payload::Ctcp(
            TunnelPacket::Ike(Some(header)),
            Certainty::Head,
        ));
    }
    match payload
        .get(8..)
        .filter(|rest| rest.len() >= super::ike::HEADER_LEN)
    {
        Some(rest) => {
            let header = IsakmpHeader::parse(rest)?;
            (header.version == 0x10 && header.length as usize + 8 + TRAILER_LEN <= wire).then_some(
                Payload::Ctcp(TunnelPacket::Ike(Some(header)), Certainty::Head),
            )
        }
        None => fits.then_some(Payload::Ctcp(TunnelPacket::Ike(None), Certainty::Head)),
    }
}

/// There is a UDP length in the head, and it agrees.
fn length_fits(payload: &[u8], wire: usize) -> bool {
    u16_at(payload, 4).is_some_and(|told| udp_length_fits(told, wire))
}

/// The UDP length `told` agrees with the segment.
pub(super) fn udp_length_fits(told: u16, wire: usize) -> bool {
    let behind = usize::from(told) + TRAILER_LEN;
    behind == wire || behind + 16 == wire
}

/// The first word says how long the segment is: a record mark (RFC 5531 section 11, so NDMP
/// too) or another length in front of a counter. An SPI does so once in 2^30.
pub(super) fn is_length(word: u32, wire: usize) -> bool {
    let told = (word & 0x7fff_ffff) as usize;
    told == wire || told + 4 == wire
}

/// Wireshark's test for an NDMP record (packet-ndmp.c), as far as bytes are there.
fn is_ndmp(payload: &[u8]) -> bool {
    let Some(mark) = u32_at(payload, 0) else {
        return false;
    };
    let within = |at: usize, low: u32, high: u32| {
        u32_at(payload, at).is_none_or(|v| (low..=high).contains(&v))
    };
    (24..=1_000_000).contains(&(mark & 0x7fff_ffff))
        && payload.len() >= 16
        && within(8, 0x12ce_ec50, 0x70dc_1ed0)
        && within(12, 0, 1)
        && within(16, 1, 0x0a09)
        && within(24, 0, 0x17)
}

/// Length of the constant, the protocol and the two bytes behind it.
const TAIL: usize = 8;

/// Finds the constant. Made once: making it takes as long as looking through a segment of full size.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&MAGIC));

/// End of the first trailer in `bytes`.
fn end_of_trailer(bytes: &[u8]) -> Option<usize> {
    FINDER
        .find_iter(bytes)
        .map(|at| at + TAIL)
        .find(|end| bytes.get(end - 2..*end) == Some(&[1, 0]))
}

/// Splits a payload behind every trailer constant: the tunnel packets that an offload
/// or a proxy merged into one segment. What follows the last trailer comes last.
pub fn packets_in(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = end_of_trailer(rest).unwrap_or(rest.len());
        let (packet, behind) = rest.split_at(end);
        rest = behind;
        Some(packet)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is told in a few steps is what a whole look tells, whatever byte is another.
        #[test]
        fn exact_esp_is_exact_and_esp(
            spi in prop_oneof![0_u32..512, any::<u32>()],
            seq in any::<u32>(),
            id in any::<[u8; 4]>(),
            len in 0_usize..=64,
            change in (any::<prop::sample::Index>(), prop_oneof![Just(0_u8), any::<u8>()]),
            (cut, more) in (0_usize..4, 0_u32..4),
        ) {
            let mut p = esp(spi, seq, MAGIC);
            p.drain(8..8 + len);
            let at = p.len() - 12;
            p[at..at + 4].copy_from_slice(&id);
            p[at + 2] &= 0xf0;
            p[at + 3] = 0;
            let at = change.0.index(p.len());
            p[at] ^= change.1;
            p.truncate(p.len() - cut);
            let wire = p.len() as u32 + more;
            let is_whole = p.len() as u32 == wire;
            for on_port in [false, true] {
                match classify(&p, wire, on_port) {
                    Payload::Ctcp(TunnelPacket::Esp { spi, seq }, Certainty::Exact) if is_whole && cut == 0 => {
                        prop_assert_eq!(exact_esp(&p, wire), Some((spi, seq)));
                    }
                    _ => prop_assert!(exact_esp(&p, wire).is_none()),
                }
            }
        }
    }

    fn esp(spi: u32, seq: u32, magic: [u8; 5]) -> Vec<u8> {
        let mut p = spi.to_be_bytes().to_vec();
        p.extend(seq.to_be_bytes());
        p.extend([0xa5; 64]);
        p.extend([0; 8]);
        p.extend(magic);
        p.extend([0x32, 1, 0]);
        p
    }

    #[test]
    fn the_constant_makes_it_certain_on_any_port() {
        let p = esp(0x1234, 7, MAGIC);
        let want = Payload::Ctcp(
            TunnelPacket::Esp {
                spi: 0x1234,
                seq: 7,
            },
            Certainty::Exact,
        );
        assert_eq!(classify(&p, p.len() as u32, false), want);
        assert_eq!(classify(&p, p.len() as u32, true), want);
    }

    #[test]
    fn another_magic_is_only_a_candidate() {
        let p = esp(0x1234, 7, [1, 2, 3, 4, 5]);
        assert!(matches!(
            classify(&p, p.len() as u32, false),
            Payload::LooseEsp { .. }
        ));
    }

    #[test]
    fn a_prefix_is_never_exact() {
        let p = esp(0x1234, 7, MAGIC);
        for cut in 0..p.len() - 2 {
            let got = classify(&p[..cut], p.len() as u32, true);
            assert!(
                !matches!(got, Payload::Ctcp(_, Certainty::Exact)),
                "cut {cut}: {got:?}"
            );
        }
    }

    #[test]
    fn merged_packets_come_apart() {
        let (a, b) = (esp(0x1234, 7, MAGIC), esp(0x1234, 8, MAGIC));
        let both: Vec<u8> = [a.as_slice(), &b].concat();
        assert_eq!(packets_in(&both).collect::<Vec<_>>(), [a.as_slice(), &b]);
        assert_eq!(packets_in(&both[..both.len() - 1]).count(), 2);
    }

    #[test]
    fn ndmp_and_tls_are_named() {
        let mut p = vec![
            0x80, 0, 0, 24, 0, 0, 0, 1, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1,
        ];
        p.extend([0; 8]);
        assert_eq!(classify(&p, p.len() as u32, true), Payload::Ndmp);
        assert_eq!(classify(&[0x16, 3, 1, 0, 5], 5, true), Payload::Tls);
    }

    #[test]
    fn a_record_mark_cut_short_is_no_esp_head() {
        // An NDMP poll of 32 bytes, numbered, of which 10 were captured; and ESP cut likewise.
        let record = [0x80, 0, 0, 28, 0, 0, 0, 9, 0x60, 0];
        assert_eq!(classify(&record, 32, true), Payload::Other);
        let (spi, seq) = (0x8000_001c, 9);
        assert_eq!(classify(&record, 112, true), Payload::EspHead { spi, seq });
    }

    #[test]
    fn ike_needs_a_plausible_header_behind_the_ports() {
        let mut p = UDP_500.to_vec();
        p.extend([0xff; 60]);
        p.extend([0; 8]);
        p.extend(MAGIC);
        p.extend([0x11, 1, 0]);
        assert!(!matches!(
            classify(&p, p.len() as u32, true),
            Payload::Ctcp(..)
        ));
    }
}
