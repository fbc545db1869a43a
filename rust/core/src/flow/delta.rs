//! What one segment adds to the totals of ordinary TCP.

/// What one segment added to the totals of ordinary TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delta {
    /// Segments that an ACK proved to have passed unseen: the tap's own loss. None of a tunnel: its ACKs prove nothing.
    pub tap_missed: u32,
    bits: u8,
}

impl Delta {
    pub(super) const RETRANSMISSION: u8 = 1;
    pub(super) const DUP_ACK: u8 = 2;
    pub(super) const ZERO_WINDOW: u8 = 4;
    pub(super) const REUSE: u8 = 8;
    pub(super) const WINDOW_CLOSED: u8 = 16;

    /// True for most segments: they add nothing.
    #[inline]
    pub fn is_nothing(self) -> bool {
        u32::from(self.bits) | self.tap_missed == 0
    }

    fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    #[inline]
    pub(super) fn set(&mut self, bit: u8, is_so: bool) {
        self.bits |= if is_so { bit } else { 0 };
    }

    /// Starts below the highest byte seen (tshark: retransmission or out of order).
    pub fn is_retransmission(self) -> bool {
        self.has(Self::RETRANSMISSION)
    }

    /// Five conditions of RFC 5681 section 2.
    pub fn is_dup_ack(self) -> bool {
        self.has(Self::DUP_ACK)
    }

    /// Window 0 outside RST.
    pub fn is_zero_window(self) -> bool {
        self.has(Self::ZERO_WINDOW)
    }

    /// The same, of a side whose window was open before.
    pub fn is_window_closed(self) -> bool {
        self.has(Self::WINDOW_CLOSED)
    }

    /// A SYN opened a new conversation on this 4-tuple.
    pub fn is_reuse(self) -> bool {
        self.has(Self::REUSE)
    }
}
