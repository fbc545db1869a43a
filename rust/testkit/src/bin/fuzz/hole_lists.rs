//! Target `holes`: the hole list against a bitmap.
//!
//! An input is a list of two-byte segments, start and length, in a space of 256 bytes.

use ctcpmon_core::tcp::holes::{HoleList, MAX_HOLES};
use ctcpmon_core::time::Timestamp;

use crate::random::Random;

pub(crate) fn make(random: &mut Random) -> Vec<u8> {
    let longest = 1 + random.below(24);
    (0..2 + random.below(160))
        .map(|i| {
            if i % 2 == 0 {
                random.next() as u8
            } else {
                random.below(longest) as u8
            }
        })
        .collect()
}

pub(crate) fn run(input: &[u8]) -> Result<u64, String> {
    let mut list = HoleList::default();
    let mut seen = [false; 512];
    let mut next = None;
    let mut first = None;
    for pair in input.chunks_exact(2) {
        let (start, end) = (u64::from(pair[0]), u64::from(pair[0]) + u64::from(pair[1]));
        let nxt: u64 = *next.get_or_insert(start);
        // Below the first byte seen nothing is known to be missing.
        if start < *first.get_or_insert(start) {
            continue;
        }
        list.open(nxt, start, Timestamp(0));
        let missing: u64 = (start..end.min(nxt)).filter(|b| !seen[*b as usize]).count() as u64;
        let filled = list
            .fill(start, end.min(nxt), Timestamp(0))
            .map_or(0, |f| f.0);
        if list.overflowed == 0 && filled != missing {
            return Err(format!(
                "{missing} bytes were missing, {filled} were filled"
            ));
        }
        next = Some(nxt.max(end));
        (start..end).for_each(|b| seen[b as usize] = true);
        if list.len() > MAX_HOLES {
            return Err("more holes than the limit".into());
        }
        let holes: Vec<_> = list.iter().collect();
        if holes.iter().any(|h| h.start >= h.end) || holes.windows(2).any(|w| w[0].end > w[1].start)
        {
            return Err(format!("not sorted, disjoint and non-empty: {holes:?}"));
        }
    }
    if list.overflowed > 0 {
        // What was pushed out is counted, not remembered: every hole left is still real.
        let wrong = list
            .iter()
            .any(|h| (h.start..h.end).any(|b| seen[b as usize]));
        if wrong {
            return Err("a hole that was filled".into());
        }
        return Ok(list.len() as u64);
    }
    for b in first.unwrap_or(0)..next.unwrap_or(0) {
        if list.at_or_from(b).is_some() == seen[b as usize] {
            return Err(format!("byte {b}: list and bitmap differ"));
        }
    }
    Ok(list.len() as u64)
}
