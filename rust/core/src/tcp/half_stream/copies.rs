//! The last packets of a session, for telling a mirror's second copy from a packet that
//! was sent again. Those of both sides share the places: what one side sends in a burst may
//! have nearly all of them.
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
/// Segments of both sides remembered for the copy test; a mirror's copies come close behind.
const REMEMBERED: usize = 16;

/// Unit of ages as a power of two in ns: a millisecond, fine enough for limits that are guesses.
const AGE_SHIFT: u32 = 20;
/// Age of a packet that no copy can follow any more: 160 ms.
const OLD: u8 = u8::MAX;
/// Age of the newest packet. Below it are packets that state a later time than that one.
const NEW: u8 = 100;

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

/// `ts` in units of ages, from any beginning: two are compared. Each is rounded by itself, so
/// that the steps between many add up.
#[inline]
fn units(ts: Timestamp) -> u32 {
    (ts.0 >> AGE_SHIFT) as u32
}

/// Odd words with well spread bits: the fractional parts of the square roots of primes, as in SHA-512.
const SPREAD: [u64; 8] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The 128-bit product, upper half on lower.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Digest of the fields that make two captures of one packet equal, and of 48 bytes of payload: folded
/// multiplications that do not wait for each other. Not keyed: it decides about one packet of one
/// flow, it places nothing in a table.
fn digest(segment: &Segment<'_>, dir: usize) -> u64 {
    let numbers = u64::from(segment.seq) << 32 | u64::from(segment.ack);
    let head = u64::from(segment.payload_len) << 32
        | u64::from(segment.window) << 8
        | u64::from(segment.flags.0);
    let mut sum = fold(
        numbers ^ SPREAD[0],
        head ^ SPREAD[1].wrapping_add(dir as u64),
    );
    if !segment.payload.is_empty() {
        let mut words = [0_u64; 6];
        let (whole, tail) = segment.payload.as_chunks();
        for (word, bytes) in words.iter_mut().zip(whole) {
            *word = u64::from_le_bytes(*bytes);
        }
        if let Some(last) = words.get_mut(whole.len()) {
            let mut bytes = [0; 8];
            bytes[..tail.len()].copy_from_slice(tail);
            *last = u64::from_le_bytes(bytes);
        }
        for (pair, spread) in words.chunks_exact(2).zip(SPREAD[2..].chunks_exact(2)) {
            sum ^= fold(pair[0] ^ spread[0], pair[1] ^ spread[1]);
        }
    }
    fold(sum ^ SPREAD[2], SPREAD[1])
}

impl Fingerprint {
    /// Of a segment of side `dir`.
    pub(super) fn of(segment: &Segment<'_>, dir: usize) -> Self {
        let h = digest(segment, dir);
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

/// The last packets of both sides.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    words: [u32; REMEMBERED],
    /// Time of the newest packet, see [`units`].
    newest: u32,
    /// Whose TTL is not the usual one of their side, one bit each.
    odd: u16,
    /// Place of the next packet.
    next: u8,
    /// More of each digest.
    more: [u8; REMEMBERED],
    /// [`NEW`] and the time from each packet to the newest; [`OLD`] when that is past any copy.
    /// Once old, always old: a clock that is set back brings no packet back.
    ages: [u8; REMEMBERED],
    /// TTL of the first packet with payload of either side, and of nearly all; 0 before it.
    ttl: [u8; 2],
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            words: [0; REMEMBERED],
            newest: 0,
            odd: 0,
            next: 0,
            more: [0; REMEMBERED],
            ages: [OLD; REMEMBERED],
            ttl: [0; 2],
        }
    }
}

impl Copies {
    /// Time of a packet at `ts` after the newest one remembered, in units of ages.
    #[inline]
    fn newer(&self, ts: Timestamp) -> i32 {
        units(ts).wrapping_sub(self.newest) as i32
    }

    /// Which packet `packet`, seen at `ts`, is a copy of, if it is one.
    pub(super) fn original_of(&self, packet: Fingerprint, ts: Timestamp) -> Option<usize> {
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
        let within = (within_ns >> AGE_SHIFT) as u32 + 1;
        let newer = self.newer(ts);
        (0..REMEMBERED).find(|i| {
            self.words[*i] == word
                && self.more[*i] == packet.more
                && self.ages[*i] != OLD
                && (i32::from(self.ages[*i]) - i32::from(NEW))
                    .saturating_add(newer)
                    .unsigned_abs()
                    <= within
        })
    }

    /// TTL of packet `i` of side `dir`, which had a payload.
    pub(super) fn ttl(&self, i: usize, dir: usize, odd: &OddTtls) -> u8 {
        if self.odd >> i & 1 == 1 {
            odd[i]
        } else {
            self.ttl[dir]
        }
    }

