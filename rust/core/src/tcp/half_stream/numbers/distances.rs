//! Numbers that are told by their distance to another one: the highest ACK and the sum of payload
//! by that to the highest byte, the first time by that to the beginning of the flow.

use super::{MOVE_BITS, Number, Numbers, mark};
use crate::near::Origin;
use crate::tcp::seq::{distance, first_number, near};
use crate::time::Timestamp;

/// Marks of a first time that is not set, and of one that is far, in 33 bits; and where these
/// count from: two to six seconds before the first packet of the flow.
const FIRST_NONE: u64 = (1 << 33) - 1;
const FIRST_FAR: u64 = FIRST_NONE - 1;
const FIRST_FROM: u64 = 1 << 31;
/// A step of the highest byte that is a little one: far below what the distances can take.
const SHORT_STEP: i32 = 1 << 20;
/// Stands for a distance of [`Number::PayloadBytes`] that has no place in 24 bits.
const PAYLOAD_FAR: i32 = -1 << 23;

impl Numbers {
    /// Where `FirstTs` counts from, however far the origin has moved since.
    fn first_origin(&self) -> Origin {
        let by = -(i32::from(self.moves) << MOVE_BITS);
        self.origin.moved(by).unwrap_or(self.origin)
    }

    pub(in super::super) fn set_first(&mut self, ts: Timestamp) {
        let offset = self.first_origin().offset(ts);
        let bits = offset.wrapping_sub(FIRST_FROM).min(FIRST_FAR);
        self.first = bits as u32;
        self.marks &= !mark::FIRST_HIGH;
        if bits >> 32 != 0 {
            self.marks |= mark::FIRST_HIGH;
        }
        if bits == FIRST_FAR {
            self.set_far(Number::FirstTs, offset);
        }
    }

    pub(in super::super) fn has_first(&self) -> bool {
        self.first != FIRST_NONE as u32 || self.marks & mark::FIRST_HIGH == 0
    }

    pub(in super::super) fn first(&self) -> Option<Timestamp> {
        let high = u64::from(self.marks & mark::FIRST_HIGH != 0);
        let offset = match u64::from(self.first) | high << 32 {
            FIRST_NONE => return None,
            FIRST_FAR => self.far_number(Number::FirstTs),
            bits => bits + FIRST_FROM,
        };
        Some(self.first_origin().plus(offset))
    }

    fn far_number(&self, n: Number) -> u64 {
        self.far().map_or(0, |far| far.numbers[n as usize])
    }

    /// Highest byte seen plus one, unwrapped; 0 before the first segment.
    #[inline]
    pub(in super::super) fn nxt(&self) -> u64 {
        self.sum(Number::SndNxt)
    }

    /// Sets it; what is told by its distance to it stays what it was. Nearly always it moves a little
    /// forward, and the distances stay short.
    #[inline]
    pub(in super::super) fn set_nxt(&mut self, to: u64) {
        let from = self.nxt();
        let step = i32::try_from(to.wrapping_sub(from)).ok();
        if from != 0
            && let Some(step) = step.filter(|step| *step < SHORT_STEP)
            && let Some(more) = self.payload_near()
            && more - step > PAYLOAD_FAR
            && self.una_stays_near(from, step)
        {
            self.set(Number::SndNxt, to);
            self.set_payload_near(more - step);
        } else {
            self.set_far_nxt(to);
        }
    }

    /// Adds the payload of a segment that begins at the highest byte, `from`, and moves that behind it.
    #[inline]
    pub(in super::super) fn go_on(&mut self, from: u64, payload: u32) {
        debug_assert_eq!(from, self.nxt());
        let to = from + u64::from(payload);
        // As much more is covered as is payload: what lies between the sums stays.
        if payload < SHORT_STEP as u32
            && self.payload_near().is_some()
            && self.una_stays_near(from, payload as i32)
        {
            self.set(Number::SndNxt, to);
        } else {
            self.add_payload_bytes(payload);
            self.set_far_nxt(to);
        }
    }

