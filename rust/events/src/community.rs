//! Community ID version 1, the flow hash that joins our events to those of Zeek and Suricata.
//!
//! Specification: <https://github.com/corelight/community-id-spec> (seed 0, SHA-1, base64). SHA-1 is
//! what the specification names; nothing here is secret.

use std::net::IpAddr;

use ctcpmon_core::segment::Endpoint;

/// Protocol and padding.
const TCP: [u8; 2] = [6, 0];
const SEED: [u8; 2] = [0, 0];
const BLOCK: usize = 64;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
    let mut text = Vec::with_capacity(BLOCK);
    text.extend(SEED);
    for (address, _) in &ends {
        text.extend(address);
    }
    text.extend(TCP);
    for (_, port) in &ends {
        text.extend(port.to_be_bytes());
    }
    Some(format!("1:{}", base64(&sha1_of_one_block(&text))))
}

/// SHA-1 (FIPS 180-4) of at most 55 bytes, which fit one block with their length. The ends of a
/// flow take 16 or 40.
// The names are those of the standard.
#[allow(clippy::many_single_char_names)]
fn sha1_of_one_block(text: &[u8]) -> [u8; 20] {
    let mut block = [0; BLOCK];
    block[..text.len()].copy_from_slice(text);
    block[text.len()] = 0x80;
    block[BLOCK - 8..].copy_from_slice(&(8 * text.len() as u64).to_be_bytes());

    let mut schedule = [0_u32; 80];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |w, b| w << 8 | u32::from(*b));
    }
    for t in 16..80 {
        schedule[t] = (schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16])
            .rotate_left(1);
    }
    let start = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0_u32,
    ];
    let [mut a, mut b, mut c, mut d, mut e] = start;
    for (t, word) in schedule.iter().enumerate() {
        let (f, k) = match t / 20 {
            0 => (b & c | !b & d, 0x5a82_7999_u32),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(*word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    let mut digest = [0; 20];
    for ((place, from), to) in digest.chunks_exact_mut(4).zip(start).zip([a, b, c, d, e]) {
        place.copy_from_slice(&from.wrapping_add(to).to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |w, i| {
            w << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            let six = bits >> (18 - 6 * i) & 63;
            text.push(if i <= three.len() {
                char::from(BASE64[six as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        for (text, digest) in [
            (&b"abc"[..], "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
            (b"", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
            (&[b'a'; 55], "wci73CJ5bijA4VFj0giZtlYh1lo="),
        ] {
            assert_eq!(base64(&sha1_of_one_block(text)), digest);
        }
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
