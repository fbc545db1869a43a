//! The addresses of IPv6 conversations, whose key holds a digest of them. Kept for these alone:
//! a network with few of them pays for few.

use crate::segment::Addr;

/// Places whose addresses lie together: so few that one more moves some kilobytes at most.
const CHUNK: usize = 1 << 10;

/// Place in the chunk, and both addresses, that of the lower end first.
type Kept = (u16, [Addr; 2]);

/// Addresses by the number of the record. Those of a conversation that went away stay until
/// another one takes its place.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// In order of their places.
    chunks: Vec<Vec<Kept>>,
    bytes: usize,
}

impl Addresses {
    pub(super) fn put(&mut self, at: u32, both: [Addr; 2]) {
        let (chunk, place) = (at as usize / CHUNK, (at as usize % CHUNK) as u16);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        let kept = &mut self.chunks[chunk];
        let before = kept.capacity();
        match kept.binary_search_by_key(&place, |(place, _)| *place) {
            Ok(found) => kept[found].1 = both,
            Err(found) => kept.insert(found, (place, both)),
        }
        self.bytes += (kept.capacity() - before) * size_of::<Kept>();
    }

    pub(super) fn get(&self, at: u32) -> Option<[Addr; 2]> {
        let kept = self.chunks.get(at as usize / CHUNK)?;
        let place = (at as usize % CHUNK) as u16;
        let found = kept.binary_search_by_key(&place, |(place, _)| *place);
        found.ok().map(|found| kept[found].1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(n: u32) -> [Addr; 2] {
        [n, n + 1].map(|n| {
            let mut bytes = [0; 16];
            bytes[12..].copy_from_slice(&n.to_be_bytes());
            Addr(bytes)
        })
    }

    #[test]
    fn what_was_put_is_found_in_whatever_order_it_came() {
        let mut addresses = Addresses::default();
        let places = [5_000_u32, 3, 1_023, 1_024, 4, 0, 70_000, 3];
        for (n, at) in places.into_iter().enumerate() {
            addresses.put(at, both(n as u32 * 10));
        }
        assert_eq!(addresses.get(3), Some(both(70)), "the newer one");
        assert_eq!(addresses.get(1_024), Some(both(30)));
        assert_eq!(addresses.get(70_000), Some(both(60)));
        assert_eq!(addresses.get(5), None);
        assert_eq!(addresses.get(u32::MAX), None);
    }

    #[test]
    fn few_cost_little() {
        let mut addresses = Addresses::default();
        for at in (0..1_000_000).step_by(20) {
            addresses.put(at, both(at));
        }
        assert!(addresses.bytes() / 50_000 < 2 * size_of::<Kept>());
    }
}
