//! The TCP option list, RFC 9293 section 3.1.
//!
//! At most 40 bytes, so at most 40 steps. An option of a known kind with a wrong
//! length is stepped over, as Linux does; one whose length cannot be ends the
//! list (bug class B8).

use crate::segment::{Offer, TcpOptions};

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
pub(crate) fn parse(list: &[u8], room: usize) -> TcpOptions {
    let mut options = NONE;
    // The usual list of an established connection (RFC 7323 appendix A): two
    // no-operations and timestamps, in one read.
    if let [1, 1, TIMESTAMPS, 10, body @ ..] = list
        && let Some(body) = body.first_chunk()
        && room == 12
    {
        options.timestamps = Some(pair(*body));
        options.layout = [1, 1, TIMESTAMPS, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED];
        return options;
    }
    let mut count = 0;
    let is_malformed = each(list, room, |kind, option| {
        if let Some(slot) = options.layout.get_mut(count) {
            *slot = kind;
            count += 1;
        }
        apply(&mut options, option);
    });
    options.is_malformed = is_malformed;
    options
}

/// Reads of `list` what a flow record keeps: as [`parse`], without the rest.
///
/// The systems in use write their SYN's list in words of four bytes, each of whole options but for timestamps:
/// these are read word by word, as far as they go.
#[inline]
pub(crate) fn offer(list: &[u8], room: usize) -> Offer {
    let mut offer = Offer::NONE;
    let (mut rest, mut room) = (list, room);
    while let Some(([a, b, c, d], _)) = rest.split_first_chunk() {
        let len = match [*a, *b, *c, *d] {
            [MSS, 4, _, _] | [NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2] => 4,
            [NO_OPERATION, WINDOW_SCALE, 3, shift] => {
                offer.set_window_scale(shift.min(MAX_WINDOW_SCALE));
                4
            }
            [SACK_PERMITTED, 2, TIMESTAMPS, 10] | [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10]
                if rest.len() >= 12 =>
            {
                offer.set_timestamps();
                12
            }
            _ => break,
        };
        rest = rest.get(len..).unwrap_or_default();
        room = room.saturating_sub(len);
    }
    let is_malformed = each(rest, room, |_, option| match *option {
        [WINDOW_SCALE, 3, shift] => offer.set_window_scale(shift.min(MAX_WINDOW_SCALE)),
        [TIMESTAMPS, 10, ..] => offer.set_timestamps(),
        _ => {}
    });
    if is_malformed {
        offer.set_malformed();
    }
    offer
}

/// Hands every option of `list` to `take` with its kind, up to the end of the list or the
/// first that cannot be; true when there is one.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "one loop for each use, without what it does not need"
)]
fn each(list: &[u8], mut room: usize, mut take: impl FnMut(u8, &[u8])) -> bool {
    let mut rest = list;
    while let [kind, tail @ ..] = rest {
        let len = match (*kind, tail) {
            (END | NO_OPERATION, _) => 1,
            (_, [len, ..]) => usize::from(*len),
            // The length byte is cut off, or there is no room for it.
            (_, []) => return room < 2,
        };
        if len > room || (len < 2 && *kind > NO_OPERATION) {
            return true;
        }
        let Some((option, after)) = rest.split_at_checked(len) else {
            return false;
        };
        take(*kind, option);
        if *kind == END {
            return false;
        }
        rest = after;
        room -= len;
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// They agree on the lists of the systems in use, whole, cut and with a byte changed.
        #[test]
        fn the_offer_of_a_usual_list_is_what_the_options_say(
            words in prop::collection::vec(prop::sample::select(vec![
                &[2_u8, 4, 5, 0xb4][..], &[1, 1, 4, 2], &[1, 3, 3, 7], &[1, 3, 3, 99],
                &[4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8], &[1, 1, 8, 10, 8, 7, 6, 5, 4, 3, 2, 1],
                &[0, 0, 0, 0], &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2], &[1, 1, 1, 0],
            ]), 0..6),
            cut in 0usize..41,
            is_cut: bool,
            change in prop::option::of((0usize..40, 0u8..12)),
        ) {
            let mut list = words.concat();
            list.truncate(40);
            let room = list.len();
            if let Some((at, byte)) = change
                && let Some(place) = list.get_mut(at)
            {
                *place = byte;
            }
            list.truncate(if is_cut { cut } else { 40 });
            let (options, offer) = (parse(&list, room), offer(&list, room));
            prop_assert_eq!(offer.window_scale(), options.window_scale);
            prop_assert_eq!(offer.has_timestamps(), options.timestamps.is_some());
            prop_assert_eq!(offer.is_malformed(), options.is_malformed);
        }

        /// Both readers agree on every list, whole or cut.
        #[test]
        fn the_offer_is_what_the_options_say(
            pieces in prop::collection::vec((0u8..10, 0u8..12, any::<[u8; 4]>()), 0..12),
            cut in 0usize..41,
        ) {
            let mut list: Vec<u8> = pieces
                .iter()
                .flat_map(|(kind, len, body)| [*kind, *len].into_iter().chain(*body))
                .collect();
            list.truncate(40);
            let room = list.len();
            list.truncate(cut);
            let (options, offer) = (parse(&list, room), offer(&list, room));
            prop_assert_eq!(offer.window_scale(), options.window_scale);
            prop_assert_eq!(offer.has_timestamps(), options.timestamps.is_some());
            prop_assert_eq!(offer.is_malformed(), options.is_malformed);
        }
    }
}
