//! Both ends of a session in twelve bytes; those of IPv6 have no room here.

use crate::ctcp::recognise::CTCP_PORT;
use crate::flow::FlowKey;
use crate::flow::record::Flow;
use crate::segment::{Addr, Endpoint};

/// Both ends, in the order of [`FlowKey`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    addresses: [[u8; 4]; 2],
    ports: [[u8; 2]; 2],
}

/// The IPv4 address in an IPv4-mapped one.
fn v4(addr: &Addr) -> Option<[u8; 4]> {
    let last = *addr.0.last_chunk()?;
    (Addr::v4(last) == *addr).then_some(last)
}

impl Ends {
    /// `None` where there is no room for them.
    pub(super) fn of(key: &FlowKey) -> Option<Self> {
        Some(Self {
            addresses: [v4(&key.low.addr)?, v4(&key.high.addr)?],
            ports: [key.low.port, key.high.port].map(u16::to_be_bytes),
        })
    }

    pub(super) fn key(&self) -> FlowKey {
        let end = |i: usize| Endpoint {
            addr: Addr::v4(self.addresses[i]),
            port: u16::from_be_bytes(self.ports[i]),
        };
        FlowKey {
            low: end(0),
            high: end(1),
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
    fn ends_come_back_as_they_were_or_have_no_room() {
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
                let is_v4 = low == v4 && high == v4;
                let ends = Ends::of(&key);
                assert_eq!(ends.is_some(), is_v4);
                assert!(ends.is_none_or(|ends| ends.key() == key));
            }
        }
        assert_eq!(size_of::<Ends>(), 12);
    }
}
