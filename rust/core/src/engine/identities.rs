//! Which session last carried an SPI or an IKE cookie: what makes two sessions one user's.
//!
//! An identity is kept as a keyed 64-bit digest. Two of them are taken for one with a
//! probability of 2^-64 a pair, and nobody can aim at it without the key.

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::segment::Addr;

/// What makes two sessions one user's: an SPI at a headend, or IKE cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// Headend, direction, SPI.
    Spi(Addr, usize, u32),
    /// Headend, initiator cookie.
    Cookie(Addr, u64),
}

/// Digest of an identity and the 48 bits of a session's id, in 14 bytes without padding.
#[derive(Clone, Copy, Debug)]
struct Carried {
    digest: [u16; 4],
    by: [u16; 3],
}

impl Carried {
    fn new(digest: u64, id: u64) -> Self {
        let part = |of: u64, n: u32| (of >> (16 * n)) as u16;
        Self {
            digest: [0, 1, 2, 3].map(|n| part(digest, n)),
            by: [0, 1, 2].map(|n| part(id, n)),
        }
    }

    fn digest(&self) -> u64 {
        joined(&self.digest)
    }

    fn by(&self) -> u64 {
        joined(&self.by)
    }
}

fn joined(parts: &[u16]) -> u64 {
    parts
        .iter()
        .rev()
        .fold(0, |sum, part| sum << 16 | u64::from(*part))
}

/// Digests and the sessions that carried them last.
#[derive(Debug, Default)]
pub(super) struct Identities {
    key: RandomState,
    table: HashTable<Carried>,
}

impl Identities {
    /// Notes that session `id` carries `identity`; the other session that carried it before.
    /// At `limit` everything is forgotten.
    pub(super) fn carried_by(&mut self, identity: &Identity, id: u64, limit: usize) -> Option<u64> {
        if self.table.len() >= limit {
            self.table.clear();
        }
        let digest = self.key.hash_one(identity);
        let carried = Carried::new(digest, id);
        match self
            .table
            .entry(digest, |c| c.digest() == digest, Carried::digest)
        {
            Entry::Occupied(mut held) => {
                let before = std::mem::replace(held.get_mut(), carried).by();
                (before != id).then_some(before)
            }
            Entry::Vacant(free) => {
                free.insert(carried);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_session_before() {
        let mut all = Identities::default();
        let headend = Addr::v4([192, 0, 2, 1]);
        let spi = Identity::Spi(headend, 0, 0x1000);
        assert_eq!(all.carried_by(&spi, 7, 10), None);
        assert_eq!(all.carried_by(&spi, 7, 10), None, "its own");
        assert_eq!(
            all.carried_by(&Identity::Spi(headend, 1, 0x1000), 8, 10),
            None
        );
        let longest = (1 << 48) - 1;
        assert_eq!(all.carried_by(&spi, longest, 10), Some(7));
        assert_eq!(all.carried_by(&spi, 9, 10), Some(longest));
        assert_eq!(all.carried_by(&spi, 10, 2), None, "forgotten at the limit");
    }
}
