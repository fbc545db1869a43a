//! What a session means in outputs: names, and numbers that are put together from several meters.
//! Read by the lines of this crate and by the rows that Python gets.

use std::net::{IpAddr, Ipv6Addr};

use ctcpmon_core::detect::{DETECTORS, LossSide, Side};
use ctcpmon_core::flow::candidate::Recognised;
use ctcpmon_core::session::Session;
use ctcpmon_core::tcp::half_stream::HalfStream;
use ctcpmon_core::time::{NANOS_PER_MILLI, Timestamp};

/// Fewer packets of one side make no rhythm.
const RHYTHM_PACKETS: u32 = 10;

/// Least digits of the id of a session.
pub(crate) const SESSION_DIGITS: u32 = 12;
/// Digits of a cookie of IKE.
pub(crate) const COOKIE_DIGITS: u32 = 16;

/// The id of a session.
pub fn session_id(id: u64) -> String {
    format!("{id:0digits$x}", digits = SESSION_DIGITS as usize)
}

/// Name of the protocol.
pub fn protocol(session: &Session) -> &'static str {
    session.kind.name()
}

/// Name of the product, when the behaviour tells.
pub fn product(session: &Session) -> Option<&'static str> {
    match session.kind {
        Recognised::FakeTcp(product) => Some(product.name()),
        _ => None,
    }
}

/// Network of the client, as the sessions of one incident share it: the /24 of IPv4, the /64 of IPv6 (guess: what
/// one site has).
pub fn client_net(session: &Session) -> String {
    network_of(session.client().addr.to_ip())
}

fn network_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let net = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("{net}/64")
        }
    }
}

/// Two decimals are all a confidence means; the rounding also keeps `f32` noise out of the output.
pub fn confidence(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

/// The first stall of a session.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// When.
    pub at: Timestamp,
    /// Detector id.
    pub signature: &'static str,
    /// Whose data no longer got through.
    pub stopped_side: Option<&'static str>,
    /// Where the loss was.
    pub loss_side: Option<&'static str>,
    /// 0 to 1.
    pub confidence: f64,
}

/// The first stall, if there was one.
pub fn stall(session: &Session) -> Option<Stall> {
    session.detectors().stall.map(|stall| Stall {
        at: stall.at,
        signature: DETECTORS[usize::from(stall.detector)].id,
        stopped_side: stall.stopped.map(Side::name),
        loss_side: stall.loss.map(LossSide::name),
        confidence: confidence(stall.confidence),
    })
}

/// A cookie as sixteen hexadecimal digits; 0 is none.
pub fn cookie(cookie: u64) -> Option<String> {
    (cookie != 0).then(|| format!("{cookie:0digits$x}", digits = COOKIE_DIGITS as usize))
}

/// IKE messages of both sides.
pub fn ike_messages(session: &Session) -> u32 {
    (0..2).map(|dir| session.ike().messages(dir)).sum()
}

/// Beat of a side that sends nothing else, ms.
pub fn keepalive_ms(session: &Session) -> Option<u64> {
    session
        .half
        .iter()
        .map(HalfStream::spacing)
        .filter(|spacing| spacing.packets > RHYTHM_PACKETS && spacing.is_steady())
        .map(|spacing| millis(spacing.mean_gap_ns))
        .min()
}

/// Mean time between DPD requests, ms; that of the side which asks more often.
pub fn dpd_ms(session: &Session) -> Option<u64> {
    (0..2)
        .filter_map(|dir| session.ike().dpd(dir).every_ns())
        .map(millis)
        .min()
}

/// VPN group that the client named in clear; raw, not safe for a terminal.
pub fn vpn_group(session: &Session) -> Option<String> {
    let group = session.identity().group()?;
    Some(String::from_utf8_lossy(group).into_owned())
}

/// Observation points that saw the session.
pub fn taps(session: &Session) -> impl Iterator<Item = u16> {
    let taps = session.taps;
    (0..16).filter(move |bit| taps >> bit & 1 == 1)
}

