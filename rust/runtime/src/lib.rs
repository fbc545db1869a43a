//! Threads, bounded queues and pacing. No protocol knowledge: frames go from a
//! source into an engine, events come out.
//!
//! ```text
//!  capture --batch--> engine   (a thread each, buffers between them; one thread on one processor,
//!                       |        and on two one file is read by who has time)
//!                       | events (bounded; the engine waits when full)
//!                       v
//!                     poll()   (any thread)
//! ```

mod apart;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod blocks;
mod config;
mod control;
mod driver;
mod filter;
mod follow;
mod follow_files;
mod kept;
mod listing;
#[cfg(target_os = "linux")]
mod live;
mod observers;
mod pace;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod page_pool;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod pages;
mod panics;
mod passes;
mod reader;
mod replay;
mod report;
mod series;
mod shared_reading;
mod slice;

pub use config::{Polled, ReplayConfig, Source};
pub use filter::{Filter, Unfit};
pub use follow::FollowConfig;
pub use listing::{Ended, Listed, Reach, Row};
#[cfg(target_os = "linux")]
pub use live::{LiveConfig, LiveRings, Port};
pub use observers::{News, tap_of};
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub use pages::HugePages;
pub use replay::Replay;
pub use report::{HeldSession, Report};
pub use series::series_of;
pub use slice::{Bounds, SliceConfig, SliceError, Sliced, Slicer};
