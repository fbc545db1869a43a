//! Places of the live sessions, in chunks that never move: a session is found without a
//! pointer of its own, and no allocation stands between it and its neighbours.

use crate::prefetch::prefetch_whole;
use crate::session::Session;

/// Places in a chunk: some 20 kB, so that a chunk that is hardly used wastes little.
const CHUNK: usize = 32;

/// All places, taken and free.
#[derive(Debug, Default)]
pub(super) struct Slots {
    chunks: Vec<Vec<Option<Session>>>,
    len: usize,
    free: Vec<u32>,
}

impl Slots {
    /// Sessions that are there.
    pub(super) fn live(&self) -> usize {
        self.len - self.free.len()
    }

    /// Places, those of sessions that ended included: their memory is kept for others.
    pub(super) fn places(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Session> {
        let chunk = self.chunks.get(at as usize / CHUNK)?;
        chunk.get(at as usize % CHUNK)?.as_ref()
    }

    /// Asks for the cache lines of a place. Whether it is taken is not read: that would be
    /// waited for.
    #[inline]
    pub(super) fn prefetch(&self, at: u32) {
        let chunk = self.chunks.get(at as usize / CHUNK);
        if let Some(place) = chunk.and_then(|chunk| chunk.get(at as usize % CHUNK)) {
            prefetch_whole(place);
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Session> {
        let chunk = self.chunks.get_mut(at as usize / CHUNK)?;
        chunk.get_mut(at as usize % CHUNK)?.as_mut()
    }

    /// Puts a session into a place; its number.
    pub(super) fn put(&mut self, session: Session) -> u32 {
        let slot = Some(session);
        if let Some(at) = self.free.pop() {
            self.chunks[at as usize / CHUNK][at as usize % CHUNK] = slot;
            return at;
        }
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[self.len / CHUNK].push(slot);
        self.len += 1;
        self.len as u32 - 1
    }

    /// Takes a session out of its place.
    pub(super) fn take(&mut self, at: u32) -> Option<Session> {
        let chunk = self.chunks.get_mut(at as usize / CHUNK)?;
        let slot = chunk.get_mut(at as usize % CHUNK)?.take()?;
        self.free.push(at);
        Some(slot)
    }

    /// The live ones by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.chunks.iter().flatten().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.chunks.iter_mut().flatten().flatten()
    }

    /// Numbers of the live ones, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..self.len as u32).filter(|at| self.get(*at).is_some())
    }
}
