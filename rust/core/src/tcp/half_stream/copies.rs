//! The last packets of a session, for telling a mirror's second copy from a packet that
//! was sent again. Those of both sides share the places: what one side sends in a burst may
//! have nearly all of them.
//!
//! A session keeps 24 bits of what its last packets were. What else a copy must agree in means
//! something for a sixth of a second only, and is noted for all sessions together ([`Recent`]);
//! the notes of one session are a chain from its newest on.
//!
//! Digests are cut to 40 bits. A segment with new bytes is no copy of anything, whatever
//! its digest, so chance (2^-40 a packet remembered) can only touch a segment without new
//! bytes; whether such a segment has the bytes of an older one is told by 24 of them.

use super::recent::{Note, Recent};
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
/// A packet has no copy any more once another was this much later, or that much earlier, in
/// units of ages. Once old, always old: a clock that is set back brings no packet back.
const LATER: i64 = 154;
const EARLIER: i64 = 100;

/// What makes two captures of one packet equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    digest: u32,
    /// Never 0, which marks a free place.
    more: u8,
    ip_id: u16,
    ttl: u8,
}

/// `ts` in units of ages, from any beginning: two are compared. Each is rounded by itself, so
/// that the steps between many add up.
#[inline]
fn units(ts: Timestamp) -> u32 {
    (ts.0 >> AGE_SHIFT) as u32
}

impl Fingerprint {
    /// Of a segment sent by end `sender` of the key.
    pub(super) fn of(segment: &Segment<'_>, sender: usize) -> Self {
        let h = segment.digest(sender);
        Self {
            digest: (h ^ h >> 32) as u32,
            more: ((h >> 32) as u8).max(1),
            ip_id: segment.ip_id.unwrap_or(0),
            ttl: segment.ttl,
        }
    }

    /// The part of the digest that a session keeps beside `more`.
    #[inline]
    fn low(self) -> u16 {
        self.digest as u16
    }

    /// The rest of it with the identification: equal, with the other parts, for both captures
    /// of one packet, of no two others but by chance.
    #[inline]
    fn upper(self) -> u16 {
        (self.digest >> 16) as u16 ^ self.ip_id
    }
}

/// True when `segment`, which begins beyond the highest byte seen if `is_ahead`, cannot have
/// been seen before: it has bytes, and they would have been placed. Those of a RST are not.
#[inline]
pub(super) fn brings_new_bytes(segment: &Segment<'_>, is_ahead: bool) -> bool {
    is_ahead && segment.seg_len() > 0 && !segment.flags.any(TcpFlags::RST)
}

/// The last packets of both sides.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    /// Parts of the digests.
    low: [u16; REMEMBERED],
    more: [u8; REMEMBERED],
    /// Number of the note on the newest packet, in two halves: 0, of none.
    newest: [u16; 2],
    /// Place of the next packet.
    next: u8,
}

const _: () = assert!(size_of::<Copies>() == 54);

impl Default for Copies {
    fn default() -> Self {
        Self {
            low: [0; REMEMBERED],
            more: [0; REMEMBERED],
            newest: [0; 2],
            next: 0,
        }
    }
}

impl Copies {
    /// How many of the remembered packets have the bytes of `packet`.
    #[inline]
    pub(super) fn same_bytes(&self, packet: Fingerprint) -> usize {
        let all = self.low.iter().zip(&self.more);
        all.filter(|(low, more)| **low == packet.low() && **more == packet.more)
            .count()
    }

    /// The TTL of the packet that `packet`, seen at `ts`, is a copy of, if it is one.
    #[inline]
    pub(super) fn ttl_of_original(
        &self,
        packet: Fingerprint,
        ts: Timestamp,
        recent: &Recent,
    ) -> Option<u8> {
        // Nearly always so, and tested for all at once.
        if self.same_bytes(packet) == 0 {
            return None;
        }
        self.ttl_in_notes(packet, ts, recent)
    }

