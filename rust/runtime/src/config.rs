//! What a run is made of, and what it hands out.

use ctcpmon_capture::Input;
use ctcpmon_core::Config;

use crate::filter::Filter;
use crate::follow::FollowConfig;
use crate::observers::News;

/// Where frames come from.
pub enum Source {
    /// Captures, merged in time order.
    Files(Vec<Input>),
    /// A capture that another program is writing.
    Following(FollowConfig),
    /// Rings of interfaces.
    #[cfg(target_os = "linux")]
    Live(crate::live::LiveRings),
}

/// Settings of a run.
pub struct ReplayConfig {
    /// Where the frames come from.
    pub source: Source,
    /// Only frames of files that it accepts are analysed; a live source filters by itself.
    pub filter: Option<Filter>,
    /// Limits of the engine; with two taps each has them.
    pub engine: Config,
    /// The inputs come from two taps, labelled by [`crate::tap_of`].
    pub has_two_taps: bool,
    /// Memory for recent frames of tunnel sessions, bytes; 0: none are kept.
    pub keep_bytes: usize,
    /// Frames per batch; 0: the default.
    pub batch_frames: usize,
    /// Events that may wait for `poll`; at least 1.
    pub max_pending: usize,
    /// 0: as fast as possible; 1: at the pace of the capture.
    pub speed: f64,
    /// Held before its first frame.
    pub is_paused: bool,
    /// The flow table stays after the end of the input, for who lists it.
    pub keeps_flows: bool,
}

/// What one `poll` returns.
#[derive(Debug, Default)]
pub struct Polled {
    /// Events in order.
    pub events: Vec<News>,
    /// More wait.
    pub more: bool,
    /// The input has ended and every event was handed over.
    pub done: bool,
}
