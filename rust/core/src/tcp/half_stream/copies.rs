//! The last packets of one side, for telling a mirror's second copy from a packet that
//! was sent again.
//!
//! Digests are cut to 40 bits. A segment with new bytes is no copy of anything, whatever
//! its digest, so chance (2^-40 a packet remembered) can only touch a segment without new
//! bytes; whether such a segment has the bytes of an older one is told by 24 of them.

use crate::segment::{Segment, TcpFlags};
use crate::time::{NANOS_PER_MILLI, Timestamp};

/// A copy with equal IP identification within this time is the same packet seen
/// twice by a mirror, not a retransmission: kernels retransmit after at least
/// 200 ms (RFC 6298 minimum as deployed) and with a new identification.
const SPAN_COPY_NS: i64 = 150 * NANOS_PER_MILLI;
/// The same without an identification to compare (0 with DF, or IPv6).
const SPAN_COPY_NO_ID_NS: i64 = 5 * NANOS_PER_MILLI;
/// Segments remembered for the copy test; a mirror's copies come close behind.
const REMEMBERED: usize = 12;

/// Unit of ages as a power of two in ns: 8 us, fine enough for limits that are guesses.
const AGE_SHIFT: u32 = 13;
/// Age of a packet that no copy can follow any more: more than a quarter of a second.
const OLD: i16 = i16::MAX;

/// What makes two captures of one packet equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    digest: u32,
    /// Never 0, which marks a free place.
    more: u8,
    ip_id: u16,
    /// TTL of a segment with payload: of others nobody asks.
    ttl: Option<u8>,
}

/// Time from `earlier` to `ts` in units of ages.
#[inline]
pub(super) fn units_between(earlier: Timestamp, ts: Timestamp) -> i64 {
    // Each is rounded by itself, so that the steps between many add up.
    (ts.0 >> AGE_SHIFT) - (earlier.0 >> AGE_SHIFT)
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
            digest: (h ^ h >> 32) as u32,
            more: ((h >> 32) as u8).max(1),
            ip_id: segment.ip_id.unwrap_or(0),
            ttl: (segment.payload_len > 0).then_some(segment.ttl),
        }
    }

    /// Digest with the identification in its upper half: equal for both captures of one
    /// packet, of no two others but by chance.
    fn word(self) -> u32 {
        self.digest ^ u32::from(self.ip_id) << 16
    }
}

/// True when `segment`, which begins beyond the highest byte seen if `is_ahead`, cannot have
/// been seen before: it has bytes, and they would have been placed. Those of a RST are not.
#[inline]
pub(super) fn brings_new_bytes(segment: &Segment<'_>, is_ahead: bool) -> bool {
    is_ahead && segment.seg_len() > 0 && !segment.flags.any(TcpFlags::RST)
}

/// TTLs of the packets remembered that have another than the usual one.
pub(super) type OddTtls = [u8; REMEMBERED];

/// The last packets of one side.
#[derive(Clone, Debug)]
pub(super) struct Copies {
    words: [u32; REMEMBERED],
    /// Time from each packet to the newest; [`OLD`] when that is past any copy. Once old,
    /// always old: a clock that is set back brings no packet back.
    ages: [i16; REMEMBERED],
    /// More of each digest.
    more: [u8; REMEMBERED],
    /// Whose TTL is not `ttl`, one bit each; above them the place of the next packet.
    odd: u16,
    /// TTL of the first packet with payload, and of nearly all; 0 before it.
    ttl: u8,
}

impl Copies {
    pub(super) fn new() -> Self {
        Self {
            words: [0; REMEMBERED],
            ages: [OLD; REMEMBERED],
            more: [0; REMEMBERED],
            odd: 0,
            ttl: 0,
        }
    }

    /// Which packet `packet` is a copy of, if it is one; `newer` is its time after the newest
    /// packet remembered, see [`units_between`].
    pub(super) fn original_of(&self, packet: Fingerprint, newer: i64) -> Option<usize> {
        let word = packet.word();
        // Nearly always so, and tested for all at once.
        if !self.words.contains(&word) {
            return None;
        }
        let within_ns = if packet.ip_id == 0 {
            SPAN_COPY_NO_ID_NS
        } else {
            SPAN_COPY_NS
        };
        let within = (within_ns >> AGE_SHIFT) as u64 + 1;
        (0..REMEMBERED).find(|i| {
            self.words[*i] == word
                && self.more[*i] == packet.more
                && self.ages[*i] != OLD
                && i64::from(self.ages[*i])
                    .saturating_add(newer)
                    .unsigned_abs()
                    <= within
        })
    }

