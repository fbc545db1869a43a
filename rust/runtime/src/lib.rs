//! Threads, bounded queues and pacing. No protocol knowledge: frames go from a
//! source into an engine, events come out.
//!
//! ```text
//!  capture --batch--> engine   (one reader thread)
//!                       | events (bounded; the reader waits when full)
//!                       v
//!                     poll()   (any thread)
//! ```

mod pace;
mod replay;
mod report;

pub use replay::{Polled, Replay, ReplayConfig};
pub use report::Report;
