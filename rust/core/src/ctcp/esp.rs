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
pub(crate) struct Sa {
    spi: u32,
    first: u32,
    highest: u32,
    /// Packets received besides the first; never more than numbers there are.
    more: u32,
    /// Bit n: `highest - n` was received; 0 only where there is no SA.
    window: u64,
}

impl Sa {
    /// An SA of which the first packet at this tap has number `seq`.
    pub(crate) fn new(spi: u32, seq: u32) -> Self {
        Self {
            spi,
            first: seq,
            highest: seq,
            more: 0,
            window: 1,
        }
    }

    pub(crate) fn is_seen(&self) -> bool {
        self.window != 0
    }

    /// So many of the numbers that count as missing were there after all.
    pub(crate) fn were_there(&mut self, numbers: u32) {
        self.more = self.more.saturating_add(numbers);
    }

    pub(crate) fn is(&self, spi: u32) -> bool {
        self.is_seen() && self.spi == spi
    }

    /// Packets received and missing.
    fn totals(&self) -> (u64, u64) {
        if !self.is_seen() {
            return (0, 0);
        }
        let received = u64::from(self.more) + 1;
        let numbers = u64::from(self.highest) - u64::from(self.first) + 1;
        (received, numbers.saturating_sub(received))
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

/// SAs before the current one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Older {
    /// The one just before; both live for a while around a rekey.
    previous: Sa,
    /// Received and missing in those before that.
    retired: (u64, u64),
}

impl Older {
    /// Takes the SA that was current until now.
    pub(crate) fn take(&mut self, sa: Sa) {
        let (received, missing) = self.previous.totals();
        self.retired.0 += received;
        self.retired.1 += missing;
        self.previous = sa;
    }
}

/// Takes one ESP packet. One of an SA that is not known here changes nothing: the caller begins
/// that.
pub(crate) fn on_packet(
    current: &mut Sa,
    older: Option<&mut Older>,
    spi: u32,
    seq: u32,
) -> EspArrival {
    let slot = if current.is(spi) {
        current
    } else if let Some(older) = older
        && older.previous.is(spi)
    {
        &mut older.previous
    } else {
        return EspArrival::NewSa;
    };
    if seq > slot.highest {
        let jump = seq - slot.highest;
        if jump > MAX_JUMP {
            return EspArrival::Doubtful;
        }
        slot.window = if jump < 64 {
            slot.window << jump | 1
        } else {
            1
        };
        slot.highest = seq;
        slot.more = slot.more.saturating_add(1);
        return EspArrival::Forward { skipped: jump - 1 };
    }
    let back = slot.highest - seq;
    if back >= 64 || seq < slot.first {
        return EspArrival::Doubtful;
    }
    if slot.window >> back & 1 == 1 {
        return EspArrival::Duplicate;
    }
    slot.window |= 1 << back;
    slot.more = slot.more.saturating_add(1);
    EspArrival::Late
}

/// ESP meter of one direction: the current SA, the one before it, and what older ones
/// summed up to.
#[derive(Clone, Copy, Debug)]
pub struct EspMeter<'a> {
    pub(crate) current: &'a Sa,
    /// There is one after the first rekey.
    pub(crate) older: Option<&'a Older>,
}

impl EspMeter<'_> {
    fn previous(&self) -> Option<&Sa> {
        self.older.map(|older| &older.previous)
    }

    /// Packets received and missing, over all SAs of this direction.
    pub fn totals(&self) -> (u64, u64) {
        let retired = self.older.map_or((0, 0), |older| older.retired);
        [Some(self.current), self.previous()]
            .into_iter()
            .flatten()
            .map(Sa::totals)
            .fold(retired, |(received, missing), (r, m)| {
                (received + r, missing + m)
            })
    }

    /// Current SPI and its highest sequence number.
    pub fn current(&self) -> Option<(u32, u32)> {
        let sa = &self.current;
        sa.is_seen().then_some((sa.spi, sa.highest))
    }

    /// True when `spi` is the current or the previous SA.
    pub fn knows(&self, spi: u32) -> bool {
        self.current.is(spi) || self.previous().is_some_and(|sa| sa.is(spi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Direction {
        current: Sa,
        older: Option<Older>,
    }

    impl Direction {
        fn on_packet(&mut self, spi: u32, seq: u32) -> EspArrival {
            let arrival = on_packet(&mut self.current, self.older.as_mut(), spi, seq);
            if arrival == EspArrival::NewSa {
                let before = std::mem::replace(&mut self.current, Sa::new(spi, seq));
                if before.is_seen() {
                    self.older.get_or_insert_default().take(before);
                }
            }
            arrival
        }

        fn meter(&self) -> EspMeter<'_> {
            EspMeter {
                current: &self.current,
                older: self.older.as_ref(),
            }
        }
    }

    #[test]
    fn counts_missing_and_forgives_late() {
        let mut m = Direction::default();
        assert_eq!(m.on_packet(0x1000, 1), EspArrival::NewSa);
        assert_eq!(m.on_packet(0x1000, 4), EspArrival::Forward { skipped: 2 });
        assert_eq!(m.meter().totals(), (2, 2));
        assert_eq!(m.on_packet(0x1000, 2), EspArrival::Late);
        assert_eq!(m.on_packet(0x1000, 2), EspArrival::Duplicate);
        assert_eq!(m.meter().totals(), (3, 1));
    }

    #[test]
    fn a_rekey_is_no_loss() {
        let mut m = Direction::default();
        m.on_packet(0x1000, 900);
        m.on_packet(0x2000, 1);
        m.on_packet(0x1000, 901);
        m.on_packet(0x2000, 2);
        assert_eq!(m.meter().totals(), (4, 0));
        assert_eq!(m.meter().current(), Some((0x2000, 2)));
    }

    #[test]
    fn a_wild_number_is_doubted_not_counted() {
        let mut m = Direction::default();
        m.on_packet(0x1000, 1);
        assert_eq!(m.on_packet(0x1000, 0xffff_0000), EspArrival::Doubtful);
        assert_eq!(m.meter().totals(), (1, 0));
    }
}
