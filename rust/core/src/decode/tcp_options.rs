//! The TCP option list, RFC 9293 section 3.1.
//!
//! At most 40 bytes, so at most 40 steps. An option of a known kind with a wrong
//! length is stepped over, as Linux does; one whose length cannot be ends the
//! list (bug class B8).

use crate::segment::TcpOptions;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
/// RFC 9293 section 3.7.1.
const MSS: u8 = 2;
/// RFC 7323 section 2.2.
const WINDOW_SCALE: u8 = 3;
/// RFC 2018 section 2.
const SACK_PERMITTED: u8 = 4;
/// RFC 2018 section 3.
const SACK: u8 = 5;
/// RFC 7323 section 3.2.
const TIMESTAMPS: u8 = 8;

/// Largest window shift, RFC 7323 section 2.3; larger ones are taken as this.
const MAX_WINDOW_SCALE: u8 = 14;
/// Marks the unused tail of `layout`; no option has this kind.
const UNUSED: u8 = 0xff;

/// What a header without options says.
pub(crate) const NONE: TcpOptions = TcpOptions {
    mss: None,
    window_scale: None,
    sack_permitted: false,
    timestamps: None,
    sack: [(0, 0); 4],
    sack_len: 0,
    layout: [UNUSED; 8],
    is_malformed: false,
};

/// Reads `list`, the captured part of an option list that is `room` bytes long.
/// Options that were cut off are absent, not malformed.
pub(crate) fn parse(list: &[u8], mut room: usize) -> TcpOptions {
    let mut options = NONE;
    let mut rest = list;
    // The usual list of an established connection (RFC 7323 appendix A): two
    // no-operations and timestamps, in one read.
    if let [1, 1, TIMESTAMPS, 10, body @ ..] = rest
        && let Some(body) = body.first_chunk()
        && room == 12
    {
        options.timestamps = Some(pair(*body));
        options.layout = [1, 1, TIMESTAMPS, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED];
        return options;
    }
    let mut count = 0;
    while let [kind, tail @ ..] = rest {
        let len = match (*kind, tail) {
            (END | NO_OPERATION, _) => 1,
            (_, [len, ..]) => usize::from(*len),
            (_, []) => {
                // The length byte is cut off, or there is no room for it.
                options.is_malformed = room < 2;
                break;
            }
        };
        if len > room || (len < 2 && *kind > NO_OPERATION) {
            options.is_malformed = true;
            break;
        }
        let Some((option, after)) = rest.split_at_checked(len) else {
            break;
        };
        if let Some(slot) = options.layout.get_mut(count) {
            *slot = *kind;
            count += 1;
        }
        if *kind == END {
            break;
        }
        apply(&mut options, option);
        rest = after;
        room -= len;
    }
    options
}

/// Takes one whole option. Where a kind is repeated the last one stands.
fn apply(options: &mut TcpOptions, option: &[u8]) {
    match *option {
        [MSS, 4, a, b] => options.mss = Some(u16::from_be_bytes([a, b])),
        [WINDOW_SCALE, 3, shift] => options.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
        [SACK_PERMITTED, 2] => options.sack_permitted = true,
        [TIMESTAMPS, 10, ref body @ ..] => {
            options.timestamps = body.first_chunk().copied().map(pair);
        }
        [SACK, _, ref blocks @ ..] if blocks.len() % 8 == 0 => {
            options.sack_len = 0;
            for (slot, block) in options.sack.iter_mut().zip(blocks.as_chunks().0) {
                *slot = pair(*block);
                options.sack_len += 1;
            }
        }
        _ => {}
    }
}

/// Two numbers in network order.
fn pair(bytes: [u8; 8]) -> (u32, u32) {
    let both = u64::from_be_bytes(bytes);
    ((both >> 32) as u32, both as u32)
}
