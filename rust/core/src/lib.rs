//! Pure engine: bytes and times in, findings and rows out.
//!
//! Nothing here reads a clock, does I/O, starts a thread, takes a lock, logs, or
//! knows Python; `clippy.toml` beside this crate refuses the calls that would.
//!
//! ```text
//! Frame -> decode -> Segment -> flow table -> session (tcp, ctcp) -> detect -> Finding
//! ```

pub mod bpf;
pub mod clock;
pub mod ctcp;
pub mod decode;
pub mod detect;
pub mod engine;
pub mod flow;
mod fold;
pub mod frame;
pub mod gist;
pub mod listing;
mod near;
mod prefetch;
pub mod rhythm;
pub mod segment;
pub mod series;
pub mod session;
pub mod slice;
pub mod stats;
pub mod steady;
pub mod tap;
pub mod taps;
pub mod tcp;
pub mod time;

pub use engine::{Config, Engine, Event, Finding};
