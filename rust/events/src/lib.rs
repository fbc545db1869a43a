//! Events that come at the rate of flows, as lines of JSON: `ctcpmon.session.v1` and `ctcpmon.finding.v1`.
//!
//! The contract is `docs/event.schema.json`, which is made from the types in
//! `python/ctcpmon/events.py`; this crate is the one producer of what it writes. It also says what
//! a session means in outputs ([`reading`]), so that a row in Python and a line agree.
//!
//! Pure: a session or a finding in, bytes out.

#![forbid(unsafe_code)]

mod community;
mod findings;
mod incidents;
pub mod json;
mod lines;
mod phrases;
pub mod reading;
#[cfg(test)]
mod spellings;
pub mod stamp;

pub use community::community_id;
pub use findings::{Found, Said};
pub use incidents::Incident;
pub use lines::{Lines, Origin};
pub use phrases::{Phrase, Phrases};
