//! Community ID version 1, the flow hash that joins our events to those of Zeek and Suricata.
//!
//! Specification: <https://github.com/corelight/community-id-spec> (seed 0, SHA-1, base64). SHA-1 is
//! what the specification names; nothing here is secret.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ctcpmon_core::segment::Endpoint;
use sha1::{Digest, Sha1};

/// Protocol and padding.
const TCP: [u8; 2] = [6, 0];
const SEED: [u8; 2] = [0, 0];
/// Two IPv6 addresses and what stands between them.
const LONGEST: usize = 40;

/// Community ID of a TCP flow, the same for both directions. `None` when the two addresses are of
/// different versions.
pub fn community_id(a: Endpoint, b: Endpoint) -> Option<String> {
    let (low, high) = match (a.addr.to_ip(), b.addr.to_ip()) {
        (IpAddr::V4(x), IpAddr::V4(y)) => (x.octets().to_vec(), y.octets().to_vec()),
        (IpAddr::V6(x), IpAddr::V6(y)) => (x.octets().to_vec(), y.octets().to_vec()),
        _ => return None,
    };
    let mut ends = [(low, a.port), (high, b.port)];
    ends.sort();
    let mut text = Vec::with_capacity(LONGEST);
    text.extend(SEED);
    for (address, _) in &ends {
        text.extend(address);
    }
    text.extend(TCP);
    for (_, port) in &ends {
        text.extend(port.to_be_bytes());
    }
    Some(format!("1:{}", STANDARD.encode(Sha1::digest(&text))))
}
