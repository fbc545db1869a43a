//! A captured frame, and the batch in which frames travel from a source to the
//! engine. No decoding here, no I/O.
//!
//! A batch owns one buffer; its frames are ranges in it. A source may therefore
//! read a file straight into the buffer and only note where each frame lies.

use crate::time::Timestamp;

/// Link-layer type as written in capture files (the LINKTYPE registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// One frame as a source saw it; borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Capture time.
    pub ts: Timestamp,
    /// What the first byte of `bytes` is the start of.
    pub link: LinkType,
    /// Observation point the frame was seen at (index into the taps of the run).
    pub tap: u16,
    /// Length on the wire in bytes; at least `bytes.len()` unless the file lies.
    pub original_len: u32,
    /// Captured bytes, cut by the snap length.
    pub bytes: &'a [u8],
}

/// Where one frame lies in its batch.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta {
    /// Capture time.
    pub ts: Timestamp,
    /// First byte of the frame in the batch buffer.
    pub offset: u32,
    /// Captured length in bytes.
    pub captured_len: u32,
    /// Length on the wire in bytes.
    pub original_len: u32,
    /// Link type of the interface.
    pub link: LinkType,
    /// Observation point.
    pub tap: u16,
}

/// Frames and the bytes they lie in.
///
/// Invariant: every `FrameMeta` range lies inside `bytes`; `iter` skips none.
#[derive(Debug, Default)]
pub struct FrameBatch {
    /// Raw bytes; may hold more than frames (record headers of the file).
    pub bytes: Vec<u8>,
    /// Frames in the order of the source.
    pub frames: Vec<FrameMeta>,
}

impl FrameBatch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
    }

    /// Copies one frame into the batch.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(frame.bytes);
        self.frames.push(FrameMeta {
            ts: frame.ts,
            offset,
            captured_len: frame.bytes.len() as u32,
            original_len: frame.original_len,
            link: frame.link,
            tap: frame.tap,
        });
    }

    /// The frame that `meta` describes. A range outside the buffer yields an
    /// empty frame rather than a panic.
    pub fn frame(&self, meta: &FrameMeta) -> Frame<'_> {
        let start = meta.offset as usize;
        let end = start.saturating_add(meta.captured_len as usize);
        Frame {
            ts: meta.ts,
            link: meta.link,
            tap: meta.tap,
            original_len: meta.original_len,
            bytes: self.bytes.get(start..end).unwrap_or_default(),
        }
    }

    /// All frames in order.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|meta| self.frame(meta))
    }
}