    /// The same by the notes: of several originals the one in the first place.
    #[inline(never)]
    fn ttl_in_notes(&self, packet: Fingerprint, ts: Timestamp, recent: &Recent) -> Option<u8> {
        let within_ns = if packet.ip_id == 0 {
            SPAN_COPY_NO_ID_NS
        } else {
            SPAN_COPY_NS
        };
        let within = (within_ns >> AGE_SHIFT) as u32 + 1;
        let mut found: Option<(usize, u8)> = None;
        // Times from the newest packet on, and their range among the packets behind `at`.
        let (mut at, mut earliest, mut latest) = (0_i64, i64::MAX, i64::MIN);
        let (mut number, mut behind) = (self.newest(), None::<u32>);
        for back in 1..=REMEMBERED {
            let place = (usize::from(self.next) + REMEMBERED - back) % REMEMBERED;
            let note = recent.get(number).filter(|n| n.more == self.more[place]);
            let Some(note) = note else { break };
            let noted = note.units();
            at -= i64::from(behind.map_or(0, |behind| behind.wrapping_sub(noted) as i32));
            let is_old =
                latest.saturating_sub(at) > LATER || earliest.saturating_sub(at) < -EARLIER;
            let is_it = self.low[place] == packet.low()
                && note.more == packet.more
                && note.upper == packet.upper()
                && (units(ts).wrapping_sub(noted) as i32).unsigned_abs() <= within;
            if is_it && !is_old && found.is_none_or(|(first, _)| place < first) {
                found = Some((place, note.ttl));
            }
            (earliest, latest) = (earliest.min(at), latest.max(at));
            (number, behind) = (note.before(), Some(noted));
        }
        found.map(|(_, ttl)| ttl)
    }

    fn newest(&self) -> u32 {
        u32::from(self.newest[0]) | u32::from(self.newest[1]) << 16
    }

    /// Remembers `packet`, seen at `ts`.
    #[inline]
    pub(super) fn remember(&mut self, packet: Fingerprint, ts: Timestamp, recent: &mut Recent) {
        let at = usize::from(self.next) % REMEMBERED;
        self.low[at] = packet.low();
        self.more[at] = packet.more;
        self.next = ((at + 1) % REMEMBERED) as u8;
        let number = recent.push(Note::new(
            self.newest(),
            units(ts),
            packet.upper(),
            packet.more,
            packet.ttl,
        ));
        self.newest = [number as u16, (number >> 16) as u16];
    }

