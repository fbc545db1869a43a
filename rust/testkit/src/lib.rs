//! Simulated cTCP sessions, devices and taps, for tests and for the demo capture.
//! Never shipped, never linked into the product.
//!
//! A [`Scenario`] is a list of sessions on one path
//!
//! ```text
//!   client --(loss here)-- tap? -- device -- tap? --(loss here)-- headend
//! ```
//!
//! and [`Scenario::run`] gives the frames that the tap records. Everything is a
//! function of the scenario: no clock, no system randomness.

pub mod cases;
pub mod chance;
mod damage;
pub mod demo;
pub mod device;
pub mod dice;
pub mod found_by_chance;
pub mod found_outside;
pub mod held;
pub mod load;
pub mod packet;
pub mod path;
pub mod pcap;
pub mod session;
pub mod sim;
pub mod trial;
pub mod truth;
pub mod two_taps;

pub use device::Device;
pub use packet::Record;
pub use session::{AckHabit, Dress, Profile, Stream};
pub use sim::{Scenario, Tap};