    /// Remembers `packet`, which side `dir` sent at `ts`. Where its TTL is not the usual one,
    /// its place among the odd ones and the TTL are given back.
    pub(super) fn remember(
        &mut self,
        packet: Fingerprint,
        dir: usize,
        ts: Timestamp,
    ) -> Option<(usize, u8)> {
        let newer = self.newer(ts);
        let step = u8::try_from(newer.unsigned_abs()).unwrap_or(OLD);
        if newer >= 0 {
            for age in &mut self.ages {
                *age = age.saturating_add(step);
            }
        } else {
            self.set_back(step);
        }
        self.newest = units(ts);
        let at = usize::from(self.next) % REMEMBERED;
        self.words[at] = packet.word();
        self.ages[at] = NEW;
        self.more[at] = packet.more;
        self.next = ((at + 1) % REMEMBERED) as u8;
        self.odd &= !(1 << at);
        let ttl = packet.ttl?;
        let usual = &mut self.ttl[dir];
        if *usual == 0 {
            *usual = ttl;
        }
        if ttl == *usual {
            return None;
        }
        self.odd |= 1 << at;
        Some((at, ttl))
    }

    #[cold]
    fn set_back(&mut self, step: u8) {
        for age in &mut self.ages {
            *age = match age.checked_sub(step) {
                Some(less) if *age != OLD => less,
                _ => OLD,
            };
        }
    }

    /// Nothing remembered has a copy any more; the bytes are still known.
    pub(crate) fn forget_ages(&mut self) {
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

    /// A unit of ages.
    const UNIT: i64 = 1 << AGE_SHIFT;

    fn packet(digest: u32, ip_id: u16) -> Fingerprint {
        Fingerprint {
            digest,
            more: 1,
            ip_id,
            ttl: Some(64),
        }
    }

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp(1_795_402_680_000_000_000 + ms * NANOS_PER_MILLI)
    }

    #[test]
    fn a_copy_comes_close_behind() {
        let mut copies = Copies::default();
        copies.remember(packet(1, 7), 0, at_ms(0));
        copies.remember(packet(2, 8), 1, at_ms(100));
        assert_eq!(copies.original_of(packet(1, 7), at_ms(148)), Some(0));
        assert_eq!(copies.original_of(packet(1, 7), at_ms(153)), None);
        assert_eq!(
            copies.original_of(packet(1, 9), at_ms(100)),
            None,
            "sent again"
        );
        assert_eq!(copies.original_of(packet(2, 8), at_ms(-48)), Some(1));
        assert_eq!(copies.original_of(packet(2, 8), at_ms(-53)), None);
        assert_eq!(copies.same_bytes(packet(1, 9)), 1);
    }

    #[test]
    fn without_an_identification_it_comes_closer() {
        let mut copies = Copies::default();
        copies.remember(packet(1, 0), 0, at_ms(0));
        assert_eq!(copies.original_of(packet(1, 0), at_ms(5)), Some(0));
        assert_eq!(copies.original_of(packet(1, 0), at_ms(7)), None);
    }

    #[test]
    fn only_odd_ttls_are_given_back() {
        let mut copies = Copies::default();
        let mut odd = [OddTtls::default(); 2];
        for (dir, ttl) in [(0, 64), (1, 250), (0, 63), (1, 250), (0, 64)] {
            let packet = Fingerprint {
                ttl: Some(ttl),
                ..packet(u32::from(ttl), 1)
            };
            if let Some((at, ttl)) = copies.remember(packet, dir, at_ms(0)) {
                odd[dir][at] = ttl;
            }
        }
        let ttls = [0, 1, 0, 1, 0].iter().enumerate();
        let ttls: Vec<u8> = ttls.map(|(i, d)| copies.ttl(i, *d, &odd[*d])).collect();
        assert_eq!(ttls, [64, 250, 63, 250, 64]);
        assert_eq!(odd[0][..5], [0, 0, 63, 0, 0]);
        assert_eq!(odd[1][..5], [0; 5]);
    }

    #[test]
    fn what_is_old_stays_old() {
        let mut copies = Copies::default();
        copies.remember(packet(1, 7), 0, at_ms(0));
        copies.remember(packet(2, 8), 0, at_ms(200));
        copies.remember(packet(3, 9), 0, at_ms(10));
        assert_eq!(copies.original_of(packet(1, 7), at_ms(10)), None);
        assert_eq!(copies.original_of(packet(3, 9), at_ms(10)), Some(2));
        for far in [i64::MAX, i64::MIN, 1 << 51, -(1 << 51)] {
            copies.remember(packet(4, 9), 0, Timestamp(far));
            assert_eq!(copies.original_of(packet(3, 9), at_ms(10)), None);
        }
    }

    #[test]
    fn steps_add_up() {
        let mut copies = Copies::default();
        copies.remember(packet(1, 7), 0, Timestamp(0));
        // Thirteen steps of a third of a unit.
        for n in 1..14 {
            copies.remember(packet(2, 8), 0, Timestamp(n * UNIT / 3));
        }
        assert_eq!(copies.ages[0], NEW + 4);
    }

    #[test]
    fn sixteen_are_remembered() {
        let mut copies = Copies::default();
        for n in 1..=17 {
            copies.remember(packet(n, 1), 0, at_ms(n.into()));
        }
        assert_eq!(copies.original_of(packet(1, 1), at_ms(17)), None);
        assert_eq!(copies.original_of(packet(2, 1), at_ms(17)), Some(1));
    }
}
