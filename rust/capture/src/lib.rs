//! Capture sources: files, pipes, compression, and the merge in time order.
//!
//! Here live: opening inputs, recognising compression and capture format by
//! content, cutting the byte stream into frames, and putting the frames of
//! several inputs into one order. Here do not live: decoding of anything past
//! the link type, threads, clocks, printing, waiting for a file to grow.
//!
//! The invariant a newcomer would break: **every number read from an input is a
//! claim**. It is compared before it is used, no buffer grows because a length
//! field says so (buffers grow as bytes arrive), and every loop consumes input.
//!
//! # Why an own parser
//!
//! Classic pcap and pcapng framing is about 300 lines, and it is the packet path:
//! frames have to be noted in place in [`FrameBatch::bytes`] and a framing fault
//! has to give an offset, a kept prefix and, for pcapng, a way to resume. The
//! published parsers return borrowed blocks with their option lists, own their
//! buffer, or stop at the first error, so each would be wrapped by as much code.
//!
//! # Order of frames
//!
//! - One input: file order, whatever its times say.
//! - Several inputs: inputs are ranked by the time of their first frame (ties by
//!   the order in which they were given) and then merged by *merge key*, ties by
//!   rank. The key of a frame is its time, but never less than the key of the
//!   frame before it in the same input. So an input whose clock steps back keeps
//!   its own order and holds nobody up.
//! - A frame more than [`ODD_STEP_NANOS`] ahead of the median of the
//!   [`LOOK_AHEAD`] frames behind it has an odd time; its key is the earliest time
//!   among those that is near their median. So one frame stamped 2106 stays at its
//!   place and does not push the rest of its input behind all others.
//! - It follows that inputs that do not overlap (latest time of one <= first time
//!   of the next) are simply put one behind the other: a capture split by packet
//!   count gives the frame sequence of the original, unless its clock steps back
//!   exactly across a cut. That case cannot be told from two overlapping captures
//!   without reading everything twice, and is merged.
//!
//! # Descriptors
//!
//! With several inputs each regular file is opened once to check it and to learn
//! its first time, closed, and opened again when the merge reaches that time.
//! Past [`Options::max_open_files`] overlapping files, files are opened for each
//! read and closed again, so the number of descriptors is bounded for any set.
#![forbid(unsafe_code)]

mod error;
mod feed;
mod gzip;
mod input;
mod labels;
mod lane;
mod lz4;
mod notes;
mod options;
mod pcap;
mod pcapng;
mod recognise;
mod set;
mod stats;
mod stored;
mod stream;
mod wire;
pub mod write;
mod zstandard;

pub use ctcpmon_core::frame::FrameBatch;
pub use error::CaptureError;
pub use input::{Input, Source, shown_path};
pub use labels::{Label, Labels, NO_LABEL};
pub use lane::{LOOK_AHEAD, ODD_STEP_NANOS};
pub use notes::{Note, NoteKind};
pub use options::Options;
pub use set::{CaptureSet, Progress, open};
pub use stats::{InterfaceStats, Totals};
