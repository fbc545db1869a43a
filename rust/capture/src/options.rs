//! Settings of a capture set, each with the origin of its default.

use crate::labels::Labels;

/// How a capture set reads. All limits are hard: reaching one is an error or a
/// note, never silence.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most frames in one batch. 256 is the batch at which the flow-table
    /// prototype reached its best rate; 0 counts as 1.
    pub batch_frames: usize,
    /// Most bytes asked of one read and held by one batch (a larger record still
    /// gets through, alone). 256 KiB: reads of 64-256 KiB stay in the second-level
    /// cache and measured about 10 % faster than 1 MiB. Held to 4 KiB..=16 MiB.
    pub chunk_bytes: usize,
    /// Most decompressed bytes per stored byte, checked past
    /// `expansion_free_bytes`. Deflate cannot exceed 1032:1, and lab captures of
    /// zero-filled bulk data come near that with zstd, so 1000 is the lowest bound
    /// that does not refuse honest files (a guess from those two points).
    pub max_expansion_ratio: u64,
    /// Decompressed bytes of one input that are not checked against the ratio:
    /// 64 MiB, one second of work at most (a guess).
    pub expansion_free_bytes: u64,
    /// Most decompressed bytes of one compressed input: 1 TiB (a guess; memory does
    /// not depend on it, only time does).
    pub max_expanded_bytes: u64,
    /// Overlapping regular files kept open at the same time. 64 leaves room under
    /// the common soft limits of 256 and 1024 descriptors.
    pub max_open_files: usize,
    /// Most notes kept; further ones are only counted. 256 is a guess at what
    /// anybody will read.
    pub max_notes: usize,
    /// Frames are labelled with the number that these give their interface, not with the tap
    /// of their input. None by default.
    pub labels: Option<Labels>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_frames: 2048,
            chunk_bytes: 256 << 10,
            max_expansion_ratio: 1000,
            expansion_free_bytes: 64 << 20,
            max_expanded_bytes: 1 << 40,
            max_open_files: 64,
            max_notes: 256,
            labels: None,
        }
    }
}

impl Options {
    /// `batch_frames` held to at least 1.
    pub(crate) fn frames(&self) -> usize {
        self.batch_frames.max(1)
    }

    /// `chunk_bytes` held to its range; offsets in a batch are 32 bits wide.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk_bytes.clamp(4 << 10, 16 << 20)
    }
}