    /// Nothing remembered has a copy any more; the bytes are still known.
    pub(crate) fn forget_ages(&mut self) {
        self.newest = [0; 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A unit of ages.
    const UNIT: i64 = 1 << AGE_SHIFT;

    #[derive(Default)]
    struct Session {
        copies: Copies,
        recent: Recent,
    }

    impl Session {
        fn remember(&mut self, packet: Fingerprint, ts: Timestamp) {
            self.copies.remember(packet, ts, &mut self.recent);
        }

        fn is_copy(&self, packet: Fingerprint, ts: Timestamp) -> bool {
            let ttl = self.copies.ttl_of_original(packet, ts, &self.recent);
            ttl.is_some()
        }
    }

    fn packet(digest: u32, ip_id: u16) -> Fingerprint {
        Fingerprint {
            digest,
            more: 1,
            ip_id,
            ttl: 64,
        }
    }

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp(1_795_402_680_000_000_000 + ms * NANOS_PER_MILLI)
    }

    #[test]
    fn a_copy_comes_close_behind() {
        let mut s = Session::default();
        s.remember(packet(1, 7), at_ms(0));
        s.remember(packet(2, 8), at_ms(100));
        assert!(s.is_copy(packet(1, 7), at_ms(148)));
        assert!(!s.is_copy(packet(1, 7), at_ms(153)));
        assert!(!s.is_copy(packet(1, 9), at_ms(100)), "sent again");
        assert!(s.is_copy(packet(2, 8), at_ms(-48)));
        assert!(!s.is_copy(packet(2, 8), at_ms(-53)));
        assert_eq!(s.copies.same_bytes(packet(1, 9)), 1);
    }

    #[test]
    fn without_an_identification_it_comes_closer() {
        let mut s = Session::default();
        s.remember(packet(1, 0), at_ms(0));
        assert!(s.is_copy(packet(1, 0), at_ms(5)));
        assert!(!s.is_copy(packet(1, 0), at_ms(7)));
    }

    #[test]
    fn the_ttl_is_that_of_the_original() {
        let mut s = Session::default();
        for (n, ttl) in [(1, 64), (2, 250), (3, 63)] {
            s.remember(
                Fingerprint {
                    ttl,
                    ..packet(n, 1)
                },
                at_ms(0),
            );
        }
        let ttls = [1, 2, 3, 4].map(|n| {
            let copy = packet(n, 1);
            s.copies.ttl_of_original(copy, at_ms(1), &s.recent)
        });
        assert_eq!(ttls, [Some(64), Some(250), Some(63), None]);
    }

    #[test]
    fn what_is_old_stays_old() {
        let mut s = Session::default();
        s.remember(packet(1, 7), at_ms(0));
        s.remember(packet(2, 8), at_ms(200));
        s.remember(packet(3, 9), at_ms(10));
        assert!(!s.is_copy(packet(1, 7), at_ms(10)));
        assert!(s.is_copy(packet(3, 9), at_ms(10)));
        for far in [i64::MAX, i64::MIN, 1 << 51, -(1 << 51)] {
            s.remember(packet(4, 9), Timestamp(far));
            assert!(!s.is_copy(packet(3, 9), at_ms(10)));
        }
    }

    #[test]
    fn sixteen_are_remembered() {
        let mut s = Session::default();
        for n in 1..=17 {
            s.remember(packet(n, 1), at_ms(n.into()));
        }
        assert!(!s.is_copy(packet(1, 1), at_ms(17)));
        assert!(s.is_copy(packet(2, 1), at_ms(17)));
        assert_eq!(s.copies.same_bytes(packet(2, 1)), 1);
        s.copies.forget_ages();
        assert!(!s.is_copy(packet(2, 1), at_ms(17)));
        assert_eq!(s.copies.same_bytes(packet(2, 1)), 1);
    }

    /// Every packet with an age of its own, as the rule says it.
    #[derive(Default)]
    struct Plain {
        /// Packet, time in units, and whether it is old.
        all: Vec<(Fingerprint, i64, bool)>,
    }

    impl Plain {
        fn remember(&mut self, packet: Fingerprint, now: i64) {
            for (_, at, is_old) in &mut self.all {
                *is_old |= now - *at > LATER || now - *at < -EARLIER;
            }
            self.all.push((packet, now, false));
        }

        fn is_copy(&self, packet: Fingerprint, now: i64) -> bool {
            let within = if packet.ip_id == 0 { 5 } else { 144 };
            self.all
                .iter()
                .rev()
                .take(REMEMBERED)
                .any(|(p, at, is_old)| {
                    !is_old
                        && (p.digest, p.ip_id) == (packet.digest, packet.ip_id)
                        && (now - at).abs() <= within
                })
        }
    }

    proptest! {
        /// Two sessions that share the notes know what each would with notes of its own.
        #[test]
        fn agrees_with_ages_of_every_packet(
            steps in prop::collection::vec((0usize..2, 0u32..4, 0u16..3, -160i64..300, 0u8..4), 1..200),
        ) {
            let mut recent = Recent::default();
            let mut copies = [Copies::default(), Copies::default()];
            let mut plain = [Plain::default(), Plain::default()];
            let mut now = 1_795_402_680_000;
            for (which, digest, ip_id, step, scale) in steps {
                now += step >> (2 * scale);
                let ts = Timestamp(now * UNIT + 5);
                let packet = packet(digest, ip_id);
                let is_copy = copies[which].ttl_of_original(packet, ts, &recent).is_some();
                prop_assert_eq!(is_copy, plain[which].is_copy(packet, now));
                if !is_copy {
                    copies[which].remember(packet, ts, &mut recent);
                    plain[which].remember(packet, now);
                }
            }
        }
    }
}
