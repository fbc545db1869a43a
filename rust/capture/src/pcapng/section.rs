//! Section headers (pcapng draft section 4.1): recognising one, and finding the
//! next one behind bytes that cannot be framed.

use crate::wire::{u16_of, u32_of};

/// Block type of a section header; the same in both byte orders.
pub(crate) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Shortest section header in bytes.
pub(crate) const SHORTEST: usize = 28;
/// Longest section header that is believed while searching: 1 MiB, a guess far
/// above any real comment, so that a chance match cannot swallow much.
const LONGEST_FOUND: usize = 1 << 20;

/// Byte order that the byte-order magic states; true is big-endian.
pub(crate) fn byte_order(magic: [u8; 4]) -> Option<bool> {
    match magic {
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
        _ => None,
    }
}

/// Result of a search.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// A whole, consistent section header starts at this position.
    Found(usize),
    /// Nothing starts before this position; `need` bytes from there on decide.
    Undecided { skip: usize, need: usize },
}

/// Searches `bytes` for a section header that can be trusted: type, byte-order
/// magic, version 1, a plausible length and the same length at its end. Any
/// alignment, because the damage may be a cut.
pub(crate) fn find(bytes: &[u8]) -> Search {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(step) = rest.windows(4).position(|four| four == SECTION) else {
            let skip = bytes.len().saturating_sub(3);
            return Search::Undecided {
                skip,
                need: SHORTEST,
            };
        };
        at += step;
        let rest = bytes.get(at..).unwrap_or_default();
        match check(rest) {
            Check::Good => return Search::Found(at),
            Check::Need(need) => return Search::Undecided { skip: at, need },
            Check::Bad => at += 1,
        }
    }
}

enum Check {
    Good,
    Bad,
    Need(usize),
}

fn check(bytes: &[u8]) -> Check {
    let Some(&head) = bytes.first_chunk::<16>() else {
        return Check::Need(SHORTEST);
    };
    let [_, _, _, _, l0, l1, l2, l3, m0, m1, m2, m3, v0, v1, ..] = head;
    let Some(big) = byte_order([m0, m1, m2, m3]) else {
        return Check::Bad;
    };
    let length = u32_of([l0, l1, l2, l3], big) as usize;
    if u16_of([v0, v1], big) != 1
        || !(SHORTEST..=LONGEST_FOUND).contains(&length)
        || !length.is_multiple_of(4)
    {
        return Check::Bad;
    }
    let Some(block) = bytes.get(..length) else {
        return Check::Need(length);
    };
    match block.last_chunk::<4>() {
        Some(&trailer) if u32_of(trailer, big) as usize == length => Check::Good,
        _ => Check::Bad,
    }
}
