//! What a session is called: its stable id, and how sure its kind is.

use crate::ctcp::recognise::Certainty;
use crate::flow::FlowKey;
use crate::flow::candidate::Recognised;
use crate::time::Timestamp;

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
