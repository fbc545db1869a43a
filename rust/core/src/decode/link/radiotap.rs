//! Radiotap before IEEE 802.11 (`LINKTYPE_IEEE802_11_RADIOTAP`), <https://www.radiotap.org>.

use super::ieee802_11;
use crate::decode::Disposition::{MalformedLink, TruncatedLink};
use crate::decode::walk::{Step, Walk};

/// Version, pad, length, first presence word.
const MIN_HEADER: usize = 8;
/// Presence bits in front of and of the flags field.
const PRESENT_TIME: u32 = 0x01;
const PRESENT_FLAGS: u32 = 0x02;
/// Another presence word follows.
const PRESENT_MORE: u32 = 0x8000_0000;
/// Presence words looked through; files hold up to four or so. A guess.
const MAX_WORDS: usize = 16;
/// Flag: padding between the 802.11 header and its body.
const DATA_PAD: u8 = 0x20;

/// Decodes radiotap and the 802.11 header behind it.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    let h: &[u8; MIN_HEADER] = walk.rest.array(0).ok_or(TruncatedLink)?;
    let len = usize::from(u16::from_le_bytes([h[2], h[3]]));
    if len < MIN_HEADER {
        return Err(MalformedLink);
    }
    let is_padded = flags(walk, u32::from_le_bytes([h[4], h[5], h[6], h[7]])) & DATA_PAD != 0;
    walk.advance(len, TruncatedLink)?;
    ieee802_11::header(walk, is_padded)
}

/// The flags field, 0 when absent. Fields are aligned to their size from the
/// start of the header: the eight-byte time precedes the flags.
fn flags(walk: &Walk<'_>, present: u32) -> u8 {
    if present & PRESENT_FLAGS == 0 {
        return 0;
    }
    let mut at = 4;
    for _ in 0..MAX_WORDS {
        let Some(word) = walk.rest.u32(at) else {
            return 0;
        };
        at += 4;
        if word.swap_bytes() & PRESENT_MORE == 0 {
            break;
        }
    }
    if present & PRESENT_TIME != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    walk.rest.u8(at).unwrap_or(0)
}
