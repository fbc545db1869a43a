//! Numbers of one session seen at both taps, by direction. Counts; `judge` judges.

use super::delay::DelayHistogram;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Packets that entered behind the last one that left before the device is said to
/// have stopped (lab-findings: a dead direction is at least three segments; five keep
/// a burst of tail loss out).
pub const STOP_PKTS: u64 = 5;
/// And the time between the first and the last of them (guess: longer than a queue,
/// shorter than a user's patience).
pub const STOP_NS: i64 = 2 * NANOS_PER_SECOND;

/// One ESP packet where it entered the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspPacket {
    /// Time at the tap where it entered.
    pub at: Timestamp,
    /// Security parameter index.
    pub spi: u32,
    /// Sequence number as sent.
    pub seq: u32,
}

/// Packets in a row, by entry time, of which none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// First packet that did not leave.
    pub first: EspPacket,
    /// Last one so far.
    pub last: EspPacket,
    /// How many.
    pub pkts: u64,
}

impl Outage {
    /// Long enough to say that the device stopped forwarding.
    pub fn is_stop(&self) -> bool {
        self.pkts >= STOP_PKTS && self.last.at.since(self.first.at) >= STOP_NS
    }
}

/// One direction of one session.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Seen at both taps.
    pub matched: u64,
    /// Entered and did not leave within [`super::WAIT_NS`].
    pub lost: u64,
    /// Left and never entered: the near tap missed them.
    pub appeared: u64,
    /// Entered too near to an end of the far capture to tell.
    pub undecided_entered: u64,
    /// Of these: due for more than a second while the far tap was watching.
    pub overdue: u64,
    /// Left too near to an end of the near capture to tell.
    pub undecided_left: u64,
    /// Seen again at one tap.
    pub repeated: u64,
    /// Left in a segment of another length than they entered in.
    pub recut: u64,
    /// Time at the far tap minus time at the near tap, raw.
    pub delay: DelayHistogram,
    /// Lost packet that entered first.
    pub first_lost: Option<EspPacket>,
    /// Lost packet that entered last.
    pub last_lost: Option<EspPacket>,
    /// Packet that left and had entered last.
    pub last_left: Option<EspPacket>,
    /// Packets lost since.
    pub run: Option<Outage>,
    /// Longest stop that ended again.
    pub outage: Option<Outage>,
    /// Stops that ended again.
    pub outages: u64,
}

impl Flow {
    /// Packets seen entering.
    pub fn entered(&self) -> u64 {
        self.matched + self.lost + self.undecided_entered
    }

    /// Packets seen leaving.
    pub fn left(&self) -> u64 {
        self.matched + self.appeared + self.undecided_left
    }

    /// The stop in force.
    pub fn stop(&self) -> Option<Outage> {
        self.run.filter(Outage::is_stop)
    }

    pub(super) fn on_matched(&mut self, packet: EspPacket, raw_ns: i64, is_recut: bool) {
        self.matched += 1;
        self.recut += u64::from(is_recut);
        self.delay.add(raw_ns);
        if self.last_left.is_none_or(|p| packet.at >= p.at) {
            self.last_left = Some(packet);
        }
        if let Some(run) = self.run
            && packet.at >= run.first.at
        {
            self.run = None;
            if run.is_stop() {
                self.outages += 1;
                if self.outage.is_none_or(|o| run.pkts > o.pkts) {
                    self.outage = Some(run);
                }
            }
        }
    }

    pub(super) fn on_lost(&mut self, packet: EspPacket) {
        self.lost += 1;
        if self.first_lost.is_none_or(|p| packet.at < p.at) {
            self.first_lost = Some(packet);
        }
        if self.last_lost.is_none_or(|p| packet.at >= p.at) {
            self.last_lost = Some(packet);
        }
        if self.last_left.is_some_and(|p| p.at >= packet.at) {
            return;
        }
        let run = self.run.get_or_insert(Outage {
            first: packet,
            last: packet,
            pkts: 0,
        });
        run.pkts += 1;
        if packet.at >= run.last.at {
            run.last = packet;
        }
        if packet.at < run.first.at {
            run.first = packet;
        }
    }
}
