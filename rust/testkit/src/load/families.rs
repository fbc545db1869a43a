//! Tuples that a weak hash cannot tell apart, a million and more of each kind.
//!
//! Families of reliability goal R9: what is public about the hashes that flow tables use
//! is enough to make them. The bytes of a tuple are hashed in wire order: source address,
//! destination address, source port, destination port.

/// Addresses and ports of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination address.
    pub dst: u32,
    /// Destination port.
    pub dst_port: u16,
}

impl Tuple {
    fn bytes(&self) -> [u8; 12] {
        let mut b = [0; 12];
        b[..4].copy_from_slice(&self.src.to_be_bytes());
        b[4..8].copy_from_slice(&self.dst.to_be_bytes());
        b[8..10].copy_from_slice(&self.src_port.to_be_bytes());
        b[10..].copy_from_slice(&self.dst_port.to_be_bytes());
        b
    }

    fn from_bits(bits: u128) -> Self {
        Self {
            src: (bits >> 64) as u32,
            dst: (bits >> 32) as u32,
            src_port: (bits >> 16) as u16,
            dst_port: bits as u16,
        }
    }
}

/// A kind of tuples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// None: drawn at random. What the others are measured against.
    Random,
    /// Addresses and ports count up.
    Sequential,
    /// Source and destination differ by the same bits in every tuple: they cancel in a
    /// hash that makes a key direction-free with XOR (Zeek's and Suricata's sort the ends).
    XorCancelling,
    /// Differ only in bits that `FxHash` (rustc-hash 1, Firefox) multiplies out of the low
    /// half of its result.
    FxLowBits,
    /// Equal low 16 bits of 32-bit FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv).
    Fnv1a,
    /// Equal CRC32C: the hash of DPDK's `rte_hash` where the processor has the instruction.
    Crc32c,
    /// Equal Toeplitz hash under the key of Microsoft's RSS documentation, which is the
    /// default of many network cards.
    Toeplitz,
}

/// The key of Microsoft's "Verifying the RSS hash calculation".
const RSS_KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];
const BASE: Tuple = Tuple {
    src: 0x0a01_0203,
    src_port: 40_000,
    dst: 0xc633_6409,
    dst_port: 443,
};

impl Family {
    /// Every family, the random one first.
    pub const ALL: [Self; 7] = [
        Self::Random,
        Self::Sequential,
        Self::XorCancelling,
        Self::FxLowBits,
        Self::Fnv1a,
        Self::Crc32c,
        Self::Toeplitz,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Sequential => "sequential",
            Self::XorCancelling => "xor-cancelling",
            Self::FxLowBits => "fx-low-bits",
            Self::Fnv1a => "fnv1a",
            Self::Crc32c => "crc32c",
            Self::Toeplitz => "toeplitz",
        }
    }

    /// Its tuples, no two of one conversation; at least 4 M of them.
    pub fn tuples(self) -> Box<dyn Iterator<Item = Tuple>> {
        match self {
            Self::Random => Box::new((0..).map(stranger)),
            Self::Sequential => Box::new((0..1_u32 << 26).map(|n| Tuple {
                src: 0x0a00_0000 + (n >> 6),
                src_port: 1_024 + (n & 63) as u16,
                ..BASE
            })),
            // The top bit tells the sides apart: no tuple is the other direction of one.
            Self::XorCancelling => Box::new((0..1_u32 << 24).map(|n| Tuple {
                src: 0x0a00_0000 + n,
                dst: (0x0a00_0000 + n) ^ 0x8c33_6409,
                ..BASE
            })),
            // In the word `src << 32 | dst` only bits from 39 on vary, and multiplication
            // carries upwards only. The rotation brings five of them down: 32 values of
            // the low 44 bits are left.
            Self::FxLowBits => Box::new((0..1_u32 << 23).map(|n| Tuple {
                src: n << 7 | 5,
                ..BASE
            })),
            Self::Fnv1a => Box::new(fnv1a_collisions()),
            Self::Crc32c => Box::new(collisions(crc32c)),
            Self::Toeplitz => Box::new(collisions(toeplitz)),
        }
    }
}

/// A tuple that has nothing to do with that of another number.
pub fn stranger(number: u64) -> Tuple {
    // A bijection of 24 bits, then chance: no two numbers share a client's address
    // before 2^24 of them, and no port behind that.
    let low = (number as u32).wrapping_mul(0x009e_3779).wrapping_add(1) & 0x00ff_ffff;
    let mixed = number
        .wrapping_add(1)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(29);
    Tuple {
        src: 0x0a00_0000 | low,
        src_port: 1_024 + (number >> 24) as u16 * 512 + (mixed % 512) as u16,
        dst: 0xc612_0000 | (mixed >> 48) as u32,
        dst_port: 443,
    }
}

