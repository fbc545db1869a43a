//! The last packets of one side, for telling a mirror's second copy from a packet that
//! was sent again.
//!
//! Digests are cut to 32 bits. A segment with new bytes is no copy of anything, whatever
//! its digest, so chance (2^-32) can only touch a segment without new bytes.

use crate::segment::{Segment, TcpFlags};
use crate::time::NANOS_PER_MILLI;

/// A copy with equal IP identification within this time is the same packet seen
/// twice by a mirror, not a retransmission: kernels retransmit after at least
/// 200 ms (RFC 6298 minimum as deployed) and with a new identification.
const SPAN_COPY_NS: i64 = 150 * NANOS_PER_MILLI;
/// The same without an identification to compare (0 with DF, or IPv6).
const SPAN_COPY_NO_ID_NS: i64 = 5 * NANOS_PER_MILLI;
/// Segments remembered for the copy test; a mirror's copies come close behind.
const REMEMBERED: usize = 12;

/// Age of a packet that no copy can follow any more.
const OLD: i32 = i32::MAX;

/// What makes two captures of one packet equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    digest: u32,
    ip_id: u16,
    ttl: u8,
}

/// FNV-1a over the fields that make two captures of one packet equal. Not keyed:
/// it decides about one packet of one flow, it places nothing in a table.
fn digest(segment: &Segment<'_>) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |v: u64| {
        h = (h ^ v).wrapping_mul(PRIME);
        h ^= h >> 29;
    };
    mix(u64::from(segment.seq) << 32 | u64::from(segment.ack));
    mix(u64::from(segment.payload_len) << 32
        | u64::from(segment.window) << 8
        | u64::from(segment.flags.0));
    let (words, tail) = segment.payload.as_chunks();
    for word in words.iter().take(6) {
        mix(u64::from_le_bytes(*word));
    }
    if words.len() < 6 && !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        mix(u64::from_le_bytes(word));
    }
    h
}

impl Fingerprint {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        let h = digest(segment);
        Self {
            // 0 marks a free place.
            digest: ((h ^ h >> 32) as u32).max(1),
            ip_id: segment.ip_id.unwrap_or(0),
            ttl: segment.ttl,
        }
    }
}

/// True when `segment`, which begins beyond the highest byte seen if `is_ahead`, cannot have
/// been seen before: it has bytes, and they would have been placed. Those of a RST are not.
#[inline]
pub(super) fn brings_new_bytes(segment: &Segment<'_>, is_ahead: bool) -> bool {
    is_ahead && segment.seg_len() > 0 && !segment.flags.any(TcpFlags::RST)
}

/// The last packets of one side.
#[derive(Clone, Debug)]
pub(super) struct Copies {
    digests: [u32; REMEMBERED],
    /// Time from each packet to the newest, ns; [`OLD`] when that is past any copy. Once
    /// old, always old: a clock that is set back brings no packet back.
    ages: [i32; REMEMBERED],
    ip_ids: [u16; REMEMBERED],
    ttls: [u8; REMEMBERED],
    next: u8,
}

impl Copies {
    pub(super) fn new() -> Self {
        Self {
            digests: [0; REMEMBERED],
            ages: [OLD; REMEMBERED],
            ip_ids: [0; REMEMBERED],
            ttls: [0; REMEMBERED],
            next: 0,
        }
    }

    /// TTL of the packet that `packet` is a copy of, if it is one; `newer_ns` is its time
    /// after the newest packet remembered.
    pub(super) fn original_of(&self, packet: Fingerprint, newer_ns: i64) -> Option<u8> {
        // Nearly always so, and tested for all at once.
        if !self.digests.contains(&packet.digest) {
            return None;
        }
        let within = if packet.ip_id == 0 {
            SPAN_COPY_NO_ID_NS
        } else {
            SPAN_COPY_NS
        };
        (0..REMEMBERED)
            .find(|i| {
                self.digests[*i] == packet.digest
                    && self.ip_ids[*i] == packet.ip_id
                    && self.ages[*i] != OLD
                    && i64::from(self.ages[*i])
                        .saturating_add(newer_ns)
                        .unsigned_abs()
                        <= within.unsigned_abs()
            })
            .map(|i| self.ttls[i])
    }

    /// Remembers `packet`, which came `newer_ns` after the newest one.
    pub(super) fn remember(&mut self, packet: Fingerprint, newer_ns: i64) {
        if let Ok(step) = i32::try_from(newer_ns) {
            for age in &mut self.ages {
                let sum = age.saturating_add(step);
                *age = if *age == OLD { OLD } else { sum };
            }
        } else {
            self.ages = [OLD; REMEMBERED];
        }
        let at = usize::from(self.next) % REMEMBERED;
        self.digests[at] = packet.digest;
        self.ages[at] = 0;
        self.ip_ids[at] = packet.ip_id;
        self.ttls[at] = packet.ttl;
        self.next = (self.next + 1) % REMEMBERED as u8;
    }

    /// How many of the remembered packets have the bytes of `packet`.
    pub(super) fn same_bytes(&self, packet: Fingerprint) -> usize {
        self.digests
            .iter()
            .filter(|digest| **digest == packet.digest)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = NANOS_PER_MILLI;

    fn packet(digest: u32, ip_id: u16) -> Fingerprint {
        Fingerprint {
            digest,
            ip_id,
            ttl: 64,
        }
    }

    #[test]
    fn a_copy_comes_close_behind() {
        let mut copies = Copies::new();
        copies.remember(packet(1, 7), 0);
        copies.remember(packet(2, 8), 100 * MS);
        assert_eq!(copies.original_of(packet(1, 7), 50 * MS), Some(64));
        assert_eq!(copies.original_of(packet(1, 7), 50 * MS + 1), None);
        assert_eq!(copies.original_of(packet(1, 9), 0), None, "sent again");
        assert_eq!(copies.original_of(packet(2, 8), -150 * MS), Some(64));
        assert_eq!(copies.same_bytes(packet(1, 9)), 1);
    }

    #[test]
    fn without_an_identification_it_comes_closer() {
        let mut copies = Copies::new();
        copies.remember(packet(1, 0), 0);
        assert_eq!(copies.original_of(packet(1, 0), 5 * MS), Some(64));
        assert_eq!(copies.original_of(packet(1, 0), 5 * MS + 1), None);
    }

    #[test]
    fn what_is_old_stays_old() {
        let mut copies = Copies::new();
        copies.remember(packet(1, 7), 0);
        for _ in 0..3 {
            copies.remember(packet(2, 8), 1_000 * MS);
        }
        copies.remember(packet(3, 9), -3_000 * MS);
        assert_eq!(copies.original_of(packet(1, 7), 0), None);
        for far in [i64::MAX, i64::MIN, 4_294_967_296] {
            copies.remember(packet(4, 9), far);
            assert_eq!(copies.original_of(packet(3, 9), far), None);
        }
    }

    #[test]
    fn twelve_are_remembered() {
        let mut copies = Copies::new();
        for n in 1..=13 {
            copies.remember(packet(n, 1), MS);
        }
        assert_eq!(copies.original_of(packet(1, 1), 0), None);
        assert_eq!(copies.original_of(packet(2, 1), 0), Some(64));
    }
}
