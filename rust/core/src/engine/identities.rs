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
/// would leave more than half of the places free. They lie in the order of their digests, each at
/// its home or as soon behind it as there is room (ordered linear probing, Knuth 6.4): growing is one
/// walk through both, and a search ends at the first that is larger. A new identity moves a hundred
/// places or so by one; a session has three in its life, and asks again with each of its IKE messages.
#[derive(Debug, Default)]
pub(super) struct Identities {
    key: RandomState,
    places: Vec<Carried>,
    /// Places that are the home of some digest; behind them lies what was pushed out of the last ones.
    homes: usize,
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
        // At most fifteen homes in sixteen are taken.
        if (self.len + 1) * 16 > self.homes * 15 {
            self.grow();
        }
        let digest = (self.key.hash_one(identity) >> (u64::BITS - BITS)).max(1);
        let new = Carried::new(digest, id);
        let at = self.place_of(digest);
        if let Some(place) = self.places.get_mut(at)
            && place.digest() == digest
        {
            let before = std::mem::replace(place, new);
            return (before.by() != id).then_some(before.by());
        }
        self.put(at, new);
        self.len += 1;
        None
    }

    /// Where `digest` is, or would be.
    fn place_of(&self, digest: u64) -> usize {
        let home = home(digest, self.homes);
        let behind = self.places.get(home..).unwrap_or_default();
        let is_past = |place: &Carried| !(1..digest).contains(&place.digest());
        home + behind.iter().position(is_past).unwrap_or(behind.len())
    }

    /// Puts `new` at `at`; what lies there moves on up to the next free place.
    fn put(&mut self, at: usize, new: Carried) {
        let behind = self.places.get(at..).unwrap_or_default();
        let free = behind.iter().position(|place| place.digest() == 0);
        let free = at + free.unwrap_or(behind.len());
        if free == self.places.len() {
            self.add_behind(1);
        }
        self.places.copy_within(at..free, at + 1);
        self.places[at] = new;
    }

    /// Adds free places behind the last one.
    fn add_behind(&mut self, places: usize) {
        if self.places.capacity() - self.places.len() < places {
            self.places.reserve_exact(places.max(LEAST));
        }
        self.places
            .resize(self.places.len() + places, Carried::FREE);
    }

    #[cold]
    fn grow(&mut self) {
        self.homes += (self.homes / 16).max(LEAST);
        // The last ones may be pushed out behind the last home.
        let more = Vec::with_capacity(self.homes + LEAST);
        let before = std::mem::replace(&mut self.places, more);
        for old in before.iter().filter(|old| old.digest() != 0) {
            let home = home(old.digest(), self.homes);
            self.add_behind(home.saturating_sub(self.places.len()) + 1);
            let last = self.places.len() - 1;
            self.places[last] = *old;
        }
        self.add_behind(self.homes.saturating_sub(self.places.len()));
    }
}

/// The first of `homes` places where `digest` may be.
fn home(digest: u64, homes: usize) -> usize {
    ((u128::from(digest) * homes as u128) >> BITS) as usize
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
            assert!(n < 10_000 || all.len * 7 > most * 6 && all.len * 16 <= most * 15);
        }
        for n in 0..50_000 {
            assert_eq!(carried(&mut all, n, 2), Some(1));
        }
        assert_eq!(all.len, 50_000);
        let taken: Vec<_> = (0..)
            .zip(all.places.iter().map(Carried::digest))
            .filter(|(_, digest)| *digest != 0)
            .collect();
        assert_eq!(taken.len(), 50_000);
        assert!(taken.is_sorted_by_key(|(_, digest)| *digest));
        assert!(
            taken
                .iter()
                .all(|(at, digest)| home(*digest, all.homes) <= *at)
        );
    }

    /// All at one home, at the very end: there is always room.
    #[test]
    fn the_last_home_may_be_crowded() {
        let mut all = Identities::default();
        all.grow();
        for n in 0..2_000 {
            let digest = (1 << BITS) - 1 - n;
            let new = Carried::new(digest, n);
            all.put(all.place_of(digest), new);
        }
        for n in 0..2_000 {
            let digest = (1 << BITS) - 1 - n;
            assert_eq!(all.places[all.place_of(digest)].by(), n);
        }
    }
}
