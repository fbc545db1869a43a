//! What a conversation is listed by: totals that few of its segments add to, kept away from
//! what every segment needs. For screens; no verdict reads them.

use super::delta::Delta;

/// Packets that one step of `Tally::carried` stands for.
const CARRY: u16 = 1 << 15;

/// Totals of one conversation; each stays at its highest number once it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) retransmissions: u16,
    pub(super) dup_acks: u16,
    pub(super) zero_windows: u16,
    /// Segments that the tap missed.
    pub(super) missed: u16,
    /// By side, in steps of [`CARRY`]: packets beyond those in the record.
    carried: [u16; 2],
    /// By side, how often the highest byte passed sequence number 0.
    wraps: [u8; 2],
}

/// Of conversations whose totals nobody keeps.
pub(super) static NOTHING: Tally = Tally::EMPTY;

impl Tally {
    const EMPTY: Self = Self {
        retransmissions: 0,
        dup_acks: 0,
        zero_windows: 0,
        missed: 0,
        carried: [0; 2],
        wraps: [0; 2],
    };

    /// Adds what a segment meant.
    #[cold]
    pub(super) fn add(&mut self, delta: Delta) {
        let one = |total: &mut u16, is_so: bool| *total = total.saturating_add(u16::from(is_so));
        one(&mut self.retransmissions, delta.is_retransmission());
        one(&mut self.dup_acks, delta.is_dup_ack());
        one(&mut self.zero_windows, delta.is_zero_window());
        let missed = u16::try_from(delta.tap_missed).unwrap_or(u16::MAX);
        self.missed = self.missed.saturating_add(missed);
    }

    /// Takes over from a counter of packets that is full; what the counter goes on from, which
    /// is not so low that the flow would look new.
    #[cold]
    pub(super) fn carry(&mut self, side: usize) -> u16 {
        self.carried[side] = self.carried[side].saturating_add(1);
        CARRY
    }

    /// Packets of a side whose counter in the record is at `counted`.
    pub(super) fn packets(&self, side: usize, counted: u16) -> u64 {
        u64::from(self.carried[side]) * u64::from(CARRY) + u64::from(counted)
    }

    /// The highest byte of a side has passed sequence number 0.
    #[cold]
    pub(super) fn wrap(&mut self, side: usize) {
        self.wraps[side] = self.wraps[side].saturating_add(1);
    }

    /// Bytes from `start` to `next`; none when all that was seen lies before the start.
    pub(super) fn bytes(&self, side: usize, start: u32, next: u32) -> u64 {
        let wraps = u64::from(self.wraps[side]);
        if wraps == 0 && next < start {
            return 0;
        }
        let whole = wraps.saturating_sub(u64::from(next < start));
        whole << 32 | u64::from(next.wrapping_sub(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_counter_of_packets_goes_on() {
        let mut tally = Tally::default();
        let mut counted = u16::MAX;
        assert_eq!(tally.packets(0, counted), 65_535);
        counted = tally.carry(0);
        assert_eq!(tally.packets(0, counted), 65_536);
        assert_eq!(tally.packets(1, 7), 7);
    }

    #[test]
    fn bytes_go_on_behind_four_gigabytes() {
        let mut tally = Tally::default();
        assert_eq!(tally.bytes(0, u32::MAX - 9, u32::MAX), 9);
        tally.wrap(0);
        assert_eq!(tally.bytes(0, u32::MAX - 9, 90), 100);
        assert_eq!(tally.bytes(0, 10, 10), 1 << 32);
        tally.wrap(0);
        assert_eq!(tally.bytes(0, 10, 9), (1 << 33) - 1);
    }

    #[test]
    fn a_stream_that_begins_at_the_last_number_has_no_bytes_yet() {
        assert_eq!(Tally::default().bytes(0, 0, 0), 0);
        assert_eq!(Tally::default().bytes(0, 500, 400), 0);
    }
}
