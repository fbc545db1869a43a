//! Direction-free flow key (biflow, RFC 5103): both directions give one key.

use crate::segment::{Endpoint, Segment};

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
