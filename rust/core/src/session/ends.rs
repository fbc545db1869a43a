//! Both ends of a session in sixteen bytes, those of IPv6 boxed; what a session is called.

use crate::ctcp::recognise::Certainty;
use crate::flow::FlowKey;
use crate::flow::candidate::Recognised;
use crate::segment::{Addr, Endpoint};
use crate::time::Timestamp;

/// Both ends, in the order of [`FlowKey`].
#[derive(Clone, Debug)]
pub(super) enum Ends {
    V4 {
        addresses: [[u8; 4]; 2],
        ports: [u16; 2],
    },
    V6(Box<FlowKey>),
}

/// The IPv4 address in an IPv4-mapped one.
fn v4(addr: &Addr) -> Option<[u8; 4]> {
    let last = *addr.0.last_chunk()?;
    (Addr::v4(last) == *addr).then_some(last)
}

impl Ends {
    pub(super) fn of(key: &FlowKey) -> Self {
        match (v4(&key.low.addr), v4(&key.high.addr)) {
            (Some(low), Some(high)) => Self::V4 {
                addresses: [low, high],
                ports: [key.low.port, key.high.port],
            },
            _ => Self::V6(Box::new(*key)),
        }
    }

    pub(super) fn key(&self) -> FlowKey {
        match self {
            Self::V4 { addresses, ports } => {
                let end = |i: usize| Endpoint {
                    addr: Addr::v4(addresses[i]),
                    port: ports[i],
                };
                FlowKey {
                    low: end(0),
                    high: end(1),
                }
            }
            Self::V6(key) => **key,
        }
    }
}

/// Digest of ends, first packet time and generation. Unkeyed on purpose: the same
/// capture must name its sessions alike on every machine. Places nothing in a table.
pub(crate) fn session_id(first: Timestamp, key: &FlowKey, generation: u32) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        for b in bytes {
            h = (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for end in [key.low, key.high] {
        mix(&end.addr.0);
        mix(&end.port.to_be_bytes());
    }
    mix(&first.0.to_be_bytes());
    mix(&generation.to_be_bytes());
    // Final avalanche (splitmix64), so that the 48 bits shown depend on all of it.
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (h ^ (h >> 31)) >> 16
}

/// Name of the certainty in outputs.
pub fn certainty(kind: Recognised) -> Certainty {
    match kind {
        Recognised::Ctcp(c) => c,
        Recognised::FakeTcp(_) => Certainty::Behaviour,
        Recognised::IkeTcp | Recognised::PlainIke => Certainty::Exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_ends_comes_back_as_it_was() {
        let v4 = Addr::v4([192, 0, 2, 1]);
        let mut mapped_but_one = v4;
        mapped_but_one.0[0] = 1;
        for low in [v4, mapped_but_one, Addr([0; 16])] {
            for high in [v4, Addr([0xff; 16])] {
                let key = FlowKey {
                    low: Endpoint { addr: low, port: 1 },
                    high: Endpoint {
                        addr: high,
                        port: 65_535,
                    },
                };
                assert_eq!(Ends::of(&key).key(), key);
            }
        }
        assert!(size_of::<Ends>() <= 16);
    }
}
