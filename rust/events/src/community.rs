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
/// What it begins with.
const VERSION: &str = "1:";
/// Its letters: the version, and the 20 bytes of a digest in base64.
const LETTERS: usize = VERSION.len() + 28;

/// Community ID of a TCP flow, the same for both directions. `None` when the two addresses are of
/// different versions.
pub fn community_id(a: Endpoint, b: Endpoint) -> Option<String> {
    match (a.addr.to_ip(), b.addr.to_ip()) {
        (IpAddr::V4(x), IpAddr::V4(y)) => Some(of([(&x.octets(), a.port), (&y.octets(), b.port)])),
        (IpAddr::V6(x), IpAddr::V6(y)) => Some(of([(&x.octets(), a.port), (&y.octets(), b.port)])),
        _ => None,
    }
}

/// Of two ends: address and port.
fn of(mut ends: [(&[u8], u16); 2]) -> String {
    ends.sort_unstable();
    let [(low, low_port), (high, high_port)] = ends;
    let digest = Sha1::new()
        .chain_update(SEED)
        .chain_update(low)
        .chain_update(high)
        .chain_update(TCP)
        .chain_update(low_port.to_be_bytes())
        .chain_update(high_port.to_be_bytes())
        .finalize();
    let mut id = String::with_capacity(LETTERS);
    id.push_str(VERSION);
    STANDARD.encode_string(digest, &mut id);
    id
}
