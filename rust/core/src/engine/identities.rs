//! Which session last carried an SPI or an IKE cookie: what makes two sessions one user's.
//!
//! An identity is kept as a keyed 48-bit digest. Two of them are taken for one with a
//! probability of 2^-48 a pair, one in a billion for a new identity beside 300,000, and nobody
//! can aim at it without the key.

use ahash::RandomState;

use crate::segment::Addr;

/// What makes two sessions one user's: an SPI at a headend, or IKE cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// Headend, direction, SPI.
    Spi(Addr, usize, u32),
    /// Headend, initiator cookie.
    Cookie(Addr, u64),
}

/// Bits of a digest and of a session's id.
const BITS: u32 = 48;

/// Digest of an identity and the id of a session, in 12 bytes without padding.
#[derive(Clone, Copy, Debug)]
struct Carried {
    digest: [u16; 3],
    by: [u16; 3],
}

impl Carried {
    /// A free place: no digest is 0.
    const FREE: Self = Self {
        digest: [0; 3],
        by: [0; 3],
    };

    fn new(digest: u64, id: u64) -> Self {
        let parts = |of: u64| [0, 1, 2].map(|n| (of >> (16 * n)) as u16);
        Self {
            digest: parts(digest),
            by: parts(id),
        }
    }

    fn digest(&self) -> u64 {
        joined(self.digest)
    }

    fn by(&self) -> u64 {
        joined(self.by)
    }
}

fn joined(parts: [u16; 3]) -> u64 {
    let [low, middle, high] = parts.map(u64::from);
    low | middle << 16 | high << 32
}

/// Digests and the sessions that carried them last: open addressing, so that an entry costs 12
/// bytes and a fifteenth to an eighth of slack. A sixteenth is added at a time, where doubling
/// would leave more than half of the places free. A new identity passes a hundred places or so
/// that are taken, one that is known eight; a session has three in its life, and asks again with
/// each of its IKE messages.
#[derive(Debug, Default)]
pub(super) struct Identities {
    key: RandomState,
    places: Vec<Carried>,
    len: usize,
}

/// Places that the first identity makes.
const LEAST: usize = 64;

impl Identities {
    /// Notes that session `id` carries `identity`; the other session that carried it before.
    /// At `limit` everything is forgotten.
    pub(super) fn carried_by(&mut self, identity: &Identity, id: u64, limit: usize) -> Option<u64> {
        if self.len >= limit {
            self.places.fill(Carried::FREE);
            self.len = 0;
        }
        // At most fifteen places in sixteen are taken.
        if (self.len + 1) * 16 > self.places.len() * 15 {
            self.grow();
        }
        let digest = (self.key.hash_one(identity) >> (u64::BITS - BITS)).max(1);
        let at = place_of(&self.places, digest);
        let before = std::mem::replace(&mut self.places[at], Carried::new(digest, id));
        if before.digest() == 0 {
            self.len += 1;
            return None;
        }
        (before.by() != id).then_some(before.by())
    }

    #[cold]
    fn grow(&mut self) {
        let more = (self.places.len() / 16).max(LEAST);
        let grown = vec![Carried::FREE; self.places.len() + more];
        // In order of their digests, so this walks through both once.
        for old in std::mem::replace(&mut self.places, grown) {
            if old.digest() != 0 {
                let at = place_of(&self.places, old.digest());
                self.places[at] = old;
            }
        }
    }
}

/// Where `digest` is, or would be.
fn place_of(places: &[Carried], digest: u64) -> usize {
    let first = ((u128::from(digest) * places.len() as u128) >> BITS) as usize;
    let (before, behind) = places.split_at(first);
    let is_it = |place: &Carried| [0, digest].contains(&place.digest());
    match behind.iter().position(is_it) {
        Some(at) => first + at,
        // Never all are taken.
        None => before.iter().position(is_it).unwrap_or(0),
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

    #[test]
    fn finds_every_one_of_many() {
        let mut all = Identities::default();
        let headend = Addr::v4([192, 0, 2, 1]);
        let carried = |all: &mut Identities, n: u32, id: u64| {
            all.carried_by(&Identity::Cookie(headend, n.into()), id, usize::MAX)
        };
        for n in 0..50_000 {
            assert_eq!(carried(&mut all, n, 1), None);
            let most = all.places.len();
            assert!(n < 1_000 || all.len * 8 > most * 7 && all.len * 16 <= most * 15);
        }
        for n in 0..50_000 {
            assert_eq!(carried(&mut all, n, 2), Some(1));
        }
        assert_eq!(all.len, 50_000);
    }
}
