//! Records in chunks that never move: growing copies nothing, and a chunk is one large
//! allocation that the system may back with a huge page.

use super::record::FlowRecord;

/// Records in a chunk: 2 MiB of 128-byte records, one huge page of x86-64 and arm64.
const CHUNK: usize = 1 << 14;

/// The records of a table, by number.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<FlowRecord>>,
    len: usize,
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &FlowRecord {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut FlowRecord {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    /// Adds a record; its number.
    pub(super) fn push(&mut self, record: FlowRecord) -> u32 {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let at = self.len;
        self.chunks[at / CHUNK].push(record);
        self.len += 1;
        at as u32
    }
}
