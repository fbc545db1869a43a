//! Records in chunks that never move: growing copies nothing, and a chunk is one large
//! allocation that the system may back with huge pages.

/// Least bytes of a chunk: a huge page of x86-64 and arm64.
const HUGE: usize = 2 << 20;

/// Records of `bytes` each in a chunk.
pub(super) const fn per_chunk(bytes: usize) -> usize {
    HUGE.div_ceil(bytes)
}

/// The records of a table, by number, `CHUNK` in a chunk.
#[derive(Debug)]
pub(super) struct Slab<T, const CHUNK: usize> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T, const CHUNK: usize> Default for Slab<T, CHUNK> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T, const CHUNK: usize> Slab<T, CHUNK> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &T {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    /// Adds a record; its number.
    pub(super) fn push(&mut self, record: T) -> u32 {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let at = self.len;
        self.chunks[at / CHUNK].push(record);
        self.len += 1;
        at as u32
    }
}
