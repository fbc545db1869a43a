//! Two taps, one on each side of a device: which packets went in, which came out, and
//! how long each took. Pure, like the rest of the core.
//!
//! A packet is known again by its SPI and ESP sequence number (RFC 4303 section 2),
//! which no device in between can change. TCP sequence numbers may be translated,
//! addresses and ports too, and a proxy may cut the stream anew (domain guide 3.5).
//!
//! Here live: the sightings an engine hands out, the matching, the offset between
//! the clocks of the taps, and a judgement over the numbers. Here do not live: the
//! detectors of one tap, which know nothing of a second one.
//!
//! The invariant a newcomer would break: **a packet is lost only when the far tap is
//! known to have gone on watching** for [`WAIT_NS`] after it was due. A capture that
//! ends, or has not begun, proves nothing.

mod clock_offset;
mod delay;
pub mod judge;
mod matcher;
mod pair;
mod sighting;
mod spi_track;
mod watch;

pub use clock_offset::{ClockOffset, Estimate, MIN_MATCHED, Refusal};
pub use delay::{DelayFigures, DelayHistogram};
pub use matcher::{Counters, MatchedPair, TapMatcher};
pub use pair::{EspPacket, Flow, Outage, STOP_NS, STOP_PKTS};
pub use sighting::{EspSighting, read_esp};

use crate::time::NANOS_PER_SECOND;

/// Side of the device on which a tap stands, and its index in every pair of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Between the clients and the device.
    Client,
    /// Between the device and the headend.
    Headend,
}

impl Side {
    /// Both sides, by index.
    pub const ALL: [Self; 2] = [Self::Client, Self::Headend];

    /// Name in options and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Headend => "headend",
        }
    }

    /// 0 for the client side, 1 for the headend side: the direction that enters the
    /// device here has the same number ([`crate::session::TO_HEADEND`] or
    /// [`crate::session::TO_CLIENT`]).
    pub fn index(self) -> usize {
        self as usize
    }
}

/// How long a packet may stay inside the device before it counts as lost, packet
/// time (guess: twice the longest release timer known, 5 s of IOS reassembly and of
/// the lab's inspector).
pub const WAIT_NS: i64 = 10 * NANOS_PER_SECOND;

/// The same at the end of the input, where nothing more can come (guess: still above
/// the longest release timer).
pub const LAST_WAIT_NS: i64 = 6 * NANOS_PER_SECOND;
