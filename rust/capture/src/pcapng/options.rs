//! The option list at the end of a block (pcapng draft section 3.5).

use crate::wire::u16_of;

/// Calls `visit` with code and value of each option until the list ends.
/// Returns false when the list is malformed; what was visited before stands.
/// Every step consumes at least four bytes, so the walk is linear.
pub(crate) fn walk<'a>(list: &'a [u8], big: bool, mut visit: impl FnMut(u16, &'a [u8])) -> bool {
    let mut rest = list;
    loop {
        if rest.is_empty() {
            return true;
        }
        let Some((&[c0, c1, l0, l1], tail)) = rest.split_first_chunk::<4>() else {
            return false;
        };
        let code = u16_of([c0, c1], big);
        if code == 0 {
            return true;
        }
        let length = usize::from(u16_of([l0, l1], big));
        let Some((value, tail)) = tail.split_at_checked(length) else {
            return false;
        };
        visit(code, value);
        // Blocks are padded to four bytes, so a missing pad is the end of the list.
        rest = tail
            .get(length.next_multiple_of(4) - length..)
            .unwrap_or_default();
    }
}