    /// TTL of packet `i`, which had a payload.
    pub(super) fn ttl(&self, i: usize, odd: &OddTtls) -> u8 {
        if self.odd >> i & 1 == 1 {
            odd[i]
        } else {
            self.ttl
        }
    }

    /// Remembers `packet`, which came `newer` units after the newest one. Where its TTL is
    /// not the usual one, its place among the odd ones and the TTL are given back.
    pub(super) fn remember(&mut self, packet: Fingerprint, newer: i64) -> Option<(usize, u8)> {
        if let Ok(step) = i16::try_from(newer) {
            for age in &mut self.ages {
                let sum = age.saturating_add(step);
                *age = if *age == OLD { OLD } else { sum };
            }
        } else {
            self.ages = [OLD; REMEMBERED];
        }
        let at = usize::from(self.odd >> REMEMBERED) % REMEMBERED;
        self.words[at] = packet.word();
        self.ages[at] = 0;
        self.more[at] = packet.more;
        let next = (at + 1) % REMEMBERED;
        let odd = self.odd & ((1 << REMEMBERED) - 1) & !(1 << at);
        self.odd = odd | (next as u16) << REMEMBERED;
        let ttl = packet.ttl?;
        if self.ttl == 0 {
            self.ttl = ttl;
        }
        if ttl == self.ttl {
            return None;
        }
        self.odd |= 1 << at;
        Some((at, ttl))
    }

    /// Nothing remembered has a copy any more; the bytes are still known.
    pub(super) fn forget_ages(&mut self) {
        self.ages = [OLD; REMEMBERED];
    }

    /// How many of the remembered packets have the bytes of `packet`.
    pub(super) fn same_bytes(&self, packet: Fingerprint) -> usize {
        let low = packet.digest as u16;
        self.words
            .iter()
            .zip(&self.more)
            .filter(|(word, more)| **word as u16 == low && **more == packet.more)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A millisecond in units of ages, and the error of a time that was rounded twice.
    const MS: i64 = NANOS_PER_MILLI >> AGE_SHIFT;
    const ROUNDED: i64 = 1 << AGE_SHIFT;

    fn packet(digest: u32, ip_id: u16) -> Fingerprint {
        Fingerprint {
            digest,
            more: 1,
            ip_id,
            ttl: Some(64),
        }
    }

    fn at(ns: i64) -> i64 {
        units_between(Timestamp(0), Timestamp(ns))
    }

    #[test]
    fn a_copy_comes_close_behind() {
        let ms = NANOS_PER_MILLI;
        let mut copies = Copies::new();
        copies.remember(packet(1, 7), 0);
        copies.remember(packet(2, 8), at(100 * ms));
        assert_eq!(copies.original_of(packet(1, 7), at(50 * ms)), Some(0));
        let late = at(50 * ms + 2 * ROUNDED);
        assert_eq!(copies.original_of(packet(1, 7), late), None);
        assert_eq!(copies.original_of(packet(1, 9), 0), None, "sent again");
        assert_eq!(copies.original_of(packet(2, 8), at(-150 * ms)), Some(1));
        assert_eq!(copies.same_bytes(packet(1, 9)), 1);
    }

    #[test]
    fn without_an_identification_it_comes_closer() {
        let mut copies = Copies::new();
        copies.remember(packet(1, 0), 0);
        let limit = at(SPAN_COPY_NO_ID_NS);
        assert_eq!(copies.original_of(packet(1, 0), limit), Some(0));
        assert_eq!(copies.original_of(packet(1, 0), limit + 2), None);
    }

    #[test]
    fn only_odd_ttls_are_given_back() {
        let mut copies = Copies::new();
        let mut odd = OddTtls::default();
        for ttl in [64, 64, 63, 64] {
            let packet = Fingerprint {
                ttl: Some(ttl),
                ..packet(u32::from(ttl), 1)
            };
            if let Some((at, ttl)) = copies.remember(packet, 0) {
                odd[at] = ttl;
            }
        }
        let ttls: Vec<u8> = (0..4).map(|i| copies.ttl(i, &odd)).collect();
        assert_eq!(ttls, [64, 64, 63, 64]);
        assert_eq!(odd[..4], [0, 0, 63, 0]);
    }

    #[test]
    fn what_is_old_stays_old() {
        let mut copies = Copies::new();
        copies.remember(packet(1, 7), 0);
        for _ in 0..3 {
            copies.remember(packet(2, 8), 200 * MS);
        }
        copies.remember(packet(3, 9), -600 * MS);
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
        assert_eq!(copies.original_of(packet(2, 1), 0), Some(1));
    }
}
