//! The part of a frame not yet decoded, and the only reads of packet bytes.
//!
//! A span knows two lengths: what was captured and what was on the wire. Every
//! read returns `None` rather than leaving the captured part, so no decoder can
//! index by a number that a packet chose.

/// Captured bytes of one protocol data unit and its length on the wire.
///
/// Invariant: `bytes.len() <= wire_len`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    bytes: &'a [u8],
    wire_len: usize,
}

impl<'a> Span<'a> {
    /// `original_len` below the captured length is a lie of the file: ignored.
    pub(crate) fn new(bytes: &'a [u8], original_len: u32) -> Self {
        Self {
            bytes,
            wire_len: (original_len as usize).max(bytes.len()),
        }
    }

    /// Captured bytes.
    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Length on the wire in bytes.
    pub(crate) const fn wire_len(self) -> usize {
        self.wire_len
    }

    /// `N` captured bytes from `at`.
    #[inline]
    pub(crate) fn array<const N: usize>(self, at: usize) -> Option<&'a [u8; N]> {
        self.bytes.get(at..)?.first_chunk()
    }

    /// One byte.
    #[inline]
    pub(crate) fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Two bytes in network order.
    #[inline]
    pub(crate) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(|b| u16::from_be_bytes(*b))
    }

    /// Four bytes in network order.
    #[inline]
    pub(crate) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(|b| u32::from_be_bytes(*b))
    }

    /// What follows the first `n` bytes; `None` when fewer were captured.
    #[inline]
    pub(crate) fn skip(self, n: usize) -> Option<Self> {
        // bytes.get holds n to the captured length, which the wire length covers.
        Some(Self {
            bytes: self.bytes.get(n..)?,
            wire_len: self.wire_len - n,
        })
    }

    /// Drops a trailer: at most `n` bytes are left, captured or on the wire.
    #[inline]
    #[must_use]
    pub(crate) fn limit(self, n: usize) -> Self {
        Self {
            bytes: self.bytes.get(..n).unwrap_or(self.bytes),
            wire_len: self.wire_len.min(n),
        }
    }

    /// Believes a length field: `n` bytes were sent, however many of them the
    /// frame holds. Used for IP, see `ipv4`.
    #[inline]
    #[must_use]
    pub(crate) fn claim(self, n: usize) -> Self {
        Self {
            bytes: self.bytes.get(..n).unwrap_or(self.bytes),
            wire_len: n,
        }
    }
}
