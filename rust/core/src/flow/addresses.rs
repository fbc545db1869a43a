//! The addresses of IPv6 conversations, whose key holds a digest of them. Made in chunks, so
//! that a network without IPv6 pays nothing.

use crate::segment::Addr;

/// Records in a chunk: 128 kB of addresses.
const CHUNK: usize = 1 << 12;

/// Both addresses of a record, by its number, the lower end first.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    chunks: Vec<Option<Box<[[Addr; 2]]>>>,
    made: usize,
}

impl Addresses {
    pub(super) fn put(&mut self, at: u32, both: [Addr; 2]) {
        let (chunk, place) = (at as usize / CHUNK, at as usize % CHUNK);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, || None);
        }
        let made = &mut self.made;
        let chunk = self.chunks[chunk].get_or_insert_with(|| {
            *made += 1;
            vec![[Addr::default(); 2]; CHUNK].into_boxed_slice()
        });
        chunk[place] = both;
    }

    pub(super) fn get(&self, at: u32) -> Option<[Addr; 2]> {
        let chunk = self.chunks.get(at as usize / CHUNK)?.as_ref()?;
        chunk.get(at as usize % CHUNK).copied()
    }

    pub(super) fn bytes(&self) -> usize {
        self.made * CHUNK * size_of::<[Addr; 2]>()
    }
}