    /// The same for a segment that ends at `to` and need not begin at the highest byte. In one step: three
    /// bytes that were just written in two pieces are waited for when they are read (perf: a twelfth of what
    /// a hole costs).
    #[inline]
    pub(in super::super) fn jump(&mut self, from: u64, to: u64, payload: u32) {
        debug_assert_eq!(from, self.nxt());
        let step = to.wrapping_sub(from);
        if step < SHORT_STEP as u64
            && payload < SHORT_STEP as u32
            && let Some(more) = self.payload_near()
            && let more = more + payload as i32 - step as i32
            && more > PAYLOAD_FAR
            && more < -PAYLOAD_FAR
            && self.una_stays_near(from, step as i32)
        {
            self.set(Number::SndNxt, to);
            self.set_payload_near(more);
        } else {
            self.add_payload_bytes(payload);
            self.set_far_nxt(to);
        }
    }

    #[inline(never)]
    fn set_far_nxt(&mut self, to: u64) {
        let (una, payload) = (self.una(), self.payload_bytes());
        self.set(Number::SndNxt, to);
        if let Some(una) = una {
            self.set_una(una);
        }
        self.set_payload_bytes(payload);
    }

    /// True where the lower half of the highest ACK tells it after a step from `from`, too.
    #[inline]
    fn una_stays_near(&self, from: u64, step: i32) -> bool {
        match self.marks & (mark::HAS_UNA | mark::UNA_FAR) {
            0 => true,
            mark::HAS_UNA => distance(self.una, from as u32).checked_sub(step).is_some(),
            _ => false,
        }
    }

    /// Highest ACK seen.
    #[inline]
    pub(in super::super) fn una(&self) -> Option<u64> {
        self.una_below(self.nxt())
    }

    /// The same for who has read the highest byte, `nxt`.
    #[inline]
    pub(in super::super) fn una_below(&self, nxt: u64) -> Option<u64> {
        debug_assert_eq!(nxt, self.nxt());
        match self.marks & (mark::HAS_UNA | mark::UNA_FAR) {
            0 => None,
            mark::HAS_UNA => Some(near(nxt, self.una)),
            _ => Some(self.far_number(Number::SndUna)),
        }
    }

    #[inline]
    pub(in super::super) fn set_una(&mut self, to: u64) {
        self.set_una_below(self.nxt(), to);
    }

    /// The same for who has read the highest byte, `nxt`.
    #[inline]
    pub(in super::super) fn set_una_below(&mut self, nxt: u64, to: u64) {
        debug_assert_eq!(nxt, self.nxt());
        self.una = to as u32;
        self.marks = self.marks & !mark::UNA_FAR | mark::HAS_UNA;
        if near(nxt, self.una) != to {
            self.marks |= mark::UNA_FAR;
            self.set_far(Number::SndUna, to);
        }
    }

    /// Distance from the first number to the highest one.
    #[inline]
    fn covered(&self) -> u64 {
        match self.nxt() {
            0 => 0,
            nxt => nxt.wrapping_sub(first_number(self.first_seq)),
        }
    }

    /// What the sum of payload has more than is covered, where that has a place.
    #[inline]
    fn payload_near(&self) -> Option<i32> {
        let [a, b, c] = self.payload;
        let more = i32::from_le_bytes([0, a, b, c]) >> 8;
        (more != PAYLOAD_FAR).then_some(more)
    }

    #[inline]
    fn set_payload_near(&mut self, more: i32) {
        let [a, b, c, _] = more.to_le_bytes();
        self.payload = [a, b, c];
    }

    /// Payload bytes in all.
    #[inline]
    pub(in super::super) fn payload_bytes(&self) -> u64 {
        match self.payload_near() {
            None => self.far_number(Number::PayloadBytes),
            Some(more) => self.covered().wrapping_add_signed(more.into()),
        }
    }

    /// Adds the payload of a segment.
    #[inline]
    pub(in super::super) fn add_payload_bytes(&mut self, bytes: u32) {
        let sum = self
            .payload_near()
            .map(|more| i64::from(more) + i64::from(bytes));
        match sum {
            Some(sum) if sum < -i64::from(PAYLOAD_FAR) => self.set_payload_near(sum as i32),
            _ => self.set_payload_bytes(self.payload_bytes() + u64::from(bytes)),
        }
    }

    #[inline(never)]
    fn set_payload_bytes(&mut self, to: u64) {
        let more = to.wrapping_sub(self.covered()) as i64;
        let is_near = more > PAYLOAD_FAR.into() && more < -i64::from(PAYLOAD_FAR);
        self.set_payload_near(if is_near { more as i32 } else { PAYLOAD_FAR });
        if !is_near {
            self.set_far(Number::PayloadBytes, to);
        }
    }
}