fn millis(ns: i64) -> u64 {
    (ns / NANOS_PER_MILLI).max(0) as u64
}

/// What one side sent, as observed at the tap, and how the other side acknowledged it.
#[derive(Clone, Copy, Debug)]
// Each name is that of the row in Python, where it is explained.
#[allow(missing_docs)]
pub struct Direction {
    pub packets: u64,
    pub payload_bytes: u64,
    pub data_segments: u64,
    pub open_holes: u64,
    pub holes_total: u64,
    pub hole_bytes_total: u64,
    pub esp_received_pkts: u64,
    pub esp_missing_pkts: u64,
    pub esp_spi: Option<u32>,
    pub esp_seq: Option<u32>,
    pub retransmissions: u64,
    pub reordered: u64,
    pub network_duplicates: u64,
    pub span_duplicates: u64,
    pub dup_acks: u64,
    pub sack_segments: u64,
    pub zero_windows: u64,
    pub unacked_bytes: Option<u64>,
    pub window_bytes: Option<u64>,
    pub ack_frozen_since: Option<Timestamp>,
    pub ack_rtt_us: Option<u64>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub last_data: Option<Timestamp>,
    pub ttl_data: Option<u8>,
    pub ttl_pure_ack: Option<u8>,
    pub ttl_handshake: Option<u8>,
}

impl Direction {
    /// Direction `dir` of a session.
    pub fn of(session: &Session, dir: usize) -> Self {
        let half = &session.half[dir];
        let (received, missing) = session.esp(dir).totals();
        let (esp_spi, esp_seq) = session.esp(dir).current().unzip();
        let open_holes = half.holes().iter().filter(|x| x.is_counted && !x.is_gap);
        let ttl = |ttl: u8| (ttl != 0).then_some(ttl);
        Self {
            packets: half.packets(),
            payload_bytes: half.payload_bytes(),
            data_segments: half.data_segments(),
            open_holes: open_holes.count() as u64,
            holes_total: half.holes_total(),
            hole_bytes_total: half.hole_bytes_total(),
            esp_received_pkts: received,
            esp_missing_pkts: missing,
            esp_spi,
            esp_seq,
            retransmissions: half.retransmissions(),
            reordered: half.reordered(),
            network_duplicates: half.network_duplicates(),
            span_duplicates: half.span_duplicates(),
            dup_acks: half.dup_acks(),
            sack_segments: half.sack_segments(),
            zero_windows: half.zero_windows(),
            unacked_bytes: half.unacked_bytes(),
            window_bytes: half.window_bytes(session.half[1 - dir].window_scale()),
            ack_frozen_since: half
                .unacked_since()
                .filter(|_| half.segments_since_una() > 0),
            ack_rtt_us: (half.ack_rtt_ns() > 0).then_some((half.ack_rtt_ns() / 1000) as u64),
            first: half.first_ts(),
            last: half.last_ts(),
            last_data: half.last_data_ts(),
            ttl_data: ttl(half.ttl().data),
            ttl_pure_ack: ttl(half.ttl().pure_ack),
            ttl_handshake: ttl(half.ttl().handshake),
        }
    }

    /// ESP packets that were lost, of those that were sent.
    pub fn esp_loss_ratio(&self) -> Option<f64> {
        let sent = self.esp_received_pkts.saturating_add(self.esp_missing_pkts);
        (sent > 0).then(|| self.esp_missing_pkts as f64 / sent as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_a_client() {
        for (address, net) in [
            ("10.1.4.17", "10.1.4.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("2001:db8:1:2:3::9", "2001:db8:1:2::/64"),
            ("2001:0:0:2:3:4:5:6", "2001:0:0:2::/64"),
            ("::1", "::/64"),
            ("::ffff:10.1.4.17", "::/64"),
        ] {
            assert_eq!(network_of(address.parse().expect("one")), net);
        }
    }
}
