//! Folded multiplication, the mixing of wyhash and of `ahash` without AES. Nothing else here.

/// The 128-bit product, upper half on lower.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
