//! Direction-free flow key (biflow, RFC 5103): both directions give one key.

use crate::segment::{Addr, Endpoint, Segment};

/// Both ends in a fixed order. VLAN and tunnel ids take no part: a SPAN may tag
/// each direction differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The smaller end.
    pub low: Endpoint,
    /// The larger end.
    pub high: Endpoint,
}

impl FlowKey {
    /// The key of a segment, and the index of its sender: 0 for `low`, 1 for `high`.
    pub fn of(segment: &Segment<'_>) -> (Self, usize) {
        if segment.src <= segment.dst {
            (
                Self {
                    low: segment.src,
                    high: segment.dst,
                },
                0,
            )
        } else {
            (
                Self {
                    low: segment.dst,
                    high: segment.src,
                },
                1,
            )
        }
    }

    /// The end with the given index.
    pub fn end(&self, index: usize) -> Endpoint {
        if index == 0 { self.low } else { self.high }
    }
}

/// A flow key in 16 bytes: the addresses in one word, the ports and the version in the
/// other. IPv4 addresses stand in it as they are; of a pair of IPv6 addresses a 64-bit
/// keyed digest does. Two IPv6 conversations with the same ports are taken for one with a
/// probability of 2^-64 a pair, and nobody can aim at it without the key. The addresses
/// themselves come with every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompactKey {
    addresses: u64,
    ports: u64,
}

const V4_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn v4(addr: &Addr) -> Option<u32> {
    let (prefix, last) = addr.0.split_first_chunk::<12>()?;
    (*prefix == V4_PREFIX).then(|| u32::from_be_bytes([last[0], last[1], last[2], last[3]]))
}

impl CompactKey {
    /// No key: port 0 on both sides.
    pub const NONE: Self = Self {
        addresses: 0,
        ports: 0,
    };

    #[inline]
    fn new(addresses: u64, low_port: u16, high_port: u16, is_ipv6: bool) -> Self {
        let ports = u64::from(low_port) << 16 | u64::from(high_port);
        Self {
            addresses,
            ports: ports << 1 | u64::from(is_ipv6),
        }
    }

    /// The compact form of the key of a segment from `src` to `dst` and the index of its
    /// sender, as [`FlowKey::of`] gives it; `digest` is the keyed digest of two addresses.
    #[inline]
    pub fn of(
        src: &Endpoint,
        dst: &Endpoint,
        digest: impl FnOnce(&Addr, &Addr) -> u64,
    ) -> (Self, usize) {
        if let (Some(from), Some(to)) = (v4(&src.addr), v4(&dst.addr)) {
            return Self::of_v4(
                u64::from(from) << 16 | u64::from(src.port),
                u64::from(to) << 16 | u64::from(dst.port),
            );
        }
        let (low, high) = if src <= dst { (src, dst) } else { (dst, src) };
        let both = digest(&low.addr, &high.addr);
        let key = Self::new(both, low.port, high.port, true);
        (key, usize::from(src > dst))
    }

    /// The same for IPv4: each end is the address and, in the lowest 16 bits, the port.
    #[inline]
    pub fn of_v4(src: u64, dst: u64) -> (Self, usize) {
        let (low, high) = (src.min(dst), src.max(dst));
        let addresses = low >> 16 << 32 | high >> 16;
        let key = Self::new(addresses, low as u16, high as u16, false);
        (key, usize::from(src > dst))
    }

    /// Two words for hashing.
    #[inline]
    pub fn words(&self) -> (u64, u64) {
        (self.addresses, self.ports)
    }
}
