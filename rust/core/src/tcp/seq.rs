//! Sequence space, RFC 9293 section 3.4: modular 32-bit numbers and their
//! 64-bit unwrapped form. Nobody outside compares raw `u32` sequence numbers.

/// Signed distance from `b` to `a` in sequence space (`a - b` modulo 2^32).
pub const fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Unwraps 32-bit sequence numbers against the last one seen.
///
/// The first number maps to `ORIGIN` plus itself, so numbers somewhat below the
/// first one stay positive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrap {
    reference: Option<u64>,
}

/// Offset of the first unwrapped number; leaves room for numbers before it.
const ORIGIN: u64 = 1 << 32;

impl Unwrap {
    /// True until a reference number is known.
    pub fn is_unset(&self) -> bool {
        self.reference.is_none()
    }

    /// The 64-bit form of `seq` nearest to the reference; sets the reference
    /// when there is none.
    pub fn at(&mut self, seq: u32) -> u64 {
        if let Some(reference) = self.reference {
            return near(reference, seq);
        }
        let value = ORIGIN + u64::from(seq);
        self.reference = Some(value);
        value
    }

    /// Moves the reference forward to `value` (never back, so that one forged
    /// old segment cannot re-anchor the stream).
    pub fn advance(&mut self, value: u64) {
        if self.reference.is_none_or(|r| value > r) {
            self.reference = Some(value);
        }
    }
}

fn near(reference: u64, seq: u32) -> u64 {
    let delta = i64::from(distance(seq, reference as u32));
    reference.saturating_add_signed(delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_across_the_edge_both_ways() {
        let mut u = Unwrap::default();
        let a = u.at(0xffff_ff00);
        u.advance(a);
        let b = u.at(0x0000_0100);
        assert_eq!(b - a, 0x200);
        u.advance(b);
        assert_eq!(u.at(0xffff_ff00), a);
    }
}
