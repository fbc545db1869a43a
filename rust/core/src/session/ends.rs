//! Both ends of a session in sixteen bytes; those of IPv6 are boxed.

use crate::ctcp::recognise::CTCP_PORT;
use crate::flow::FlowKey;
use crate::flow::record::Flow;
use crate::segment::{Addr, Endpoint};

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

/// Which end of the key is the headend, and whether that is known.
pub(super) fn headend_of(flow: Flow<'_>, key: &FlowKey) -> (usize, bool) {
    if let Some(opener) = flow.opener() {
        return (1 - opener, true);
    }
    let (low, high) = (key.low.port, key.high.port);
    if (low == CTCP_PORT) != (high == CTCP_PORT) {
        return (usize::from(high == CTCP_PORT), true);
    }
    (usize::from(high < low), false)
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
