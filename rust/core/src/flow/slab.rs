//! Records in chunks that never move: growing copies nothing, and a chunk is one large
//! allocation that the system may back with huge pages.

/// Most bytes of a chunk: a huge page of x86-64 and arm64.
const HUGE: usize = 2 << 20;

/// Records of `bytes` each in a chunk.
pub(super) const fn per_chunk(bytes: usize) -> usize {
    HUGE / bytes
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

    /// Records from `from` on that lie side by side, none from `until` on.
    #[inline]
    pub(super) fn run(&self, from: u32, until: u32) -> &[T] {
        let (chunk, first) = (from as usize / CHUNK, from as usize % CHUNK);
        let most = until.saturating_sub(from) as usize;
        let rest = self.chunks.get(chunk).and_then(|chunk| chunk.get(first..));
        let rest = rest.unwrap_or_default();
        &rest[..most.min(rest.len())]
    }

    /// Adds a record; its number.
    pub(super) fn push(&mut self, record: T) -> u32 {
        let at = self.len;
        if self.chunks.len() <= at / CHUNK {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[at / CHUNK].push(record);
        self.len += 1;
        at as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stay_where_they_were_put() {
        let mut slab: Slab<u32, 4> = Slab::default();
        for n in 0..23 {
            assert_eq!(slab.push(n * n), n);
        }
        assert!((0..23).all(|n| *slab.get(n) == n * n));
        let runs = [
            (0, 3),
            (0, 9),
            (2, 9),
            (20, 99),
            (22, 22),
            (23, 99),
            (24, 99),
        ];
        let lengths = runs.map(|(from, until)| slab.run(from, until).len());
        assert_eq!(lengths, [3, 4, 2, 3, 0, 0, 0]);
        assert_eq!(slab.run(5, 7), [25, 36]);
        *slab.get_mut(22) = 7;
        assert_eq!((*slab.get(22), slab.len()), (7, 23));
    }
}