/// Tuples with the same value of `hash`, which must be affine over GF(2): those that
/// differ by a vector of its kernel, in the order of a Gray code.
fn collisions(hash: fn(&[u8; 12]) -> u32) -> impl Iterator<Item = Tuple> {
    let zero = hash(&[0; 12]);
    let mut rows: Vec<(u32, u128)> = (0..96)
        .map(|bit| {
            let one = 1_u128 << bit;
            (hash(&Tuple::from_bits(one).bytes()) ^ zero, one)
        })
        .collect();
    let mut kernel = Vec::new();
    // Rows of a matrix in echelon form; a row that comes to nothing is a kernel vector.
    let mut basis: Vec<(u32, u128)> = Vec::new();
    for (mut image, mut vector) in rows.drain(..) {
        for (pivot, of) in &basis {
            if image ^ pivot < image {
                image ^= pivot;
                vector ^= of;
            }
        }
        if image == 0 {
            kernel.push(vector);
        } else {
            basis.push((image, vector));
            basis.sort_unstable_by_key(|b| std::cmp::Reverse(b.0));
        }
    }
    let base = BASE.bytes().iter().fold(0, |n, b| n << 8 | u128::from(*b));
    (0_u64..1 << 32).scan(base, move |now, n| {
        let tuple = Tuple::from_bits(*now);
        *now ^= kernel[(n + 1).trailing_zeros() as usize];
        Some(tuple)
    })
}

fn crc32c(bytes: &[u8; 12]) -> u32 {
    let mut crc = u32::MAX;
    for b in bytes {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn toeplitz(bytes: &[u8; 12]) -> u32 {
    let mut hash = 0;
    for (i, b) in bytes.iter().enumerate() {
        let window = RSS_KEY[i..i + 5]
            .iter()
            .fold(0_u64, |n, k| n << 8 | u64::from(*k));
        for bit in 0..8 {
            if b >> (7 - bit) & 1 == 1 {
                hash ^= (window >> (8 - bit)) as u32;
            }
        }
    }
    hash
}

fn fnv1a(from: u32, bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(from, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

/// The last two bytes are solved for: one of the 256 choices of the first of them, mostly,
/// leaves a state whose upper byte is 0, and the second cancels the lower byte.
fn fnv1a_collisions() -> impl Iterator<Item = Tuple> {
    // The low half comes to 0 where it is 0 before the last multiplication.
    (0_u32..1 << 24).filter_map(|n| {
        let mut tuple = Tuple {
            src: 0x0a00_0000 + n,
            ..BASE
        };
        let before = fnv1a(0x811c_9dc5, &tuple.bytes()[..10]);
        (0..=255_u8).find_map(|high| {
            let state = fnv1a(before, &[high]) & 0xffff;
            (state >> 8 == 0).then(|| {
                tuple.dst_port = u16::from(high) << 8 | (state & 0xff) as u16;
                tuple
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_hashes_are_those_of_the_books() {
        assert_eq!(crc32c(b"123456789012"), crc32c_by_table(b"123456789012"));
        assert_eq!(fnv1a(0x811c_9dc5, b"foobar"), 0xbf9c_f968);
        // Microsoft's first example: 66.9.149.187:2794 to 161.142.100.80:1766.
        let example = Tuple {
            src: 0x4209_95bb,
            src_port: 2_794,
            dst: 0xa18e_6450,
            dst_port: 1_766,
        };
        assert_eq!(toeplitz(&example.bytes()), 0x51cc_c178);
    }

    fn crc32c_by_table(bytes: &[u8]) -> u32 {
        let step = |c: u32| {
            (0..8).fold(c, |c, _| {
                if c & 1 == 1 {
                    c >> 1 ^ 0x82f6_3b78
                } else {
                    c >> 1
                }
            })
        };
        let table: Vec<u32> = (0..256).map(step).collect();
        !bytes.iter().fold(u32::MAX, |c, b| {
            table[((c ^ u32::from(*b)) & 0xff) as usize] ^ c >> 8
        })
    }

    #[test]
    fn members_collide_where_their_family_says() {
        const MEMBERS: usize = 50_000;
        let values = |family: Family, hash: &dyn Fn(&Tuple) -> u64| -> usize {
            let found: HashSet<u64> = family.tuples().take(MEMBERS).map(|t| hash(&t)).collect();
            found.len()
        };
        let crc = |t: &Tuple| u64::from(crc32c(&t.bytes()));
        let rss = |t: &Tuple| u64::from(toeplitz(&t.bytes()));
        let fnv = |t: &Tuple| u64::from(fnv1a(0x811c_9dc5, &t.bytes()) & 0xffff);
        let xor = |t: &Tuple| u64::from(t.src ^ t.dst) << 16 | u64::from(t.src_port ^ t.dst_port);
        let fx = |t: &Tuple| {
            const K: u64 = 0x517c_c1b7_2722_0a95;
            let words = [
                u64::from(t.src) << 32 | u64::from(t.dst),
                u64::from(t.src_port) << 16 | u64::from(t.dst_port),
            ];
            let hash = words
                .iter()
                .fold(0_u64, |h, w| (h.rotate_left(5) ^ w).wrapping_mul(K));
            hash & 0xffff_ffff
        };
        assert_eq!(values(Family::Crc32c, &crc), 1);
        assert_eq!(values(Family::Toeplitz, &rss), 1);
        assert_eq!(values(Family::Fnv1a, &fnv), 1);
        assert_eq!(values(Family::XorCancelling, &xor), 1);
        assert!(values(Family::FxLowBits, &fx) <= 32);
        assert!(values(Family::Random, &crc) > MEMBERS - 10);
    }

    #[test]
    fn no_two_members_are_one_conversation() {
        for family in Family::ALL {
            let mut seen = HashSet::new();
            for t in family.tuples().take(200_000) {
                let (a, b) = ((t.src, t.src_port), (t.dst, t.dst_port));
                assert!(seen.insert((a.min(b), a.max(b))), "{family:?} {t:?}");
            }
            assert_eq!(seen.len(), 200_000, "{family:?}");
        }
    }
}
