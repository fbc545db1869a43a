//! The ESP sequence number as a loss meter that does not depend on TCP.
//!
//! RFC 4303 section 2.2: starts at 1 per SA and rises by 1 per packet; with
//! extended numbers only the low half is sent. SPIs 0..=255 are reserved
//! (section 2.1).

/// Sequence numbers one SA may jump at once before the number is doubted rather
/// than counted as loss (reliability guide section 5: 2^16 window).
const MAX_JUMP: u32 = 1 << 16;

/// Meter of one SA in one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Sa {
    spi: u32,
    first: u32,
    highest: u32,
    received: u64,
    /// Bit n: `highest - n` was received.
    window: u64,
}

impl Sa {
    fn new(spi: u32, seq: u32) -> Self {
        Self {
            spi,
            first: seq,
            highest: seq,
            received: 1,
            window: 1,
        }
    }

    fn missing(&self) -> u64 {
        (u64::from(self.highest) - u64::from(self.first) + 1).saturating_sub(self.received)
    }
}

/// What one ESP packet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspArrival {
    /// Next in order, `skipped` packets missing before it.
    Forward {
        /// Sequence numbers jumped over.
        skipped: u32,
    },
    /// Below the highest and not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// First packet of an SA at this tap.
    NewSa,
    /// Out of any plausible range.
    Doubtful,
}

/// ESP meter of one direction: the current SA, the one before it (both live for
/// a while around a rekey), and what older ones summed up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct EspMeter {
    current: Option<Sa>,
    previous: Option<Sa>,
    retired_received: u64,
    retired_missing: u64,
    /// Packets seen twice.
    pub duplicates: u64,
    /// Packets outside any plausible range.
    pub doubtful: u64,
    /// SAs seen.
    pub sas: u32,
}

impl EspMeter {
    /// Takes one ESP packet.
    pub fn on_packet(&mut self, spi: u32, seq: u32) -> EspArrival {
        let slot = match (&mut self.current, &mut self.previous) {
            (Some(sa), _) | (_, Some(sa)) if sa.spi == spi => sa,
            _ => {
                if let Some(old) = self.previous {
                    self.retired_received += old.received;
                    self.retired_missing += old.missing();
                }
                self.previous = self.current;
                self.current = Some(Sa::new(spi, seq));
                self.sas = self.sas.saturating_add(1);
                return EspArrival::NewSa;
            }
        };
        if seq > slot.highest {
            let jump = seq - slot.highest;
            if jump > MAX_JUMP {
                self.doubtful += 1;
                return EspArrival::Doubtful;
            }
            slot.window = if jump < 64 {
                slot.window << jump | 1
            } else {
                1
            };
            slot.highest = seq;
            slot.received += 1;
            return EspArrival::Forward { skipped: jump - 1 };
        }
        let back = slot.highest - seq;
        if back >= 64 || seq < slot.first {
            self.doubtful += 1;
            return EspArrival::Doubtful;
        }
        if slot.window >> back & 1 == 1 {
            self.duplicates += 1;
            return EspArrival::Duplicate;
        }
        slot.window |= 1 << back;
        slot.received += 1;
        EspArrival::Late
    }

    /// Packets received and missing, over all SAs of this direction.
    pub fn totals(&self) -> (u64, u64) {
        [self.current, self.previous].iter().flatten().fold(
            (self.retired_received, self.retired_missing),
            |(received, missing), sa| (received + sa.received, missing + sa.missing()),
        )
    }

    /// Current SPI and its highest sequence number.
    pub fn current(&self) -> Option<(u32, u32)> {
        self.current.map(|sa| (sa.spi, sa.highest))
    }

    /// True when `spi` is the current or the previous SA.
    pub fn knows(&self, spi: u32) -> bool {
        [self.current, self.previous]
            .iter()
            .flatten()
            .any(|sa| sa.spi == spi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_missing_and_forgives_late() {
        let mut m = EspMeter::default();
        assert_eq!(m.on_packet(0x1000, 1), EspArrival::NewSa);
        assert_eq!(m.on_packet(0x1000, 4), EspArrival::Forward { skipped: 2 });
        assert_eq!(m.totals(), (2, 2));
        assert_eq!(m.on_packet(0x1000, 2), EspArrival::Late);
        assert_eq!(m.on_packet(0x1000, 2), EspArrival::Duplicate);
        assert_eq!(m.totals(), (3, 1));
    }

    #[test]
    fn a_rekey_is_no_loss() {
        let mut m = EspMeter::default();
        m.on_packet(0x1000, 900);
        m.on_packet(0x2000, 1);
        m.on_packet(0x1000, 901);
        m.on_packet(0x2000, 2);
        assert_eq!(m.totals(), (4, 0));
        assert_eq!(m.sas, 2);
    }

    #[test]
    fn a_wild_number_is_doubted_not_counted() {
        let mut m = EspMeter::default();
        m.on_packet(0x1000, 1);
        assert_eq!(m.on_packet(0x1000, 0xffff_0000), EspArrival::Doubtful);
        assert_eq!(m.totals(), (1, 0));
    }
}
