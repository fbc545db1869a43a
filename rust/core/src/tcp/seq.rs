//! Sequence space, RFC 9293 section 3.4: modular 32-bit numbers and their
//! 64-bit unwrapped form. Nobody outside compares raw `u32` sequence numbers.

/// Signed distance from `b` to `a` in sequence space (`a - b` modulo 2^32).
pub const fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Offset of the first unwrapped number; leaves room for numbers before it.
const ORIGIN: u64 = 1 << 32;

/// The 64-bit form of the first number of a stream, so that numbers somewhat below it
/// stay positive.
pub(crate) fn first_number(seq: u32) -> u64 {
    ORIGIN + u64::from(seq)
}

/// The 64-bit form of `seq` nearest to `reference`, the highest number seen. The reference
/// never moves back, so that one forged old segment cannot re-anchor the stream.
#[inline]
pub(crate) fn near(reference: u64, seq: u32) -> u64 {
    let delta = i64::from(distance(seq, reference as u32));
    // Neither end of 64 bits is ever near: first numbers leave room below, and 2^64 bytes take too long.
    reference.wrapping_add_signed(delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_across_the_edge_both_ways() {
        let a = first_number(0xffff_ff00);
        let b = near(a, 0x0000_0100);
        assert_eq!(b - a, 0x200);
        assert_eq!(near(b, 0xffff_ff00), a);
    }
}
