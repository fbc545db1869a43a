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

/// A flow key in 12 bytes: the addresses in two words, the ports in a third. IPv4 addresses
/// stand in it as they are; of a pair of IPv6 addresses a 64-bit keyed digest does. An IPv6
/// conversation is taken for another with the same ports with a probability of 2^-64 a pair,
/// and nobody can aim at it without the key. The addresses themselves come with every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompactKey {
    addresses: [u32; 2],
    ports: u32,
}

const V4_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn v4(addr: &Addr) -> Option<u32> {
    let (prefix, last) = addr.0.split_first_chunk::<12>()?;
    (*prefix == V4_PREFIX).then(|| u32::from_be_bytes([last[0], last[1], last[2], last[3]]))
}

impl CompactKey {
    /// No key: port 0 on both sides.
    pub const NONE: Self = Self {
        addresses: [0; 2],
        ports: 0,
    };

    #[inline]
    fn new(addresses: u64, low_port: u16, high_port: u16) -> Self {
        Self {
            addresses: [(addresses >> 32) as u32, addresses as u32],
            ports: u32::from(low_port) << 16 | u32::from(high_port),
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
        let key = Self::new(both, low.port, high.port);
        (key, usize::from(src > dst))
    }

    /// The same for IPv4: each end is the address and, in the lowest 16 bits, the port.
    #[inline]
    pub fn of_v4(src: u64, dst: u64) -> (Self, usize) {
        let (low, high) = (src.min(dst), src.max(dst));
        let addresses = low >> 16 << 32 | high >> 16;
        let key = Self::new(addresses, low as u16, high as u16);
        (key, usize::from(src > dst))
    }

    /// Ports, that of the lower end first.
    pub fn ports(&self) -> [u16; 2] {
        [(self.ports >> 16) as u16, self.ports as u16]
    }

    /// The addresses of a key of IPv4, that of the lower end first.
    pub fn v4_addresses(&self) -> [Addr; 2] {
        self.addresses.map(|addr| Addr::v4(addr.to_be_bytes()))
    }

    /// Sender and receiver of a segment of IPv4, sent by end `sender`. Chosen as numbers: of addresses that were
    /// just written one would have to wait for the other.
    #[inline]
    pub fn v4_ends(&self, sender: usize) -> [Endpoint; 2] {
        let [low, high] = self.addresses;
        let swaps = sender != 0;
        let (from, to) = if swaps { (high, low) } else { (low, high) };
        let ports = self.ports.rotate_left(if swaps { 16 } else { 0 });
        let end = |addr: u32, port: u32| Endpoint {
            addr: Addr::v4(addr.to_be_bytes()),
            port: port as u16,
        };
        [end(from, ports >> 16), end(to, ports)]
    }

    /// Two words for hashing.
    #[inline]
    pub fn words(&self) -> (u64, u64) {
        let [upper, lower] = self.addresses;
        (
            u64::from(upper) << 32 | u64::from(lower),
            u64::from(self.ports),
        )
    }
}
